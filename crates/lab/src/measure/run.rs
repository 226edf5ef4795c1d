//! The bench as a whole: starts the parts, runs the systems in turn, and makes the report.
//!
//! For every number of calls the systems take turns (relay, gateway, relay, gateway …), so that a machine that slows
//! down meanwhile slows all of them; every run has fresh processes, so that memory is counted from an idle start. The
//! system under test has a core for itself, load and agent share another.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;
use std::{io, thread};

use serde::{Deserialize, Serialize};

use super::agent::{AgentPlan, Manner};
use super::error::MeasureError;
use super::load::{Entry, LoadPlan, LoadResult, OURSELVES, Talk, Watched};
use super::part::{Listening, Part, Starter};
use super::process::{Memory, can_pin};
use super::relay::RelayPlan;
use super::report::{BargeInRow, Cost, DIRECT, Frames, Machine, Percentiles, RELAY, Report, Row, median};
use super::system::{READY_SECONDS_MAX, Running, System};

/// Names of the watched processes.
const SYSTEM: &str = "system";
const AGENT: &str = "agent";

const SYSTEM_CORE: usize = 0;
const LOAD_CORE: usize = 1;
/// Load that writes later than this at p99 asks fewer questions at once than it should.
const LAG_MS_MAX: f64 = 2.0;
/// Load and agent together; above it they add waiting of their own to every time measured.
const LOAD_CORE_BUSY_MAX: f64 = 0.9;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Plan {
    pub calls: Vec<u16>,
    /// Length of each measured window.
    pub seconds: u64,
    pub warmup_ms: u64,
    pub rounds: usize,
    /// Also the relay that looks at its sockets once per so many microseconds.
    pub relay_tick_us: Option<u64>,
    /// So many of a hundred callers speak; the others are quiet.
    pub speaking_percent: u8,
    pub systems: Vec<System>,
    pub barge_in: Option<BargeIn>,
    /// Where the systems' own output goes, a file per run; nowhere if absent.
    pub logs: Option<PathBuf>,
}

impl Default for Plan {
    fn default() -> Plan {
        Plan {
            calls: vec![50, 200, 500],
            seconds: 10,
            warmup_ms: 2_000,
            rounds: 3,
            relay_tick_us: None,
            speaking_percent: 25,
            systems: Vec::new(),
            barge_in: None,
            logs: None,
        }
    }
}

/// The measure of the time from a caller's first loud frame to silence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BargeIn {
    pub calls: u16,
    pub seconds: u64,
    /// Every caller shouts so often.
    pub every_ms: u64,
    /// With an agent that notices by itself: these systems, and the relay.
    #[serde(default)]
    pub by_agent: Vec<System>,
    /// With an agent that never notices: these systems, by their own ears.
    #[serde(default)]
    pub by_system: Vec<System>,
    /// Speech that `by_system` need before it counts as an interruption.
    #[serde(default)]
    pub window_ms: u64,
}

/// Runs the plan by starting this program again for the parts; progress goes to the log.
pub fn run(plan: &Plan) -> Result<Report, MeasureError> {
    run_with(plan, &Starter::this_program()?, &mut |line| tracing::info!("{line}"))
}

/// The same with parts started otherwise, and a line of progress for each run.
pub fn run_with(
    plan: &Plan,
    starter: &Starter,
    progress: &mut dyn FnMut(&str),
) -> Result<Report, MeasureError> {
    let is_pinned = can_pin();
    let bench = Bench { plan, starter, is_pinned };
    let mut report = Report {
        machine: machine(is_pinned),
        seconds: plan.seconds,
        rounds: plan.rounds,
        ..Report::default()
    };
    let mut contestants = vec![Contestant::Direct, Contestant::Relay { tick_us: None }];
    contestants.extend(plan.relay_tick_us.map(|tick_us| Contestant::Relay { tick_us: Some(tick_us) }));
    contestants.extend(plan.systems.iter().map(Contestant::System));

    for calls in plan.calls.iter().copied() {
        let mut results: Vec<Vec<LoadResult>> = vec![Vec::new(); contestants.len()];
        for round in 1..=plan.rounds {
            for (contestant, results) in contestants.iter().zip(&mut results) {
                let talk = Talk::Echo { speaking_percent: plan.speaking_percent };
                let result = bench.measure(contestant, calls, talk, Manner::Echo, plan.seconds, round)?;
                progress(&line_of(contestant, calls, round, &result));
                results.push(result);
            }
        }
        report.rows.extend(rows(&contestants, calls, &results));
    }
    if let Some(barge_in) = &plan.barge_in {
        report.barge_in = bench.barge_in(barge_in, progress)?;
    }
    report.doubts = doubts(&report);
    Ok(report)
}

