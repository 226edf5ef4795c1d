//! Hundreds of calls killed at random moments in random ways leave nothing behind.
//!
//! The emulators run here, the gateway in a process of its own, so its memory, its sockets and its tasks can be counted.
//! What happens when is drawn from a seed, which is printed; `TRUNKLINE_TEST_SEED` sets it.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use call::Fact;
use futures_util::future::join_all;
use gateway::config::{AgentKind, Bot, Config, Line};
use lab::caller::{Caller, Step};
use lab::elevenlabs::{Act, AgentDoc, ElevenLabs};
use lab::faults::{Faults, Garbage, What, When};
use lab::twilio::{Happening, How, LiveCall, Notes, PlacedCall, StatusCallback, Twilio};
use serde_json::{Value, json};

use crate::gateway_process::{GatewayProcess, Holdings};
use crate::world::{SPARE, Setup, agent, soon};

const CALLS_AT_ONCE: usize = 25;
const WARM_UPS: usize = 2;
const ROUNDS: usize = 8;

/// Lines of the three bots: one whose agent talks, one whose agent sends everything back, and the built-in one.
const LINES: [&str; 3] = ["+14155550190", "+14155550191", "+14155550192"];

const ECHO: &str = "agent_echo";

/// The gateway's configuration; both processes make it.
pub(crate) fn config() -> Config {
    setup().config
}

fn setup() -> Setup {
    let mut talker = agent("Hello, this is the desk, and I have a lot to say before I let you speak.");
    talker.script.late_audio_after_interruption = true;
    let mut echo = AgentDoc { agent_id: ECHO.into(), ..agent("") };
    echo.script.echo = true;
    let mut setup = Setup::with(talker).with_spare_bot();
    setup.platform.agents.push(echo);
    let echoing = Bot {
        name: "echo".into(),
        agent: AgentKind::ElevenLabs,
        agent_id: Some(ECHO.into()),
        ..setup.config.bots[0].clone()
    };
    setup.config.bots.push(echoing);
    let bots = ["lab", "echo", SPARE];
    setup.config.lines = LINES
        .iter()
        .zip(bots)
        .map(|(number, bot)| Line { number: (*number).into(), bot: bot.into(), carrier: None })
        .collect();
    setup.config.limits.calls_per_minute_per_address = 0;
    setup.config.limits.api_requests_per_minute_per_address = 0;
    for bot in &mut setup.config.bots {
        bot.call.reconnect.attempts = 2;
        bot.call.limits.hang_up_ms = 2_000;
    }
    setup
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Way {
    CallerHangsUp,
    CarrierDies(usize),
    OperatorHangsUp,
    OperatorTransfers,
    AgentCloses(usize),
    AgentIsLost,
    AgentStalls,
    AgentRefuses(usize),
    AgentBabbles(usize),
    CarrierBabbles(usize),
    CarrierReadsSlowly,
    CarrierDoublesAndSwaps,
    SecondSocket,
}

const KILLS: [How; 3] = [How::Reset, How::CloseWithoutStop, How::StopWithoutClose];
const CODES: [u16; 6] = [1000, 1002, 1008, 1011, 3008, 4000];
const STATUSES: [u16; 5] = [401, 403, 404, 429, 500];
const GARBAGE: [Garbage; 7] = [
    Garbage::Utf8,
    Garbage::Json,
    Garbage::Base64,
    Garbage::Huge(100_000),
    Garbage::OddAudio,
    Garbage::Binary,
    Garbage::UnknownEvent,
];

/// One call's fate.
#[derive(Clone, Copy, Debug)]
struct Fate {
    way: Way,
    line: &'static str,
    /// How much of the call is lived before it strikes, and after, in things that happen.
    before: usize,
    after: usize,
}

#[tokio::test]
async fn two_hundred_calls_killed_at_random_leave_nothing_behind() {
    let seed = match std::env::var("TRUNKLINE_TEST_SEED") {
        Ok(seed) => seed.parse().unwrap(),
        Err(_) => rand::random(),
    };
    println!("TRUNKLINE_TEST_SEED={seed}");
    let mut dice = Dice(seed);
    let Setup { platform, network, .. } = setup();
    let network = Twilio::start(network).await.unwrap();
    let platform = ElevenLabs::start(platform).await.unwrap();
    let mut gateway = GatewayProcess::start(&network, &platform).await;
    let fresh = gateway.look().await;

    let mut warm = None;
    let mut tried = BTreeMap::new();
    for round in 0..ROUNDS {
        let fates: Vec<Fate> = (0..CALLS_AT_ONCE).map(|_| dice.fate()).collect();
        for fate in &fates {
            *tried.entry(format!("{:?}", fate.way).split('(').next().unwrap().to_owned()).or_insert(0) += 1;
        }
        let lived = fates.iter().map(|fate| live(&network, &platform, &gateway, *fate));
        join_all(lived).await;
        let after = gateway.holds("an idle gateway", |now| is_idle(now, &fresh)).await;
        println!("round {round}: {after:?}");
        if round + 1 == WARM_UPS {
            gateway.fill_shelf().await;
            warm = Some(gateway.look().await);
        }
    }

    let (warm, last) = (warm.unwrap(), gateway.look().await);
    println!("{tried:?}\nwarm {warm:?}\nlast {last:?}");
    let grown = last.resident_kib.saturating_sub(warm.resident_kib);
    assert!(grown * 100 <= warm.resident_kib * 5, "memory grew by {grown} KiB of {} KiB", warm.resident_kib);
    // Without the others, their kept-alive connections go as well, and then nothing is left at all.
    platform.shut_down().await;
    network.shut_down().await;
    gateway.holds("no task, and no socket but the listener", |now| (now.tasks, now.sockets) == (0, 1)).await;
    let (stopped, records) = gateway.down().await;
    assert_eq!(stopped, (0, 0, true));

    let ids: HashSet<_> = records.iter().map(|record| record.id).collect();
    assert_eq!(ids.len(), records.len(), "one record each");
    assert_eq!((last.calls_started, last.calls_ended), (records.len() as u64, records.len() as u64));
    assert!(records.len() >= CALLS_AT_ONCE * ROUNDS * 3 / 4, "{} calls came to be", records.len());
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
    assert!(causes.len() >= 5, "{causes:?}");
}

/// No call and nothing of one; a media thread has a task of its own, whether there are calls or not.
fn is_idle(now: &Holdings, fresh: &Holdings) -> bool {
    (now.live, now.seats, now.slots, now.media_tasks) == (0, 0, 0, fresh.media_tasks)
        && now.calls_started == now.calls_ended
}

/// Lives one call to its end.
async fn live(network: &Twilio, platform: &ElevenLabs, gateway: &GatewayProcess, fate: Fate) {
    let base = format!("http://{}", gateway.address);
    if let Some(what) = agent_fault(fate.way) {
        // It strikes whoever dials next, which is as random as anything here.
        platform.next_session_faults(what);
    }
    let call = network.place_call(PlacedCall {
        to: fate.line.into(),
        webhook_url: format!("{base}/webhooks/inbound"),
        status_callback: Some(StatusCallback {
            url: format!("{base}/webhooks/status-callback"),
            events: vec!["completed".into()],
            out_of_order: false,
        }),
        // Keys all along, so that something always happens, whatever becomes of the agent.
        caller: Caller { noise_dbfs: Some(-40.0), ..Caller::with_steps(vec![Step::Press("5".repeat(200))]) },
        faults: carrier_fault(fate.way),
        ..PlacedCall::default()
    });
    let mut notes = call.notes();
    let what = format!("{fate:?}");
    soon(&what, happenings(&mut notes, fate.before)).await;
    strike(&call, platform, &base, fate.way).await;
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
        Way::CarrierDies(how) => call.kill_socket(KILLS[how % KILLS.len()]).await,
        Way::SecondSocket => call.second_socket().await,
        Way::OperatorHangsUp => operate(call, base, "hangup", json!({})).await,
        Way::OperatorTransfers => operate(call, base, "transfer", json!({"to": "+14155550123"})).await,
        Way::AgentCloses(code) => {
            let close = Act::Close { code: CODES[code % CODES.len()], reason: "on purpose".into() };
            platform.act(newest, close).await;
        }
        Way::AgentBabbles(_) => {
            for message in [
                json!({"type": "interruption", "interruption_event": {"event_id": 1_000_000}}),
                json!({"type": "audio", "audio_event": {"audio_base_64": "!", "event_id": -1}}),
                json!({"type": 7}),
                json!({"type": "client_tool_call", "client_tool_call": {"tool_name": "x", "tool_call_id": "y"}}),
            ] {
                platform.act(newest, Act::Send(message)).await;
            }
        }
        Way::CarrierBabbles(_) => {
            for text in ["", "{", r#"{"event":"start"}"#, r#"{"event":"media","media":{"payload":"!"}}"#] {
                call.send_text(text).await;
            }
        }
        // What happens here happens by script, or at the end of every call.
        Way::CallerHangsUp
        | Way::AgentIsLost
        | Way::AgentStalls
        | Way::AgentRefuses(_)
        | Way::CarrierReadsSlowly
        | Way::CarrierDoublesAndSwaps => {}
    }
}

