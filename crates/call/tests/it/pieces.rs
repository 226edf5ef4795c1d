//! Carriers that take only whole pieces: nothing shorter goes out, and no silence of ours gets into the middle of speech.

use std::time::Duration;

use audio::{Frame, Rate};
use call::{
    AgentEvent, AgentReady, AnswerId, Call, CallPlan, CarrierCommand, CarrierEvent, Command, Input,
    MediaStart, Moment,
};
use proptest::prelude::*;

use crate::scene::{Scene, WHOLE_PIECES, plan};

const PIECE: usize = 1_600;

fn whole_pieces() -> CallPlan {
    CallPlan { carrier: WHOLE_PIECES, ..plan() }
}

fn played(scene: &Scene) -> Vec<usize> {
    scene
        .carrier
        .iter()
        .filter_map(|command| match command {
            CarrierCommand::Play(frame) => Some(frame.samples.len()),
            _ => None,
        })
        .collect()
}

#[test]
fn an_agent_that_speaks_in_real_time_is_sent_in_whole_pieces() {
    let mut scene = Scene::talking_with(whole_pieces());

    for _ in 0..50 {
        scene.agent_sounds(1, 20);
        scene.wait(20);
    }
    scene.wait(600);

    assert_eq!(played(&scene), [PIECE; 5]);
    assert_eq!(scene.heard_of(1), 8_000);
    let first = scene.heard.iter().position(|sample| *sample == 1_001).unwrap();
    assert!(scene.heard[first..first + 8_000].iter().all(|sample| *sample == 1_001), "a hole in the middle");
}

#[test]
fn the_end_of_an_utterance_is_filled_with_silence_and_counts_as_what_was_said() {
    let mut scene = Scene::talking_with(whole_pieces());
    scene.agent_says(1, "One and a quarter", 250);
    scene.tell(Input::Agent(AgentEvent::AnswerEnded { answer: AnswerId(1) }));

    scene.wait_without_media(400);
    scene.wait(1_600);

    assert_eq!(played(&scene), [PIECE; 2]);
    assert_eq!(scene.heard_of(1), 2_000);
    assert_eq!(scene.turns()[0].text, "One and a quarter");
    assert_eq!(scene.turns()[0].duration(), Duration::from_millis(250));
    let tally = scene.call.receipt(scene.now).tally;
    assert_eq!((tally.sent_ms, tally.heard_ms), (250, 250));
}

#[test]
fn a_short_word_does_not_wait_for_more_than_a_moment() {
    let mut scene = Scene::talking_with(whole_pieces());
    scene.agent_says(1, "Yes", 120);

    scene.wait_without_media(120);

    assert_eq!(played(&scene), [PIECE]);
}

#[test]
fn a_program_that_was_held_up_does_not_take_the_delay_for_the_end() {
    let mut scene = Scene::talking_with(whole_pieces());
    scene.agent_sounds(1, 130);

    scene.now += Duration::from_millis(500);
    scene.tell(Input::Carrier(CarrierEvent::Audio(Frame::new(Rate::Hz8000, vec![0; 160]))));
    scene.agent_sounds(1, 270);

    assert_eq!(played(&scene), [PIECE; 2]);
}

proptest! {
    #[test]
    fn every_piece_is_whole_and_nothing_said_is_lost(
        sounds in prop::collection::vec((1usize..5_000, 0u64..400), 1..40),
        piece in prop_oneof![Just(Duration::from_millis(20)), Just(Duration::from_millis(200))],
    ) {
        let mut plan = whole_pieces();
        plan.carrier.piece = piece;
        let piece = plan.carrier.rate.samples_in(piece) as usize;
        let mut call = Call::new(plan);
        let mut now = Moment::START;
        let mut said: Vec<i16> = Vec::new();
        let mut sent: Vec<i16> = Vec::new();
        let mut hear = |call: &mut Call| {
            while let Some(command) = call.poll() {
                if let Command::ToCarrier(CarrierCommand::Play(frame)) = command {
                    assert!(!frame.is_empty() && frame.samples.len().is_multiple_of(piece));
                    let filled = frame.samples.iter().filter(|sample| **sample == 0).count();
                    assert!(filled < piece, "{filled} of silence in {}", frame.samples.len());
                    sent.extend(frame.samples.iter().filter(|sample| **sample != 0));
                }
            }
        };
        call.handle(now, Input::Carrier(CarrierEvent::Started(MediaStart::default())));
        call.handle(now, Input::Agent(AgentEvent::Ready(AgentReady::default())));
        hear(&mut call);
        for (at, (samples, gap)) in sounds.into_iter().enumerate() {
            let samples = vec![1 + at as i16; samples];
            said.extend(&samples);
            let frame = Frame::new(Rate::Hz8000, samples);
            call.handle(now, Input::Agent(AgentEvent::Audio { answer: AnswerId(1), frame }));
            hear(&mut call);
            let until = now + Duration::from_millis(gap);
            while let Some(deadline) = call.deadline().filter(|deadline| *deadline <= until) {
                now = now.max(deadline);
                call.handle(now, Input::Deadline);
                hear(&mut call);
            }
            now = until;
        }
        let until = now + Duration::from_secs(30);
        while let Some(deadline) = call.deadline().filter(|deadline| *deadline <= until) {
            now = now.max(deadline);
            call.handle(now, Input::Deadline);
            // The caller is still there.
            call.handle(now, Input::Carrier(CarrierEvent::Audio(Frame::new(Rate::Hz8000, vec![0; 160]))));
            hear(&mut call);
        }
        prop_assert_eq!(sent, said);
    }
}
