//! One conversation, the same on every line: a greeting, a question, an interruption in the middle of the answer, keys, a
//! tool, a goodbye, a transfer. What was heard, what is written down, how it ended and how soon an interruption meant
//! silence must not depend on the carrier.

use std::time::Duration;

use axum::Router;
use axum::routing::post;
use call::{EndCause, Fact, Side};
use futures_util::future::join_all;
use gateway::config::BotTool;
use gateway::records::CallRecord;
use lab::caller::{Caller, Step, bundled_interruption, bundled_sample};
use lab::elevenlabs::{Act, AgentDoc, Format, ToolCall, Turn};
use lab::phone::{CallReport, Happening};
use lab::voice;
use serde_json::json;
use tokio::net::TcpListener;

use super::{Line, Ring};
use crate::world::{PERSON, Setup, agent, count, heard, receipt};

const GREETING: &str = "Hello, this is the front desk.";
const ANSWER: &str = "We are open on Mondays from nine to five, on Tuesdays from nine to six, on Wednesdays from ten \
                      to four, and on every other day by appointment only.";
const ASKS: &str = "Then please type your customer number.";
const FOUND: &str = "Thank you, your appointment is at six.";
const GOODBYE: &str = "I will connect you now, goodbye.";

const QUESTION: &str = "hello I would like to know your opening hours please";
const OBJECTION: &str = "no wait please connect me to a person";

/// What two carriers may differ by, in the account of how much of the interrupted answer was heard: the largest piece that
/// any of them takes (200 ms of silence-free speech), a lead of 400 ms, and what the clocks of two machines add.
const HEARD_APART: Duration = Duration::from_millis(700);

/// From the decision to interrupt to the caller's silence, as the carrier's own ear has it: what is in the air, and the
/// ticks of both lines.
const SILENCE_WITHIN: Duration = Duration::from_millis(500);

#[tokio::test]
async fn one_conversation_is_the_same_on_every_carrier() {
    let lines = Line::all();
    assert!(lines.len() >= 12, "{lines:?}");
    let played = join_all(lines.into_iter().map(play)).await;

    for (line, report, record) in &played {
        as_written(*line, report, record);
    }
    let cut = |record: &CallRecord| record.turns.iter().find(|turn| turn.interrupted).unwrap().duration();
    let (first_line, _, first) = &played[0];
    for (line, _, record) in &played {
        let (one, other) = (cut(first), cut(record));
        assert!(one.abs_diff(other) <= HEARD_APART, "{first_line:?} {one:?}, {line:?} {other:?}");
        assert_eq!(story(record), story(first), "{line:?} is not as {first_line:?}");
    }
}

async fn play(line: Line) -> (Line, CallReport, CallRecord) {
    let mut setup = Setup::with(front_desk());
    setup.bot().tools = vec![tool().await];
    let ring = Box::pin(line.ring(setup)).await;
    let call = ring.call(Caller::with_steps(vec![
        Step::WaitForAgentSpeech,
        Step::WaitForAgentSilence(Duration::from_millis(700)),
        Step::Speak(bundled_sample()),
        Step::WaitForAgentSpeech,
        Step::Wait(Duration::from_millis(1_500)),
        Step::Speak(bundled_interruption()),
        Step::WaitForAgentSpeech,
        Step::WaitForAgentSilence(Duration::from_millis(700)),
        Step::Press("42#".into()),
    ]));
    let (report, record) = ring.world.over(call).await;
    ring.world.nothing_is_held().await;
    let session = ring.world.platform.session_ended(0).await;
    assert!(session.complaints.is_empty(), "{line:?}: {:?}", session.complaints);
    assert!(session.user_messages.iter().any(|text| text.contains("4 2 #")), "{line:?}: {session:?}");
    let Ring { .. } = ring;
    (line, report, record)
}

fn front_desk() -> AgentDoc {
    let mut doc = agent(GREETING);
    (doc.input_format, doc.output_format) = (Format::Pcm16000, Format::Pcm16000);
    doc.client_tools = vec!["find_appointment".into(), "transfer_to_number".into()];
    let find = ToolCall {
        on_failure: vec![Act::Say("I could not find it.".into())],
        ..ToolCall::named("find_appointment", json!({"customer": "42"}))
    };
    let hand_over =
        ToolCall::named("transfer_to_number", json!({"number": PERSON, "reason": "wants a person"}));
    doc.script.turns = vec![
        Turn::saying(QUESTION, ANSWER),
        Turn::saying(OBJECTION, ASKS),
        Turn::acting(
            "",
            vec![
                Act::Tool(find),
                Act::Say(FOUND.into()),
                Act::WaitUntilSpoken,
                Act::Say(GOODBYE.into()),
                Act::Tool(hand_over),
            ],
        ),
    ];
    doc
}

