//! The ordinary course of a call.

use audio::{Frame, Rate};
use call::{
    AgentCommand, AgentEvent, CarrierCommand, CarrierEvent, Digit, Fact, Input, MarkOnFlush, MediaStart,
    PhaseName, Side,
};

use crate::scene::{CARRIER, Marks, Scene, plan};

#[test]
fn agent_is_dialled_when_media_starts_and_hears_what_was_said_before_it_was_ready() {
    let mut scene = Scene::with(plan());
    scene.tell(Input::Carrier(CarrierEvent::Started(MediaStart::default())));
    assert_eq!(scene.dials.len(), 1);
    assert_eq!(scene.dials[0].resume, None);

    scene.wait(300);
    assert!(scene.agent.is_empty());
    scene.ready();

    assert_eq!(scene.call.phase(), PhaseName::Talking);
    assert_eq!(scene.heard_by_agent_ms(), 300);
}

#[test]
fn a_burst_of_speech_is_released_in_real_time_with_a_small_lead() {
    let mut scene = Scene::talking();

    scene.agent_says(1, "ten seconds of speech", 10_000);

    let sent = |scene: &Scene| -> usize {
        scene.carrier.iter().map(|c| if let CarrierCommand::Play(f) = c { f.samples.len() } else { 0 }).sum()
    };
    assert_eq!(sent(&scene) / 8, 300, "the lead at once");
    for second in 1..=9 {
        scene.wait(1000);
        let lead = sent(&scene) as i64 / 8 - second * 1000;
        assert!((150..=320).contains(&lead), "lead of {lead} ms after {second} s");
    }
    scene.wait(3000);
    assert_eq!(scene.heard_of(1), 80_000, "all of it, in order, once");
}

#[test]
fn speech_that_comes_in_real_time_passes_without_delay() {
    let mut scene = Scene::talking();

    for _ in 0..50 {
        scene.wait(20);
        let before = scene.carrier.len();
        scene.agent_sounds(1, 20);
        assert!(
            scene.carrier[before..]
                .iter()
                .any(|c| matches!(c, CarrierCommand::Play(f) if f.samples.len() == 160)),
            "held back"
        );
    }
}

#[test]
fn turns_of_both_sides_are_told_with_what_was_heard() {
    let mut scene = Scene::talking();
    scene.agent_says(1, "Hello, how can I help?", 1_000);
    scene.wait(3_000);
    scene.caller_speaks(800);
    scene.wait(600);
    scene.tell(Input::Agent(AgentEvent::CallerSaid { text: "What time is it".into(), is_final: true }));
    scene.agent_says(2, "It is noon.", 500);
    scene.wait(3_000);

    let turns = scene.turns();
    assert_eq!(
        turns.iter().map(|t| (t.side, t.text.as_str(), t.interrupted)).collect::<Vec<_>>(),
        [
            (Side::Agent, "Hello, how can I help?", false),
            (Side::Caller, "What time is it", false),
            (Side::Agent, "It is noon.", false)
        ]
    );
    let caller = turns[1].duration().as_millis();
    assert!((600..=1_300).contains(&caller), "{caller} ms for 800 ms of speech");
    assert_eq!(turns[2].duration().as_millis(), 500);
}

#[test]
fn turns_are_told_by_time_when_marks_never_come() {
    let mut scene = Scene::talking();
    scene.marks = Marks::Lose;

    scene.agent_says(1, "Nobody echoes me", 1_000);
    scene.wait(6_000);

    assert_eq!(scene.turns().len(), 1);
    assert_eq!(scene.turns()[0].text, "Nobody echoes me");
    assert!(scene.call.receipt(scene.now).tally.marks_lost >= 1);
}

#[test]
fn digits_reach_the_agent_together_and_a_hash_ends_the_wait() {
    let mut scene = Scene::talking();
    let press = |scene: &mut Scene, key| {
        scene.tell(Input::Carrier(CarrierEvent::Digit(Digit::parse(key).unwrap())));
    };

    press(&mut scene, '4');
    scene.wait(400);
    press(&mut scene, '2');
    scene.wait(1_000);
    press(&mut scene, '7');
    press(&mut scene, '#');
    scene.wait(20);

    let digits: Vec<_> = scene
        .agent
        .iter()
        .filter_map(|c| if let AgentCommand::Digits(digits) = c { Some(digits.as_str()) } else { None })
        .collect();
    assert_eq!(digits, ["42", "7#"]);
}

#[test]
fn silence_keeps_flowing_to_the_agent_when_the_carrier_sends_none() {
    let mut scene = Scene::talking();
    scene.wait(100);

    scene.wait_without_media(5_000);

    let fed = scene.heard_by_agent_ms();
    assert!((4_600..=5_100).contains(&fed), "{fed} ms in five seconds");
}

#[test]
fn queued_speech_is_released_by_deadline_when_the_carrier_is_quiet() {
    let mut scene = Scene::talking();
    scene.agent_says(1, "on my own clock", 4_000);

    scene.wait_without_media(6_000);

    assert_eq!(scene.heard_of(1), 32_000);
}

#[test]
fn a_carrier_without_marks_gets_none() {
    let mut plan = plan();
    plan.carrier = call::CarrierCapabilities { mark_on_flush: MarkOnFlush::NoMarks, ..CARRIER };
    let mut scene = Scene::talking_with(plan);

    scene.agent_says(1, "hello", 1_000);
    scene.wait(4_000);

    assert!(!scene.carrier.iter().any(|c| matches!(c, CarrierCommand::Mark(_))));
    assert_eq!(scene.turns().len(), 1);
}

#[test]
fn latency_is_measured_from_the_callers_last_word() {
    let mut scene = Scene::talking();
    scene.wait(500);
    scene.caller_speaks(1_000);
    scene.wait(1_500);
    scene.agent_says(1, "yes", 500);

    let receipt = scene.call.receipt(scene.now);
    assert_eq!(receipt.answer_ms.len(), 1);
    assert!((900..=1_500).contains(&receipt.answer_ms[0]), "{:?}", receipt.answer_ms);
    assert!(scene.has(|fact| matches!(fact, Fact::AnswerStarted { waited_ms: Some(_), .. })));
}

#[test]
fn sound_at_a_foreign_rate_is_refused_not_played() {
    let mut scene = Scene::talking();

    scene.tell(Input::Agent(AgentEvent::Audio {
        answer: call::AnswerId(1),
        frame: Frame::new(Rate::Hz16000, vec![1; 320]),
    }));

    assert!(!scene.carrier.iter().any(|c| matches!(c, CarrierCommand::Play(_))));
    assert_eq!(scene.call.receipt(scene.now).tally.unexpected, 1);
}

#[test]
fn sizes_of_what_is_moved_for_every_frame_stay_small() {
    assert!(size_of::<call::Command>() <= 208, "{}", size_of::<call::Command>());
    assert!(size_of::<Input>() <= 160, "{}", size_of::<Input>());
    assert!(size_of::<call::Call>() <= 6 * 1024, "{}", size_of::<call::Call>());
}
