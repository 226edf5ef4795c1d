//! A gateway in a process of its own, so that what it holds can be told from what the emulators hold.
//!
//! The process is this test program again, running one test that is otherwise ignored. The two halves talk in lines:
//! orders in, one JSON document out for each.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use gateway::config::Config;
use gateway::gateway::Gateway;
use gateway::ops::logs::LogDrops;
use gateway::ops::process::ProcessFigures;
use gateway::records::CallRecord;
use gateway::serve::{Serving, start};
use lab::elevenlabs::ElevenLabs;
use lab::twilio::Twilio;
use serde::{Deserialize, Serialize};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::mpsc;
use wire::Secret;

use crate::every_carrier::{Line, config_of_all};
use crate::withstand_kill::config;
use crate::world::soon;

/// Where its peers are and where its records go.
const PLAN: &str = "TRUNKLINE_TEST_GATEWAY";

/// Lines that are ours among those of the test runner.
const SIGN: &str = "gateway says ";

/// Marks records that only fill the shelf.
pub(crate) const FILLER: &str = "filler";

#[derive(Debug, Serialize, Deserialize)]
struct Plan {
    network: String,
    /// The interfaces of the other carriers, if there are others.
    others: Vec<String>,
    platform: String,
    api_key: String,
    folder: PathBuf,
}

#[derive(Debug, Serialize, Deserialize)]
enum Said {
    Listening(SocketAddr),
    Holdings(Holdings),
    Down { abandoned: usize, tasks_left: usize, records_written: bool },
}

/// What a gateway holds at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Holdings {
    pub(crate) live: usize,
    pub(crate) seats: usize,
    pub(crate) slots: usize,
    /// Beside calls: connections, requests, closing sockets.
    pub(crate) tasks: usize,
    pub(crate) media_tasks: usize,
    /// Beside those that the process had before: the listener, connections, media sockets.
    pub(crate) sockets: usize,
    pub(crate) resident_kib: u64,
    pub(crate) calls_started: u64,
    pub(crate) calls_ended: u64,
}

#[derive(Debug)]
pub(crate) struct GatewayProcess {
    child: Child,
    orders: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
    pub(crate) address: SocketAddr,
    folder: TempDir,
}

impl GatewayProcess {
    pub(crate) async fn start(network: &Twilio, platform: &ElevenLabs) -> GatewayProcess {
        GatewayProcess::start_with(network, Vec::new(), platform).await
    }

    /// With the interfaces of all carriers, in the order of [`Line::usual`].
    pub(crate) async fn start_with(
        network: &Twilio,
        others: Vec<String>,
        platform: &ElevenLabs,
    ) -> GatewayProcess {
        let folder = tempfile::tempdir().unwrap();
        let plan = Plan {
            network: network.base_url(),
            others,
            platform: platform.base_url(),
            api_key: platform.api_key().to_owned(),
            folder: folder.path().to_owned(),
        };
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "gateway_process::the_other_half", "--ignored", "--nocapture"])
            .env(PLAN, serde_json::to_string(&plan).unwrap())
            // The C library keeps an arena per thread otherwise, and what lies in them is chance.
            .env("MALLOC_ARENA_MAX", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let orders = child.stdin.take().unwrap();
        let mut answers = BufReader::new(child.stdout.take().unwrap()).lines();
        let Said::Listening(address) = answer(&mut answers).await else { panic!("it does not listen") };
        GatewayProcess { child, orders, answers, address, folder }
    }

    pub(crate) async fn look(&mut self) -> Holdings {
        match self.order("look").await {
            Said::Holdings(holdings) => holdings,
            other => panic!("{other:?}"),
        }
    }

    /// Fills the shelf of records, as hundreds of calls more would.
    pub(crate) async fn fill_shelf(&mut self) {
        self.order("fill").await;
    }

    /// Looks until it is so.
    pub(crate) async fn holds(&mut self, what: &str, is_so: impl Fn(&Holdings) -> bool) -> Holdings {
        let mut last = None;
        let looking = async {
            let mut look = tokio::time::interval(Duration::from_millis(50));
            loop {
                look.tick().await;
                let holdings = self.look().await;
                last = Some(holdings);
                if is_so(&holdings) {
                    return holdings;
                }
            }
        };
        match tokio::time::timeout(Duration::from_secs(30), looking).await {
            Ok(holdings) => holdings,
            Err(_) => panic!("{what} never came about: {last:?}"),
        }
    }

    /// Takes it down. Returns `(abandoned, tasks_left, records_written)` and the records.
    pub(crate) async fn down(mut self) -> ((usize, usize, bool), Vec<CallRecord>) {
        let Said::Down { abandoned, tasks_left, records_written } = self.order("down").await else {
            panic!("it does not go down")
        };
        assert!(soon("its process ends", self.child.wait()).await.unwrap().success());
        let text = std::fs::read_to_string(self.folder.path().join("calls.jsonl")).unwrap();
        let records = text.lines().map(|line| serde_json::from_str::<CallRecord>(line).unwrap());
        ((abandoned, tasks_left, records_written), records.filter(|record| record.bot != FILLER).collect())
    }

    async fn order(&mut self, order: &str) -> Said {
        self.orders.write_all(format!("{order}\n").as_bytes()).await.unwrap();
        answer(&mut self.answers).await
    }
}

