//! A machine answers a call that we placed: the bot talks on, hangs up, or leaves a message.

use call::{
    AgentCommand, AgentEvent, CarrierDeparture, CarrierEvent, Command, ControlOutcome, EndCause, Fact, Input,
    MediaStart, Order, PhaseName, Retry, Voicemail,
};

use crate::scene::{Marks, Scene, plan};

const TEXT: &str = "This is the practice of Dr Miller. Please call us back.";

fn talking(voicemail: Voicemail) -> Scene {
    let mut plan = plan();
    plan.settings.voicemail = voicemail;
    Scene::talking_with(plan)
}

fn message() -> Voicemail {
    Voicemail::Say { text: TEXT.into() }
}

fn say() -> AgentCommand {
    AgentCommand::Say { text: TEXT.into() }
}

fn said(scene: &Scene) -> usize {
    scene.agent.iter().filter(|command| **command == say()).count()
}

fn machine(scene: &mut Scene) {
    scene.tell(Input::Order(Order::MachineAnswered));
}

#[test]
fn by_default_the_agent_talks_to_it() {
    let mut scene = talking(Voicemail::Continue);
    machine(&mut scene);
    scene.agent_says(1, "Hello", 1_000);
    scene.wait(1_200);

    assert_eq!(scene.call.phase(), PhaseName::Talking);
    assert_eq!(scene.heard_of(1), 8_000);
    assert!(scene.has(|fact| *fact == Fact::MachineAnswered), "but it is known");
}

#[test]
fn a_bot_that_talks_to_people_alone_hangs_up_at_once() {
    for phase in [PhaseName::Arriving, PhaseName::Greeting, PhaseName::Talking, PhaseName::Holding] {
        let mut plan = plan();
        plan.settings.voicemail = Voicemail::HangUp;
        let mut scene = Scene::with(plan);
        if phase != PhaseName::Arriving {
            scene.tell(Input::Carrier(CarrierEvent::Started(MediaStart::default())));
        }
        if matches!(phase, PhaseName::Talking | PhaseName::Holding) {
            scene.ready();
            scene.agent_says(1, "Hello", 5_000);
        }
        if phase == PhaseName::Holding {
            scene.agent_lost(Retry::Backoff);
        }
        assert_eq!(scene.call.phase(), phase);

        machine(&mut scene);

        assert!(scene.hung_up(), "{phase:?}");
        scene.tell(Input::Control(ControlOutcome::HungUp));
        assert_eq!(scene.ends(), [&EndCause::Voicemail], "{phase:?}");
    }
}

#[test]
fn a_message_is_said_heard_in_full_and_then_the_line_is_let_go() {
    for (marks, patience) in [(Marks::Echo, 1_300), (Marks::Lose, 3_000)] {
        let mut scene = talking(message());
        scene.marks = marks;
        scene.agent_says(1, "Hello, is this Mr Brown?", 5_000);
        scene.wait(1_000);

        machine(&mut scene);

        assert_eq!(said(&scene), 1);
        assert_eq!(scene.clears(), 1, "nobody wants the rest of the greeting on the tape");
        // Nothing comes for a while: the agent thinks.
        scene.wait(4_000);
        assert!(!scene.hung_up());
        scene.agent_says(2, TEXT, 6_000);
        scene.wait(5_900);
        assert!(!scene.hung_up(), "too early");
        scene.wait(patience);

        assert!(scene.hung_up());
        assert_eq!(scene.heard_of(2), 48_000);
        scene.tell(Input::Carrier(CarrierEvent::Left(CarrierDeparture::Stopped)));
        assert_eq!(scene.ends(), [&EndCause::Voicemail]);
    }
}

#[test]
fn a_long_message_outlasts_the_patience_for_a_goodbye() {
    let mut scene = talking(message());
    machine(&mut scene);
    scene.wait(500);
    scene.agent_says(1, TEXT, 40_000);
    scene.wait(39_900);
    assert!(!scene.hung_up());

    scene.wait(1_500);

    assert!(scene.hung_up());
    assert_eq!(scene.heard_of(1), 320_000);
}

