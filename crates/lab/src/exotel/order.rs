//! `Calls/connect`: what an order to place a call may say, and what Exotel would refuse.

use std::time::Duration;

use super::answer::{is_number, within_limits};
use super::form::{Form, FormKind};
use super::rest_error::RestError;
use super::{ExotelConfig, Flow, StatusCallback};

const CUSTOM_FIELD_CHARACTERS_MAX: usize = 128;
const STREAM_NAME_CHARACTERS_MAX: usize = 32;
const TIME_LIMIT_SECONDS_MAX: u64 = 14_400;
const EVENTS: [&str; 3] = ["answered", "terminal", "ringing"];
const KNOWN: [&str; 14] = [
    "From",
    "To",
    "CallerId",
    "StreamUrl",
    "StreamType",
    "StreamName",
    "Url",
    "CallType",
    "TimeOut",
    "TimeLimit",
    "Record",
    "RecordingChannels",
    "CustomField",
    "StatusCallback",
];

/// A call to be placed on a gateway's behalf.
#[derive(Debug)]
pub(super) struct ConnectOrder {
    /// Whom to call first. With a bot there is nobody second.
    pub(super) number: String,
    pub(super) caller_id: String,
    pub(super) then: Connected,
    pub(super) rings_at_most: Duration,
    pub(super) lasts_at_most: Duration,
    pub(super) status_callback: Option<StatusCallback>,
    pub(super) custom_field: Option<String>,
}

/// What the callee is connected to.
#[derive(Debug)]
pub(super) enum Connected {
    /// A bot's socket; when that is over, so is the call.
    Stream(String),
    Flow(Flow),
}

impl ConnectOrder {
    /// `more_flows` are known beside those of the configuration.
    pub(super) fn read(
        form: &Form,
        config: &ExotelConfig,
        more_flows: &[Flow],
    ) -> Result<ConnectOrder, RestError> {
        if let Some(odd) = form.names().find(|name| !KNOWN.contains(name) && !is_event(name)) {
            return Err(RestError::bad(format!("Unknown parameter: {odd}")));
        }
        let number = needed(form, "From")?;
        let caller_id = needed(form, "CallerId")?;
        if !is_number(number) {
            return Err(RestError::bad(format!("Invalid parameter: From {number}")));
        }
        if !config.exophones.iter().any(|own| own == caller_id) {
            return Err(RestError::bad(format!(
                "Invalid parameter: CallerId {caller_id} is not an ExoPhone"
            )));
        }
        let then = match (form.one("StreamUrl"), form.one("Url")) {
            (Some(_), Some(_)) => {
                return Err(RestError::bad("StreamUrl and Url must not be given together".into()));
            }
            (None, None) => {
                return Err(RestError::bad("Mandatory parameter missing: StreamUrl or Url".into()));
            }
            (Some(url), None) => {
                within_limits(url)
                    .map_err(|problem| RestError::bad(format!("Invalid parameter: StreamUrl {problem}")))?;
                match form.one("StreamType") {
                    Some("bidirectional") => Connected::Stream(url.to_owned()),
                    other => {
                        return Err(RestError::bad(format!("Invalid parameter: StreamType {other:?}")));
                    }
                }
            }
            (None, Some(url)) => Connected::Flow(flow(url, form, config, more_flows)?),
        };
        choice(form, "Record", &["true", "false"])?;
        choice(form, "RecordingChannels", &["single", "dual"])?;
        at_most(form, "StreamName", STREAM_NAME_CHARACTERS_MAX)?;
        at_most(form, "CustomField", CUSTOM_FIELD_CHARACTERS_MAX)?;
        let seconds = |name: &'static str, most: u64, otherwise: u64| match form.one(name) {
            None => Ok(Duration::from_secs(otherwise)),
            Some(text) => match text.parse() {
                Ok(seconds) if (1..=most).contains(&seconds) => Ok(Duration::from_secs(seconds)),
                _ => Err(RestError::bad(format!("Invalid parameter: {name} {text}"))),
            },
        };
        Ok(ConnectOrder {
            number: number.to_owned(),
            caller_id: caller_id.to_owned(),
            then,
            rings_at_most: seconds("TimeOut", 600, 45)?,
            lasts_at_most: seconds("TimeLimit", TIME_LIMIT_SECONDS_MAX, TIME_LIMIT_SECONDS_MAX)?,
            status_callback: status_callback(form, config)?,
            custom_field: form.one("CustomField").map(str::to_owned),
        })
    }
}

