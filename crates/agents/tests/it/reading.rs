//! What comes from an agent, sound or broken.

use agents::elevenlabs::messages::FromAgent;
use agents::elevenlabs::{AudioMessage, MESSAGE_MAX};
use audio::{Rate, g711};
use call::{AgentCommand, AgentEvent, AgentFault, AgentLeft, AnswerId, Oddity, Retry, Said, Side, ToolStage};
use proptest::prelude::*;
use serde_json::{Value, json};
use wire::Incoming;

use crate::fixtures::server_lines;
use crate::sessions::{Session, agent_response, audio, metadata, plan, user_transcript};

fn odd(oddity: Oddity) -> AgentEvent {
    AgentEvent::Odd(oddity)
}

fn audio_of(events: &[AgentEvent]) -> Vec<i16> {
    events
        .iter()
        .filter_map(|event| match event {
            AgentEvent::Audio { frame, .. } => Some(frame.samples.clone()),
            _ => None,
        })
        .flatten()
        .collect()
}

#[test]
fn telephone_audio_passes_without_a_change() {
    let mut session = Session::telephone();
    let codes: Vec<u8> = (0..4000u32).map(|n| (n * 7) as u8).collect();

    session.read(&audio(1, &codes));

    let mut samples = Vec::new();
    g711::ulaw_to_pcm(&codes, &mut samples);
    assert_eq!(audio_of(&session.told()), samples);
}

#[test]
fn audio_at_another_rate_is_brought_to_the_callers() {
    for (speaks, hz) in
        [("pcm_16000", 16_000), ("pcm_22050", 22_050), ("pcm_44100", 44_100), ("pcm_48000", 48_000)]
    {
        let mut session = Session::ready(plan(Rate::Hz8000), "ulaw_8000", speaks);
        for _ in 0..10 {
            session.read(&audio(1, &vec![0; hz / 10 * 2]));
        }

        let got = audio_of(&session.told()).len();
        assert!((8_000..8_012).contains(&got), "{speaks}: a second became {got} samples");
    }
}

#[test]
fn a_session_stands_once() {
    let mut session = Session::new(plan(Rate::Hz8000));

    session.read(&metadata("pcm_16000", "ulaw_8000"));
    session.read(&metadata("pcm_16000", "ulaw_8000"));

    let told = session.told();
    let AgentEvent::Ready(ready) = &told[0] else { panic!("{told:?}") };
    assert_eq!(ready.session.as_deref(), Some("conv_1"));
    assert_eq!(ready.formats.as_deref(), Some("pcm_16000 / ulaw_8000"));
    assert_eq!(told[1..], [odd(Oddity::Repeated)]);
}

#[test]
fn missing_formats_are_taken_for_the_usual_one() {
    let mut session = Session::new(plan(Rate::Hz8000));

    session.read(
        &json!({"type": "conversation_initiation_metadata", "conversation_initiation_metadata_event": {}}),
    );

    let told = session.told();
    assert!(
        matches!(&told[0], AgentEvent::Fault(fault) if fault.kind.as_deref() == Some("missing_audio_format"))
    );
    assert!(
        matches!(&told[1], AgentEvent::Ready(ready) if ready.formats.as_deref() == Some("pcm_16000 / pcm_16000"))
    );
}

#[test]
fn a_format_that_cannot_be_carried_ends_the_session_with_words() {
    let mut session = Session::new(plan(Rate::Hz8000));

    session.read(&metadata("ulaw_8000", "mp3_44100_128"));

    let told = session.told();
    assert!(matches!(&told[0], AgentEvent::Fault(_)), "{told:?}");
    let AgentEvent::Left(departure) = &told[1] else { panic!("{told:?}") };
    assert_eq!((departure.cause, departure.retry), (AgentLeft::Closed { code: 1003 }, Retry::Never));
    assert!(
        departure.detail.contains("mp3_44100_128") && departure.detail.contains("agent_output_audio_format")
    );

    session.read(&audio(1, &[0; 160]));
    session.write(AgentCommand::Say { text: "Hello".into() });
    assert_eq!(session.told(), [AgentEvent::CannotSay]);
    assert_eq!(session.leg.closed(None, ""), *departure);
}

#[test]
fn audio_before_the_session_stands_is_odd() {
    let mut session = Session::new(plan(Rate::Hz8000));

    session.read(&audio(1, &[0; 160]));

    assert_eq!(session.told(), [odd(Oddity::BeforeStart)]);
}