#[test]
fn what_the_agent_said_before_is_no_message() {
    let mut scene = talking(message());
    scene.agent_says(1, "Hello", 1_000);
    machine(&mut scene);

    scene.agent_sounds(1, 2_000);
    scene.wait(3_000);
    assert!(!scene.hung_up(), "the rest of the greeting came late");
    scene.agent_says(2, TEXT, 1_000);
    scene.wait(2_300);

    assert!(scene.hung_up());
    assert_eq!(scene.heard_of(2), 8_000);
}

#[test]
fn an_agent_that_cannot_say_it_or_never_does_is_not_waited_for() {
    let mut mute = plan();
    mute.agent.says = false;
    mute.settings.voicemail = message();
    let mut mute = Scene::talking_with(mute);
    machine(&mut mute);
    assert!(mute.hung_up() && mute.has(|fact| *fact == Fact::CannotSay));
    assert_eq!(said(&mute), 0);

    let mut refusing = talking(message());
    machine(&mut refusing);
    refusing.tell(Input::Agent(AgentEvent::CannotSay));
    assert!(refusing.hung_up() && refusing.has(|fact| *fact == Fact::CannotSay));

    let mut silent = talking(message());
    machine(&mut silent);
    silent.wait(9_900);
    assert!(!silent.hung_up());
    silent.wait(200);
    assert!(silent.hung_up() && silent.has(|fact| *fact == Fact::CannotSay));

    let mut lost = talking(message());
    machine(&mut lost);
    lost.agent_lost(Retry::Backoff);
    assert!(lost.hung_up(), "nobody is called back for a machine");

    for scene in [&mut mute, &mut refusing, &mut silent, &mut lost] {
        scene.tell(Input::Control(ControlOutcome::HungUp));
        assert_eq!(scene.ends(), [&EndCause::Voicemail]);
    }
}

#[test]
fn a_message_waits_for_its_agent() {
    let mut plan = plan();
    plan.settings.voicemail = message();
    let mut scene = Scene::with(plan);
    machine(&mut scene);
    scene.tell(Input::Carrier(CarrierEvent::Started(MediaStart::default())));
    scene.wait(1_000);
    assert_eq!((scene.call.phase(), said(&scene)), (PhaseName::Greeting, 0));

    scene.ready();

    assert_eq!((scene.call.phase(), said(&scene)), (PhaseName::Leaving, 1));
}

#[test]
fn being_told_twice_changes_nothing() {
    let mut scene = talking(message());
    machine(&mut scene);
    machine(&mut scene);
    scene.agent_says(1, TEXT, 1_000);
    machine(&mut scene);
    scene.wait(2_300);

    assert_eq!(said(&scene), 1);
    assert!(scene.hung_up());
    assert_eq!(scene.facts.iter().filter(|entry| entry.fact == Fact::MachineAnswered).count(), 1);
}

#[test]
fn a_machine_that_has_enough_and_a_person_who_hangs_up_end_it_too() {
    let mut scene = talking(message());
    machine(&mut scene);
    scene.agent_says(1, TEXT, 10_000);
    scene.wait(1_000);
    scene.tell(Input::Carrier(CarrierEvent::Left(CarrierDeparture::Stopped)));
    assert_eq!(scene.ends(), [&EndCause::Voicemail]);
    assert!(scene.other.contains(&Command::DropAgent));

    let mut ordered = talking(message());
    machine(&mut ordered);
    ordered.tell(Input::Order(Order::HangUp { by: "console".into() }));
    assert!(ordered.hung_up());
}

#[test]
fn a_call_that_is_ending_or_being_handed_over_is_left_to_it() {
    let mut scene = talking(message());
    scene.agent_says(1, "Goodbye", 1_000);
    scene.agent_lost(Retry::Over);
    machine(&mut scene);
    scene.wait(1_300);
    scene.tell(Input::Control(ControlOutcome::HungUp));
    assert_eq!(scene.ends(), [&EndCause::AgentHungUp { reason: None }]);

    let mut handed = talking(Voicemail::HangUp);
    handed.tell(Input::Order(Order::Transfer { to: "+4930123".into(), by: "console".into() }));
    machine(&mut handed);
    assert_eq!(handed.call.phase(), PhaseName::Transferring);
}