fn is_event(name: &str) -> bool {
    name.split('[').next() == Some("StatusCallbackEvents")
}

fn needed<'a>(form: &'a Form, name: &'a str) -> Result<&'a str, RestError> {
    form.one(name).ok_or_else(|| RestError::bad(format!("Mandatory parameter missing: {name}")))
}

fn choice(form: &Form, name: &str, known: &[&str]) -> Result<(), RestError> {
    match form.one(name) {
        Some(other) if !known.contains(&other) => {
            Err(RestError::bad(format!("Invalid parameter: {name} {other}")))
        }
        _ => Ok(()),
    }
}

fn at_most(form: &Form, name: &str, characters: usize) -> Result<(), RestError> {
    match form.one(name) {
        Some(text) if text.chars().count() > characters => {
            Err(RestError::bad(format!("Invalid parameter: {name} has more than {characters} characters")))
        }
        _ => Ok(()),
    }
}

/// `http(s)://my.exotel.com/{account}/exoml/start_voice/{flow}`
fn flow(url: &str, form: &Form, config: &ExotelConfig, more_flows: &[Flow]) -> Result<Flow, RestError> {
    let wrong = || RestError::bad(format!("Invalid parameter: Url {url}"));
    if form.one("StreamType").or(form.one("StreamName")).is_some() {
        return Err(RestError::bad("StreamType and StreamName need StreamUrl".into()));
    }
    choice(form, "CallType", &["trans"])?;
    let parsed = url::Url::parse(url).map_err(|_| wrong())?;
    if !["http", "https"].contains(&parsed.scheme()) || parsed.host_str() != Some("my.exotel.com") {
        return Err(wrong());
    }
    let below = format!("/{}/exoml/start_voice/", config.account_sid);
    let id = parsed.path().strip_prefix(&below).ok_or_else(wrong)?;
    let known = config.flows.iter().chain(more_flows).find(|flow| flow.id == id);
    known.cloned().ok_or_else(|| RestError::bad(format!("Invalid parameter: no flow {id}")))
}

fn status_callback(form: &Form, config: &ExotelConfig) -> Result<Option<StatusCallback>, RestError> {
    let events: Vec<String> = form.list("StatusCallbackEvents").into_iter().map(str::to_owned).collect();
    if let Some(odd) = events.iter().find(|event| !EVENTS.contains(&event.as_str())) {
        return Err(RestError::bad(format!("Invalid parameter: StatusCallbackEvents {odd}")));
    }
    let Some(url) = form.one("StatusCallback") else { return Ok(None) };
    match url::Url::parse(url) {
        Ok(parsed) if ["http", "https"].contains(&parsed.scheme()) => {}
        _ => return Err(RestError::bad(format!("Invalid parameter: StatusCallback {url}"))),
    }
    let events = if events.is_empty() { vec!["terminal".to_owned()] } else { events };
    Ok(Some(StatusCallback { url: url.to_owned(), events, ..config.callbacks.clone() }))
}