/// What stands between the callers and the agent.
#[derive(Debug)]
enum Contestant<'p> {
    Direct,
    Relay { tick_us: Option<u64> },
    System(&'p System),
}

impl Contestant<'_> {
    fn name(&self) -> String {
        match self {
            Contestant::Direct => DIRECT.to_owned(),
            Contestant::Relay { tick_us: None } => RELAY.to_owned(),
            Contestant::Relay { tick_us: Some(tick_us) } => format!("{RELAY}, tick {tick_us} µs"),
            Contestant::System(system) => system.name.clone(),
        }
    }
}

#[derive(Debug)]
struct Bench<'p> {
    plan: &'p Plan,
    starter: &'p Starter,
    is_pinned: bool,
}

impl Bench<'_> {
    fn measure(
        &self,
        contestant: &Contestant<'_>,
        calls: u16,
        talk: Talk,
        manner: Manner,
        seconds: u64,
        round: usize,
    ) -> Result<LoadResult, MeasureError> {
        let (system_core, load_core) =
            if self.is_pinned { (Some(SYSTEM_CORE), Some(LOAD_CORE)) } else { (None, None) };
        let agent_plan = AgentPlan { manner, ..AgentPlan::default() };
        let mut agent = Part::start(self.starter, "agent", &agent_plan, load_core)?;
        let patience = Duration::from_secs(READY_SECONDS_MAX);
        let Listening { address: agent_address } = agent.hear(patience)?;

        let mut watch = BTreeMap::from([(AGENT.to_owned(), agent.pid())]);
        // Whatever runs must live until the load has reported.
        let _relay: Part;
        let _system: Running;
        let entry = match contestant {
            Contestant::Direct => {
                Entry::Agent { url: format!("ws://{agent_address}/v1/convai/conversation?agent_id=bench") }
            }
            Contestant::Relay { tick_us } => {
                let plan = RelayPlan { agent: agent_address, tick_us: *tick_us };
                let mut relay = Part::start(self.starter, "relay", &plan, system_core)?;
                let Listening { address } = relay.hear(patience)?;
                watch.insert(SYSTEM.to_owned(), relay.pid());
                _relay = relay;
                Entry::Stream { url: format!("ws://{address}/media") }
            }
            Contestant::System(system) => {
                let log = self.plan.logs.as_ref().map(|logs| {
                    let name: String =
                        system.name.chars().map(|c| if c.is_alphanumeric() { c } else { '-' }).collect();
                    logs.join(format!("{name}-{calls}-{round}.log"))
                });
                let (running, entry) = Running::start(system, agent_address, system_core, log)?;
                watch.insert(SYSTEM.to_owned(), running.pid());
                _system = running;
                entry
            }
        };

        let load_plan = LoadPlan {
            entry,
            calls,
            talk,
            warmup_ms: self.plan.warmup_ms,
            measure_ms: seconds * 1_000,
            late_ms: 40,
            watch,
        };
        let mut load = Part::start(self.starter, "load", &load_plan, load_core)?;
        // Ringing, gathering, draining and leaving take at most a minute beside the window itself.
        let patience =
            Duration::from_millis(load_plan.measure_ms + load_plan.warmup_ms) + Duration::from_secs(90);
        load.hear(patience)
    }

    fn barge_in(
        &self,
        plan: &BargeIn,
        progress: &mut dyn FnMut(&str),
    ) -> Result<Vec<BargeInRow>, MeasureError> {
        let relay = Contestant::Relay { tick_us: None };
        let by_agent = plan.by_agent.iter().map(|system| (Contestant::System(system), Manner::Yield));
        let by_system = plan.by_system.iter().map(|system| (Contestant::System(system), Manner::Insist));
        let talk = Talk::Interrupt { every_ms: plan.every_ms };
        let mut rows = Vec::new();
        for (contestant, manner) in [(relay, Manner::Yield)].into_iter().chain(by_agent).chain(by_system) {
            let result = self.measure(&contestant, plan.calls, talk, manner, plan.seconds, 0)?;
            let tally = &result.tally;
            let raw = Percentiles::of(&tally.silence);
            let (noticed_by, window_ms) = match manner {
                Manner::Insist => ("its own ears", plan.window_ms as f64),
                Manner::Yield | Manner::Echo => ("the agent", 0.0),
            };
            progress(&format!(
                "barge-in, {}, noticed by {noticed_by}: {raw} ms, {} shouts, {} unanswered",
                contestant.name(),
                tally.shouts,
                tally.shouts_unanswered
            ));
            rows.push(BargeInRow {
                system: contestant.name(),
                noticed_by: noticed_by.to_owned(),
                calls: plan.calls,
                shouts: tally.shouts,
                unanswered: tally.shouts_unanswered,
                unasked: tally.clears_unasked,
                raw,
                window_ms,
                beyond_window: raw.less(window_ms),
            });
        }
        Ok(rows)
    }
}

