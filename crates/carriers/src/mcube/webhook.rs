//! What Mcube tells the one address that it is given: that a call connects and wants the media socket's address, and
//! later what became of it.
//!
//! Names come in three ways of writing (`callId`, `call_id`, `callid`), so they are compared without underscores and
//! capitals. Two generations of names are known: those of the newer hook, and of the older status hook with its
//! executives and click-to-call numbers.

mod clock;

use std::collections::HashMap;

use serde_json::{Map, Value, json};

pub use self::clock::Clock;

/// Real ones have some dozen characters; they end up in paths, logs and maps.
const ID_BYTES_MAX: usize = 128;

const FIELDS_MAX: usize = 64;

const VALUE_CHARS_MAX: usize = 512;

/// Why a webhook makes no sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WebhookError {
    #[error("the body is not a JSON object")]
    NotAnObject,
    #[error("the body has more than {FIELDS_MAX} fields")]
    TooMany,
    #[error("callId is missing")]
    NoCall,
    #[error("callId is not an identifier of Mcube's")]
    NotAnId,
}

/// What Mcube says about a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhook {
    pub call_id: String,
    pub direction: Direction,
    /// Who is on the phone.
    pub customer: Option<String>,
    /// Our side's number: the one that was called, or the one that the call was placed from.
    pub did: Option<String>,
    pub status: Option<DialStatus>,
    /// Our own name for a call that we placed.
    pub refid: Option<String>,
    pub agent_name: Option<String>,
    pub group_name: Option<String>,
    pub account_id: Option<String>,
    pub started: Option<Clock>,
    pub answered: Option<Clock>,
    pub ended: Option<Clock>,
    pub disconnected_by: Option<String>,
    /// Where the recording is.
    pub recording: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    Inbound,
    Outbound,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DialStatus {
    Connecting,
    Answer,
    Busy,
    ExecutiveBusy,
    Cancel,
    NoAnswer,
    /// A word that was not known when this was written.
    Unlisted(String),
}

/// How far a call has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// It wants the address of the media socket.
    Connecting,
    Answered,
    Over,
}

impl Webhook {
    /// Reads a JSON body.
    pub fn from_json(body: &[u8]) -> Result<Webhook, WebhookError> {
        let fields: Map<String, Value> =
            serde_json::from_slice(body).map_err(|_| WebhookError::NotAnObject)?;
        let pairs = fields.into_iter().filter_map(|(name, value)| {
            let value = match value {
                Value::String(text) => text,
                Value::Number(number) => number.to_string(),
                Value::Bool(flag) => flag.to_string(),
                Value::Null | Value::Array(_) | Value::Object(_) => return None,
            };
            Some((name, value))
        });
        Webhook::from_pairs(pairs)
    }

    /// Reads names and values from elsewhere: a form, a query.
    pub fn from_pairs<N: AsRef<str>, V: AsRef<str>>(
        pairs: impl IntoIterator<Item = (N, V)>,
    ) -> Result<Webhook, WebhookError> {
        let mut fields = Fields::default();
        for (at, (name, value)) in pairs.into_iter().enumerate() {
            if at >= FIELDS_MAX {
                return Err(WebhookError::TooMany);
            }
            fields.put(name.as_ref(), value.as_ref());
        }
        let call_id = fields.take(&["callid", "callsid", "uniqueid"]).ok_or(WebhookError::NoCall)?;
        if !is_id(&call_id) {
            return Err(WebhookError::NotAnId);
        }
        let direction =
            match fields.take(&["calldirection", "direction"]).as_deref().map(str::to_ascii_lowercase) {
                Some(word) if word.starts_with("out") => Direction::Outbound,
                _ => Direction::Inbound,
            };
        let (from, to) = (fields.take(&["fromnumber", "callfrom"]), fields.take(&["tonumber"]));
        let (customer, did) = match direction {
            Direction::Inbound => (from, to),
            Direction::Outbound => (to, from),
        };
        // The older hook names the two by what they are.
        let customer = customer.or_else(|| fields.take(&["callto", "customernumber", "custnumber"]));
        let did = did.or_else(|| fields.take(&["clicktocalldid", "did", "empphone", "exenumber"]));
        let mut clock = |names: &[&str]| fields.take(names).as_deref().and_then(Clock::read);
        let (started, answered, ended) =
            (clock(&["starttime"]), clock(&["answeredtime"]), clock(&["endtime"]));
        Ok(Webhook {
            call_id,
            direction,
            customer,
            did,
            status: fields.take(&["dialstatus"]).map(|word| DialStatus::read(&word)),
            refid: fields.take(&["refid"]),
            agent_name: fields.take(&["agentname"]),
            group_name: fields.take(&["groupname"]),
            account_id: fields.take(&["accountid"]),
            started,
            answered,
            ended,
            disconnected_by: fields.take(&["disconnectedby"]),
            recording: fields.take(&["filename"]),
        })
    }