async fn answer(lines: &mut Lines<BufReader<ChildStdout>>) -> Said {
    let reading = async {
        loop {
            let line = lines.next_line().await.unwrap().expect("the gateway's process lives");
            // The test runner begins a line of its own before ours.
            if let Some((_, said)) = line.split_once(SIGN) {
                return serde_json::from_str(said).unwrap();
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(60), reading).await.expect("it answers")
}

#[tokio::test]
#[ignore = "the other half of the tests that need a gateway in a process of its own; they start it"]
async fn the_other_half() {
    // Started by hand, there is nobody to talk to.
    let Ok(plan) = std::env::var(PLAN) else { return };
    let plan: Plan = serde_json::from_str(&plan).unwrap();
    let before = sockets();
    let serving = start(settled(&plan), LogDrops::default(), None).await.unwrap();
    let gateway = Arc::clone(&serving.gateway);
    say(&Said::Listening(serving.address));
    let mut orders = orders();
    while let Some(order) = orders.recv().await {
        match order.as_str() {
            "look" => say(&Said::Holdings(holdings(&gateway, &before))),
            "fill" => {
                fill(&gateway).await;
                say(&Said::Holdings(holdings(&gateway, &before)));
            }
            _ => break,
        }
    }
    go_down(serving).await;
}

/// Reads what the other half wants, on a thread of its own; ends with the other half.
fn orders() -> mpsc::Receiver<String> {
    let (sender, orders) = mpsc::channel(1);
    std::thread::spawn(move || {
        for order in std::io::stdin().lines().map_while(Result::ok) {
            if sender.blocking_send(order).is_err() {
                return;
            }
        }
    });
    orders
}

fn settled(plan: &Plan) -> Config {
    let mut config = if plan.others.is_empty() { config() } else { config_of_all() };
    for (line, base_url) in Line::usual().into_iter().zip(&plan.others) {
        line.tell(&mut config.carriers, base_url);
    }
    config.server.data_dir = plan.folder.clone();
    config.carriers.twilio.api_base_url = plan.network.parse().unwrap();
    config.agents.elevenlabs.base_url = plan.platform.parse().unwrap();
    config.agents.elevenlabs.api_key = Some(Secret::new(&plan.api_key));
    config
}

async fn go_down(serving: Serving) {
    let stopped = serving.drain(Duration::from_millis(500)).await;
    say(&Said::Down {
        abandoned: stopped.abandoned,
        tasks_left: stopped.tasks_left,
        records_written: stopped.records_written,
    });
}

fn say(said: &Said) {
    println!("{SIGN}{}", serde_json::to_string(said).unwrap());
}

fn holdings(gateway: &Gateway, before: &HashSet<PathBuf>) -> Holdings {
    let metrics = gateway.metrics.render();
    let sum = |name: &str| {
        let lines = metrics.lines().filter(|line| line.starts_with(name));
        lines.filter_map(|line| line.rsplit_once(' ')?.1.parse::<u64>().ok()).sum()
    };
    Holdings {
        live: gateway.switchboard.live_count(),
        seats: gateway.switchboard.seats().0,
        slots: gateway.switchboard.slots().0,
        tasks: gateway.tasks.len(),
        media_tasks: gateway.media.idlest().handle().metrics().num_alive_tasks(),
        sockets: sockets().difference(before).count(),
        resident_kib: ProcessFigures::read().resident_bytes.unwrap_or_default() / 1_024,
        calls_started: sum("trunkline_calls_started_total"),
        calls_ended: sum("trunkline_calls_ended_total"),
    }
}

/// The sockets of this process, each once however many descriptors lead to it.
fn sockets() -> HashSet<PathBuf> {
    let links = std::fs::read_dir("/proc/self/fd").unwrap().flatten();
    let targets = links.filter_map(|link| std::fs::read_link(link.path()).ok());
    targets.filter(|target| target.to_string_lossy().starts_with("socket:")).collect()
}

/// The shelf keeps a few hundred records; until it is full, memory grows with each call and is meant to.
async fn fill(gateway: &Gateway) {
    let recent = gateway.records.recent(100, None);
    let largest = recent.iter().max_by_key(|record| record.ledger.len()).expect("there were calls");
    for _ in 0..600 {
        gateway.records.record(CallRecord { bot: FILLER.into(), ..CallRecord::clone(largest) });
        tokio::task::yield_now().await;
    }
    assert!(gateway.records.flush(Duration::from_secs(20)).await);
}
