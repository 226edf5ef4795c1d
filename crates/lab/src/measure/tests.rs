//! The parts together, in one process. Nothing here looks at how long a frame took: the machine may be busy.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;
use std::{io, thread};

use super::agent::Agent;
use super::load;
use super::relay::Relay;
use super::*;

/// Turns a part on its own thread until dropped.
struct Running {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Running {
    fn start(mut turn: impl FnMut(Option<Duration>) -> io::Result<()> + Send + 'static) -> Running {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let thread = thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                turn(Some(Duration::from_millis(10))).expect("the part's sockets work");
            }
        });
        Running { stop, thread: Some(thread) }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn start_agent(plan: &AgentPlan) -> (Running, SocketAddr) {
    let (mut agent, address) = Agent::bind(plan).expect("a free port");
    (Running::start(move |patience| agent.turn(patience)), address)
}

fn start_relay(agent: SocketAddr, tick_us: Option<u64>) -> (Running, String) {
    let (mut relay, address) = Relay::bind(&RelayPlan { agent, tick_us }).expect("a free port");
    (Running::start(move |patience| relay.turn(patience)), format!("ws://{address}/media"))
}

fn plan(entry: Entry, talk: Talk, measure_ms: u64) -> LoadPlan {
    LoadPlan {
        entry,
        calls: 8,
        talk,
        warmup_ms: 100,
        measure_ms,
        late_ms: 40,
        watch: [("all".to_owned(), std::process::id())].into(),
    }
}

fn assert_everything_came_back(result: &LoadResult) {
    let tally = &result.tally;
    assert_eq!((result.failed, &result.first_failure), (0, &None));
    assert!(tally.sent >= 8 * 10, "{tally:?}");
    assert_eq!(tally.received, tally.sent);
    assert_eq!(tally.latency.count(), tally.sent);
    let troubles =
        [tally.lost, tally.duplicated, tally.out_of_order, tally.misrouted, tally.damaged, tally.stray_bytes];
    assert_eq!(troubles, [0; 6]);
    assert_eq!(tally.unreadable, 0);
}

const ECHO: Talk = Talk::Echo { speaking_percent: 50 };

#[test]
fn the_relay_loses_nothing() {
    let (_agent, agent) = start_agent(&AgentPlan { ping_every_ms: Some(20), ..AgentPlan::default() });
    let (_relay, url) = start_relay(agent, None);

    let result = load::run(&plan(Entry::Stream { url }, ECHO, 400)).expect("a result");

    assert_everything_came_back(&result);
    #[cfg(target_os = "linux")]
    assert!(result.watched["all"].spent.cpu_ns > 0);
}

#[test]
fn the_relay_with_a_tick_loses_nothing_either() {
    let (_agent, agent) = start_agent(&AgentPlan { one_event_id: true, ..AgentPlan::default() });
    let (_relay, url) = start_relay(agent, Some(1_000));

    assert_everything_came_back(&load::run(&plan(Entry::Stream { url }, ECHO, 400)).expect("a result"));
}

#[test]
fn the_baseline_goes_straight_to_the_agent() {
    let (_agent, agent) = start_agent(&AgentPlan::default());
    let url = format!("ws://{agent}/v1/convai/conversation?agent_id=bench");

    assert_everything_came_back(&load::run(&plan(Entry::Agent { url }, ECHO, 400)).expect("a result"));
}

#[test]
fn an_agent_that_yields_is_silenced_by_a_shout() {
    let (_agent, agent) = start_agent(&AgentPlan { manner: Manner::Yield, ..AgentPlan::default() });
    let (_relay, url) = start_relay(agent, None);

    let result =
        load::run(&plan(Entry::Stream { url }, Talk::Interrupt { every_ms: 800 }, 1_000)).expect("a result");

    let tally = &result.tally;
    assert!(tally.shouts >= 4, "{tally:?}");
    // The window may close between a shout and its answer.
    assert!(tally.silence.count() + tally.shouts_unanswered >= tally.shouts, "{tally:?}");
    assert!(tally.silence.count() > 0 && tally.clears_unasked == 0, "{tally:?}");
}

#[test]
fn callers_that_nobody_hears_are_reported_not_waited_for() {
    let gone = std::net::TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .expect("a port");

    let error =
        load::run(&plan(Entry::Stream { url: format!("ws://{gone}/") }, ECHO, 100)).expect_err("no calls");

    assert!(matches!(&error, MeasureError::NoCalls(why) if why.contains("call 0")), "{error}");
}
