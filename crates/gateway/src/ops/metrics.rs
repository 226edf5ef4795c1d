//! Everything that is counted, for Prometheus and for `/health/performance`.
//!
//! There is no global: whoever needs the metrics is given them, so that several gateways can live in one test. Labels are
//! bounded: carriers, bots and causes are few and known. A call takes its handles once ([`Metrics::for_call`]) and
//! counts through them without looking anything up.

mod at_zero;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64};
use std::time::Duration;

use call::{AgentLeft, BargeInBy, EndCause, Fact, Side};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

use super::latency::{Percentiles, Recent};
use super::logs::LogDrops;
use super::process::ProcessFigures;
use serde::Serialize;

type Count = Counter<u64, AtomicU64>;
type Level = Gauge<i64, AtomicI64>;

/// Seconds; from a media frame's time to a caller's patience.
const SECONDS: [f64; 14] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0, 1.5, 2.5, 5.0, 10.0];

/// Names of label values beyond this are cut: a label must never carry what a peer wrote at length.
const LABEL_CHARS_MAX: usize = 64;

macro_rules! labels {
    ($($(#[$about:meta])* $name:ident { $($field:ident),* })*) => { $(
        $(#[$about])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
        pub struct $name { $(pub $field: String),* }

        impl $name {
            pub fn of($($field: &str),*) -> $name {
                $name { $($field: $field.chars().take(LABEL_CHARS_MAX).collect()),* }
            }
        }
    )* };
}

labels! {
    CarrierBot { carrier, bot }
    CarrierCause { carrier, cause }
    ByCarrier { carrier }
    ByAgent { agent }
    ByReason { reason }
    ByCause { cause }
    By { by }
    CarrierOutcome { carrier, outcome }
    SideKind { side, kind }
    PathOutcome { path, outcome }
    ProviderOutcome { provider, outcome }
    Build { version }
}

/// All counters, gauges and histograms of one gateway.
pub struct Metrics {
    registry: Registry,
    pub calls_started: Family<CarrierBot, Count>,
    pub calls_ended: Family<CarrierCause, Count>,
    pub calls_live: Level,
    /// By reason: `all_lines_busy`, `no_agent_slot`, `draining`, `no_token` and the like.
    pub calls_refused: Family<ByReason, Count>,
    /// Calls that we placed, by what became of them: `answered`, or why not.
    pub outbound_calls: Family<CarrierOutcome, Count>,
    /// Calls that were asked for and not placed.
    pub outbound_refused: Family<ByReason, Count>,
    pub slots_held: Family<ByAgent, Level>,
    pub slots_limit: Family<ByAgent, Level>,
    pub frames_in: Family<ByCarrier, Count>,
    pub frames_out: Family<ByCarrier, Count>,
    pub oddities: Family<SideKind, Count>,
    pub barge_ins: Family<By, Count>,
    /// From the caller's first loud frame at our socket to the order to be silent.
    pub barge_in_seconds: Histogram,
    /// From that order to the carrier's confirmation of silence.
    pub silence_seconds: Histogram,
    /// From dialling the agent to its first sound at the carrier.
    pub first_audio_seconds: Histogram,
    /// From the caller's last word to the agent's first.
    pub turn_seconds: Histogram,
    pub agent_dials: Family<ByAgent, Count>,
    pub agent_reconnects: Family<ByAgent, Count>,
    pub agent_losses: Family<ByCause, Count>,
    pub agent_ready_seconds: Histogram,
    pub late_audio_milliseconds: Count,
    pub held_chunks_dropped: Count,
    pub playout_overflow_milliseconds: Count,
    pub webhooks: Family<PathOutcome, Count>,
    pub signature_failures: Count,
    pub requests: Family<ProviderOutcome, Count>,
    pub request_seconds: Family<ByAgent, Histogram, fn() -> Histogram>,
    pub tool_runs: Family<ByCause, Count>,
    pub records_written: Count,
    pub record_write_errors: Count,
    pub records_lost: Count,
    pub connections: Level,
    pub connections_refused: Count,
    pub performance: Performance,
}

/// What `/health/performance` shows of latencies: the last minutes, as percentiles.
#[derive(Debug, Default)]
pub struct Performance {
    pub first_audio: Recent,
    pub turn: Recent,
    pub agent_ready: Recent,
    pub barge_in: Recent,
    pub silence: Recent,
    /// Time from a readable socket to the written answer, for whoever measures it.
    pub loop_lag: Recent,
}

#[derive(Clone, Copy, Debug, Serialize)]
pub struct PerformanceReport {
    pub first_audio: Percentiles,
    pub turn: Percentiles,
    pub agent_ready: Percentiles,
    pub barge_in: Percentiles,
    pub silence: Percentiles,
    pub loop_lag: Percentiles,
}

impl Performance {
    pub fn report(&self) -> PerformanceReport {
        PerformanceReport {
            first_audio: self.first_audio.percentiles(),
            turn: self.turn.percentiles(),
            agent_ready: self.agent_ready.percentiles(),
            barge_in: self.barge_in.percentiles(),
            silence: self.silence.percentiles(),
            loop_lag: self.loop_lag.percentiles(),
        }
    }
}

fn seconds() -> Histogram {
    Histogram::new(SECONDS)
}

impl Metrics {
    /// `drops` counts the log lines that were lost; without logs, the default.
    pub fn new(drops: LogDrops) -> Arc<Metrics> {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(ProcessCollector));
        let ours = registry.sub_registry_with_prefix("trunkline");
        ours.register_collector(Box::new(LogCollector(drops)));
        ours.register("build", "The version that runs", Info::new(Build::of(env!("CARGO_PKG_VERSION"))));
        macro_rules! registered {
            ($name:literal, $help:literal, $metric:expr) => {{
                let metric = $metric;
                ours.register($name, $help, metric.clone());
                metric
            }};
            ($name:literal, $help:literal, seconds, $metric:expr) => {{
                let metric = $metric;
                ours.register_with_unit($name, $help, Unit::Seconds, metric.clone());
                metric
            }};
        }
        let metrics = Metrics {
            calls_started: registered!("calls_started", "Calls let in", Family::default()),
            calls_ended: registered!("calls_ended", "Calls over, by their one cause", Family::default()),
            calls_live: registered!("calls_live", "Calls going on", Level::default()),
            calls_refused: registered!("calls_refused", "Calls not let in", Family::default()),
            outbound_calls: registered!(
                "outbound_calls",
                "Calls placed, by what became of them",
                Family::default()
            ),
            outbound_refused: registered!(
                "outbound_refused",
                "Calls asked for and not placed",
                Family::default()
            ),
            slots_held: registered!("agent_slots_held", "Agent sessions held", Family::default()),
            slots_limit: registered!("agent_slots_limit", "Agent sessions allowed", Family::default()),
            frames_in: registered!("frames_in", "Media messages from carriers", Family::default()),
            frames_out: registered!("frames_out", "Media messages to carriers", Family::default()),
            oddities: registered!("oddities", "Messages outside a protocol", Family::default()),
            barge_ins: registered!("barge_ins", "Interruptions, by who noticed", Family::default()),
            barge_in_seconds: registered!(
                "barge_in",
                "From the caller's first loud frame to the order to be silent",
                seconds,
                seconds()
            ),
            silence_seconds: registered!(
                "silence",
                "From the order to be silent to the carrier's confirmation",
                seconds,
                seconds()
            ),
            first_audio_seconds: registered!(
                "first_audio",
                "From dialling the agent to its first sound",
                seconds,
                seconds()
            ),
            turn_seconds: registered!(
                "turn",
                "From when speech detection is sure that the caller has stopped to the agent's first sound",
                seconds,
                seconds()
            ),
            agent_dials: registered!("agent_dials", "Agent sessions dialled", Family::default()),
            agent_reconnects: registered!("agent_reconnects", "Dials that resume a call", Family::default()),
            agent_losses: registered!("agent_losses", "Agent sessions lost", Family::default()),
            agent_ready_seconds: registered!(
                "agent_ready",
                "From dialling an agent to its readiness",
                seconds,
                seconds()
            ),
            late_audio_milliseconds: registered!(
                "late_audio_dropped_milliseconds",
                "Audio of interrupted answers that came too late",
                Count::default()
            ),
            held_chunks_dropped: registered!(
                "held_audio_dropped_chunks",
                "Caller audio given up while no agent listened",
                Count::default()
            ),
            playout_overflow_milliseconds: registered!(
                "playout_overflow_milliseconds",
                "Agent audio beyond what is kept unplayed",
                Count::default()
            ),
            webhooks: registered!("webhooks", "Webhooks, by path and outcome", Family::default()),
            signature_failures: registered!(
                "signature_failures",
                "Webhooks and upgrades with a wrong or missing signature",
                Count::default()
            ),
            requests: registered!("requests", "Requests to providers", Family::default()),
            request_seconds: registered!(
                "request",
                "How long providers took to answer",
                seconds,
                Family::new_with_constructor(seconds as fn() -> Histogram)
            ),
            tool_runs: registered!("tool_runs", "Bot tools run, by outcome", Family::default()),
            records_written: registered!("records_written", "Call records on disk", Count::default()),
            record_write_errors: registered!(
                "record_write_errors",
                "Attempts to write call records that failed",
                Count::default()
            ),
            records_lost: registered!("records_lost", "Call records given up", Count::default()),
            connections: registered!("connections", "Open connections", Level::default()),
            connections_refused: registered!(
                "connections_refused",
                "Connections closed at once for there are too many",
                Count::default()
            ),
            performance: Performance::default(),
            registry: Registry::default(),
        };
        metrics.begin_at_zero();
        Arc::new(Metrics { registry, ..metrics })
    }

    /// The Prometheus text.
    pub fn render(&self) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail; a collector that gives up leaves the rest readable.
        let _ = encode(&mut text, &self.registry);
        text
    }

    /// The handles of one call.
    pub fn for_call(self: &Arc<Metrics>, carrier: &str, bot: &str, agent: &str) -> CallMetrics {
        CallMetrics {
            frames_in: self.frames_in.get_or_create_owned(&ByCarrier::of(carrier)),
            frames_out: self.frames_out.get_or_create_owned(&ByCarrier::of(carrier)),
            carrier: carrier.to_owned(),
            bot: bot.to_owned(),
            agent: agent.to_owned(),
            first_answer: true,
            over: false,
            metrics: Arc::clone(self),
        }
    }

    pub fn refused(&self, reason: &str) {
        self.calls_refused.get_or_create(&ByReason::of(reason)).inc();
    }

    pub fn outbound_call(&self, carrier: &str, outcome: &str) {
        self.outbound_calls.get_or_create(&CarrierOutcome::of(carrier, outcome)).inc();
    }

    pub fn outbound_refused(&self, reason: &str) {
        self.outbound_refused.get_or_create(&ByReason::of(reason)).inc();
    }

    pub fn webhook(&self, path: &str, outcome: &str) {
        self.webhooks.get_or_create(&PathOutcome::of(path, outcome)).inc();
    }

    pub fn slots(&self, agent: &str, held: usize, limit: usize) {
        let whole = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
        self.slots_held.get_or_create(&ByAgent::of(agent)).set(whole(held));
        self.slots_limit.get_or_create(&ByAgent::of(agent)).set(whole(limit));
    }

    pub fn request(&self, provider: &str, outcome: &str, took: Duration) {
        self.requests.get_or_create(&ProviderOutcome::of(provider, outcome)).inc();
        self.request_seconds.get_or_create(&ByAgent::of(provider)).observe(took.as_secs_f64());
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

/// One call's way into the metrics. Counts the call as live from [`CallMetrics::started`] until it is dropped.
#[derive(Debug)]
pub struct CallMetrics {
    metrics: Arc<Metrics>,
    carrier: String,
    bot: String,
    agent: String,
    first_answer: bool,
    over: bool,
    pub frames_in: Count,
    pub frames_out: Count,
}

impl CallMetrics {
    /// The call was let in.
    pub fn started(self) -> CountedCall {
        self.metrics.calls_started.get_or_create(&CarrierBot::of(&self.carrier, &self.bot)).inc();
        self.metrics.calls_live.inc();
        CountedCall(self)
    }
}

/// A call that counts as live for as long as this exists.
#[derive(Debug)]
pub struct CountedCall(CallMetrics);

impl std::ops::Deref for CountedCall {
    type Target = CallMetrics;

    fn deref(&self) -> &CallMetrics {
        &self.0
    }
}

impl Drop for CountedCall {
    fn drop(&mut self) {
        self.0.metrics.calls_live.dec();
        if !self.0.over {
            // Its task went away without a word: a bug of ours, and it must be seen.
            self.ended("broken");
        }
    }
}

impl CountedCall {
    fn ended(&mut self, cause: &str) {
        if !std::mem::replace(&mut self.0.over, true) {
            let labels = CarrierCause::of(&self.0.carrier, cause);
            self.0.metrics.calls_ended.get_or_create(&labels).inc();
        }
    }

    /// The call is over for this cause. Only the first counts.
    pub fn end(&mut self, cause: &EndCause) {
        self.ended(cause.name());
    }

    /// Counts what a fact of the ledger says. Facts come a few times a second at most.
    pub fn note(&mut self, fact: &Fact) {
        let metrics = &self.0.metrics;
        match fact {
            Fact::AgentDialled { resumed, .. } => {
                metrics.agent_dials.get_or_create(&ByAgent::of(&self.0.agent)).inc();
                if *resumed {
                    metrics.agent_reconnects.get_or_create(&ByAgent::of(&self.0.agent)).inc();
                }
            }
            Fact::AgentReady { waited_ms, .. } => {
                observe(&metrics.agent_ready_seconds, &metrics.performance.agent_ready, *waited_ms);
            }
            Fact::AgentLost { departure } => {
                metrics.agent_losses.get_or_create(&ByCause::of(departure_name(&departure.cause))).inc();
            }
            Fact::AnswerStarted { waited_ms, .. } => {
                let first = std::mem::replace(&mut self.0.first_answer, false);
                if let Some(waited_ms) = *waited_ms {
                    match first {
                        true => {
                            observe(&metrics.first_audio_seconds, &metrics.performance.first_audio, waited_ms)
                        }
                        false => observe(&metrics.turn_seconds, &metrics.performance.turn, waited_ms),
                    }
                }
            }
            Fact::BargeIn { by, after_onset_ms, .. } => {
                let by = match by {
                    BargeInBy::Agent => "agent",
                    BargeInBy::Score => "score",
                    BargeInBy::Detector => "detector",
                };
                metrics.barge_ins.get_or_create(&By::of(by)).inc();
                if let Some(after_ms) = *after_onset_ms {
                    observe(&metrics.barge_in_seconds, &metrics.performance.barge_in, after_ms);
                }
            }
            Fact::SilenceConfirmed { waited_ms, .. } => {
                observe(&metrics.silence_seconds, &metrics.performance.silence, *waited_ms);
            }
            Fact::LateAudioDropped { ms, .. } => drop(metrics.late_audio_milliseconds.inc_by(*ms)),
            Fact::HeldAudioDropped { chunks } => drop(metrics.held_chunks_dropped.inc_by(*chunks)),
            Fact::PlayoutOverflowed { ms } => drop(metrics.playout_overflow_milliseconds.inc_by(*ms)),
            Fact::Odd { side, oddity, .. } => {
                metrics.oddities.get_or_create(&SideKind::of(side_name(*side), oddity.name())).inc();
            }
            Fact::Ended { end } => self.end(end),
            // The rest is for the ledger: what it tells is no number, or is told by another fact.
            _ => {}
        }
    }
}

fn observe(histogram: &Histogram, recent: &Recent, ms: u64) {
    let took = Duration::from_millis(ms);
    histogram.observe(took.as_secs_f64());
    recent.record(took);
}

fn side_name(side: Side) -> &'static str {
    match side {
        Side::Caller => "carrier",
        Side::Agent => "agent",
    }
}

fn departure_name(cause: &AgentLeft) -> &'static str {
    match cause {
        AgentLeft::Finished => "finished",
        AgentLeft::Refused { .. } => "refused",
        AgentLeft::Closed { .. } => "closed",
        AgentLeft::Lost => "lost",
        AgentLeft::NoSlot => "no_slot",
        AgentLeft::Stalled => "stalled",
    }
}