    /// How far the call has come. An end is an end whatever word stands beside it; a word that nobody knows says nothing.
    pub fn stage(&self) -> Option<Stage> {
        match &self.status {
            _ if self.ended.is_some() => Some(Stage::Over),
            None | Some(DialStatus::Connecting) => Some(Stage::Connecting),
            Some(DialStatus::Answer) => Some(Stage::Answered),
            Some(
                DialStatus::Busy | DialStatus::ExecutiveBusy | DialStatus::Cancel | DialStatus::NoAnswer,
            ) => Some(Stage::Over),
            Some(DialStatus::Unlisted(_)) => None,
        }
    }

    /// Whom Mcube says has called whom.
    pub fn from_and_to(&self) -> (Option<&str>, Option<&str>) {
        let (customer, did) = (self.customer.as_deref(), self.did.as_deref());
        match self.direction {
            Direction::Inbound => (customer, did),
            Direction::Outbound => (did, customer),
        }
    }

    /// What the report says, in a few words.
    pub fn words(&self) -> String {
        let mut words = format!("Mcube says: {}", self.status.as_ref().map_or("over", DialStatus::word));
        if let Some(Clock::Seconds(seconds)) = self.answered {
            words.push_str(&format!(" for {seconds} s"));
        }
        if let Some(by) = &self.disconnected_by {
            words.push_str(&format!(", ended by {by}"));
        }
        words
    }
}

impl DialStatus {
    fn read(word: &str) -> DialStatus {
        let plain: String =
            word.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_uppercase()).collect();
        match plain.as_str() {
            "CONNECTING" => DialStatus::Connecting,
            "ANSWER" | "ANSWERED" => DialStatus::Answer,
            "BUSY" => DialStatus::Busy,
            "EXECUTIVEBUSY" => DialStatus::ExecutiveBusy,
            "CANCEL" | "CANCELED" | "CANCELLED" => DialStatus::Cancel,
            "NOANSWER" => DialStatus::NoAnswer,
            _ => DialStatus::Unlisted(word.to_owned()),
        }
    }

    /// In our words.
    pub fn word(&self) -> &str {
        match self {
            DialStatus::Connecting => "connecting",
            DialStatus::Answer => "answered",
            DialStatus::Busy => "busy",
            DialStatus::ExecutiveBusy => "executive busy",
            DialStatus::Cancel => "cancelled",
            DialStatus::NoAnswer => "no answer",
            DialStatus::Unlisted(word) => word,
        }
    }
}

/// Tells Mcube where the media socket is.
pub fn connect(wss_url: &str) -> String {
    json!({ "wss_url": wss_url }).to_string()
}

/// Tells Mcube that a report has come.
pub fn thanks() -> String {
    json!({ "status": "ok" }).to_string()
}

/// Tells Mcube that there is no media socket for its call.
pub fn refuse(reason: &str, message: &str) -> String {
    json!({ "status": "error", "error": reason, "message": message }).to_string()
}

/// What could leave a path or a log line is no identifier.
pub fn is_id(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.:+=@~".contains(&byte);
    !text.is_empty() && text.len() <= ID_BYTES_MAX && text.bytes().all(fits) && !text.starts_with('.')
}

/// Fields by their names without capitals and underscores.
#[derive(Default)]
struct Fields(HashMap<String, String>);

impl Fields {
    fn put(&mut self, name: &str, value: &str) {
        let name: String = name
            .chars()
            .filter(|c| !matches!(c, '_' | '-'))
            .map(|c| c.to_ascii_lowercase())
            .take(64)
            .collect();
        let value: String = value.trim().chars().take(VALUE_CHARS_MAX).collect();
        if !value.is_empty() && !value.eq_ignore_ascii_case("null") {
            self.0.entry(name).or_insert(value);
        }
    }

    fn take(&mut self, names: &[&str]) -> Option<String> {
        names.iter().find_map(|name| self.0.remove(*name))
    }
}