fn rows(contestants: &[Contestant<'_>], calls: u16, results: &[Vec<LoadResult>]) -> Vec<Row> {
    let baseline_ms = contestants
        .iter()
        .zip(results)
        .find(|(contestant, _)| matches!(contestant, Contestant::Direct))
        .map_or(0.0, |(_, results)| median(results.iter().map(|r| Percentiles::of(&r.tally.latency).p50)));
    let floor = contestants
        .iter()
        .zip(results)
        .find(|(contestant, _)| matches!(contestant, Contestant::Relay { tick_us: None }))
        .map_or(&[][..], |(_, results)| results);
    let each = contestants.iter().zip(results).map(|(contestant, results)| {
        let of = |pick: fn(&LoadResult) -> Percentiles| {
            Percentiles::median(&results.iter().map(pick).collect::<Vec<_>>())
        };
        let raw = of(|result| Percentiles::of(&result.tally.latency));
        Row {
            system: contestant.name(),
            calls,
            cost: cost(results, floor),
            raw,
            added: raw.less(baseline_ms),
            added_transit: of(|result| Percentiles::of(&result.tally.transit)).less(baseline_ms),
            load_lag_p99_ms: of(|result| Percentiles::of(&result.tally.lag)).p99,
            load_core_busy: median(results.iter().map(|r| core_share(r, AGENT) + core_share(r, OURSELVES))),
            frames: frames(results),
        }
    });
    each.collect()
}

fn cost(results: &[LoadResult], floor: &[LoadResult]) -> Option<Cost> {
    let each: Vec<(&LoadResult, Watched)> =
        results.iter().filter_map(|result| Some((result, *result.watched.get(SYSTEM)?))).collect();
    if each.is_empty() {
        return None;
    }
    // Round by round: what slowed the machine in one round slowed both.
    let ratios: Vec<f64> = results
        .iter()
        .zip(floor)
        .filter_map(|(result, floor)| Some(cpu_ms(result)? / cpu_ms(floor)?))
        .filter(|ratio| ratio.is_finite())
        .collect();
    let per_call = |pick: fn(&Memory) -> u64| {
        median(
            each.iter()
                .map(|(r, w)| pick(&w.loaded).saturating_sub(pick(&w.idle)) as f64 / f64::from(r.calls)),
        )
    };
    Some(Cost {
        cpu_ms: median(results.iter().filter_map(cpu_ms)),
        cpu_ratio: (!ratios.is_empty()).then(|| median(ratios.into_iter())),
        core_busy: median(each.iter().map(|(r, w)| w.spent.cpu_ns as f64 / r.window_ns as f64)),
        turns: median(each.iter().map(|(r, w)| w.spent.turns as f64 / call_seconds(r))),
        rss_kib: per_call(|memory| memory.rss_kib),
        anonymous_kib: per_call(|memory| memory.anonymous_kib),
        idle_rss_kib: median(each.iter().map(|(_, w)| w.idle.rss_kib as f64)) as u64,
    })
}

fn cpu_ms(result: &LoadResult) -> Option<f64> {
    Some(result.watched.get(SYSTEM)?.spent.cpu_ns as f64 / 1e6 / call_seconds(result))
}

fn call_seconds(result: &LoadResult) -> f64 {
    f64::from(result.calls) * result.window_ns as f64 / 1e9
}

/// Share of a core that a watched process took.
fn core_share(result: &LoadResult, name: &str) -> f64 {
    result.watched.get(name).map_or(0.0, |watched| watched.spent.cpu_ns as f64 / result.window_ns as f64)
}

fn frames(results: &[LoadResult]) -> Frames {
    results.iter().fold(Frames::default(), |sum, result| {
        let tally = &result.tally;
        Frames {
            sent: sum.sent + tally.sent,
            lost: sum.lost + tally.lost,
            duplicated: sum.duplicated + tally.duplicated,
            late: sum.late + tally.late,
            out_of_order: sum.out_of_order + tally.out_of_order,
            misrouted: sum.misrouted + tally.misrouted,
            damaged: sum.damaged + tally.damaged,
            failed_calls: sum.failed_calls + u64::from(result.failed),
        }
    })
}

fn doubts(report: &Report) -> Vec<String> {
    let mut doubts = Vec::new();
    if !report.machine.is_pinned {
        doubts.push("system and load shared the cores (fewer than two, or no `taskset`)".to_owned());
    }
    for row in report.rows.iter().filter(|row| row.load_lag_p99_ms > LAG_MS_MAX) {
        let lag = row.load_lag_p99_ms;
        doubts.push(format!(
            "at {} calls against {} the load itself wrote {lag:.1} ms late at p99",
            row.calls, row.system
        ));
    }
    for row in report.rows.iter().filter(|row| row.load_core_busy > LOAD_CORE_BUSY_MAX) {
        let busy = row.load_core_busy * 100.0;
        doubts.push(format!(
            "at {} calls against {} load and agent filled {busy:.0} % of their core",
            row.calls, row.system
        ));
    }
    doubts
}

fn line_of(contestant: &Contestant<'_>, calls: u16, round: usize, result: &LoadResult) -> String {
    let busy = |name| core_share(result, name) * 100.0;
    let mut line = format!(
        "{calls} calls, round {round}, {}: system {:.0} %, agent {:.0} % and load {:.0} % of a core, raw {} ms, lag p99 {:.2} ms, {}",
        contestant.name(),
        busy(SYSTEM),
        busy(AGENT),
        busy(OURSELVES),
        Percentiles::of(&result.tally.latency),
        Percentiles::of(&result.tally.lag).p99,
        frames(std::slice::from_ref(result))
    );
    if let Some(failure) = &result.first_failure {
        line.push_str(&format!(" (first failure: {failure})"));
    }
    line
}

fn machine(is_pinned: bool) -> Machine {
    let read = |path: &str| -> io::Result<String> { fs::read_to_string(path) };
    let processor = read("/proc/cpuinfo").ok().and_then(|text| {
        let line = text.lines().find(|line| line.starts_with("model name"))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    });
    Machine {
        processor: processor.unwrap_or_else(|| std::env::consts::ARCH.to_owned()),
        cores: thread::available_parallelism().map_or(1, usize::from),
        kernel: read("/proc/sys/kernel/osrelease")
            .map_or_else(|_| "?".to_owned(), |text| text.trim().to_owned()),
        is_pinned,
    }
}

#[cfg(test)]
mod tests {
    use super::super::load::Tally;
    use super::super::process::Spent;
    use super::*;

    fn system(name: &str) -> System {
        System {
            name: name.to_owned(),
            program: name.into(),
            args: Vec::new(),
            env: Vec::new(),
            ready_url: String::new(),
            entry: Entry::Stream { url: String::new() },
        }
    }

    /// One second with 100 calls of which each cost `cpu_ms`.
    fn result(cpu_ms: u64, took_us: u64) -> LoadResult {
        let memory = |rss_kib| Memory { rss_kib, ..Memory::default() };
        let spent = Spent { cpu_ns: cpu_ms * 100 * 1_000_000, waited_ns: 0, turns: 5_000 };
        let watched = Watched { spent, idle: memory(1_000), loaded: memory(4_000) };
        let mut tally = Tally::default();
        tally.sent = 5_000;
        tally.latency.record(took_us);
        LoadResult {
            calls: 100,
            failed: 0,
            first_failure: None,
            window_ns: 1_000_000_000,
            tally,
            watched: [(SYSTEM.to_owned(), watched)].into(),
        }
    }

    #[test]
    fn figures_are_medians_set_against_the_relay_and_the_baseline() {
        let gateway = system("gateway");
        let contestants =
            [Contestant::Direct, Contestant::Relay { tick_us: None }, Contestant::System(&gateway)];
        let direct = LoadResult { watched: BTreeMap::new(), ..result(0, 100) };
        let results = [
            vec![direct],
            vec![result(2, 300), result(4, 300), result(3, 300)],
            vec![result(6, 1_100), result(90, 99_000), result(3, 1_000)],
        ];

        let rows = rows(&contestants, 100, &results);

        assert_eq!(rows[0].cost, None);
        let cost = rows[2].cost.expect("a cost");
        assert_eq!((cost.cpu_ms, cost.cpu_ratio), (6.0, Some(3.0)), "ratios 3, 22.5 and 1");
        assert_eq!((cost.rss_kib, cost.turns, cost.core_busy), (30.0, 50.0, 0.6));
        assert_eq!((rows[2].raw.p50, rows[2].added.p50), (1.1, 1.0));
        assert_eq!(rows[2].frames.sent, 15_000);
    }

    #[cfg(unix)]
    #[test]
    fn parts_that_say_nothing_are_not_waited_for_for_ever() {
        let starter = Starter { program: "true".into(), args: Vec::new() };

        let mut part = Part::start(&starter, "agent", &AgentPlan::default(), None).expect("started");
        let error = part.hear::<Listening>(Duration::from_secs(60)).expect_err("it ended").to_string();

        assert!(error.contains("agent"), "{error}");
    }
}
