//! The caller speaks over the agent.

use call::{
    AgentEvent, AnswerId, BargeInBy, CarrierCommand, CarrierEvent, DetectorUse, Fact, Generation,
    IgnoredBecause, Input, Mark, MarkFate,
};

use crate::scene::{AGENT, Marks, Scene, plan};

fn interrupted(answer: i64) -> Input {
    Input::Agent(AgentEvent::Interrupted { answer: AnswerId(answer) })
}

#[test]
fn an_interruption_clears_the_carrier_and_keeps_only_what_was_heard() {
    let mut scene = Scene::talking();
    scene.agent_says(1, "one two three four five six seven eight nine ten", 5_000);
    scene.wait(2_500);

    scene.tell(interrupted(1));

    let [.., clear, mark] = scene.carrier.as_slice() else { panic!("nothing was said to the carrier") };
    assert_eq!(clear, &CarrierCommand::Clear { generation: Generation(1) });
    assert!(matches!(mark, CarrierCommand::Mark(mark) if mark.generation == Generation(1)), "asks for proof");
    scene.wait(2_000);
    assert!((2_400..=2_520).contains(&(scene.heard_of(1) / 8)), "{}", scene.heard_of(1) / 8);
    let turns = scene.turns();
    assert_eq!(turns[0].text, "one two three four five");
    assert!(turns[0].interrupted);
    assert_eq!(turns[0].meant.as_deref(), Some("one two three four five six seven eight nine ten"));
}

#[test]
fn silence_is_confirmed_by_the_mark_behind_the_flush() {
    let mut scene = Scene::talking();
    scene.agent_says(1, "something long", 5_000);
    scene.wait(500);

    scene.tell(interrupted(1));
    scene.wait(20);

    assert!(scene.has(|f| matches!(f, Fact::SilenceConfirmed { waited_ms: 20, .. })));
    assert_eq!(scene.call.receipt(scene.now).silence_ms, [20]);
}

#[test]
fn late_audio_of_an_interrupted_answer_is_never_heard() {
    let mut scene = Scene::talking();
    scene.agent_says(4, "first", 1_000);
    scene.wait(500);
    scene.tell(interrupted(4));

    scene.agent_sounds(3, 500);
    scene.agent_sounds(4, 500);
    scene.agent_says(5, "second", 500);
    scene.wait(2_000);

    assert_eq!(scene.heard_of(3), 0);
    assert!(scene.heard_of(4) <= 8 * 520);
    assert_eq!(scene.heard_of(5), 4_000);
    assert_eq!(scene.call.receipt(scene.now).tally.late_audio_ms, 1_000);
}

#[test]
fn an_interruption_while_nothing_plays_sends_no_clear() {
    let mut scene = Scene::talking();
    scene.agent_says(1, "done", 500);
    scene.wait(3_000);

    scene.tell(interrupted(1));

    assert_eq!(scene.clears(), 0);
    assert!(scene.has(|f| matches!(f, Fact::BargeInIgnored { why: IgnoredBecause::NothingPlays, .. })));
}

#[test]
fn two_interruptions_within_100_ms_are_one() {
    let mut scene = Scene::talking();
    scene.agent_says(1, "first answer", 2_000);
    scene.wait(500);

    scene.tell(interrupted(1));
    scene.wait(80);
    scene.agent_says(2, "second answer", 2_000);
    scene.tell(interrupted(1));
    scene.wait(4_000);

    assert_eq!(scene.clears(), 1);
    assert_eq!(scene.heard_of(2), 16_000, "the new answer is not cut for the old reason");
}

#[test]
fn an_interruption_exactly_at_the_end_of_an_answer_loses_nothing() {
    for marks in [Marks::Echo, Marks::Lose] {
        let mut scene = Scene::talking();
        scene.marks = marks;
        scene.agent_says(1, "one two three", 1_000);
        scene.wait(1_020);

        scene.tell(interrupted(1));
        scene.wait(3_000);

        assert_eq!(scene.heard_of(1), 8_000);
        assert_eq!(scene.turns().len(), 1, "told once");
        assert_eq!(scene.turns()[0].text, "one two three");
    }
}

