//! The agent's socket dies, is refused or falls silent; the caller must not pay for it.

use std::time::Duration;

use agents::prompts::Prompt;
use axum::Router;
use axum::routing::post;
use call::{AgentLeft, EndCause, Fact, Fallback, PhaseName, Watchdog};
use futures_util::future::join_all;
use gateway::config::{BotTool, ElevenLabsAuth};
use lab::caller::Caller;
use lab::elevenlabs::{Act, Script, SessionEnd, ToolCall, Turn};
use lab::faults::{Faults, Garbage, What, When};
use lab::twilio::{DialOutcome, Dialling, End, Happening};
use lab::voice;
use serde_json::json;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::world::{
    PERSON, SPARE, Setup, World, agent, count, eventually, find, happens, heard, prompt, receipt, soon,
    spoken,
};

const GREETING: &str = "Hello, this is the desk.";
const ANSWER: &str = "We open at nine.";

fn close(code: u16) -> What {
    What::Close { code, reason: "on purpose".into() }
}

fn refuse(status: u16) -> What {
    What::RefuseHandshake { status, body: r#"{"detail":"on purpose"}"#.into() }
}

fn said(words: &str) -> audio::Frame {
    voice::speech(words, audio::Rate::Hz8000)
}

#[tokio::test]
async fn an_agent_lost_before_its_metadata_is_called_back_and_greets_once() {
    let world = Setup::with(agent(GREETING)).agent_faults([(When::BeforeMetadata, What::Drop)]).start().await;
    let call = world.call(Caller::silent());

    happens(&call, "the greeting is over", |what| *what == Happening::AgentSpeechEnded).await;
    call.hang_up().await;
    let (report, record) = world.over(call).await;

    assert_eq!(record.end, EndCause::CallerHungUp);
    assert_eq!(heard(&report, &[GREETING]), [0]);
    assert!(find(&spoken(GREETING), &report.heard.samples).is_some(), "whole, and nothing else in it");
    let tally = receipt(&record).tally;
    assert_eq!((tally.agent_dials, tally.agent_losses), (2, 1));
    let sessions = world.platform.sessions();
    assert!(sessions[1].contextual_updates.is_empty(), "nothing was said yet: {:?}", sessions[1]);
    world.nothing_is_held().await;
}

#[tokio::test]
async fn a_conversation_whose_agent_is_lost_while_speaking_goes_on_without_a_second_greeting() {
    let mut doc = agent(GREETING);
    doc.script.otherwise = Turn::saying("when do you open", ANSWER);
    let world = Setup::with(doc).agent_faults([(When::WhileSpeaking, What::Drop)]).start().await;
    let call = world.call(Caller::silent());

    world.platform.session_when(1, |session| !session.answers.is_empty()).await;
    call.speak(said("When do you open?")).await;
    world.platform.session_when(1, |session| session.answers.len() == 2).await;
    let mut notes = call.notes();
    for what in ["the greeting is over", "the answer is over"] {
        soon(what, notes.until(|what| *what == Happening::AgentSpeechEnded)).await.unwrap();
    }
    call.hang_up().await;
    let (report, record) = world.over(call).await;

    assert_eq!(
        heard(&report, &[GREETING, ANSWER]),
        [0, 1],
        "the second session's greeting was kept from the caller"
    );
    assert!(find(&spoken(ANSWER), &report.heard.samples).is_some());
    let second = &world.platform.sessions()[1];
    let recap = second.contextual_updates.first().unwrap();
    assert!(recap.contains("do not greet again") && recap.contains("You: Hello"), "{recap}");
    assert_eq!(count(&record, |fact| matches!(fact, Fact::AgentDialled { attempt: 2, resumed: true })), 1);
    assert_eq!(receipt(&record).tally.agent_losses, 1);
    world.nothing_is_held().await;
}

#[tokio::test]
async fn an_agent_that_allows_it_is_asked_to_leave_out_its_greeting() {
    let mut doc = agent(GREETING);
    doc.overrides_allowed = vec!["agent.first_message".into()];
    let world = Setup::with(doc).agent_faults([(When::WhileSpeaking, What::Drop)]).start().await;
    world.agent_was_looked_at().await;
    let call = world.call(Caller::silent());

    let second = soon(
        "the agent is back",
        world.platform.session_when(1, |session| !session.contextual_updates.is_empty()),
    )
    .await;
    call.hang_up().await;
    world.over(call).await;

    let asked =
        &second.initiation.as_ref().unwrap()["conversation_config_override"]["agent"]["first_message"];
    assert_eq!(asked, "");
    assert_eq!(second.answers.len(), 0, "so it said nothing before it was asked: {second:?}");
}

#[tokio::test]
async fn a_tool_that_outlives_its_session_reports_to_the_next_one() {
    let tool = HeldTool::start().await;
    let mut doc = agent("");
    doc.client_tools = vec!["opening_hours".into()];
    doc.script = Script {
        at_start: vec![Act::Tool(ToolCall::named("opening_hours", json!({"day": "today"})))],
        ..Script::default()
    };
    let mut setup = Setup::with(doc).agent_faults([(When::DuringToolCall, What::Drop)]);
    setup.bot().tools = vec![tool.described("opening_hours")];
    let world = setup.start().await;
    let call = world.call(Caller::silent());

    soon(
        "the new session asks for itself",
        world.platform.session_when(1, |session| session.tools.len() == 1),
    )
    .await;
    tool.released.cancel();
    let second = soon(
        "both results are there",
        world.platform.session_when(1, |session| {
            session.tools[0].result.is_some()
                && session.contextual_updates.iter().any(|text| text.contains("nine to five"))
        }),
    )
    .await;
    call.hang_up().await;
    let (_, record) = world.over(call).await;

    let (result, is_error, _) = second.tools[0].result.clone().unwrap();
    assert!(result.contains("nine to five") && !is_error);
    assert_eq!(count(&record, |fact| matches!(fact, Fact::ToolCalled { .. })), 2);
    assert!(second.complaints.is_empty(), "no answer to a call of another session: {:?}", second.complaints);
}

#[tokio::test]
async fn an_agent_lost_again_and_again_ends_in_an_apology_once_the_budget_is_spent() {
    let mut setup =
        Setup::with(agent(GREETING)).agent_faults((0..10).map(|_| (When::AfterMetadata, close(1011))));
    setup.bot().call.reconnect.attempts = 3;
    let world = setup.start().await;

    let (report, record) = world.over(world.call(Caller::silent())).await;

    assert!(matches!(record.end, EndCause::AgentUnavailable { .. }), "{:?}", record.end);
    assert_eq!(world.platform.sessions().len(), 4, "the first, and three attempts");
    assert_eq!(receipt(&record).tally.agent_losses, 4);
    assert_eq!(report.end, End::CompletedByRest, "the phone call was ended as well");
    assert!(
        find(&prompt(Prompt::Apology), &report.heard.samples).is_some(),
        "the caller was told, to the last word"
    );
    world.nothing_is_held().await;
}

#[tokio::test]
async fn a_refused_handshake_is_tried_again_only_where_that_can_help() {
    let given_up = join_all([401, 403, 404].map(|status| async move {
        let world =
            Setup::with(agent(GREETING)).agent_faults([(When::AtHandshake, refuse(status))]).start().await;
        let (report, record) = world.over(world.call(Caller::silent())).await;
        assert!(matches!(record.end, EndCause::AgentUnavailable { .. }), "{status}: {:?}", record.end);
        assert_eq!(lost(&record), [AgentLeft::Refused { status }]);
        assert_eq!(receipt(&record).tally.agent_dials, 1, "{status}");
        assert!(find(&prompt(Prompt::Apology), &report.heard.samples).is_some(), "{status}");
        world.nothing_is_held().await;
    }));
    let tried_again = async {
        let world =
            Setup::with(agent(GREETING)).agent_faults([(When::AtHandshake, refuse(429))]).start().await;
        let call = world.call(Caller::silent());
        happens(&call, "the greeting is over", |what| *what == Happening::AgentSpeechEnded).await;
        call.hang_up().await;
        let (report, record) = world.over(call).await;
        assert_eq!(lost(&record), [AgentLeft::Refused { status: 429 }]);
        assert_eq!(heard(&report, &[GREETING]), [0]);
    };
    let no_signed_url = async {
        let mut setup = Setup::with(agent(GREETING));
        setup.config.agents.elevenlabs.auth = ElevenLabsAuth::SignedUrl;
        let body = r#"{"detail":{"status":"invalid_api_key","message":"Invalid API key"}}"#.to_owned();
        setup.platform.rest_faults = Faults::one(When::AtHandshake, What::ErrorBody { status: 401, body });
        let world = setup.start().await;
        let (report, record) = world.over(world.call(Caller::silent())).await;
        assert_eq!(lost(&record), [AgentLeft::Refused { status: 401 }]);
        assert!(matches!(&record.end, EndCause::AgentUnavailable { detail } if detail.contains("key")));
        assert!(find(&prompt(Prompt::Apology), &report.heard.samples).is_some());
    };

    futures_util::join!(given_up, tried_again, no_signed_url);
}

#[tokio::test]
async fn every_close_code_has_its_own_consequence() {
    let finished = async {
        let (world, record) = after_close((When::WhileSpeaking, close(1000)), |_| true).await;
        assert_eq!(record.end, EndCause::AgentHungUp { reason: None });
        assert_eq!(world.platform.sessions().len(), 1, "1000 is the end of the conversation");
    };
    let given_up = async {
        let (world, record) = after_close((When::WhileSpeaking, close(1008)), |_| true).await;
        assert!(matches!(record.end, EndCause::AgentUnavailable { .. }), "{:?}", record.end);
        assert_eq!(lost(&record), [AgentLeft::Closed { code: 1008 }]);
        assert_eq!(world.platform.sessions().len(), 1, "1008 comes again until a person changes something");
    };
    let called_back = join_all([1002, 1011, 3008].map(|code| async move {
        let (world, record) =
            after_close((When::WhileSpeaking, close(code)), |world| world.platform.sessions().len() == 2)
                .await;
        assert_eq!(record.end, EndCause::CallerHungUp, "{code}");
        assert_eq!(lost(&record), [AgentLeft::Closed { code }]);
        assert_eq!(receipt(&record).tally.agent_dials, 2, "{code}");
        world.nothing_is_held().await;
    }));
    let broken = async {
        let (_, record) =
            after_close((When::WhileSpeaking, What::Drop), |world| world.platform.sessions().len() == 2)
                .await;
        assert_eq!(record.end, EndCause::CallerHungUp);
        assert_eq!(lost(&record), [AgentLeft::Lost], "1006");
    };

    futures_util::join!(finished, given_up, called_back, broken);
}

/// A call whose first agent session ends like this. As soon as `is_so`, the caller hangs up, if the call still goes on.
async fn after_close(
    fault: (When, What),
    is_so: impl Fn(&World) -> bool,
) -> (World, gateway::records::CallRecord) {
    let world = Setup::with(agent(GREETING)).agent_faults([fault]).start().await;
    let call = world.call(Caller::silent());
    let sid = call.sid().to_owned();
    soon("the first session is over", world.platform.session_ended(0)).await;
    let came_back = |world: &World| is_so(world) && !world.platform.sessions().is_empty();
    eventually("what the close leads to", || came_back(&world)).await;
    if world.platform.sessions().len() == 2 {
        soon("it stands", world.platform.session_when(1, |session| session.initiation.is_some())).await;
        let live = world.live(&sid).await;
        eventually("the agent is back", || live.phase() == PhaseName::Talking).await;
        call.hang_up().await;
    }
    let (_, record) = world.over(call).await;
    (world, record)
}

#[tokio::test]
async fn an_agent_that_babbles_is_counted_and_heard_all_the_same() {
    let kinds = [
        (Garbage::Json, "agent.malformed"),
        (Garbage::Base64, "agent.bad_audio"),
        (Garbage::OddAudio, ""),
        (Garbage::Huge(2_000_000), "agent.too_large"),
        (Garbage::Binary, "agent.malformed"),
        (Garbage::UnknownEvent, "agent.unknown_message"),
    ];
    join_all(kinds.map(|(kind, oddity)| async move {
        let fault = (When::AfterMetadata, What::Garbage(kind));
        let world = Setup::with(agent(GREETING)).agent_faults([fault]).start().await;
        let call = world.call(Caller::silent());
        happens(&call, "the greeting is over", |what| *what == Happening::AgentSpeechEnded).await;
        call.hang_up().await;
        let (report, record) = world.over(call).await;
        assert!(find(&spoken(GREETING), &report.heard.samples).is_some(), "{kind:?}");
        let tally = receipt(&record).tally;
        assert_eq!((tally.agent_dials, &record.end), (1, &EndCause::CallerHungUp), "{kind:?}");
        let counted: Vec<&str> = tally.oddities.keys().map(String::as_str).collect();
        // µ-law has no half samples; what it has of the kind is a message without any, which means nothing.
        let expected = if oddity.is_empty() { vec![] } else { vec![oddity] };
        assert_eq!(counted, expected, "{kind:?}");
    }))
    .await;
}

#[tokio::test]
async fn an_agent_that_breaks_the_websocket_is_called_back() {
    let fault = (When::AfterMetadata, What::Garbage(Garbage::Utf8));
    let world = Setup::with(agent(GREETING)).agent_faults([fault]).start().await;
    let call = world.call(Caller::silent());

    soon("another session", world.platform.session_when(1, |session| !session.answers.is_empty())).await;
    call.hang_up().await;
    let (_, record) = world.over(call).await;

    assert_eq!(lost(&record), [AgentLeft::Lost]);
    soon("the first is over", world.platform.session_ended(0)).await;
    world.nothing_is_held().await;
}

#[tokio::test]
async fn an_agent_on_a_bad_network_is_heard_without_gaps() {
    let faults = Faults {
        list: vec![
            (When::Always, What::Jitter(Duration::from_millis(120))),
            (When::Always, What::Delay(Duration::from_millis(80))),
        ],
        seed: 5,
    };
    let mut setup = Setup::with(agent("We are open on Mondays from nine to five."));
    setup.platform.faults = vec![faults];
    let world = setup.start().await;
    let call = world.call(Caller::silent());
    let live = world.live(call.sid()).await;
    eventually("all is heard", || !live.turns().is_empty()).await;

    call.hang_up().await;
    let (report, _) = world.over(call).await;

    assert!(find(&spoken("We are open on Mondays from nine to five."), &report.heard.samples).is_some());
}

#[tokio::test]
async fn an_agent_without_signs_of_life_is_given_up_and_called_back() {
    let mut setup = Setup::with(agent(GREETING))
        .agent_faults([(When::At(Duration::from_millis(300)), What::Stall(Duration::from_secs(600)))]);
    setup.platform.ping_every = Duration::from_millis(100);
    setup.bot().call.limits.agent_stalled_ms = 1_500;
    let world = setup.start().await;
    let call = world.call(Caller::silent());

    soon("another session stands", world.platform.session_when(1, |session| !session.pongs.is_empty())).await;
    call.hang_up().await;
    let (_, record) = world.over(call).await;

    assert_eq!(count(&record, |fact| *fact == Fact::Watchdog { which: Watchdog::AgentStalled }), 1);
    assert_eq!(lost(&record), [AgentLeft::Stalled]);
    assert_eq!(receipt(&record).tally.agent_dials, 2);
}

#[tokio::test]
async fn another_bot_goes_on_where_the_agent_cannot_be_had() {
    let mut setup =
        Setup::with(agent(GREETING)).with_spare_bot().agent_faults([(When::AtHandshake, refuse(401))]);
    setup.bot().call.fallback = Fallback::Bot { name: SPARE.into() };
    let world = setup.start().await;
    let call = world.call(Caller::silent());

    happens(&call, "the other bot speaks", |what| *what == Happening::AgentSpeechEnded).await;
    call.hang_up().await;
    let (_, record) = world.over(call).await;

    assert_eq!(record.end, EndCause::CallerHungUp);
    assert_eq!(count(&record, |fact| *fact == Fact::Fallback { to: SPARE.into() }), 1);
    assert_eq!(count(&record, |fact| matches!(fact, Fact::AgentReady { .. })), 1);
    world.nothing_is_held().await;
}

#[tokio::test]
async fn a_person_takes_the_call_where_the_agent_cannot_be_had() {
    let mut setup = Setup::with(agent(GREETING)).agent_faults([(When::AtHandshake, refuse(403))]);
    setup.bot().call.fallback = Fallback::Transfer { to: PERSON.into() };
    setup.network.dialling = Dialling {
        outcome: DialOutcome::Completed,
        rings_for: Duration::from_millis(20),
        talks_for: Duration::from_millis(20),
    };
    let world = setup.start().await;

    let (report, record) = world.over(world.call(Caller::silent())).await;

    assert_eq!(record.end, EndCause::Transferred { to: PERSON.into() });
    let dialled =
        |what: &Happening| matches!(what, Happening::Dialled { numbers, .. } if numbers == &[PERSON]);
    assert_eq!(report.count(dialled), 1, "{:?}", report.timeline);
    world.nothing_is_held().await;
}

#[tokio::test]
async fn the_agent_hears_of_a_caller_who_hung_up_by_an_orderly_close() {
    let world = Setup::with(agent(GREETING)).start().await;
    let call = world.call(Caller::silent());
    soon("the agent greets", world.platform.session_when(0, |session| !session.answers.is_empty())).await;

    call.hang_up().await;
    world.over(call).await;

    let session = soon("the session is over", world.platform.session_ended(0)).await;
    assert_eq!(session.end, Some(SessionEnd::Client { code: 1000, reason: String::new() }));
    assert!(session.complaints.is_empty(), "{:?}", session.complaints);
}

/// How the sessions of this call were lost, in order.
fn lost(record: &gateway::records::CallRecord) -> Vec<AgentLeft> {
    let departures = record.ledger.iter().filter_map(|entry| match &entry.fact {
        Fact::AgentLost { departure } => Some(departure.cause),
        _ => None,
    });
    departures.collect()
}

/// A tool of a bot's that answers when it is told to.
struct HeldTool {
    address: std::net::SocketAddr,
    released: CancellationToken,
}

impl HeldTool {
    async fn start() -> HeldTool {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let released = CancellationToken::new();
        let told = released.clone();
        let answer = move || {
            let told = told.clone();
            async move {
                told.cancelled().await;
                r#"{"open": "nine to five"}"#
            }
        };
        tokio::spawn(async move { axum::serve(listener, Router::new().route("/", post(answer))).await });
        HeldTool { address, released }
    }

    fn described(&self, name: &str) -> BotTool {
        BotTool {
            name: name.into(),
            url: format!("http://{}/", self.address).parse().unwrap(),
            allow_private_addresses: true,
            ..BotTool::default()
        }
    }
}
