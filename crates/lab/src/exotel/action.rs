//! Actions on a leg: what may be ordered of it, as JSON or as ExoML.

use audio::Rate;
use quick_xml::escape::escape;

use super::answer::within_limits;
use super::dialect::Manner;
use super::shape::FormatWords;
use crate::phone::Encoding;
use crate::phone::order::{Order, Source};
use crate::phone::xml;

/// What a stream carries if its order does not say.
const CONTENT_TYPE: &str = "audio/x-mulaw;rate=8000";

/// The sound that a stream is ordered with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    content_type: String,
    encoding: Encoding,
    pub(super) rate: Rate,
}

impl Wanted {
    fn read(content_type: &str) -> Result<Wanted, String> {
        let (encoding, rate) = match content_type.replace(' ', "").to_ascii_lowercase().as_str() {
            "audio/x-mulaw;rate=8000" => (Encoding::Mulaw, Rate::Hz8000),
            "audio/l16;rate=8000" => (Encoding::Pcm16, Rate::Hz8000),
            "audio/l16;rate=16000" => (Encoding::Pcm16, Rate::Hz16000),
            _ => return Err(format!("no content type {content_type:?} can be had")),
        };
        Ok(Wanted { content_type: content_type.to_owned(), encoding, rate })
    }

    pub(super) fn put_on(&self, manner: &Manner) -> Manner {
        let format = FormatWords { encoding: Some(self.content_type.clone()), ..manner.format.clone() };
        Manner { encoding: self.encoding, format, ..manner.clone() }
    }
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Action {
    StartStream {
        url: String,
        wanted: Wanted,
    },
    StopStream,
    Hangup,
    /// Of our own: what a bridge does to each of its legs.
    Bridge {
        number: String,
    },
}

impl Action {
    /// `<Flow><StartStream …/></Flow>`
    pub(super) fn read(exoml: &str) -> Result<Action, String> {
        let root = xml::parse(exoml)?;
        if root.name != "Flow" {
            return Err(format!("the root is <{}>, not <Flow>", root.name));
        }
        let [verb] = root.children.as_slice() else {
            return Err(format!("{} verbs; one at a time is emulated", root.children.len()));
        };
        match verb.name.as_str() {
            "StartStream" => Action::start_stream(
                verb.attribute("streamType"),
                verb.attribute("url").unwrap_or_default(),
                verb.attribute("contentType"),
            ),
            "StopStream" => Ok(Action::StopStream),
            "Hangup" => Ok(Action::Hangup),
            "Bridge" => {
                Ok(Action::Bridge { number: verb.attribute("number").unwrap_or_default().to_owned() })
            }
            other => Err(format!("<{other}> is not emulated")),
        }
    }

    pub(super) fn start_stream(
        kind: Option<&str>,
        url: &str,
        content_type: Option<&str>,
    ) -> Result<Action, String> {
        if kind != Some("bidirectional") {
            return Err(format!("the stream's direction is {kind:?}, not \"bidirectional\""));
        }
        within_limits(url)?;
        let wanted = Wanted::read(content_type.unwrap_or(CONTENT_TYPE))?;
        Ok(Action::StartStream { url: url.to_owned(), wanted })
    }

    /// What the call's task is told; it reads documents, whichever way the order came.
    pub(super) fn order(self) -> Order {
        let verb = match self {
            Action::StopStream => return Order::StopStream,
            Action::Hangup => return Order::Complete,
            Action::StartStream { url, wanted } => format!(
                "<StartStream streamType=\"bidirectional\" url=\"{}\" contentType=\"{}\"/>",
                escape(&url),
                escape(&wanted.content_type)
            ),
            Action::Bridge { number } => format!("<Bridge number=\"{}\"/>", escape(&number)),
        };
        Order::Replace(Source::Inline(format!("<Flow>{verb}</Flow>")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions_survive_the_way_to_the_call() {
        let url = "wss://h/ws?a=1&b=<\"'>";
        for action in [
            Action::start_stream(Some("bidirectional"), url, None).unwrap(),
            Action::start_stream(Some("bidirectional"), url, Some("audio/L16;rate=16000")).unwrap(),
            Action::Bridge { number: "+91".into() },
        ] {
            let words = format!("{action:?}");
            let Order::Replace(Source::Inline(exoml)) = action.order() else { panic!("{words}") };
            assert_eq!(format!("{:?}", Action::read(&exoml).unwrap()), words);
        }
    }

    #[test]
    fn sound_is_mulaw_unless_said_otherwise() {
        let exoml = "<?xml version=\"1.0\"?><Flow><StartStream streamType=\"bidirectional\" url=\"wss://h/\"/></Flow>";
        let Ok(Action::StartStream { wanted, .. }) = Action::read(exoml) else { panic!() };
        assert_eq!((wanted.encoding, wanted.rate), (Encoding::Mulaw, Rate::Hz8000));
    }

    #[test]
    fn what_cannot_be_done_is_said() {
        for (exoml, wrong) in [
            ("<Response/>", "not <Flow>"),
            ("<Flow/>", "0 verbs"),
            ("<Flow><StartSay>x</StartSay></Flow>", "<StartSay> is not emulated"),
            ("<Flow><StartStream url=\"wss://h/\"/></Flow>", "direction"),
            ("<Flow><StartStream streamType=\"bidirectional\" url=\"h\"/></Flow>", "not a URL"),
            (
                "<Flow><StartStream streamType=\"bidirectional\" url=\"wss://h/\" contentType=\"audio/opus\"/></Flow>",
                "no content type",
            ),
        ] {
            let problem = Action::read(exoml).unwrap_err();
            assert!(problem.contains(wrong), "{problem}");
        }
    }
}
