//! Calls of all carriers at one gateway, killed at random moments in random ways, leave nothing behind.
//!
//! The emulators run here, the gateway in a process of its own, so its sockets and its tasks can be counted. What happens
//! when is drawn from a seed, which is printed; `TRUNKLINE_TEST_SEED` sets it.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use call::Fact;
use futures_util::future::join_all;
use gateway::config::Config;
use lab::caller::{Caller, Step};
use lab::elevenlabs::{Act, ElevenLabs};
use lab::faults::{Faults, Garbage, What, When};
use lab::phone::{Happening, How, LiveCall, Notes};
use lab::twilio::Twilio;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};

use super::Line;
use super::lines::{Dialled, Habits, Network, Telling};
use crate::gateway_process::GatewayProcess;
use crate::world::{PERSON, Setup, agent, soon};

const CALLS_AT_ONCE: usize = 24;
const ROUNDS: usize = 3;

/// The gateway's configuration; both processes make it.
pub(crate) fn config() -> Config {
    setup().config
}

fn setup() -> Setup {
    let mut talker = agent("Hello, this is the desk, and I have a lot to say before I let you speak.");
    talker.script.late_audio_after_interruption = true;
    let mut setup = Setup::with(talker);
    setup.config.limits.calls_per_minute_per_address = 0;
    setup.config.limits.api_requests_per_minute_per_address = 0;
    setup.config.agents.elevenlabs.slots = 100;
    let bot = setup.bot();
    bot.call.reconnect.attempts = 2;
    bot.call.limits.hang_up_ms = 2_000;
    setup
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Way {
    CallerHangsUp,
    CarrierResets,
    CarrierCloses,
    CarrierOnlySaysStop,
    CarrierBabbles,
    CarrierReadsSlowly,
    CarrierDoublesAndSwaps,
    SecondSocket,
    OperatorHangsUp,
    OperatorTransfers,
    AgentCloses,
    AgentIsLost,
    AgentRefuses,
}

const WAYS: [Way; 13] = [
    Way::CallerHangsUp,
    Way::CarrierResets,
    Way::CarrierCloses,
    Way::CarrierOnlySaysStop,
    Way::CarrierBabbles,
    Way::CarrierReadsSlowly,
    Way::CarrierDoublesAndSwaps,
    Way::SecondSocket,
    Way::OperatorHangsUp,
    Way::OperatorTransfers,
    Way::AgentCloses,
    Way::AgentIsLost,
    Way::AgentRefuses,
];

/// One call's fate.
#[derive(Clone, Copy, Debug)]
struct Fate {
    line: Line,
    way: Way,
    /// How much of the call is lived before it strikes, and after, in things that happen.
    before: usize,
    after: usize,
    reports: Telling,
    asks: bool,
}

#[tokio::test]
async fn calls_of_all_carriers_killed_at_random_leave_nothing_behind() {
    let seed = match std::env::var("TRUNKLINE_TEST_SEED") {
        Ok(seed) => seed.parse().unwrap(),
        Err(_) => rand::random(),
    };
    println!("TRUNKLINE_TEST_SEED={seed}");
    let mut chance = StdRng::seed_from_u64(seed);
    let Setup { platform, network, .. } = setup();
    let habits = Habits { says_stop: true, signs_sockets: true };
    let lines = Line::usual();
    let mut networks = Vec::new();
    for line in &lines {
        networks.push(Network::start(*line, &network, habits).await);
    }
    let twilio = Twilio::start(network).await.unwrap();
    let platform = ElevenLabs::start(platform).await.unwrap();
    let others = networks.iter().map(Network::base_url).collect();
    let mut gateway = GatewayProcess::start_with(&twilio, others, &platform).await;
    let fresh = gateway.look().await;
    let base = format!("http://{}", gateway.address);

    let mut tried = BTreeMap::new();
    for _ in 0..ROUNDS {
        let fates: Vec<Fate> = (0..CALLS_AT_ONCE)
            .map(|number| Fate {
                line: lines[number % lines.len()],
                way: WAYS[chance.random_range(0..WAYS.len())],
                before: chance.random_range(0..25),
                after: chance.random_range(0..12),
                // Of a call that dies before its media comes, a report alone tells.
                reports: if chance.random() { Telling::Once } else { Telling::AgainAndMixedUp },
                asks: chance.random(),
            })
            .collect();
        for fate in &fates {
            *tried.entry(fate.way).or_insert(0) += 1;
        }
        let lived = fates.iter().enumerate().map(|(number, fate)| {
            let network = &networks[number % lines.len()];
            live(network, &twilio, &platform, &base, *fate)
        });
        join_all(lived).await;
        let idle = |now: &crate::gateway_process::Holdings| {
            (now.live, now.seats, now.slots, now.media_tasks) == (0, 0, 0, fresh.media_tasks)
                && now.calls_started == now.calls_ended
        };
        gateway.holds("an idle gateway", idle).await;
    }
    println!("{tried:?}");
    let last = gateway.look().await;
    // Without the others, their kept-alive connections go as well, and then nothing is left at all.
    platform.shut_down().await;
    twilio.shut_down().await;
    for network in networks {
        network.shut_down().await;
    }
    gateway.holds("no task, and no socket but the listener", |now| (now.tasks, now.sockets) == (0, 1)).await;
    let (stopped, records) = gateway.down().await;
    assert_eq!(stopped, (0, 0, true));

    let ids: HashSet<_> = records.iter().map(|record| record.id).collect();
    assert_eq!(ids.len(), records.len(), "one record each");
    assert_eq!((last.calls_started, last.calls_ended), (records.len() as u64, records.len() as u64));
    assert!(records.len() >= CALLS_AT_ONCE * ROUNDS * 3 / 4, "{} calls came to be", records.len());
    let carriers: HashSet<&str> = records.iter().map(|record| record.carrier.as_str()).collect();
    assert_eq!(carriers.len(), lines.len(), "{carriers:?}");
    for record in &records {
        let ends: Vec<_> =
            record.ledger.iter().filter(|entry| matches!(entry.fact, Fact::Ended { .. })).collect();
        assert_eq!(ends.len(), 1, "one cause: {record:#?}");
        assert_eq!(ends[0].fact, Fact::Ended { end: record.end.clone() });
        assert_ne!(record.end.name(), "broken", "{record:#?}");
        assert!(record.receipt["tally"]["heard_ms"].as_u64() <= record.receipt["tally"]["sent_ms"].as_u64());
    }
    let causes: HashSet<&str> = records.iter().map(|record| record.end.name()).collect();
    println!("{causes:?}");
    assert!(causes.len() >= 4, "{causes:?}");
}

/// Lives one call to its end.
async fn live(network: &Network, twilio: &Twilio, platform: &ElevenLabs, base: &str, fate: Fate) {
    if let Some((when, what)) = agent_fault(fate.way) {
        // It strikes whoever dials next, which is as random as anything here.
        platform.next_session_faults(Faults::one(when, what));
    }
    let dialled = Dialled {
        // Keys all along, so that something always happens, whatever becomes of the agent.
        caller: Caller { noise_dbfs: Some(-40.0), ..Caller::with_steps(vec![Step::Press("5".repeat(200))]) },
        faults: carrier_fault(fate.way),
        asks: fate.asks,
        reports: fate.reports,
        ..Dialled::default()
    };
    let call = network.place(fate.line, twilio, base, dialled);
    let mut notes = call.notes();
    let what = format!("{fate:?}");
    soon(&what, happenings(&mut notes, fate.before)).await;
    strike(&call, platform, base, fate.way).await;
    soon(&what, happenings(&mut notes, fate.after)).await;
    call.hang_up().await;
    soon(&what, call.finished()).await;
}

/// Waits until so much has happened, or the call is over.
async fn happenings(notes: &mut Notes, count: usize) {
    for _ in 0..count {
        if notes.until(|what| !matches!(what, Happening::Warned(_))).await.is_none() {
            return;
        }
    }
}

async fn strike(call: &LiveCall, platform: &ElevenLabs, base: &str, way: Way) {
    let newest = platform.sessions().len().saturating_sub(1);
    match way {
        Way::CarrierResets => call.kill_socket(How::Reset).await,
        Way::CarrierCloses => call.kill_socket(How::CloseWithoutStop).await,
        Way::CarrierOnlySaysStop => call.kill_socket(How::StopWithoutClose).await,
        Way::SecondSocket => call.second_socket().await,
        Way::OperatorHangsUp => operate(call, base, "hangup", json!({})).await,
        Way::OperatorTransfers => operate(call, base, "transfer", json!({"to": PERSON})).await,
        Way::AgentCloses => {
            platform.act(newest, Act::Close { code: 1011, reason: "on purpose".into() }).await;
        }
        Way::CarrierBabbles => {
            for text in ["", "{", r#"{"event":"start"}"#, r#"{"event":"media","media":{"payload":"!"}}"#] {
                call.send_text(text).await;
            }
        }
        // What happens here happens by script, or at the end of every call.
        Way::CallerHangsUp
        | Way::CarrierReadsSlowly
        | Way::CarrierDoublesAndSwaps
        | Way::AgentIsLost
        | Way::AgentRefuses => {}
    }
}

fn agent_fault(way: Way) -> Option<(When, What)> {
    match way {
        Way::AgentIsLost => Some((When::WhileSpeaking, What::Drop)),
        Way::AgentRefuses => {
            let body = r#"{"detail":"on purpose"}"#.to_owned();
            Some((When::AtHandshake, What::RefuseHandshake { status: 500, body }))
        }
        _ => None,
    }
}

fn carrier_fault(way: Way) -> Faults {
    match way {
        Way::CarrierBabbles => Faults::one(When::AfterMessages(4), What::Garbage(Garbage::Utf8)),
        Way::CarrierReadsSlowly => Faults::one(When::Always, What::SlowReader(Duration::from_millis(200))),
        Way::CarrierDoublesAndSwaps => Faults {
            list: vec![
                (When::Always, What::Duplicate),
                (When::Always, What::LoseMark),
                (When::AfterMessages(5), What::OutOfOrder),
            ],
            seed: 1,
        },
        _ => Faults::none(),
    }
}

/// What somebody at the console does.
async fn operate(call: &LiveCall, base: &str, order: &str, body: Value) {
    let http = reqwest::Client::builder().no_proxy().pool_max_idle_per_host(0).build().unwrap();
    let list: Value = http.get(format!("{base}/api/v1/calls")).send().await.unwrap().json().await.unwrap();
    let mut live = list["live"].as_array().unwrap().iter();
    // It may be over already.
    if let Some(view) = live.find(|view| view["carrier_call"] == call.sid()) {
        let url = format!("{base}/api/v1/calls/{}/{order}", view["id"].as_str().unwrap());
        let status = http.post(url).json(&body).send().await.unwrap().status().as_u16();
        assert!([200, 202, 204, 404, 409].contains(&status), "{order}: {status}");
    }
}
