//! Placing a call.

use url::Url;

use crate::exotel::call_control::segment;

/// Exotel's bounds.
const STREAM_URL_CHARS_MAX: usize = 600;
const PARAMETERS_MAX: usize = 3;
const PARAMETERS_CHARS_MAX: usize = 256;
const CUSTOM_FIELD_CHARS_MAX: usize = 128;
const STREAM_NAME_CHARS_MAX: usize = 32;
const TIME_LIMIT_S_MAX: u32 = 14_400;

/// Why a call cannot be placed like this.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OriginateError {
    #[error("a call needs a number to dial and an ExoPhone to dial from")]
    NoNumber,
    #[error("the media address is not a WebSocket address")]
    NotAStreamUrl,
    #[error("the media address has {0} characters; Exotel takes fewer than {STREAM_URL_CHARS_MAX}")]
    StreamUrlTooLong(usize),
    #[error(
        "the media address has more than {PARAMETERS_MAX} parameters or {PARAMETERS_CHARS_MAX} characters of them"
    )]
    TooManyParameters,
    #[error("{0:?} is not the number of a flow")]
    NotAFlow(String),
    #[error("a custom field has at most {CUSTOM_FIELD_CHARS_MAX} characters")]
    CustomFieldTooLong,
    #[error("a stream's name has at most {STREAM_NAME_CHARS_MAX} characters")]
    StreamNameTooLong,
    #[error("a call may last at most {TIME_LIMIT_S_MAX} s, not {0} s")]
    TimeLimitTooLong(u32),
}

/// A call to be placed. What is `None` is left to Exotel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Originate<'a> {
    /// Who is rung.
    pub to: &'a str,
    /// The ExoPhone that is shown.
    pub caller_id: &'a str,
    pub joins: Joins<'a>,
    /// Told when it rings, is answered and is over.
    pub status_callback: Option<&'a str>,
    /// How long it may ring; only flows take it.
    pub ring_s: Option<u32>,
    pub time_limit_s: Option<u32>,
    /// For people who look at Exotel's list of streams.
    pub stream_name: Option<&'a str>,
    /// Comes back with reports and webhooks.
    pub custom_field: Option<&'a str>,
}

/// What whoever answers is joined to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Joins<'a> {
    /// The media socket at this address.
    Stream(&'a str),
    /// The flow of this number; its Voicebot applet knows the media socket.
    Flow(&'a str),
}

impl<'a> Originate<'a> {
    pub fn new(to: &'a str, caller_id: &'a str, joins: Joins<'a>) -> Originate<'a> {
        Originate {
            to,
            caller_id,
            joins,
            status_callback: None,
            ring_s: None,
            time_limit_s: None,
            stream_name: None,
            custom_field: None,
        }
    }

    /// `flows` is the address below which flows are.
    pub(super) fn form(&self, flows: &str) -> Result<Vec<(String, String)>, OriginateError> {
        if self.to.is_empty() || self.caller_id.is_empty() {
            return Err(OriginateError::NoNumber);
        }
        let mut form = Form(Vec::new());
        form.add("From", self.to);
        form.add("CallerId", self.caller_id);
        match self.joins {
            Joins::Stream(url) => {
                check_stream_url(url)?;
                form.add("StreamUrl", url);
                form.add("StreamType", "bidirectional");
                if let Some(name) = self.stream_name {
                    if name.chars().count() > STREAM_NAME_CHARS_MAX {
                        return Err(OriginateError::StreamNameTooLong);
                    }
                    form.add("StreamName", name);
                }
            }
            // Both at once are refused.
            Joins::Flow(flow) => {
                if flow.is_empty() || !flow.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
                    return Err(OriginateError::NotAFlow(flow.to_owned()));
                }
                form.add("Url", &format!("{flows}/{}", segment(flow)));
                form.add("CallType", "trans");
                if let Some(seconds) = self.ring_s {
                    form.add("TimeOut", &seconds.to_string());
                }
            }
        }
        if let Some(url) = self.status_callback {
            form.add("StatusCallback", url);
            for event in ["ringing", "answered", "terminal"] {
                form.add("StatusCallbackEvents[]", event);
            }
        }
        if let Some(seconds) = self.time_limit_s {
            if seconds > TIME_LIMIT_S_MAX {
                return Err(OriginateError::TimeLimitTooLong(seconds));
            }
            form.add("TimeLimit", &seconds.to_string());
        }
        if let Some(field) = self.custom_field {
            if field.chars().count() > CUSTOM_FIELD_CHARS_MAX {
                return Err(OriginateError::CustomFieldTooLong);
            }
            form.add("CustomField", field);
        }
        Ok(form.0)
    }
}

/// Whether Exotel takes this media address, when a call is placed and in answer to a webhook alike.
pub fn check_stream_url(url: &str) -> Result<(), OriginateError> {
    let parsed = Url::parse(url).ok().filter(|url| matches!(url.scheme(), "ws" | "wss"));
    let parsed = parsed.ok_or(OriginateError::NotAStreamUrl)?;
    if url.chars().count() >= STREAM_URL_CHARS_MAX {
        return Err(OriginateError::StreamUrlTooLong(url.chars().count()));
    }
    let query = parsed.query().unwrap_or_default();
    let pairs = query.split('&').filter(|pair| !pair.is_empty()).count();
    match pairs > PARAMETERS_MAX || query.len() > PARAMETERS_CHARS_MAX {
        true => Err(OriginateError::TooManyParameters),
        false => Ok(()),
    }
}

struct Form(Vec<(String, String)>);

impl Form {
    fn add(&mut self, name: &str, value: &str) {
        self.0.push((name.to_owned(), value.to_owned()));
    }
}
