//! Documents: the same elements in the same order, with the same attributes and texts.

use std::collections::BTreeMap;

use audio::Rate;
use call::{Encoding, Sound};
use carriers::plivo::answer::{self, AnswerError, Dial, Document, Refused, Stream, WhenGone};
use serde_json::json;

use crate::document::read;
use crate::peers;

#[test]
fn its_builder_writes_the_documents_that_we_write() {
    let Some(theirs) = peers::run(peers::PLIVO, "plivo_xml.py", &json!(null)) else { return };
    let mut theirs: BTreeMap<String, String> = serde_json::from_value(theirs).unwrap();

    for (name, ours) in documents() {
        let ours = ours.unwrap().into_string();
        let theirs = theirs.remove(name).unwrap_or_else(|| panic!("it has no document {name:?}"));
        assert_eq!(read(&ours), read(&theirs), "{name}:\n{ours}\n{theirs}");
    }
    assert!(theirs.is_empty(), "we have no document for {theirs:?}");
}

fn documents() -> Vec<(&'static str, Result<Document, AnswerError>)> {
    let mulaw = Sound { encoding: Encoding::Mulaw, rate: Rate::Hz8000 };
    let wide = Sound { encoding: Encoding::Pcm16, rate: Rate::Hz16000 };
    let in_full = Dial {
        caller_id: Some("+18005551212"),
        timeout_s: Some(20),
        time_limit_s: Some(3600),
        action: Some("https://gw.example.com/after"),
        hang_up_on_star: true,
        ..Dial::to("+1 (415) 555-0123").unwrap()
    };
    let say = WhenGone::SpeakAndHangUp { text: "Entschuldigung & <Ende>.", language: Some("de-DE") };
    let dial = WhenGone::Dial { to: "+14155550123", caller_id: Some("+18005551212"), timeout_s: Some(20) };
    vec![
        ("connected, then hang up", connected(mulaw, WhenGone::HangUp)),
        ("connected in wide sound", connected(wide, WhenGone::HangUp)),
        ("connected, then speak", connected(mulaw, say)),
        ("connected, then dial", connected(mulaw, dial)),
        ("busy", answer::busy()),
        ("refused", answer::refuse(Refused::Busy)),
        ("dialled in full", answer::dial(&in_full)),
        (
            "dialled by SIP",
            Dial::to("sip:desk@pbx.example.com;transport=tls").and_then(|dial| answer::dial(&dial)),
        ),
    ]
}

fn connected(sound: Sound, when_gone: WhenGone<'_>) -> Result<Document, AnswerError> {
    answer::stream(&Stream {
        url: "wss://gw.example.com/plivo/stream",
        sound,
        status_callback: Some("https://gw.example.com/plivo/stream-status?a=1&b=2"),
        extra_headers: &[("token", "8f14e45f"), ("call", "0198c0ff")],
        timeout_s: Some(3600),
        when_gone,
    })
}