#[test]
fn answers_end_when_the_next_begins_unless_interrupted() {
    let mut session = Session::telephone();

    session.read(&agent_response(1, "One."));
    session.read(&audio(1, &[0xFF; 160]));
    session.read(&agent_response(4, "Four."));
    session.read(&json!({"type": "interruption", "interruption_event": {"event_id": 4}}));
    session.read(&audio(4, &[0xFF; 160]));
    session.read(&agent_response(6, "Six."));
    session
        .read(&json!({"type": "agent_response_complete", "agent_response_complete_event": {"event_id": 6}}));
    session.read(&agent_response(8, "Eight."));

    let ended: Vec<i64> = session
        .told()
        .iter()
        .filter_map(|event| match event {
            AgentEvent::AnswerEnded { answer } => Some(answer.0),
            _ => None,
        })
        .collect();
    assert_eq!(ended, [1, 6]);
}

#[test]
fn both_shapes_of_errors_are_read() {
    let mut session = Session::telephone();

    session.read(&json!({"type": "error", "error_event": {"code": 1008, "error_type": "override_error", "reason": "no voice"}}));
    session.read(&json!({"type": "error", "message": "received 1002 (protocol error) This request exceeds your quota"}));
    session.read(&json!({"type": "error", "error_event": {"code": "1011", "message": {"odd": 1}}}));
    session.read(&json!({"type": "error"}));

    let fault = |code, kind: Option<&str>, message: Option<&str>| {
        AgentEvent::Fault(AgentFault {
            code,
            kind: kind.map(str::to_owned),
            message: message.map(str::to_owned),
        })
    };
    assert_eq!(
        session.told(),
        [
            fault(Some(1008), Some("override_error"), Some("no voice")),
            fault(Some(1002), None, Some("received 1002 (protocol error) This request exceeds your quota")),
            fault(Some(1011), None, Some(r#"{"odd":1}"#)),
            fault(None, None, None),
        ]
    );
}

#[test]
fn a_ping_is_answered_at_once_whatever_its_number_looks_like() {
    let mut session = Session::telephone();

    for id in [json!(7), json!("8"), json!(9.0)] {
        session.read(&json!({"type": "ping", "ping_event": {"event_id": id, "ping_ms": 5000}}));
    }

    assert_eq!(session.told(), [AgentEvent::Alive, AgentEvent::Alive, AgentEvent::Alive]);
    assert_eq!(session.sent(), [7, 8, 9].map(|id| json!({"type": "pong", "event_id": id})));
}

#[test]
fn a_transfer_by_the_platform_is_done_in_its_place() {
    let payload = |result: &str, is_error: bool| {
        json!({"type": "agent_tool_response_full_payload", "agent_tool_response_full_payload": {
            "tool_name": "transfer_to_number", "tool_call_id": "t1", "tool_type": "system", "is_error": is_error,
            "is_called": true, "event_id": 3, "full_tool_result": result}})
    };
    let mut session = Session::telephone();

    session.read(
        &json!({"type": "agent_tool_response", "agent_tool_response": {"tool_name": "transfer_to_number",
        "tool_call_id": "t1", "tool_type": "system", "is_error": false, "is_called": true, "event_id": 3}}),
    );
    session.read(&payload(r#"{"transfer_number":"+14155550123"}"#, false));
    let told = session.told();
    assert!(matches!(&told[0], AgentEvent::ToolTraced(trace) if trace.stage == ToolStage::Done));
    assert_eq!(told[1], AgentEvent::Alive, "traced once");
    let AgentEvent::ToolCalled(call) = &told[2] else { panic!("{told:?}") };
    assert_eq!((call.name.as_str(), call.wants_answer), ("transfer_to_number", false));
    assert_eq!(call.arguments["number"], "+14155550123");

    for (result, is_error) in
        [("", false), ("not JSON", false), ("{}", false), (r#"{"transfer_number":"+1"}"#, true)]
    {
        session.read(&payload(result, is_error));
        assert!(!session.told().iter().any(|event| matches!(event, AgentEvent::ToolCalled(_))), "{result}");
    }
}

#[test]
fn what_we_wrote_for_the_caller_does_not_come_back_as_their_words() {
    let mut session = Session::telephone();
    session.write(AgentCommand::Digits("5".into()));
    let written = session.sent()[0]["text"].as_str().unwrap().to_owned();

    session.read(&user_transcript(3, &written));
    session.read(&user_transcript(5, &written));

    let told = session.told();
    assert_eq!(told[0], AgentEvent::Alive);
    assert_eq!(told[1], AgentEvent::CallerSaid { text: written, is_final: true }, "only once");
}

#[test]
fn broken_messages_are_counted_and_survived() {
    let mut session = Session::telephone();
    let cases = [
        ("", Oddity::Malformed),
        ("{", Oddity::Malformed),
        ("[]", Oddity::Malformed),
        (r#"{"no":"type"}"#, Oddity::Malformed),
        (r#"{"type":"ping"}"#, Oddity::Malformed),
        (r#"{"type":"ping","ping_event":{"event_id":null}}"#, Oddity::Malformed),
        (r#"{"type":"audio","audio_event":{"audio_base_64":7,"event_id":1}}"#, Oddity::Malformed),
        (r#"{"type":"tomorrow","tomorrow_event":{}}"#, Oddity::UnknownMessage),
        (r#"{"type":"queue_status","queue_status_event":{"status":"lost"}}"#, Oddity::UnknownMessage),
    ];
    for (text, oddity) in cases {
        session.read_text(text);
        assert_eq!(session.told(), [odd(oddity)], "{text}");
    }
    session.leg.read(Incoming::Binary(&[1, 2]), &mut session.events, &mut session.outbox);
    assert_eq!(session.told(), [odd(Oddity::Malformed)]);

    session.read_text(r#"{"type":"audio","audio_event":{"audio_base_64":"?","event_id":1}}"#);
    assert_eq!(session.told(), [AgentEvent::Alive, odd(Oddity::BadAudio)]);
    session.read_text(r#"{"type":"audio","audio_event":{"audio_base_64":"","event_id":1}}"#);
    assert_eq!(session.told(), [AgentEvent::Alive]);
}

#[test]
fn half_a_sample_is_odd_and_the_rest_is_heard() {
    let mut session = Session::ready(plan(Rate::Hz16000), "pcm_16000", "pcm_16000");

    session.read(&audio(1, &[1, 0, 2, 0, 3]));

    let told = session.told();
    assert_eq!(audio_of(&told), [1, 2]);
    assert_eq!(told.last(), Some(&odd(Oddity::BadAudio)));
}

#[test]
fn messages_up_to_the_limit_are_read_and_none_beyond() {
    let mut session = Session::telephone();
    let around = audio(1, &[]).to_string().len();
    let chars = (MESSAGE_MAX - around) / 4 * 4;
    let large = audio(1, &vec![0xFF; chars / 4 * 3]).to_string();
    assert!(large.len() <= MESSAGE_MAX && large.len() > MESSAGE_MAX - 4);

    session.read_text(&large);
    assert_eq!(audio_of(&session.told()).len(), chars / 4 * 3);

    session.read_text(&format!("{large}    "));
    assert_eq!(session.told(), [odd(Oddity::TooLarge)]);
    session.read(&agent_response(3, &"x".repeat(2 << 20)));
    assert_eq!(session.told(), [odd(Oddity::TooLarge)]);
    session.read(&agent_response(3, &"ü".repeat(20_000)));
    assert!(matches!(session.told().last(), Some(AgentEvent::Says { text, .. }) if text.len() == 16 << 10));
}

#[test]
fn the_quick_way_is_taken_for_every_usual_form() {
    for text in [
        r#"{"type":"audio","audio_event":{"audio_base_64":"AAAA","event_id":12}}"#,
        r#"{"type": "audio", "audio_event": {"audio_base_64": "AAAA", "event_id": 12}}"#,
        r#"{"audio_event":{"event_id":12,"audio_base_64":"AAAA"},"type":"audio"}"#,
        "{\n \"type\" : \"audio\",\n \"audio_event\" : { \"event_id\" : 12, \"audio_base_64\" : \"AAAA\" }\n}\n",
        r#"{"type":"audio","audio_event":{"audio_base_64":"AAAA","event_id":12,"alignment":{"chars":["\"","}"],"char_start_times_ms":[0,1.5],"char_durations_ms":[]}}}"#,
        r#"{"type":"audio","audio_event":{"alignment":null,"audio_base_64":"AAAA","event_id":12}}"#,
    ] {
        assert_eq!(
            AudioMessage::read_quickly(text),
            Some(AudioMessage { base64: "AAAA", event_id: 12 }),
            "{text}"
        );
    }
    for text in [
        r#"{"type":"audio","audio_event":{"audio_base_64":"AA\/A","event_id":12}}"#,
        r#"{"type":"audio","audio_event":{"audio_base64":"AAAA","event_id":12}}"#,
        r#"{"type":"audio","audio_event":{"audio_base_64":"AAAA","event_id":"12"}}"#,
        r#"{"type":"audio","audio_event":{"audio_base_64":"AAAA","event_id":12.0}}"#,
        r#"{"type":"audio","version":2,"audio_event":{"audio_base_64":"AAAA","event_id":12}}"#,
    ] {
        assert_eq!(AudioMessage::read_quickly(text), None, "left to the general parser: {text}");
        let mut session = Session::telephone();
        session.read_text(text);
        assert!(matches!(session.told()[..], [AgentEvent::Audio { answer: AnswerId(12), .. }]), "{text}");
    }
}

/// An audio message in one of the many ways to write it.
fn any_audio_text() -> impl Strategy<Value = String> {
    let fields =
        (prop::collection::vec(any::<u8>(), 0..200), any::<i64>(), 0..4u8, any::<bool>(), any::<bool>());
    fields.prop_map(|(bytes, event_id, extra, pretty, turned)| {
        let mut message = audio(event_id, &bytes);
        match extra {
            1 => {
                message["audio_event"]["alignment"] =
                    json!({"chars": ["a", "\"", "\\"], "char_start_times_ms": [1, 2.5, -3]})
            }
            2 => message["audio_event"]["more"] = json!([{}, "x"]),
            3 => message["more"] = json!(null),
            _ => {}
        }
        let text = if pretty { serde_json::to_string_pretty(&message).unwrap() } else { message.to_string() };
        if !turned {
            return text;
        }
        // The members in the other order.
        let event = message["audio_event"].to_string();
        format!("{{\"type\":\"audio\", \"audio_event\":{event}}}")
    })
}

/// A text with a few characters changed, added or missing.
fn mutated(texts: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    let edits = prop::collection::vec((any::<prop::sample::Index>(), 0..3u8, "[ -~\n\t\"\\\\{}:,ä]"), 0..4);
    (texts, edits).prop_map(|(text, edits)| {
        let mut characters: Vec<char> = text.chars().collect();
        for (at, how, with) in edits {
            let at = at.index(characters.len().max(1));
            let with = with.chars().next().unwrap_or('0');
            match how {
                0 if at < characters.len() => characters[at] = with,
                1 if at < characters.len() => {
                    characters.remove(at);
                }
                _ => characters.insert(at.min(characters.len()), with),
            }
        }
        characters.into_iter().collect()
    })
}

proptest! {
    #[test]
    fn the_quick_and_the_general_way_agree(text in mutated(any_audio_text())) {
        if let Some(quick) = AudioMessage::read_quickly(&text) {
            let is_base64 = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '=');
            // Anything else is handed to the general parser, which has the last word.
            prop_assume!(quick.base64.chars().all(is_base64));
            match serde_json::from_str::<FromAgent>(&text) {
                Ok(FromAgent::Audio { audio_event }) => {
                    prop_assert_eq!(audio_event.audio_base_64, quick.base64);
                    prop_assert_eq!(audio_event.event_id, quick.event_id);
                }
                other => prop_assert!(false, "{:?}", other),
            }
        }
    }

    #[test]
    fn audio_comes_out_the_same_both_ways(text in any_audio_text()) {
        let mut session = Session::telephone();
        session.read_text(&text);

        // A field that the quick way does not know sends it the other way.
        let mut message: Value = serde_json::from_str(&text).unwrap();
        message["unheard_of"] = json!(true);
        let mut other = Session::telephone();
        other.read(&message);

        prop_assert_eq!(session.told(), other.told());
    }

    #[test]
    fn nothing_a_peer_sends_is_a_panic(texts in prop::collection::vec(
        mutated(prop::sample::select(server_lines().map(str::to_owned).collect::<Vec<_>>())), 1..20),
        resumed in any::<bool>())
    {
        let said = vec![Said { side: Side::Caller, text: "Hello?".into() }];
        let mut session = if resumed { Session::resumed(said, false) } else { Session::telephone() };
        for text in texts {
            session.read_text(&text);
        }
        for message in session.outbox.texts() {
            prop_assert!(serde_json::from_str::<Value>(&message).is_ok(), "{}", message);
        }
    }

    #[test]
    fn nor_is_any_text(text in ".{0,200}") {
        Session::telephone().read_text(&text);
    }
}