/// Lines that the logs could not take.
#[derive(Debug)]
struct LogCollector(LogDrops);

impl Collector for LogCollector {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), fmt::Error> {
        let dropped = ConstCounter::new(self.0.count());
        dropped.encode(encoder.encode_descriptor(
            "log_lines_dropped",
            "Log lines dropped because the disk or console was too slow",
            None,
            prometheus_client::metrics::MetricType::Counter,
        )?)
    }
}

/// The process's own figures under the names that every dashboard knows.
#[derive(Debug)]
struct ProcessCollector;

impl Collector for ProcessCollector {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), fmt::Error> {
        use prometheus_client::metrics::MetricType;
        let figures = ProcessFigures::read();
        if let Some(cpu_s) = figures.cpu_s {
            let metric = ConstCounter::new(cpu_s);
            let name = "process_cpu";
            let help = "Processor time of the process";
            metric.encode(encoder.encode_descriptor(
                name,
                help,
                Some(&Unit::Seconds),
                MetricType::Counter,
            )?)?;
        }
        for (name, help, unit, value) in [
            ("process_resident_memory", "Memory of the process", Some(&Unit::Bytes), figures.resident_bytes),
            ("process_open_fds", "Open files and sockets", None, figures.open_files),
            ("process_max_fds", "Open files and sockets allowed", None, figures.open_files_max),
            ("process_threads", "Threads", None, figures.threads),
        ] {
            if let Some(value) = value {
                let metric = ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
                metric.encode(encoder.encode_descriptor(name, help, unit, MetricType::Gauge)?)?;
            }
        }
        Ok(())
    }
}