fn agent_fault(way: Way) -> Option<Faults> {
    let (when, what) = match way {
        Way::AgentIsLost => (When::WhileSpeaking, What::Drop),
        Way::AgentStalls => (When::At(Duration::from_millis(300)), What::Stall(Duration::from_secs(600))),
        Way::AgentRefuses(status) => {
            let body = r#"{"detail":"on purpose"}"#.to_owned();
            (When::AtHandshake, What::RefuseHandshake { status: STATUSES[status % STATUSES.len()], body })
        }
        Way::AgentBabbles(kind) => (When::AfterMessages(3), What::Garbage(GARBAGE[kind % GARBAGE.len()])),
        _ => return None,
    };
    Some(Faults::one(when, what))
}

fn carrier_fault(way: Way) -> Faults {
    match way {
        Way::CarrierBabbles(kind) => {
            Faults::one(When::AfterMessages(10), What::Garbage(GARBAGE[kind % GARBAGE.len()]))
        }
        Way::CarrierReadsSlowly => Faults::one(When::Always, What::SlowReader(Duration::from_millis(200))),
        Way::CarrierDoublesAndSwaps => Faults {
            list: vec![
                (When::Always, What::Duplicate),
                (When::Always, What::LoseMark),
                (When::AfterMessages(9), What::OutOfOrder),
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

/// Chance by the seed (splitmix64).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % sides as u64) as usize
    }

    fn fate(&mut self) -> Fate {
        let kind = self.roll(1_000);
        let way = match self.roll(16) {
            0 => Way::CallerHangsUp,
            1..=3 => Way::CarrierDies(kind),
            4 => Way::OperatorHangsUp,
            5 => Way::OperatorTransfers,
            6 | 7 => Way::AgentCloses(kind),
            8 => Way::AgentIsLost,
            9 => Way::AgentStalls,
            10 => Way::AgentRefuses(kind),
            11 => Way::AgentBabbles(kind),
            12 => Way::CarrierBabbles(kind),
            13 => Way::CarrierReadsSlowly,
            14 => Way::CarrierDoublesAndSwaps,
            _ => Way::SecondSocket,
        };
        Fate { way, line: LINES[self.roll(LINES.len())], before: self.roll(25), after: self.roll(12) }
    }
}
