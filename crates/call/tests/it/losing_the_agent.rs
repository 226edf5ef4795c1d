//! The agent's socket dies, and the call goes on or ends as the bot says.

use call::{
    AgentChoice, AgentDeparture, AgentEvent, AgentLeft, Command, EndCause, Fact, Fallback, Input, PhaseName,
    QueueStatus, Retry, Side, Watchdog,
};

use crate::scene::{AGENT, Scene, plan};

#[test]
fn a_lost_agent_is_called_back_with_the_conversation_so_far() {
    let mut scene = Scene::talking();
    scene.agent_says(1, "Hello there", 500);
    scene.wait(2_500);
    scene.tell(Input::Agent(AgentEvent::CallerSaid { text: "hi".into(), is_final: true }));

    scene.agent_lost(Retry::Backoff);
    assert_eq!(scene.call.phase(), PhaseName::Holding);
    scene.wait(220);

    assert_eq!(scene.dials.len(), 2);
    let resume = scene.dials[1].resume.as_ref().unwrap();
    assert_eq!(
        resume.iter().map(|said| (said.side, said.text.as_str())).collect::<Vec<_>>(),
        [(Side::Agent, "Hello there"), (Side::Caller, "hi")]
    );
    scene.ready();
    assert_eq!(scene.call.phase(), PhaseName::Talking);
}

#[test]
fn the_caller_hears_comfort_sound_and_loses_no_word_of_the_last_two_seconds() {
    let mut scene = Scene::talking();
    scene.wait(1_000);
    scene.agent_lost(Retry::Backoff);
    let before = scene.heard_by_agent_ms();

    scene.wait(3_000);
    assert!(scene.heard.iter().filter(|s| **s != 0).count() > 10_000, "a bed in the ear");
    scene.ready();

    assert_eq!(scene.heard_by_agent_ms() - before, 2_000, "100 chunks are kept");
    assert!(scene.has(|f| matches!(f, Fact::HeldAudioDropped { chunks: 50 })));
    let after = scene.heard.len();
    scene.wait(1_000);
    let rest = scene.heard[after..].iter().filter(|s| **s != 0).count();
    assert!(rest <= 8 * 320, "the bed ends when the agent is back");
}

#[test]
fn losing_it_before_it_was_ever_ready_is_the_same() {
    let mut scene = Scene::with(plan());
    scene.tell(Input::Carrier(call::CarrierEvent::Started(Default::default())));
    scene.agent_lost(Retry::Backoff);
    scene.wait(220);

    assert_eq!(scene.dials.len(), 2);
}

#[test]
fn when_the_budget_is_spent_the_caller_gets_an_apology() {
    let mut scene = Scene::talking();
    for _ in 0..6 {
        scene.agent_lost(Retry::Backoff);
        scene.wait(4_000);
    }

    assert_eq!(scene.dials.len(), 6, "the first and five more");
    assert_eq!(scene.heard.iter().filter(|s| **s == 900).count(), 8_000, "all of the apology");
    assert!(scene.hung_up());
    scene.tell(Input::Control(call::ControlOutcome::HungUp));
    assert_eq!(scene.ends(), [&EndCause::AgentUnavailable { detail: "gone".into() }]);
}

#[test]
fn sessions_that_die_young_spend_the_budget_too() {
    let mut scene = Scene::talking();
    for _ in 0..5 {
        scene.agent_lost(Retry::Backoff);
        scene.wait(4_000);
        scene.ready();
        scene.wait(1_000);
    }
    scene.agent_lost(Retry::Backoff);

    assert_eq!(scene.call.phase(), PhaseName::Leaving);
}

#[test]
fn a_session_that_lasted_gives_the_attempts_back() {
    let mut scene = Scene::talking();
    for _ in 0..20 {
        scene.wait(10_020);
        scene.agent_lost(Retry::Backoff);
        scene.wait(300);
        scene.ready();
    }

    assert_eq!(scene.call.phase(), PhaseName::Talking);
}

