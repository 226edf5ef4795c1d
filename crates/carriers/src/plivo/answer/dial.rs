//! Handing the caller to somebody else.

use std::borrow::Cow;

use super::{AnswerError, Xml, absolute};
use crate::destination;

/// Calls somebody and connects the two. Without an `action` the document ends when they have talked, and the call too.
#[derive(Clone, Debug, PartialEq)]
pub struct Dial<'a> {
    pub whom: Whom<'a>,
    /// What the called party sees; Plivo's default is the caller's own number.
    pub caller_id: Option<&'a str>,
    /// How long it may ring; Plivo's default is two minutes.
    pub timeout_s: Option<u32>,
    /// How long they may talk; Plivo's default is four hours.
    pub time_limit_s: Option<u32>,
    /// Told, and asked for the next document, when it is over.
    pub action: Option<&'a str>,
    /// The caller may end it with `*`.
    pub hang_up_on_star: bool,
}

/// Whom to call.
#[derive(Clone, Debug, PartialEq)]
pub enum Whom<'a> {
    Number(Cow<'a, str>),
    /// An endpoint: `<User>` in Plivo's words.
    Sip(&'a str),
}

impl<'a> Dial<'a> {
    /// Dials what people and agents write: a number with or without spaces and brackets, `tel:…`, `sip:…`.
    pub fn to(to: &'a str) -> Result<Dial<'a>, AnswerError> {
        Ok(Dial {
            whom: Whom::read(to)?,
            caller_id: None,
            timeout_s: None,
            time_limit_s: None,
            action: None,
            hang_up_on_star: false,
        })
    }

    pub(super) fn write(&self, xml: &mut Xml) -> Result<(), AnswerError> {
        let timeout = self.timeout_s.map(|seconds| seconds.to_string());
        let time_limit = self.time_limit_s.map(|seconds| seconds.to_string());
        let attributes = [
            ("action", self.action.map(absolute).transpose()?),
            ("method", self.action.map(|_| "POST")),
            ("timeout", timeout.as_deref()),
            ("timeLimit", time_limit.as_deref()),
            ("callerId", self.caller_id),
            ("hangupOnStar", self.hang_up_on_star.then_some("true")),
        ];
        xml.element("Dial", &attributes, |xml| match &self.whom {
            Whom::Number(number) => xml.element("Number", &[], |xml| xml.text(number)),
            Whom::Sip(address) => xml.element("User", &[], |xml| xml.text(address)),
        })
    }
}

impl<'a> Whom<'a> {
    fn read(to: &'a str) -> Result<Whom<'a>, AnswerError> {
        let to = to.trim();
        let refused = || AnswerError::NoDestination { to: to.to_owned() };
        let scheme = to.split_once(':').map(|(scheme, rest)| (scheme.to_ascii_lowercase(), rest));
        let number = |written| destination::number(written).map(Whom::Number).ok_or_else(refused);
        match scheme.as_ref().map(|(scheme, rest)| (scheme.as_str(), *rest)) {
            Some((_, rest)) if rest.is_empty() || rest.contains(char::is_whitespace) => Err(refused()),
            Some(("sip" | "sips", _)) => Ok(Whom::Sip(to)),
            Some(("tel", written)) => number(written),
            Some(_) => Err(refused()),
            None => number(to),
        }
    }
}
