//! Handing the caller to somebody else.

use std::borrow::Cow;

use wire::Secret;

use super::{TwimlError, Xml, absolute, keys};
use crate::destination;

/// Calls somebody and connects the two. Without an `action` the document ends when they have talked, and the call too.
#[derive(Clone, Debug, PartialEq)]
pub struct Dial<'a> {
    pub noun: Noun<'a>,
    /// What the called party sees; Twilio's default is the caller's own number.
    pub caller_id: Option<&'a str>,
    /// How long it may ring; Twilio's default is 30 s.
    pub timeout_s: Option<u32>,
    /// How long they may talk; Twilio's default is four hours.
    pub time_limit_s: Option<u32>,
    /// Asked for the next document when it is over ([`crate::twilio::webhook::DialReport`]).
    pub action: Option<&'a str>,
    /// The caller goes on ringing until the called party answers.
    pub answer_on_bridge: bool,
    /// The caller may end it with `*`.
    pub hang_up_on_star: bool,
    pub record: RecordDial,
    /// The country whose ringing the caller hears (`de`), or `none`… Twilio's default follows the called number.
    pub ring_tone: Option<&'a str>,
    /// Asked when the called party, on SIP, refers the caller elsewhere.
    pub refer_url: Option<&'a str>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RecordDial {
    #[default]
    No,
    FromAnswer,
    FromRinging,
    FromAnswerDual,
    FromRingingDual,
}

/// Whom to call.
#[derive(Clone, Debug, PartialEq)]
pub enum Noun<'a> {
    Number {
        number: Cow<'a, str>,
        /// Pressed when answered: an extension.
        send_digits: Option<&'a str>,
        /// Asked, when answered, what the called party hears before they are connected.
        url: Option<&'a str>,
        status_callback: Option<&'a str>,
        /// `initiated`, `ringing`, `answered`, `completed`.
        status_callback_events: &'a [&'a str],
    },
    Sip {
        address: &'a str,
        user: Option<(&'a str, &'a Secret)>,
    },
    Client {
        name: &'a str,
    },
}

impl<'a> Dial<'a> {
    /// Dials what people and agents write: a number with or without spaces and brackets, `sip:…`, `client:…`.
    pub fn to(to: &'a str) -> Result<Dial<'a>, TwimlError> {
        Ok(Dial {
            noun: Noun::read(to)?,
            caller_id: None,
            timeout_s: None,
            time_limit_s: None,
            action: None,
            answer_on_bridge: false,
            hang_up_on_star: false,
            record: RecordDial::No,
            ring_tone: None,
            refer_url: None,
        })
    }

    pub(super) fn write(&self, xml: &mut Xml) -> Result<(), TwimlError> {
        let timeout = self.timeout_s.map(|seconds| seconds.to_string());
        let time_limit = self.time_limit_s.map(|seconds| seconds.to_string());
        let record = match self.record {
            RecordDial::No => None,
            RecordDial::FromAnswer => Some("record-from-answer"),
            RecordDial::FromRinging => Some("record-from-ringing"),
            RecordDial::FromAnswerDual => Some("record-from-answer-dual"),
            RecordDial::FromRingingDual => Some("record-from-ringing-dual"),
        };
        let attributes = [
            ("action", self.action.map(absolute).transpose()?),
            ("method", self.action.map(|_| "POST")),
            ("timeout", timeout.as_deref()),
            ("timeLimit", time_limit.as_deref()),
            ("callerId", self.caller_id),
            ("answerOnBridge", self.answer_on_bridge.then_some("true")),
            ("hangupOnStar", self.hang_up_on_star.then_some("true")),
            ("record", record),
            ("ringTone", self.ring_tone),
            ("referUrl", self.refer_url.map(absolute).transpose()?),
        ];
        xml.element("Dial", &attributes, |xml| self.noun.write(xml))
    }
}

impl<'a> Noun<'a> {
    fn read(to: &'a str) -> Result<Noun<'a>, TwimlError> {
        let to = to.trim();
        let refused = || TwimlError::NoDestination { to: to.to_owned() };
        let scheme = to.split_once(':').map(|(scheme, rest)| (scheme.to_ascii_lowercase(), rest));
        match scheme.as_ref().map(|(scheme, rest)| (scheme.as_str(), *rest)) {
            Some((_, rest)) if rest.is_empty() || rest.contains(char::is_whitespace) => Err(refused()),
            Some(("sip" | "sips", _)) => Ok(Noun::Sip { address: to, user: None }),
            Some(("client", name)) => Ok(Noun::Client { name }),
            Some(("tel", number)) => Noun::number(number).ok_or_else(refused),
            Some(_) => Err(refused()),
            None => Noun::number(to).ok_or_else(refused),
        }
    }

    fn number(written: &'a str) -> Option<Noun<'a>> {
        Some(Noun::Number {
            number: destination::number(written)?,
            send_digits: None,
            url: None,
            status_callback: None,
            status_callback_events: &[],
        })
    }

    fn write(&self, xml: &mut Xml) -> Result<(), TwimlError> {
        match self {
            Noun::Number { number, send_digits, url, status_callback, status_callback_events } => {
                let events = status_callback_events.join(" ");
                let attributes = [
                    ("sendDigits", send_digits.map(keys).transpose()?),
                    ("url", url.map(absolute).transpose()?),
                    ("statusCallback", status_callback.map(absolute).transpose()?),
                    ("statusCallbackEvent", Some(events.as_str()).filter(|events| !events.is_empty())),
                ];
                xml.element("Number", &attributes, |xml| xml.text(number))
            }
            Noun::Sip { address, user } => {
                let attributes = [
                    ("username", user.map(|(name, _)| name)),
                    ("password", user.map(|(_, password)| password.reveal())),
                ];
                xml.element("Sip", &attributes, |xml| xml.text(address))
            }
            Noun::Client { name } => xml.element("Client", &[], |xml| xml.text(name)),
        }
    }
}
