//! Documents: the same verbs in the same order, with the same attributes and texts.

use std::collections::BTreeMap;

use carriers::twilio::twiml::{
    self, ConnectStream, Dial, Document, Noun, RecordDial, RejectReason, Say, StartStream, Track, TwimlError,
    Verb, WhenGone,
};
use serde_json::json;
use wire::Secret;

use crate::document::read;
use crate::peers;

#[test]
fn its_builder_writes_the_documents_that_we_write() {
    let Some(theirs) = peers::run(peers::TWILIO, "twiml.py", &json!(null)) else { return };
    let mut theirs: BTreeMap<String, String> = serde_json::from_value(theirs).unwrap();

    for (name, ours) in documents() {
        let ours = ours.unwrap().into_string();
        let theirs = theirs.remove(name).unwrap_or_else(|| panic!("it has no document {name:?}"));
        assert_eq!(read(&ours), read(&theirs), "{name}:\n{ours}\n{theirs}");
    }
    assert!(theirs.is_empty(), "we have no document for {theirs:?}");
}

fn documents() -> Vec<(&'static str, Result<Document, TwimlError>)> {
    let number = Dial {
        noun: Noun::Number {
            number: "+14155550123".into(),
            send_digits: Some("ww42#"),
            url: Some("https://gw.example.com/whisper"),
            status_callback: Some("https://gw.example.com/status"),
            status_callback_events: &["ringing", "answered"],
        },
        caller_id: Some("+18005551212"),
        timeout_s: Some(20),
        time_limit_s: Some(3600),
        action: Some("https://gw.example.com/after"),
        answer_on_bridge: true,
        hang_up_on_star: true,
        record: RecordDial::FromAnswerDual,
        ring_tone: Some("de"),
        refer_url: Some("https://gw.example.com/refer"),
    };
    let password = Secret::new("p\"w");
    let sip = Noun::Sip { address: "sip:desk@pbx.example.com;transport=tls", user: Some(("me", &password)) };
    let sip = Dial { noun: sip, ..Dial::to("sip:desk@pbx.example.com").unwrap() };
    let busy = Say {
        text: "All lines are busy. Please call again later.",
        voice: Some("alice"),
        language: Some("en-GB"),
        times: Some(2),
    };
    vec![
        ("connected, then hang up", connected(WhenGone::HangUp)),
        (
            "connected, then say",
            connected(WhenGone::SayAndHangUp { text: "Entschuldigung & <Ende>.", language: Some("de-DE") }),
        ),
        (
            "connected, then dial",
            connected(WhenGone::Dial {
                to: "+14155550123",
                caller_id: Some("+18005551212"),
                timeout_s: Some(20),
            }),
        ),
        (
            "connected, then redirect",
            connected(WhenGone::Redirect { url: "https://gw.example.com/gone?a=1&b=2" }),
        ),
        ("connected, then ask", connected(WhenGone::Ask { url: "https://gw.example.com/gone" })),
        (
            "waiting",
            Document::of(&[
                Verb::Play { url: "https://gw.example.com/a.wav?x=1&y=2", times: Some(2) },
                Verb::PlayDigits { digits: "wwww1" },
                Verb::Pause { seconds: 5 },
                Verb::Redirect { url: "https://gw.example.com/ready" },
            ]),
        ),
        (
            "listening in",
            Document::of(&[
                Verb::Start(StartStream {
                    url: "wss://gw.example.com/tap",
                    name: Some("tap"),
                    track: Track::Both,
                    status_callback: None,
                    parameters: &[("k", "v")],
                }),
                Verb::Stop { name: "tap" },
            ]),
        ),
        ("busy", twiml::reject(RejectReason::Busy)),
        ("rejected", twiml::reject(RejectReason::Rejected)),
        ("dialled in full", twiml::dial(&number)),
        ("dialled by SIP", twiml::dial(&sip)),
        ("dialled to a client", Dial::to("client:jenny").and_then(|dial| twiml::dial(&dial))),
        ("spoken", twiml::busy(Some(busy))),
    ]
}

fn connected(when_gone: WhenGone<'_>) -> Result<Document, TwimlError> {
    twiml::connect_stream(&ConnectStream {
        url: "wss://gw.example.com/twilio/media-stream",
        name: Some("agent"),
        status_callback: Some("https://gw.example.com/webhooks/stream?a=1&b=2"),
        parameters: &[
            ("token", "8f14e45fceea167a"),
            ("from", "+14155550123"),
            ("say", "\"<ä>\" & 'co'\n\t日本語"),
        ],
        when_gone,
    })
}
