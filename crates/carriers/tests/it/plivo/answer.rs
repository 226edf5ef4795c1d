//! The documents.

use audio::Rate;
use call::{Encoding, Sound};
use carriers::plivo::answer::{self, AnswerError, Dial, Document, Refused, Stream, WhenGone};

const MULAW: Sound = Sound { encoding: Encoding::Mulaw, rate: Rate::Hz8000 };
const XML: &str = r#"<?xml version="1.0" encoding="UTF-8"?>"#;

fn plain() -> Stream<'static> {
    Stream {
        url: "wss://gw.example.com/plivo/stream",
        sound: MULAW,
        status_callback: None,
        extra_headers: &[],
        timeout_s: None,
        when_gone: WhenGone::HangUp,
    }
}

fn written(stream: &Stream<'_>) -> String {
    answer::stream(stream).unwrap().into_string()
}

#[test]
fn the_stream_stands_as_plivo_documents_it() {
    let stream = Stream {
        status_callback: Some("https://gw.example.com/plivo/stream-status?a=1&b=2"),
        extra_headers: &[("token", "8f14e45f"), ("call", "0198c0ff")],
        timeout_s: Some(86_400),
        ..plain()
    };

    let document = written(&stream);

    assert_eq!(
        document,
        format!(
            "{XML}<Response><Stream bidirectional=\"true\" keepCallAlive=\"true\" audioTrack=\"inbound\" \
             contentType=\"audio/x-mulaw;rate=8000\" streamTimeout=\"86400\" \
             statusCallbackUrl=\"https://gw.example.com/plivo/stream-status?a=1&amp;b=2\" \
             statusCallbackMethod=\"POST\" extraHeaders=\"token=8f14e45f,call=0198c0ff\">\
             wss://gw.example.com/plivo/stream</Stream><Hangup/></Response>"
        )
    );
}

#[test]
fn every_sound_has_its_name_with_the_rate() {
    let pcm = |rate| Sound { encoding: Encoding::Pcm16, rate };
    for (sound, name) in [
        (MULAW, "audio/x-mulaw;rate=8000"),
        (pcm(Rate::Hz8000), "audio/x-l16;rate=8000"),
        (pcm(Rate::Hz16000), "audio/x-l16;rate=16000"),
    ] {
        let document = written(&Stream { sound, ..plain() });
        assert!(document.contains(&format!("contentType=\"{name}\"")), "{document}");
    }
}

#[test]
fn what_follows_the_stream_is_the_operators_choice() {
    let say = WhenGone::SpeakAndHangUp { text: "Sorry & <goodbye>", language: Some("en-GB") };
    let dial =
        WhenGone::Dial { to: "+1 (415) 555-0111", caller_id: Some("+14155550100"), timeout_s: Some(30) };

    let said = written(&Stream { when_gone: say, ..plain() });
    let dialled = written(&Stream { when_gone: dial, ..plain() });

    let spoken = "</Stream><Speak language=\"en-GB\">Sorry &amp; &lt;goodbye&gt;</Speak><Hangup/></Response>";
    assert!(said.ends_with(spoken), "{said}");
    let rung = "</Stream><Dial timeout=\"30\" callerId=\"+14155550100\"><Number>+14155550111</Number></Dial></Response>";
    assert!(dialled.ends_with(rung), "{dialled}");
}

#[test]
fn callers_who_cannot_come_in_hear_why_or_are_refused_for_free() {
    for document in [answer::busy(), answer::speak_and_hang_up("Closed.", None)] {
        let document = document.unwrap().into_string();
        assert!(document.contains("<Speak>") && document.ends_with("<Hangup/></Response>"), "{document}");
    }
    let refused = |reason| answer::refuse(reason).unwrap().into_string();
    assert_eq!(refused(Refused::Busy), format!("{XML}<Response><Hangup reason=\"busy\"/></Response>"));
    assert_eq!(
        refused(Refused::Rejected),
        format!("{XML}<Response><Hangup reason=\"rejected\"/></Response>")
    );
    assert_eq!(answer::hang_up().unwrap().as_str(), format!("{XML}<Response><Hangup/></Response>"));
}

