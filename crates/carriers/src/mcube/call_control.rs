//! What needs a request to Mcube: placing a call. Ending one and handing it over are messages on its media socket.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Map, Value, json};
use url::Url;
use wire::{Body, Method, Reply, Request, Secret};

/// Where Mcube's interface is, unless told otherwise.
pub const API_BASE_URL: &str = "https://api.mcube.com";

/// Below the base address.
const PLACE_PATH: &str = "/Restmcube-api/outbound-calls-websocket";

/// How long to wait when Mcube is busy and gives no figure.
const PATIENCE: Duration = Duration::from_secs(5);

/// Words of Mcube's that are passed on; they come from outside.
const WORDS_CHARS_MAX: usize = 300;

/// Who asks, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    pub token: Secret,
    pub api_base_url: Url,
}

/// A call to be placed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Originate<'a> {
    /// The number that is to be called.
    pub to: &'a str,
    /// The executive's number at Mcube that the call is placed from.
    pub executive: &'a str,
    /// Where Mcube asks for the media socket's address and reports. May hold a token.
    pub refurl: &'a str,
    /// Our name for the call; it comes back in reports.
    pub refid: &'a str,
}

/// Why a call cannot be placed like this.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OriginateError {
    #[error("Mcube dials Indian numbers alone; write {which} as +91 and ten digits")]
    NotIndian { which: &'static str },
}

/// What came of placing a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OriginateResult {
    Placed {
        /// Mcube's name for the call.
        call_id: String,
    },
    Failed {
        /// In words, for the person who has to mend it.
        message: String,
        /// Set when trying again makes sense, and how long to wait before.
        retry_after: Option<Duration>,
        /// It may have been placed all the same.
        unsure: bool,
    },
}

impl Account {
    /// Places a call. The reply is read by [`read_originate`].
    ///
    /// Not to be repeated blindly: a second request rings a second time.
    pub fn originate(&self, call: &Originate<'_>) -> Result<Request, OriginateError> {
        let number = |number, which| ten_digits(number).ok_or(OriginateError::NotIndian { which });
        let body = json!({
            // In the body, not in a header: it is their interface.
            "HTTP_AUTHORIZATION": self.token.reveal(),
            "exenumber": number(call.executive, "the number to call from (carriers.mcube.exe_number)")?,
            "custnumber": number(call.to, "the number to call")?,
            "refurl": call.refurl,
            "refid": call.refid,
        });
        Ok(Request {
            method: Method::Post,
            url: format!("{}{PLACE_PATH}", self.api_base_url.as_str().trim_end_matches('/')),
            headers: Vec::new(),
            basic: None,
            body: Body::SecretJson(Secret::new(body.to_string())),
            idempotent: false,
        })
    }
}

/// The ten digits of an Indian number, however it is written; none for numbers of other countries: their last ten digits
/// would ring somebody else.
pub fn ten_digits(number: &str) -> Option<String> {
    let is_between = |c: &char| matches!(c, ' ' | '-' | '(' | ')' | '.' | '/' | '\u{a0}');
    let bare: String = number.trim().chars().filter(|c| !is_between(c)).collect();
    let bare = bare.strip_prefix("tel:").unwrap_or(&bare);
    let international = bare.strip_prefix('+').or_else(|| bare.strip_prefix("00"));
    let national = match international {
        Some(rest) => rest.strip_prefix("91")?,
        None if bare.len() == 12 => bare.strip_prefix("91")?,
        None if bare.len() == 11 => bare.strip_prefix('0')?,
        None => bare,
    };
    // "+91 0 98…" is written too.
    let national = if national.len() == 11 { national.strip_prefix('0')? } else { national };
    (national.len() == 10 && national.bytes().all(|byte| byte.is_ascii_digit())).then(|| national.to_owned())
}

/// A number as Mcube dials it: Indian ones without their country code, others as they are.
pub fn as_dialled(number: &str) -> String {
    ten_digits(number).unwrap_or_else(|| number.to_owned())
}

