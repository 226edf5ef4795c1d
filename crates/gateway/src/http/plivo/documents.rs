//! What Plivo is told to do with a call. Whatever happens, the caller hears something.

use carriers::plivo::answer::{self, AnswerError, Document, Stream};
use carriers::twilio::signature::public_url;
use url::Url;

use crate::config::{Plivo, WhenGone};
use crate::switchboard::Reservation;

/// Said while the gateway goes down.
const CLOSING: &str = "This line is closed for a moment. Please call again in a few minutes.";

/// Said when something is wrong that the log explains.
const TROUBLE: &str = "This line cannot take calls right now. Please call again later.";

/// Answer, and bring the media to us.
pub(super) fn connect(
    settings: &Plivo,
    base: &Url,
    reservation: &Reservation,
) -> Result<Document, AnswerError> {
    let media = media_address(base, &settings.stream_path);
    let status_callback = public_url(base, &settings.stream_status_path);
    // Letters and digits alone: without its dashes it is the same id.
    let id = reservation.id.to_string().replace('-', "");
    let when_gone = match &settings.when_gone {
        WhenGone::HangUp => answer::WhenGone::HangUp,
        WhenGone::Say { text } => answer::WhenGone::SpeakAndHangUp { text, language: None },
        WhenGone::Dial { number } => answer::WhenGone::Dial {
            to: number,
            caller_id: settings.transfer_caller_id.as_deref(),
            timeout_s: Some(settings.dial_timeout_s),
        },
    };
    answer::stream(&Stream {
        url: &media,
        sound: settings.content_type.sound(),
        status_callback: Some(&status_callback),
        extra_headers: &[("token", reservation.token.as_str()), ("call", &id)],
        timeout_s: None,
        when_gone,
    })
}

/// No room for another call.
pub(super) fn busy() -> Result<Document, AnswerError> {
    answer::busy()
}

pub(super) fn closing() -> Result<Document, AnswerError> {
    answer::speak_and_hang_up(CLOSING, None)
}

pub(super) fn trouble() -> Result<Document, AnswerError> {
    answer::speak_and_hang_up(TROUBLE, None)
}

/// For whoever answers a call that has been given up in the meantime.
pub(super) fn over() -> Result<Document, AnswerError> {
    answer::hang_up()
}

fn media_address(base: &Url, path: &str) -> String {
    let address = public_url(base, path);
    match address.strip_prefix("http") {
        // `http` becomes `ws`, and `https` becomes `wss`.
        Some(rest) => format!("ws{rest}"),
        None => address,
    }
}

#[cfg(test)]
mod tests {
    use call::CallId;

    use super::*;
    use crate::config::ContentType;

    fn written(settings: &Plivo, base: &str) -> String {
        let reservation = Reservation { id: CallId::mint(1, [0; 10]), token: "thetoken".to_owned() };
        connect(settings, &Url::parse(base).unwrap(), &reservation).unwrap().into_string()
    }

    #[test]
    fn media_and_its_callback_go_to_the_address_that_was_called() {
        let document = written(&Plivo::default(), "https://voice.example.com/phone/");

        assert!(document.contains(">wss://voice.example.com/phone/plivo/stream</Stream>"), "{document}");
        let callback = r#"statusCallbackUrl="https://voice.example.com/phone/plivo/stream-status""#;
        assert!(document.contains(callback), "{document}");
        let headers = r#"extraHeaders="token=thetoken,call=00000000000170008000000000000000""#;
        assert!(document.contains(headers), "{document}");
        assert!(document.contains(r#"contentType="audio/x-mulaw;rate=8000""#), "{document}");
        assert!(document.ends_with("</Stream><Hangup/></Response>"), "{document}");
        let here = written(&Plivo::default(), "http://127.0.0.1:7900");
        assert!(here.contains(">ws://127.0.0.1:7900/plivo/stream<"), "{here}");
    }

    #[test]
    fn sound_and_what_happens_when_we_are_gone_are_the_operators_choice() {
        let say = Plivo {
            when_gone: WhenGone::Say { text: "Sorry & goodbye".to_owned() },
            content_type: ContentType::Pcm16000,
            ..Plivo::default()
        };
        let dial = Plivo {
            when_gone: WhenGone::Dial { number: "+14155550111".to_owned() },
            transfer_caller_id: Some("+14155550100".to_owned()),
            ..Plivo::default()
        };

        let said = written(&say, "https://a.example");
        assert!(said.ends_with("</Stream><Speak>Sorry &amp; goodbye</Speak><Hangup/></Response>"), "{said}");
        assert!(said.contains(r#"contentType="audio/x-l16;rate=16000""#), "{said}");
        let dialled = written(&dial, "https://a.example");
        let element =
            r#"</Stream><Dial timeout="30" callerId="+14155550100"><Number>+14155550111</Number></Dial>"#;
        assert!(dialled.contains(element), "{dialled}");
    }

    #[test]
    fn nobody_is_left_in_silence() {
        for document in [busy(), closing(), trouble()] {
            let document = document.unwrap();
            assert!(
                document.as_str().contains("<Speak>") && document.as_str().contains("<Hangup/>"),
                "{document}"
            );
        }
    }
}