/// A tool that answers at once.
async fn tool() -> BotTool {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = Router::new().route("/", post(async || r#"{"appointment": "at six"}"#));
    tokio::spawn(async move { axum::serve(listener, router).await });
    BotTool {
        name: "find_appointment".into(),
        url: format!("http://{address}/").parse().unwrap(),
        allow_private_addresses: true,
        ..BotTool::default()
    }
}

/// What must be true of each by itself.
fn as_written(line: Line, report: &CallReport, record: &CallRecord) {
    let texts = [GREETING, ANSWER, ASKS, FOUND, GOODBYE];
    assert_eq!(heard(report, &texts), [0, 1, 2, 3, 4], "{line:?}: {:?}", record.turns);
    assert_eq!(record.carrier, line.carrier.name());
    assert_eq!(record.end, EndCause::Transferred { to: PERSON.into() }, "{line:?}: {:?}", record.end);
    let dialled = |what: &Happening| {
        matches!(what, Happening::Dialled { numbers, .. } if numbers.iter().any(|number| same(number)))
            || matches!(what, Happening::TransferAsked { number } if same(number))
    };
    assert!(report.count(dialled) >= 1, "{line:?}: {:?}", report.end);
    assert!(report.warnings.is_empty(), "{line:?} objects: {:?}", report.warnings);
    assert_eq!(count(record, |fact| matches!(fact, Fact::BargeIn { .. })), 1, "{line:?}");
    let tally = receipt(record).tally;
    assert_eq!((tally.digits, tally.tools, tally.barge_ins, tally.late_audio_ms), (3, 2, 1, 0), "{line:?}");
    assert!(tally.heard_ms <= tally.sent_ms && tally.oddities.is_empty(), "{line:?}: {tally:?}");

    // The interrupted answer was cut where the sound was.
    let cut = record.turns.iter().find(|turn| turn.interrupted).expect("an interrupted turn");
    assert!(ANSWER.starts_with(&cut.text) && cut.text != ANSWER, "{line:?}: {:?}", cut.text);
    let said = cut.text.chars().count() as f64 / ANSWER.chars().count() as f64;
    let lasted = cut.duration().as_secs_f64() / voice::duration(ANSWER).as_secs_f64();
    assert!((said - lasted).abs() < 0.1, "{line:?}: {said} of the text, {lasted} of the sound");
    let spoken = voice::recognise(&report.heard, &texts);
    let heard_of_it = spoken.iter().find(|utterance| utterance.text == 1).map(|it| it.to - it.from).unwrap();
    assert!(
        heard_of_it.abs_diff(cut.duration()) <= HEARD_APART,
        "{line:?}: really {heard_of_it:?}, by our account {:?}",
        cut.duration()
    );

    // Silence follows the decision.
    let cleared = report
        .timeline
        .iter()
        .find(|note| matches!(note.what, Happening::Cleared { dropped } if !dropped.is_zero()))
        .map(|note| note.at)
        .expect("a clear with something to throw away");
    let silence = report
        .timeline
        .iter()
        .find(|note| note.at >= cleared && note.what == Happening::AgentSpeechEnded)
        .map(|note| note.at)
        .expect("the agent falls silent");
    assert!(silence - cleared <= SILENCE_WITHIN, "{line:?}: {:?}", silence - cleared);
}

/// Some carriers want their own country's form of it.
fn same(number: &str) -> bool {
    let digits = |text: &str| text.chars().filter(char::is_ascii_digit).collect::<String>();
    digits(PERSON).ends_with(&digits(number)) && digits(number).len() >= 10
}

/// What is written down, but for times and for how much of the interrupted answer was heard.
fn story(record: &CallRecord) -> Vec<(Side, String, bool)> {
    let told = record.turns.iter().map(|turn| {
        let text = if turn.interrupted { turn.meant.clone().unwrap_or_default() } else { turn.text.clone() };
        (turn.side, text, turn.interrupted)
    });
    told.collect()
}
