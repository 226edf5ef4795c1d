//! Verbs that bring media to us.

use url::{Host, Url};

use super::{Dial, PARAMETER_CHARS_MAX, Say, TwimlError, Verb, Xml, absolute};

/// Two-way media. Twilio stays with it until we close the socket, and then goes on with `when_gone`.
#[derive(Clone, Debug, PartialEq)]
pub struct ConnectStream<'a> {
    /// `wss://`, without a query.
    pub url: &'a str,
    pub name: Option<&'a str>,
    /// Told when the stream starts, stops or fails.
    pub status_callback: Option<&'a str>,
    /// Come back in the `start` message: the only way to tell our socket which call it belongs to.
    pub parameters: &'a [(&'a str, &'a str)],
    pub when_gone: WhenGone<'a>,
}

/// What becomes of the call when the media socket is closed, by us or by an accident of ours.
///
/// There is no "nothing": without a verb after it, what happens is for Twilio to decide, and its documents disagree.
#[derive(Clone, Debug, PartialEq)]
pub enum WhenGone<'a> {
    HangUp,
    SayAndHangUp {
        text: &'a str,
        language: Option<&'a str>,
    },
    /// Hand the caller to a person.
    Dial {
        to: &'a str,
        caller_id: Option<&'a str>,
        timeout_s: Option<u32>,
    },
    /// Fetch the next document from here.
    Redirect {
        url: &'a str,
    },
    /// Like a redirect, by the verb's own `action`: the request says that a stream has ended.
    Ask {
        url: &'a str,
    },
}

impl ConnectStream<'_> {
    pub(super) fn write(&self, xml: &mut Xml) -> Result<(), TwimlError> {
        let action = match self.when_gone {
            WhenGone::Ask { url } => Some(absolute(url)?),
            _ => None,
        };
        let method = action.map(|_| "POST");
        xml.element("Connect", &[("action", action), ("method", method)], |xml| {
            let stream = Stream {
                url: self.url,
                name: self.name,
                // Nothing else is possible on a two-way stream, so it need not be said.
                track: None,
                status_callback: self.status_callback,
                parameters: self.parameters,
            };
            stream.write(xml)
        })?;
        match self.when_gone {
            WhenGone::HangUp | WhenGone::Ask { .. } => Verb::HangUp.write(xml),
            WhenGone::SayAndHangUp { text, language } => {
                Say { text, language, ..Say::default() }.write(xml)?;
                Verb::HangUp.write(xml)
            }
            WhenGone::Dial { to, caller_id, timeout_s } => {
                Dial { caller_id, timeout_s, ..Dial::to(to)? }.write(xml)
            }
            WhenGone::Redirect { url } => Verb::Redirect { url }.write(xml),
        }
    }
}

/// Listening in: media comes to us, nothing goes back, and no keys are reported.
#[derive(Clone, Debug, PartialEq)]
pub struct StartStream<'a> {
    pub url: &'a str,
    pub name: Option<&'a str>,
    pub track: Track,
    pub status_callback: Option<&'a str>,
    pub parameters: &'a [(&'a str, &'a str)],
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Track {
    /// What the caller says.
    #[default]
    Inbound,
    /// What the caller hears.
    Outbound,
    Both,
}

impl Track {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Track::Inbound => "inbound_track",
            Track::Outbound => "outbound_track",
            Track::Both => "both_tracks",
        }
    }
}

impl StartStream<'_> {
    pub(super) fn write(&self, xml: &mut Xml) -> Result<(), TwimlError> {
        xml.element("Start", &[], |xml| {
            let stream = Stream {
                url: self.url,
                name: self.name,
                track: Some(self.track.word()),
                status_callback: self.status_callback,
                parameters: self.parameters,
            };
            stream.write(xml)
        })
    }
}

struct Stream<'a> {
    url: &'a str,
    name: Option<&'a str>,
    track: Option<&'a str>,
    status_callback: Option<&'a str>,
    parameters: &'a [(&'a str, &'a str)],
}

impl Stream<'_> {
    fn write(&self, xml: &mut Xml) -> Result<(), TwimlError> {
        let status_callback = self.status_callback.map(absolute).transpose()?;
        let attributes = [
            ("url", Some(stream_url(self.url)?)),
            ("name", self.name),
            ("track", self.track),
            ("statusCallback", status_callback),
            ("statusCallbackMethod", status_callback.map(|_| "POST")),
        ];
        xml.element("Stream", &attributes, |xml| {
            for &(name, value) in self.parameters {
                let (name, value) = parameter(name, value)?;
                xml.empty("Parameter", &[("name", Some(name)), ("value", Some(value))])?;
            }
            Ok(())
        })
    }
}

/// A `<Parameter>` within its bounds.
pub(crate) fn parameter<'a>(name: &'a str, value: &'a str) -> Result<(&'a str, &'a str), TwimlError> {
    if name.is_empty() {
        return Err(TwimlError::ParameterWithoutName);
    }
    let chars = name.chars().count() + value.chars().count();
    if chars > PARAMETER_CHARS_MAX {
        return Err(TwimlError::ParameterTooLong { name: name.to_owned(), chars });
    }
    Ok((name, value))
}

/// The address of a media socket. Twilio takes `wss` alone; an emulator on this machine may do without certificates.
pub(crate) fn stream_url(url: &str) -> Result<&str, TwimlError> {
    let not_wss = || TwimlError::StreamNotWss { url: url.to_owned() };
    let parsed = Url::parse(url).map_err(|_| not_wss())?;
    let is_here = match parsed.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    if parsed.scheme() != "wss" && !(parsed.scheme() == "ws" && is_here) {
        return Err(not_wss());
    }
    if parsed.query().is_some() || parsed.fragment().is_some() {
        return Err(TwimlError::StreamWithQuery { url: url.to_owned() });
    }
    Ok(url)
}
