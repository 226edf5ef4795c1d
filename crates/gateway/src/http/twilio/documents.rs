//! What Twilio is told to do with a call. Whatever happens, the caller hears something.

use carriers::twilio::signature::public_url;
use carriers::twilio::twiml::{self, ConnectStream, Document, TwimlError};
use url::Url;

use crate::config::{Twilio, WhenGone};
use crate::switchboard::Reservation;

/// Twilio takes 500 characters for name and value of a parameter together.
const VALUE_CHARS_MAX: usize = 480;

/// Said while the gateway goes down.
const CLOSING: &str = "This line is closed for a moment. Please call again in a few minutes.";

/// Said when something is wrong that the log explains.
const TROUBLE: &str = "This line cannot take calls right now. Please call again later.";

/// Answer, and bring the media to us.
pub(crate) fn connect(
    settings: &Twilio,
    base: &Url,
    reservation: &Reservation,
    from: &str,
    to: &str,
) -> Result<Document, TwimlError> {
    let media = media_address(base, &settings.stream_path);
    let status_callback = public_url(base, &settings.stream_status_path);
    let id = reservation.id.to_string();
    let (from, to) = (cut(from), cut(to));
    let parameters: Vec<(&str, &str)> =
        [("token", reservation.token.as_str()), ("call", &id), ("from", from), ("to", to)]
            .into_iter()
            .filter(|(_, value)| !value.is_empty())
            .collect();
    let when_gone = match &settings.when_gone {
        WhenGone::HangUp => twiml::WhenGone::HangUp,
        WhenGone::Say { text } => twiml::WhenGone::SayAndHangUp { text, language: None },
        WhenGone::Dial { number } => twiml::WhenGone::Dial {
            to: number,
            caller_id: settings.transfer_caller_id.as_deref(),
            timeout_s: Some(settings.dial_timeout_s),
        },
    };
    twiml::connect_stream(&ConnectStream {
        url: &media,
        name: None,
        status_callback: Some(&status_callback),
        parameters: &parameters,
        when_gone,
    })
}

/// No room for another call.
pub(super) fn busy() -> Result<Document, TwimlError> {
    twiml::busy(None)
}

pub(super) fn closing() -> Result<Document, TwimlError> {
    twiml::say_and_hang_up(CLOSING, None)
}

pub(super) fn trouble() -> Result<Document, TwimlError> {
    twiml::say_and_hang_up(TROUBLE, None)
}

/// For a call that is over, if anybody still listens.
pub(super) fn over() -> Result<Document, TwimlError> {
    twiml::hang_up()
}

fn media_address(base: &Url, path: &str) -> String {
    let address = public_url(base, path);
    match address.strip_prefix("http") {
        // `http` becomes `ws`, and `https` becomes `wss`.
        Some(rest) => format!("ws{rest}"),
        None => address,
    }
}

fn cut(text: &str) -> &str {
    text.char_indices().nth(VALUE_CHARS_MAX).map_or(text, |(at, _)| &text[..at])
}

#[cfg(test)]
mod tests {
    use super::*;
    use call::CallId;

    fn written(settings: &Twilio, base: &str, from: &str) -> String {
        let reservation = Reservation { id: CallId::mint(1, [0; 10]), token: "the-token".to_owned() };
        connect(settings, &Url::parse(base).unwrap(), &reservation, from, "+1415").unwrap().into_string()
    }

    #[test]
    fn media_and_its_callback_go_to_the_address_that_was_called() {
        let document = written(&Twilio::default(), "https://voice.example.com/phone/", "+1");

        assert!(
            document.contains(r#"url="wss://voice.example.com/phone/twilio/media-stream""#),
            "{document}"
        );
        let callback = r#"statusCallback="https://voice.example.com/phone/webhooks/stream-status""#;
        assert!(document.contains(callback), "{document}");
        assert!(document.contains(r#"<Parameter name="token" value="the-token"/>"#), "{document}");
        assert!(document.ends_with("</Connect><Hangup/></Response>"), "{document}");
        let here = written(&Twilio::default(), "http://127.0.0.1:7900", "+1");
        assert!(here.contains(r#"url="ws://127.0.0.1:7900/twilio/media-stream""#), "{here}");
    }

    #[test]
    fn what_a_caller_calls_itself_is_cut_and_escaped() {
        let document =
            written(&Twilio::default(), "https://a.example", &format!("\"<é&>{}", "é".repeat(5_000)));

        let shown = format!("value=\"&quot;&lt;é&amp;&gt;{}\"", "é".repeat(VALUE_CHARS_MAX - 5));
        assert!(document.contains(&shown), "{document}");
    }

    #[test]
    fn what_happens_when_we_are_gone_is_the_operators_choice() {
        let say =
            Twilio { when_gone: WhenGone::Say { text: "Sorry & goodbye".to_owned() }, ..Twilio::default() };
        let dial = Twilio {
            when_gone: WhenGone::Dial { number: "+14155550111".to_owned() },
            transfer_caller_id: Some("+14155550100".to_owned()),
            ..Twilio::default()
        };

        let said = written(&say, "https://a.example", "+1");
        assert!(said.ends_with("</Connect><Say>Sorry &amp; goodbye</Say><Hangup/></Response>"), "{said}");
        let dialled = written(&dial, "https://a.example", "+1");
        let verb =
            r#"</Connect><Dial timeout="30" callerId="+14155550100"><Number>+14155550111</Number></Dial>"#;
        assert!(dialled.contains(verb), "{dialled}");
    }

    #[test]
    fn nobody_is_left_in_silence() {
        for document in [busy(), closing(), trouble()] {
            let document = document.unwrap();
            assert!(
                document.as_str().contains("<Say>") && document.as_str().contains("<Hangup/>"),
                "{document}"
            );
        }
    }
}