#[test]
fn marks_echoed_after_a_clear_are_not_heard_but_confirm_the_silence() {
    let mut scene = Scene::talking();
    scene.agent_says(1, "something long", 5_000);
    scene.wait(1_500);
    let outstanding = Mark { generation: Generation(0), serial: 1 };

    scene.tell(interrupted(1));
    scene.wait(40);
    scene.tell(Input::Carrier(CarrierEvent::Mark { mark: outstanding, fate: MarkFate::Cleared }));

    assert!(scene.has(|f| matches!(f, Fact::SilenceConfirmed { .. })));
    assert!(scene.call.receipt(scene.now).tally.heard_ms <= 1_520);
}

#[test]
fn marks_that_come_twice_or_from_nowhere_change_nothing() {
    let mut scene = Scene::talking();
    scene.agent_says(1, "hello", 1_000);
    scene.wait(200);
    let before = scene.call.receipt(scene.now).tally.heard_ms;

    for serial in [0, 1, 1, 77, u32::MAX] {
        for generation in [0, 5] {
            let mark = Mark { generation: Generation(generation), serial };
            scene.tell(Input::Carrier(CarrierEvent::Mark { mark, fate: MarkFate::Played }));
        }
    }

    let after = scene.call.receipt(scene.now).tally;
    assert!(after.heard_ms <= after.sent_ms && after.heard_ms >= before);
}

#[test]
fn a_high_speech_score_interrupts_after_150_ms_and_not_before() {
    let mut scene = Scene::talking();
    scene.agent_says(1, "a long answer that goes on and on", 5_000);
    scene.wait(1_000);
    let score = |value| Input::Agent(AgentEvent::SpeechScore(value));

    scene.tell(score(0.9));
    scene.wait(140);
    scene.tell(score(0.9));
    assert_eq!(scene.clears(), 0, "too short");
    scene.wait(20);
    scene.tell(score(0.45));

    assert_eq!(scene.clears(), 1);
    assert!(scene.has(|f| matches!(f, Fact::BargeIn { by: BargeInBy::Score, .. })));
}

#[test]
fn a_score_that_dips_or_is_no_number_starts_again() {
    let mut scene = Scene::talking();
    scene.agent_says(1, "a long answer that goes on and on", 5_000);

    for value in [0.9, 0.44, 0.9, f32::NAN, 0.9, 0.1] {
        scene.tell(Input::Agent(AgentEvent::SpeechScore(value)));
        scene.wait(140);
    }

    assert_eq!(scene.clears(), 0);
}

#[test]
fn our_detector_interrupts_where_the_agent_cannot() {
    let mut plan = plan();
    plan.agent = call::AgentCapabilities { interrupts: false, truncates: true, ..AGENT };
    let mut scene = Scene::talking_with(plan);
    scene.wait(1_000);
    scene.agent_says(1, "a long answer that goes on and on", 6_000);
    scene.wait(1_000);

    scene.caller_speaks(600);

    assert_eq!(scene.clears(), 1);
    assert!(scene.has(|f| matches!(f, Fact::BargeIn { by: BargeInBy::Detector, .. })));
    assert!(
        scene.agent.iter().any(|c| matches!(c, call::AgentCommand::HeardUpTo { answer: AnswerId(1), .. }))
    );
}

#[test]
fn the_rest_of_an_answer_that_we_cut_ourselves_is_kept_from_the_caller() {
    let mut plan = plan();
    plan.settings.barge_in.detector = DetectorUse::Always;
    let mut scene = Scene::talking_with(plan);
    scene.wait(1_000);
    scene.agent_says(1, "a long answer", 3_000);
    scene.wait(500);
    scene.caller_speaks(600);
    assert_eq!(scene.clears(), 1);

    scene.agent_sounds(2, 1_000);
    scene.tell(interrupted(2));
    scene.agent_says(3, "the new answer", 500);
    scene.wait(2_000);

    assert_eq!(scene.heard_of(2), 0, "still the old answer, under a new number");
    assert_eq!(scene.heard_of(3), 4_000);
}

#[test]
fn a_caller_who_may_not_interrupt_does_not() {
    let mut plan = plan();
    plan.settings.barge_in.enabled = false;
    plan.settings.barge_in.detector = DetectorUse::Always;
    let mut scene = Scene::talking_with(plan);
    scene.agent_says(1, "the small print", 3_000);
    scene.caller_speaks(1_000);
    scene.tell(interrupted(1));
    scene.wait(3_000);

    assert_eq!(scene.clears(), 0);
    assert_eq!(scene.heard_of(1), 24_000);
}
