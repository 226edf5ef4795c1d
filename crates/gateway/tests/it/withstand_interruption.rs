//! The caller speaks over the agent, or seems to: silence at once, and an account that tells the truth about it.

use std::time::Duration;

use call::{Fact, IgnoredBecause, PhaseName, Side};
use gateway::records::CallRecord;
use lab::caller::{Caller, Step};
use lab::elevenlabs::{Act, Turn};
use lab::faults::{What, When};
use lab::twilio::{CallReport, Happening};
use lab::voice;
use serde_json::json;

use crate::world::{Setup, agent, count, eventually, find, happens, heard, receipt, soon, spoken};

const SPEECH: &str =
    "We are open on Mondays from nine to five, on Tuesdays from nine to six, and never on Sundays.";
const ANSWER: &str = "Yes, of course.";

/// What our account and the telephone's may differ by: two marks of network and a few ticks of the line.
const APART_MS: u64 = 250;

#[tokio::test]
async fn a_caller_who_speaks_over_the_agent_silences_it_and_only_what_was_heard_was_said() {
    let (report, record) = interrupted_call(false).await;

    assert_eq!(heard(&report, &[SPEECH, ANSWER]), [0, 1]);
    assert!(find(&spoken(ANSWER), &report.heard.samples).is_some(), "the next answer is whole");
    assert_eq!(receipt(&record).tally.late_audio_ms, 0);
}

#[tokio::test]
async fn late_audio_of_an_interrupted_answer_is_not_heard() {
    let (report, record) = interrupted_call(true).await;

    assert!(receipt(&record).tally.late_audio_ms > 0, "{:?}", receipt(&record));
    assert!(count(&record, |fact| matches!(fact, Fact::LateAudioDropped { .. })) >= 1);
    assert_eq!(
        heard(&report, &[SPEECH, ANSWER]),
        [0, 1],
        "nothing of the old answer after the new one began"
    );
    let from_clear =
        report.timeline.iter().skip_while(|note| !matches!(note.what, Happening::Cleared { .. }));
    let played_after: Duration = from_clear
        .filter_map(|note| match note.what {
            Happening::Media { duration, .. } => Some(duration),
            _ => None,
        })
        .sum();
    assert_eq!(played_after, voice::duration(ANSWER), "nothing but the new answer was sent after the clear");
}

/// A call with one interruption, checked for everything that holds of each.
async fn interrupted_call(late: bool) -> (CallReport, CallRecord) {
    let mut doc = agent(SPEECH);
    doc.script.otherwise = Turn::saying("excuse me", ANSWER);
    doc.script.late_audio_after_interruption = late;
    let world = Setup::with(doc).start().await;
    let call = world.call(Caller::with_steps(vec![
        Step::WaitForAgentSpeech,
        // About when the first mark, a second into the speech, is on its way.
        Step::Wait(Duration::from_millis(650)),
        Step::Speak(voice::speech("Excuse me please.", audio::Rate::Hz8000)),
    ]));
    soon("the agent answers", world.platform.session_when(0, |session| session.answers.len() == 2)).await;
    let mut notes = call.notes();
    soon("silence", notes.until(|what| matches!(what, Happening::Cleared { .. }))).await.unwrap();
    soon("the answer begins", notes.until(|what| *what == Happening::AgentSpeechBegan)).await.unwrap();
    soon("the answer is over", notes.until(|what| *what == Happening::AgentSpeechEnded)).await.unwrap();
    call.hang_up().await;
    let (report, record) = world.over(call).await;

    let cleared = |what: &Happening| matches!(what, Happening::Cleared { dropped } if !dropped.is_zero());
    assert_eq!(report.count(cleared), 1, "one clear, with something to throw away");
    assert_eq!(count(&record, |fact| matches!(fact, Fact::BargeIn { .. })), 1);
    // A mark that was still out when the sound was thrown away comes back as well: it confirms the silence, no more.
    let echoed = report.count(|what| matches!(what, Happening::MarkEchoed { cleared: true, .. }));
    assert_eq!(count(&record, |fact| matches!(fact, Fact::SilenceConfirmed { .. })), echoed.min(1));
    let cut = record.turns.iter().find(|turn| turn.interrupted).expect("an interrupted turn");
    assert_eq!((cut.side, cut.meant.as_deref()), (Side::Agent, Some(SPEECH)));
    assert!(SPEECH.starts_with(&cut.text) && !cut.text.is_empty() && cut.text != SPEECH, "{:?}", cut.text);
    let said = cut.text.chars().count() as f64 / SPEECH.chars().count() as f64;
    let lasted = cut.duration().as_secs_f64() / voice::duration(SPEECH).as_secs_f64();
    assert!((said - lasted).abs() < 0.1, "the text is cut where the sound was: {said} {lasted}");
    let tally = receipt(&record).tally;
    let played = report.media.played.as_millis() as u64;
    assert!(tally.heard_ms.abs_diff(played) <= APART_MS, "{tally:?}, really {played}");
    assert!(tally.heard_ms <= tally.sent_ms);
    assert_eq!(tally.barge_ins, 1);
    world.nothing_is_held().await;
    (report, record)
}