#[test]
fn callers_are_handed_to_numbers_and_sip_addresses() {
    let dialled = |to: &str| Dial::to(to).and_then(|dial| answer::dial(&dial)).map(Document::into_string);

    for (to, inside) in [
        ("+14155550123", "<Number>+14155550123</Number>"),
        (" 0415 / 555-0123 ", "<Number>04155550123</Number>"),
        ("tel:+14155550123", "<Number>+14155550123</Number>"),
        ("sip:desk@pbx.example.com;a=\"&b\"", "<User>sip:desk@pbx.example.com;a=\"&amp;b\"</User>"),
        ("SIPS:desk@pbx.example.com", "<User>SIPS:desk@pbx.example.com</User>"),
    ] {
        let document = dialled(to).unwrap();
        assert_eq!(document, format!("{XML}<Response><Dial>{inside}</Dial></Response>"));
    }
    for to in ["", "somebody", "client:jenny", "sip:", "sip: a", "+1", "12345678901234567", "1<2", "tel:x"] {
        assert!(matches!(dialled(to), Err(AnswerError::NoDestination { .. })), "{to}");
    }
    let in_full = Dial {
        action: Some("https://gw.example.com/after"),
        time_limit_s: Some(60),
        hang_up_on_star: true,
        ..Dial::to("+1415").unwrap()
    };
    let document = answer::dial(&in_full).unwrap().into_string();
    let attributes =
        r#"<Dial action="https://gw.example.com/after" method="POST" timeLimit="60" hangupOnStar="true">"#;
    assert!(document.contains(attributes), "{document}");
    assert!(answer::dial(&Dial { action: Some("/after"), ..in_full }).is_err());
}

#[test]
fn what_plivo_would_refuse_is_refused_here() {
    let refused = |stream: Stream<'_>| answer::stream(&stream).unwrap_err();

    for url in ["https://gw.example.com", "ws://gw.example.com", "gw.example.com", ""] {
        assert!(matches!(refused(Stream { url, ..plain() }), AnswerError::StreamNotWss { .. }), "{url}");
    }
    let url = "wss://gw.example.com/?token=1";
    assert!(matches!(refused(Stream { url, ..plain() }), AnswerError::StreamWithQuery { .. }));
    for url in ["ws://127.0.0.1:7900/s", "ws://[::1]/s", "ws://localhost/s"] {
        assert!(answer::stream(&Stream { url, ..plain() }).is_ok(), "{url}");
    }
    for pair in [("to", "+1415"), ("call", "a-b"), ("", "x"), ("x", ""), ("a=b", "c"), ("é", "x")] {
        let extra_headers = &[pair];
        let error = refused(Stream { extra_headers, ..plain() });
        assert!(matches!(error, AnswerError::ExtraHeaderNotPlain { .. }), "{pair:?}");
    }
    let long = "x".repeat(507);
    assert!(answer::stream(&Stream { extra_headers: &[("name", &long)], ..plain() }).is_ok());
    let longer = "x".repeat(508);
    let error = refused(Stream { extra_headers: &[("name", &longer)], ..plain() });
    assert_eq!(error, AnswerError::ExtraHeadersTooLong { bytes: 513 });
    let status_callback = Some("/relative");
    assert!(matches!(refused(Stream { status_callback, ..plain() }), AnswerError::NotAbsolute { .. }));
    assert_eq!(answer::speak_and_hang_up(" \n", None), Err(AnswerError::NothingToSay));
    let text = "é".repeat(3_001);
    assert_eq!(answer::speak_and_hang_up(&text, None), Err(AnswerError::TextTooLong { chars: 3_001 }));
}
