//! What goes to an agent.

use std::time::Duration;

use agents::elevenlabs::{Format, LegPlan};
use audio::resample::Resampler;
use audio::{Rate, g711, pcm};
use call::{AgentCommand, AnswerId};
use proptest::prelude::*;
use serde_json::json;

use crate::sessions::{Session, heard_by_agent, metadata, plan};

fn batching(ms: u64) -> LegPlan {
    LegPlan { batch: Duration::from_millis(ms), ..plan(Rate::Hz8000) }
}

#[test]
fn the_callers_words_go_in_batches_of_the_chosen_length() {
    for (asked_ms, kept_ms) in [(0, 20), (20, 20), (60, 60), (80, 80), (100, 100), (1000, 100)] {
        let mut session = Session::ready(batching(asked_ms), "ulaw_8000", "ulaw_8000");
        for _ in 0..50 {
            session.hear(Rate::Hz8000, &[100; 160]);
        }

        let sent = session.sent();
        assert_eq!(sent.len() as u64, 1000 / kept_ms, "{asked_ms} ms");
        assert!(
            sent.iter().all(|message| message.as_object().unwrap().len() == 1),
            "no other key than the audio"
        );
    }
}

#[test]
fn silence_keeps_flowing() {
    let mut session = Session::telephone();

    for _ in 0..3 {
        session.hear(Rate::Hz8000, &[0; 160]);
    }

    assert_eq!(heard_by_agent(&session.sent()), [0xFF; 480]);
}

#[test]
fn a_backlog_is_not_one_huge_message() {
    let mut session = Session::telephone();

    session.hear(Rate::Hz8000, &[1; 16_000]);

    let sent = session.sent();
    assert_eq!(heard_by_agent(&sent).len(), 16_000);
    assert!(sent.len() >= 8, "{} messages for two seconds", sent.len());
}

#[test]
fn what_waits_for_its_batch_goes_before_keys_results_and_leaving() {
    let commands = [
        AgentCommand::Digits("1".into()),
        AgentCommand::ToolResult { id: "t".into(), result: "ok".into(), is_error: false },
        AgentCommand::Leave,
    ];
    for command in commands {
        let mut session = Session::telephone();
        session.hear(Rate::Hz8000, &[100; 160]);
        assert_eq!(session.sent(), Vec::<serde_json::Value>::new());

        session.write(command);

        assert_eq!(heard_by_agent(&session.sent()[..1]).len(), 160);
    }
}

#[test]
fn commands_become_the_providers_messages() {
    let mut session = Session::telephone();

    session.write(AgentCommand::Digits("1".into()));
    session.write(AgentCommand::Digits("12#".into()));
    session.write(AgentCommand::Context { text: "On \"hold\".".into() });
    session.write(AgentCommand::ToolResult {
        id: "call_1".into(),
        result: "{\"a\":1}".into(),
        is_error: true,
    });
    session.write(AgentCommand::HeardUpTo { answer: AnswerId(1), heard: Duration::from_secs(1) });

    assert_eq!(
        session.sent(),
        [
            json!({"type": "user_message", "text": "(The caller pressed the key 1 on the telephone.)"}),
            json!({"type": "user_message", "text": "(The caller pressed the keys 1 2 # on the telephone.)"}),
            json!({"type": "contextual_update", "text": "On \"hold\"."}),
            json!({"type": "client_tool_result", "tool_call_id": "call_1", "result": "{\"a\":1}", "is_error": true}),
        ]
    );

    session.write(AgentCommand::Say { text: "We close at six.".into() });
    let sent = session.sent();
    assert_eq!(sent[0]["type"], "user_message");
    assert!(
        sent[0]["text"].as_str().unwrap().contains("word for word")
            && sent[0]["text"].as_str().unwrap().contains("We close at six.")
    );
    assert_eq!(session.told(), []);
}

#[test]
fn words_before_the_session_stands_are_kept_up_to_one_batch() {
    let mut session = Session::new(batching(60));
    assert_eq!(session.sent().len(), 1);

    for n in 0..10 {
        session.hear(Rate::Hz8000, &[n * 1000; 160]);
    }
    session.read(&metadata("pcm_8000", "ulaw_8000"));

    let heard = heard_by_agent(&session.sent());
    let mut samples = Vec::new();
    pcm::le_to_pcm(&heard, &mut samples).unwrap();
    assert_eq!(samples, [[7000; 160], [8000; 160], [9000; 160]].concat());
}

#[test]
fn the_first_message_is_written_once() {
    let mut session = Session::new(plan(Rate::Hz8000));

    session.leg.open(&mut session.outbox);

    assert_eq!(session.sent(), [json!({"type": "conversation_initiation_client_data"})]);
}

fn encoded(token: &str, samples: &[i16]) -> Vec<u8> {
    let mut bytes = Vec::new();
    match Format::parse(token) {
        Some(Format::Ulaw) => g711::pcm_to_ulaw(samples, &mut bytes),
        Some(Format::Alaw) => g711::pcm_to_alaw(samples, &mut bytes),
        Some(Format::Pcm(_)) => pcm::pcm_to_le(samples, &mut bytes),
        None => panic!("{token}"),
    }
    bytes
}

proptest! {
    #[test]
    fn batching_loses_and_invents_nothing(
        pieces in prop::collection::vec(prop::collection::vec(any::<i16>(), 0..700), 0..30),
        batch_ms in 0..130u64,
        token in prop::sample::select(vec![
            "ulaw_8000", "alaw_8000", "pcm_8000", "pcm_16000", "pcm_22050", "pcm_24000", "pcm_44100", "pcm_48000",
        ]),
        rate in prop::sample::select(vec![Rate::Hz8000, Rate::Hz16000, Rate::Hz48000]),
    ) {
        let plan = LegPlan { batch: Duration::from_millis(batch_ms), ..plan(rate) };
        let mut session = Session::ready(plan, token, "ulaw_8000");

        for piece in &pieces {
            session.hear(rate, piece);
        }
        session.write(AgentCommand::Leave);

        let mut whole = Vec::new();
        let to = Format::parse(token).map_or(rate, Format::rate);
        Resampler::new(rate, to).process(&pieces.concat(), &mut whole);
        prop_assert_eq!(heard_by_agent(&session.sent()), encoded(token, &whole));
    }
}
