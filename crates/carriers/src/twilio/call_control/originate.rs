//! Placing a call.

use crate::twilio::twiml::{Document, TwimlError};

/// Twilio's bounds.
const TIMEOUT_S_MAX: u32 = 600;
const SEND_DIGITS_MAX: usize = 32;

/// Why a call cannot be placed like this.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OriginateError {
    #[error("a call needs a number to dial and a number to dial from")]
    NoNumber,
    #[error("a call may ring for at most {TIMEOUT_S_MAX} s, not {0} s")]
    TimeoutTooLong(u32),
    #[error("{digits:?} is not a sequence of at most {SEND_DIGITS_MAX} keys and waits (w, W)")]
    BadDigits { digits: String },
    #[error(transparent)]
    Document(#[from] TwimlError),
}

/// A call to be placed. What is `None` is left to Twilio.
#[derive(Clone, Debug, PartialEq)]
pub struct Originate<'a> {
    pub to: &'a str,
    /// One of the account's numbers.
    pub from: &'a str,
    pub instructions: Instructions<'a>,
    pub status_callback: Option<&'a str>,
    /// Which changes are told. None means the end alone.
    pub progress: &'a [Progress],
    /// How long it may ring; Twilio's default is 60 s.
    pub timeout_s: Option<u32>,
    /// Keys pressed when answered; `w` waits half a second, `W` a whole one.
    pub send_digits: Option<&'a str>,
    pub machine_detection: Option<MachineDetection<'a>>,
    pub time_limit_s: Option<u32>,
    pub record: bool,
    pub caller_id: Option<&'a str>,
    /// From the webhook of a call that this one forwards.
    pub call_token: Option<&'a str>,
}

/// What happens when it is answered.
#[derive(Clone, Debug, PartialEq)]
pub enum Instructions<'a> {
    /// The document at this address.
    Url(&'a str),
    /// This document.
    Document(&'a Document),
    /// Whatever the account's application of this Sid says.
    Application(&'a str),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    Initiated,
    Ringing,
    Answered,
    Completed,
}

/// Whether a person or a machine answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MachineDetection<'a> {
    /// Wait for the end of a machine's greeting before going on.
    pub wait_for_beep: bool,
    /// Twilio's default is 30 s.
    pub timeout_s: Option<u32>,
    /// Go on at once, and have the finding told here.
    pub tell: Option<&'a str>,
}

impl<'a> Originate<'a> {
    pub fn new(to: &'a str, from: &'a str, instructions: Instructions<'a>) -> Originate<'a> {
        Originate {
            to,
            from,
            instructions,
            status_callback: None,
            progress: &[],
            timeout_s: None,
            send_digits: None,
            machine_detection: None,
            time_limit_s: None,
            record: false,
            caller_id: None,
            call_token: None,
        }
    }

    pub(super) fn form(&self) -> Result<Vec<(String, String)>, OriginateError> {
        if self.to.is_empty() || self.from.is_empty() {
            return Err(OriginateError::NoNumber);
        }
        let mut form = Form(Vec::new());
        form.add("To", self.to);
        form.add("From", self.from);
        match self.instructions {
            Instructions::Url(url) => {
                form.add("Url", url);
                form.add("Method", "POST");
            }
            Instructions::Document(document) => form.add("Twiml", document.inline()?),
            Instructions::Application(sid) => form.add("ApplicationSid", sid),
        }
        if let Some(url) = self.status_callback {
            form.add("StatusCallback", url);
            form.add("StatusCallbackMethod", "POST");
            for progress in self.progress {
                form.add("StatusCallbackEvent", progress.word());
            }
        }
        if let Some(seconds) = self.timeout_s {
            if seconds > TIMEOUT_S_MAX {
                return Err(OriginateError::TimeoutTooLong(seconds));
            }
            form.add("Timeout", &seconds.to_string());
        }
        if let Some(digits) = self.send_digits {
            let is_key = |key: char| matches!(key, '0'..='9' | '*' | '#' | 'w' | 'W');
            if digits.is_empty() || digits.len() > SEND_DIGITS_MAX || !digits.chars().all(is_key) {
                return Err(OriginateError::BadDigits { digits: digits.to_owned() });
            }
            form.add("SendDigits", digits);
        }
        if let Some(detection) = &self.machine_detection {
            form.add("MachineDetection", if detection.wait_for_beep { "DetectMessageEnd" } else { "Enable" });
            if let Some(seconds) = detection.timeout_s {
                form.add("MachineDetectionTimeout", &seconds.to_string());
            }
            if let Some(url) = detection.tell {
                form.add("AsyncAmd", "true");
                form.add("AsyncAmdStatusCallback", url);
                form.add("AsyncAmdStatusCallbackMethod", "POST");
            }
        }
        if let Some(seconds) = self.time_limit_s {
            form.add("TimeLimit", &seconds.to_string());
        }
        if self.record {
            form.add("Record", "true");
        }
        if let Some(number) = self.caller_id {
            form.add("CallerId", number);
        }
        if let Some(token) = self.call_token {
            form.add("CallToken", token);
        }
        Ok(form.0)
    }
}

impl Progress {
    fn word(self) -> &'static str {
        match self {
            Progress::Initiated => "initiated",
            Progress::Ringing => "ringing",
            Progress::Answered => "answered",
            Progress::Completed => "completed",
        }
    }
}

struct Form(Vec<(String, String)>);

impl Form {
    fn add(&mut self, name: &str, value: &str) {
        self.0.push((name.to_owned(), value.to_owned()));
    }
}