impl Default for StatusCallback {
    fn default() -> StatusCallback {
        StatusCallback {
            url: String::new(),
            events: vec!["terminal".to_owned()],
            kind: FormKind::Multipart,
            twice: false,
            out_of_order: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exotel::{Applet, Then};

    fn read(fields: &[(&str, &str)]) -> Result<ConnectOrder, String> {
        let fields: Vec<(String, String)> =
            fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let (content_type, body) = FormKind::Multipart.write(&fields);
        let form = Form::read(&content_type, body.as_bytes()).unwrap();
        let bot = Applet::Static("ws://h/".into());
        let config = ExotelConfig {
            flows: vec![Flow { id: "77".into(), applet: bot, then: Then::HangUp }],
            ..ExotelConfig::default()
        };
        ConnectOrder::read(&form, &config, &[]).map_err(|error| error.message)
    }

    const STREAM: [(&str, &str); 4] = [
        ("From", "+919999900000"),
        ("CallerId", "08040001234"),
        ("StreamUrl", "wss://h/ws?a=1"),
        ("StreamType", "bidirectional"),
    ];
    const FLOW: [(&str, &str); 3] = [
        ("From", "+919999900000"),
        ("CallerId", "08040001234"),
        ("Url", "http://my.exotel.com/exolab1/exoml/start_voice/77"),
    ];

    #[test]
    fn both_forms_of_an_order_are_read() {
        let stream = read(&STREAM).unwrap();
        assert!(matches!(&stream.then, Connected::Stream(url) if url == "wss://h/ws?a=1"));
        assert_eq!(stream.lasts_at_most, Duration::from_secs(14_400));

        let more = [
            ("CallType", "trans"),
            ("TimeOut", "20"),
            ("TimeLimit", "60"),
            ("CustomField", "x"),
            ("StatusCallback", "http://h/cb"),
            ("StatusCallbackEvents[0]", "answered"),
            ("StatusCallbackEvents[1]", "terminal"),
        ];
        let flow = read(&[&FLOW[..], &more].concat()).unwrap();
        assert!(matches!(&flow.then, Connected::Flow(flow) if flow.id == "77"));
        assert_eq!((flow.rings_at_most.as_secs(), flow.lasts_at_most.as_secs()), (20, 60));
        assert_eq!(flow.status_callback.unwrap().events, ["answered", "terminal"]);
    }

    #[test]
    fn what_the_documents_forbid_is_refused_by_name() {
        let long_field = "x".repeat(129);
        let long_name = "x".repeat(33);
        for (base, more, wrong) in [
            (&STREAM[1..], &[][..], "missing: From"),
            (&STREAM[..1], &[], "missing: CallerId"),
            (&STREAM[..2], &[], "StreamUrl or Url"),
            (&STREAM[..3], &[], "StreamType"),
            (&STREAM[..], &[FLOW[2]], "together"),
            (&STREAM[..], &[("TimeLimit", "14401")], "TimeLimit"),
            (&STREAM[..], &[("CustomField", long_field.as_str())], "128"),
            (&STREAM[..], &[("StreamName", long_name.as_str())], "32"),
            (&STREAM[..], &[("Record", "yes")], "Record"),
            (&STREAM[..], &[("RecordingChannels", "both")], "RecordingChannels"),
            (&STREAM[..], &[("StatusCallbackEvents[]", "completed")], "StatusCallbackEvents"),
            (&STREAM[..], &[("StatusCallback", "h")], "StatusCallback"),
            (&STREAM[..], &[("streamUrl", "wss://h/")], "Unknown parameter: streamUrl"),
            (&FLOW[..], &[("CallType", "promo")], "CallType"),
            (&FLOW[..], &[("StreamType", "bidirectional")], "StreamUrl"),
            (&FLOW[..2], &[("Url", "http://my.exotel.com/other/exoml/start_voice/77")], "Url"),
            (&FLOW[..2], &[("Url", "http://my.exotel.com/exolab1/exoml/start_voice/78")], "no flow 78"),
            (&[("From", "x"), STREAM[1], STREAM[2], STREAM[3]], &[], "From"),
            (&[STREAM[0], ("CallerId", "1"), STREAM[2], STREAM[3]], &[], "ExoPhone"),
            (&[STREAM[0], STREAM[1], ("StreamUrl", "https://h"), STREAM[3]], &[], "ws://"),
        ] {
            let error = read(&[base, more].concat()).unwrap_err();
            assert!(error.contains(wrong), "{error}");
        }
    }
}