#[test]
fn a_refusal_that_no_retry_can_mend_is_not_retried() {
    let mut scene = Scene::with(plan());
    scene.tell(Input::Carrier(call::CarrierEvent::Started(Default::default())));
    scene.agent_lost(Retry::Never);
    scene.wait(3_000);

    assert_eq!(scene.dials.len(), 1);
    assert!(scene.hung_up());
}

#[test]
fn the_fallback_may_be_another_bot_and_then_an_apology() {
    let mut plan = plan();
    plan.settings.fallback = Fallback::Bot { name: "spare".into() };
    plan.fallback_agent = Some(AGENT);
    let mut scene = Scene::talking_with(plan);

    scene.agent_lost(Retry::Never);
    assert_eq!(scene.dials[1].which, AgentChoice::Fallback);
    scene.ready();
    assert_eq!(scene.call.phase(), PhaseName::Talking);
    scene.agent_lost(Retry::Never);

    assert_eq!(scene.call.phase(), PhaseName::Leaving);
}

#[test]
fn the_fallback_may_be_a_person_and_then_an_apology() {
    let mut plan = plan();
    plan.settings.fallback = Fallback::Transfer { to: "+4930999".into() };
    let mut scene = Scene::talking_with(plan);

    scene.agent_lost(Retry::Never);
    assert!(scene.has(|f| matches!(f, Fact::TransferStarted { to } if to == "+4930999")));
    scene.tell(Input::Control(call::ControlOutcome::TransferFailed { detail: "busy".into() }));
    scene.wait(3_000);

    assert!(scene.heard.contains(&900));
    assert!(scene.hung_up());
}

#[test]
fn an_agent_without_a_sign_of_life_is_given_up_and_called_back() {
    let mut scene = Scene::talking();
    scene.wait(45_100);

    assert!(scene.has(|f| matches!(f, Fact::Watchdog { which: Watchdog::AgentStalled })));
    assert!(scene.other.contains(&Command::DropAgent));
    scene.wait(300);
    assert_eq!(scene.dials.len(), 2);
}

#[test]
fn an_agent_that_does_not_get_ready_is_given_up_unless_it_queues_us() {
    let mut stuck = Scene::with(plan());
    stuck.tell(Input::Carrier(call::CarrierEvent::Started(Default::default())));
    let mut queued = Scene::with(plan());
    queued.tell(Input::Carrier(call::CarrierEvent::Started(Default::default())));
    queued.tell(Input::Agent(AgentEvent::Queue(QueueStatus::Waiting)));

    stuck.wait(10_400);
    queued.wait(10_400);

    assert_eq!(stuck.dials.len(), 2);
    assert_eq!(queued.dials.len(), 1);
    queued.ready();
    assert_eq!(queued.call.phase(), PhaseName::Talking);
}

#[test]
fn an_answer_cut_off_with_its_agent_is_told_as_far_as_it_was_heard() {
    let mut scene = Scene::talking();
    scene.agent_says(1, "one two three four five six seven eight nine ten eleven twelve", 1_000);
    scene.agent_lost(Retry::Backoff);
    scene.wait(4_000);
    scene.ready();
    scene.wait(2_000);

    assert_eq!(scene.heard_of(1), 8_000, "what was received is heard");
    assert_eq!(scene.turns().len(), 1);
}

#[test]
fn events_of_an_agent_that_is_gone_are_counted_and_ignored() {
    let mut scene = Scene::talking();
    scene.agent_lost(Retry::Backoff);
    scene.agent_says(1, "a ghost", 1_000);
    scene.tell(Input::Agent(AgentEvent::Left(AgentDeparture {
        cause: AgentLeft::Lost,
        retry: Retry::Over,
        detail: String::new(),
    })));

    assert_eq!(scene.call.phase(), PhaseName::Holding);
    assert_eq!(scene.call.receipt(scene.now).tally.unexpected, 3);
}