#[tokio::test]
async fn an_interruption_while_nothing_plays_clears_nothing() {
    let world = Setup::with(agent("")).start().await;
    let call = world.call(Caller::silent());
    let live = world.live(call.sid()).await;
    eventually("both are there", || live.phase() == PhaseName::Talking).await;

    world.platform.act(0, interruption(0)).await;
    eventually("it is told", || {
        live.entries().iter().any(|entry| ignored(&entry.fact, IgnoredBecause::NothingPlays))
    })
    .await;
    world.platform.act(0, Act::Say(ANSWER.into())).await;
    happens(&call, "the agent still speaks", |what| *what == Happening::AgentSpeechEnded).await;
    call.hang_up().await;
    let (report, record) = world.over(call).await;

    assert_eq!(report.count(|what| matches!(what, Happening::Cleared { .. })), 0);
    assert_eq!(receipt(&record).tally.barge_ins, 0);
    assert!(record.turns.iter().all(|turn| !turn.interrupted));
}

#[tokio::test]
async fn two_interruptions_at_once_are_one() {
    let world = Setup::with(agent(SPEECH)).start().await;
    let call = world.call(Caller::silent());
    happens(&call, "the agent speaks", |what| *what == Happening::AgentSpeechBegan).await;
    let answer =
        soon("it is on record", world.platform.session_when(0, |session| !session.answers.is_empty())).await;
    let id = answer.answers[0].event_id;
    let live = world.live(call.sid()).await;

    for id in [id, id, id + 1] {
        world.platform.act(0, interruption(id)).await;
    }
    happens(&call, "silence", |what| matches!(what, Happening::Cleared { .. })).await;
    eventually("the second is told", || {
        live.entries().iter().any(|entry| matches!(entry.fact, Fact::BargeInIgnored { .. }))
    })
    .await;
    call.hang_up().await;
    let (report, record) = world.over(call).await;

    assert_eq!(report.count(|what| matches!(what, Happening::Cleared { .. })), 1);
    assert_eq!(receipt(&record).tally.barge_ins, 1);
    assert_eq!(receipt(&record).tally.interrupted_turns, 1);
}

#[tokio::test]
async fn an_interruption_exactly_at_the_end_of_an_answer_takes_nothing_from_it() {
    const GREETING: &str = "Good morning.";
    let world = Setup::with(agent(GREETING)).start().await;
    let call = world.call(Caller::silent());

    // Shorter than the distance between two marks, so the one that comes back is the end.
    happens(&call, "its end was played", |what| matches!(what, Happening::MarkEchoed { .. })).await;
    let session = world.platform.session_when(0, |session| !session.answers.is_empty()).await;
    world.platform.act(0, interruption(session.answers[0].event_id)).await;
    world.platform.act(0, Act::Say(ANSWER.into())).await;
    let live = world.live(call.sid()).await;
    eventually("both are heard", || live.turns().len() == 2).await;
    call.hang_up().await;
    let (report, record) = world.over(call).await;

    for text in [GREETING, ANSWER] {
        assert!(find(&spoken(text), &report.heard.samples).is_some(), "{text} was heard in full");
    }
    let texts: Vec<&str> = record.turns.iter().map(|turn| turn.text.as_str()).collect();
    assert_eq!(texts, [GREETING, ANSWER]);
    assert!(report.count(|what| matches!(what, Happening::Cleared { dropped } if !dropped.is_zero())) == 0);
}

#[tokio::test]
async fn lost_and_doubled_marks_do_not_change_what_was_heard() {
    futures_util::join!(conversation_with(What::LoseMark), conversation_with(What::Duplicate));
}

async fn conversation_with(fault: What) {
    const GREETING: &str = "Hello, this is the front desk.";
    let mut doc = agent(GREETING);
    doc.script.otherwise = Turn::saying("when do you open", ANSWER);
    let world = Setup::with(doc).start().await;
    let caller = Caller::with_steps(vec![
        Step::WaitForAgentSpeech,
        Step::WaitForAgentSilence(Duration::from_millis(300)),
        Step::Speak(voice::speech("When do you open?", audio::Rate::Hz8000)),
    ]);
    let call = world.call_with(caller, When::Always, fault.clone());
    let live = world.live(call.sid()).await;
    eventually("both turns are complete", || {
        live.turns().iter().filter(|turn| turn.side == Side::Agent).count() == 2
    })
    .await;
    call.hang_up().await;
    let (report, record) = world.over(call).await;

    let turns: Vec<(Side, &str)> = record.turns.iter().map(|turn| (turn.side, turn.text.as_str())).collect();
    assert_eq!(
        turns,
        [(Side::Agent, GREETING), (Side::Caller, "when do you open"), (Side::Agent, ANSWER)],
        "{fault:?}"
    );
    let tally = receipt(&record).tally;
    let (sent, played) = (report.media.received.as_millis() as u64, report.media.played.as_millis() as u64);
    assert_eq!(tally.sent_ms.abs_diff(sent), 0, "{fault:?}");
    assert!(tally.heard_ms.abs_diff(played) <= 20, "{fault:?}: {tally:?}, really {played}");
    match fault {
        What::LoseMark => assert!(report.count(|what| matches!(what, Happening::MarkLost { .. })) > 0),
        _ => assert!(tally.oddities["caller.repeated"] > 0, "{tally:?}"),
    }
    world.nothing_is_held().await;
}

fn interruption(event_id: u64) -> Act {
    Act::Send(json!({"type": "interruption", "interruption_event": {"event_id": event_id}}))
}

fn ignored(fact: &Fact, because: IgnoredBecause) -> bool {
    matches!(fact, Fact::BargeInIgnored { why, .. } if *why == because)
}