/// Reads the reply to the placing of a call. Mcube says 200 also when it refuses.
pub fn read_originate(reply: &Reply) -> OriginateResult {
    let failed =
        |message: String, retry_after| OriginateResult::Failed { message, retry_after, unsure: false };
    let answer: Answer = serde_json::from_str(&reply.body).unwrap_or_default();
    let said = answer.words();
    let asked = |patience| Some(reply.retry_after_s.map_or(patience, Duration::from_secs));
    match reply.status {
        200..=299 => {}
        401 | 403 => {
            let said = said.map(|said| format!(" ({said})")).unwrap_or_default();
            let words = format!("Mcube refused the token{said}; check carriers.mcube.api_token");
            return failed(words, None);
        }
        429 => return failed(refused(429, said), asked(PATIENCE)),
        // Whether a call rings by now is anybody's guess, so nobody is asked to repeat it.
        status @ 500.. => {
            return OriginateResult::Failed {
                message: refused(status, said),
                retry_after: None,
                unsure: true,
            };
        }
        status => return failed(refused(status, said), None),
    }
    match (answer.status.as_ref().and_then(truth), answer.call_id()) {
        (Some(false), _) => {
            let is_busy = said.as_deref().is_some_and(|said| said.to_ascii_lowercase().contains("busy"));
            failed(refused(reply.status, said), if is_busy { asked(PATIENCE) } else { None })
        }
        (Some(true) | None, Some(call_id)) => OriginateResult::Placed { call_id },
        (status, None) => {
            // Who says neither yes nor no nor why may have placed it all the same.
            let unsure = status == Some(true) || said.is_none();
            let message = match said {
                Some(said) => format!("Mcube answered without naming the call it placed: {said}"),
                None => "Mcube answered without naming the call it placed".to_owned(),
            };
            OriginateResult::Failed { message, retry_after: None, unsure }
        }
    }
}

fn refused(status: u16, said: Option<String>) -> String {
    match said {
        Some(said) => format!("Mcube refused: {said}"),
        None if (200..300).contains(&status) => "Mcube refused without saying why".to_owned(),
        None => format!("Mcube answered {status} without saying why"),
    }
}

/// Everything may be missing, and of either type: proxies answer in HTML.
#[derive(Default, Deserialize)]
struct Answer {
    #[serde(default, alias = "Status")]
    status: Option<Value>,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

impl Answer {
    fn words(&self) -> Option<String> {
        let names = ["msg", "message", "error", "detail", "reason"];
        let said = names.iter().find_map(|name| match self.rest.get(*name)? {
            Value::String(text) => Some(text.clone()),
            // `{"error": {"message": "…"}}`
            Value::Object(inner) => inner.get("message")?.as_str().map(str::to_owned),
            _ => None,
        })?;
        let said: String = said.trim().chars().take(WORDS_CHARS_MAX).collect();
        (!said.is_empty()).then_some(said)
    }

    fn call_id(&self) -> Option<String> {
        let known = |name: &str| ["callid", "call_id"].iter().any(|known| name.eq_ignore_ascii_case(known));
        let id = self.rest.iter().find(|(name, _)| known(name)).map(|(_, value)| value)?;
        let id = match id {
            Value::String(text) => text.trim().to_owned(),
            Value::Number(number) => number.to_string(),
            _ => return None,
        };
        (!id.is_empty() && id.len() <= 256).then_some(id)
    }
}

/// What a status means, if it means anything.
fn truth(status: &Value) -> Option<bool> {
    match status {
        Value::Bool(flag) => Some(*flag),
        Value::Number(number) => match number.as_u64() {
            Some(0) => Some(false),
            Some(1) => Some(true),
            _ => None,
        },
        Value::String(word) => match word.trim().to_ascii_lowercase().as_str() {
            "true" | "1" | "success" | "ok" => Some(true),
            "false" | "0" | "fail" | "failed" | "failure" | "error" => Some(false),
            _ => None,
        },
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}
