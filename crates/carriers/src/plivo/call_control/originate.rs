//! Placing a call.

use serde_json::{Value, json};

use crate::destination;

/// Plivo's bounds for how long a call rings, and for how long a machine is looked for, in milliseconds.
const RING_TIMEOUT_S_MAX: u32 = 600;
const DETECTION_MS: std::ops::RangeInclusive<u32> = 2_000..=10_000;
const SEND_DIGITS_MAX: usize = 32;
const CALLER_NAME_CHARS_MAX: usize = 50;

/// Why a call cannot be placed like this.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OriginateError {
    /// Several numbers, separated by `<`, would be several calls.
    #[error("{to:?} is neither one telephone number nor one sip: address")]
    NoDestination { to: String },
    #[error("a call needs a number to dial from")]
    NoNumber,
    #[error("{url:?} must be a whole address beginning with http:// or https://")]
    NotAbsolute { url: String },
    #[error("a call may ring for at most {RING_TIMEOUT_S_MAX} s, not {0} s")]
    RingsTooLong(u32),
    #[error("a machine may be looked for from 2000 to 10000 ms, not {0} ms")]
    DetectionTime(u32),
    #[error("{digits:?} is not a sequence of at most {SEND_DIGITS_MAX} keys and waits (w, W)")]
    BadDigits { digits: String },
    #[error("a caller's name has at most {CALLER_NAME_CHARS_MAX} characters")]
    NameTooLong,
}

/// A call to be placed. What is `None` is left to Plivo.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Originate<'a> {
    /// One number, or one `sip:` address.
    pub to: &'a str,
    /// One of the account's numbers.
    pub from: &'a str,
    /// Asked for the document when somebody answers.
    pub answer_url: &'a str,
    /// Told when the call is over, answered or not.
    pub hangup_url: Option<&'a str>,
    /// Told when it rings.
    pub ring_url: Option<&'a str>,
    /// Asked instead of `answer_url` when that fails.
    pub fallback_url: Option<&'a str>,
    /// How long it may ring; Plivo's default is two minutes.
    pub ring_timeout_s: Option<u32>,
    /// How long it may last; Plivo's default is four hours.
    pub time_limit_s: Option<u32>,
    /// Keys pressed when answered; `w` waits half a second, `W` a whole one.
    pub send_digits: Option<&'a str>,
    pub machine_detection: Option<MachineDetection<'a>>,
    /// `name=value` with letters and digits, separated by commas.
    pub sip_headers: Option<&'a str>,
    pub caller_name: Option<&'a str>,
}

/// Whether a person or a machine answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MachineDetection<'a> {
    /// End the call when it is a machine.
    pub hang_up: bool,
    /// How long to listen; Plivo's default is 5 s.
    pub time_ms: Option<u32>,
    /// Go on at once, and have the finding told here. Without it Plivo listens first and tells the answer URL.
    pub tell: Option<&'a str>,
}

impl<'a> Originate<'a> {
    pub fn new(to: &'a str, from: &'a str, answer_url: &'a str) -> Originate<'a> {
        Originate {
            to,
            from,
            answer_url,
            hangup_url: None,
            ring_url: None,
            fallback_url: None,
            ring_timeout_s: None,
            time_limit_s: None,
            send_digits: None,
            machine_detection: None,
            sip_headers: None,
            caller_name: None,
        }
    }

    pub(super) fn body(&self) -> Result<Value, OriginateError> {
        let from = destination::number(self.from).ok_or(OriginateError::NoNumber)?;
        let mut body = json!({"from": from, "to": self.destination()?});
        let mut set = |name: &str, value: Value| body[name] = value;
        let urls = [
            ("answer", Some(self.answer_url)),
            ("hangup", self.hangup_url),
            ("ring", self.ring_url),
            ("fallback", self.fallback_url),
            ("machine_detection", self.machine_detection.and_then(|detection| detection.tell)),
        ];
        for (name, url) in urls {
            let Some(url) = url else { continue };
            set(&format!("{name}_url"), absolute(url)?.into());
            set(&format!("{name}_method"), "POST".into());
        }
        if let Some(seconds) = self.ring_timeout_s {
            if seconds > RING_TIMEOUT_S_MAX {
                return Err(OriginateError::RingsTooLong(seconds));
            }
            set("ring_timeout", seconds.into());
        }
        if let Some(seconds) = self.time_limit_s {
            set("time_limit", seconds.into());
        }
        if let Some(digits) = self.send_digits {
            let is_key = |key: char| matches!(key, '0'..='9' | '*' | '#' | 'w' | 'W');
            if digits.is_empty() || digits.len() > SEND_DIGITS_MAX || !digits.chars().all(is_key) {
                return Err(OriginateError::BadDigits { digits: digits.to_owned() });
            }
            set("send_digits", digits.into());
        }
        if let Some(detection) = self.machine_detection {
            set("machine_detection", if detection.hang_up { "hangup" } else { "true" }.into());
            if let Some(ms) = detection.time_ms {
                if !DETECTION_MS.contains(&ms) {
                    return Err(OriginateError::DetectionTime(ms));
                }
                set("machine_detection_time", ms.into());
            }
        }
        if let Some(headers) = self.sip_headers {
            set("sip_headers", headers.into());
        }
        if let Some(name) = self.caller_name {
            if name.chars().count() > CALLER_NAME_CHARS_MAX {
                return Err(OriginateError::NameTooLong);
            }
            set("caller_name", name.into());
        }
        Ok(body)
    }

    fn destination(&self) -> Result<String, OriginateError> {
        let to = self.to.trim();
        let is_sip = ["sip:", "sips:"].iter().any(|scheme| {
            to.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme))
                && to.len() > scheme.len()
        });
        if is_sip && !to.contains(|c: char| c == '<' || c.is_whitespace()) {
            return Ok(to.to_owned());
        }
        let refused = || OriginateError::NoDestination { to: to.to_owned() };
        destination::number(to).map(|number| number.into_owned()).ok_or_else(refused)
    }
}

fn absolute(url: &str) -> Result<&str, OriginateError> {
    match url::Url::parse(url) {
        Ok(parsed) if matches!(parsed.scheme(), "http" | "https") => Ok(url),
        _ => Err(OriginateError::NotAbsolute { url: url.to_owned() }),
    }
}
