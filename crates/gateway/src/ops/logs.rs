//! Logs: to the console and to a file that rotates by size, as text for people or JSON for machines.
//!
//! Lines are handed to a thread of their own and never waited for: when the disk or the terminal is slower than the
//! program, lines are dropped and counted. What a line is about (call, carrier, masked caller) comes from the span.

use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;

use call::{CallId, masked};
use tracing::Span;
use tracing::subscriber::{SetGlobalDefaultError, Subscriber};
use tracing_appender::non_blocking::{ErrorCounter, NonBlocking, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{EnvFilter, Layer, Registry};

use super::rotating::Rotating;
use crate::config::{Log, LogFormat};

/// Lines that may wait for the writing thread. At 200 bytes a line this is under 2 MB.
const WAITING_LINES_MAX: usize = 8_192;

/// Libraries that tell much at `debug` and little that helps with a call.
const TALKATIVE: [&str; 9] =
    ["h2", "hyper", "hyper_util", "mio", "reqwest", "rustls", "tokio_tungstenite", "tungstenite", "want"];

/// Keeps the writing threads alive; dropping it writes what waits.
#[derive(Debug)]
pub struct LogGuard {
    _threads: Vec<WorkerGuard>,
    drops: LogDrops,
    /// Why there is no log file although there should be one.
    pub file_problem: Option<String>,
}

/// Counts lines that were dropped because nobody could take them in time.
#[derive(Clone, Debug, Default)]
pub struct LogDrops(Arc<[ErrorCounter]>);

impl LogDrops {
    pub fn count(&self) -> u64 {
        self.0.iter().map(|counter| counter.dropped_lines() as u64).sum()
    }
}

impl LogGuard {
    pub fn drops(&self) -> LogDrops {
        self.drops.clone()
    }

    pub fn dropped_lines(&self) -> u64 {
        self.drops.count()
    }
}

/// Starts logging for the whole program. `file` is where the log file goes, if anywhere.
pub fn start(log: &Log, file: Option<PathBuf>) -> Result<LogGuard, SetGlobalDefaultError> {
    let rust_log = std::env::var("RUST_LOG").ok();
    let (subscriber, guard) = build(log, file, rust_log.as_deref(), Box::new(io::stderr()));
    tracing::subscriber::set_global_default(subscriber)?;
    if let Some(problem) = &guard.file_problem {
        tracing::warn!("no log file: {problem}");
    }
    Ok(guard)
}

/// The same without touching the process: what [`start`] installs.
pub fn build(
    log: &Log,
    file: Option<PathBuf>,
    rust_log: Option<&str>,
    console: Box<dyn Write + Send>,
) -> (impl Subscriber + Send + Sync + use<>, LogGuard) {
    let mut threads = Vec::new();
    let mut counters = Vec::new();
    let mut behind = |thread: &str, writer: Box<dyn Write + Send>| -> NonBlocking {
        let builder = NonBlockingBuilder::default()
            .buffered_lines_limit(WAITING_LINES_MAX)
            .lossy(true)
            .thread_name(thread);
        let (writer, guard) = builder.finish(writer);
        threads.push(guard);
        counters.push(writer.error_counter());
        writer
    };
    let console = layer(log.format, behind("log-console", console));
    let mut file_problem = None;
    let file = file.and_then(|path| match Rotating::open(&path, log.file_bytes, log.files) {
        Ok(file) => Some(layer(log.format, behind("log-file", Box::new(file)))),
        Err(error) => {
            file_problem = Some(format!("{}: {error}", path.display()));
            None
        }
    });
    let subscriber = Registry::default().with(filter(&log.level, rust_log)).with(console).with(file);
    let guard = LogGuard { _threads: threads, drops: LogDrops(counters.into()), file_problem };
    (subscriber, guard)
}

/// What is told: `RUST_LOG` when it is there and understood, the configuration otherwise.
fn filter(level: &str, rust_log: Option<&str>) -> EnvFilter {
    let asked = rust_log.filter(|directives| !directives.is_empty());
    if let Some(filter) = asked.and_then(|directives| EnvFilter::try_new(directives).ok()) {
        return filter;
    }
    let plain = ["debug", "trace"].contains(&level.trim().to_ascii_lowercase().as_str());
    let quiet: String =
        if plain { TALKATIVE.iter().map(|name| format!(",{name}=info")).collect() } else { String::new() };
    EnvFilter::try_new(format!("{level}{quiet}")).unwrap_or_else(|_| EnvFilter::new("info"))
}

fn layer<S, W>(format: LogFormat, writer: W) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
    W: for<'writer> MakeWriter<'writer> + Send + Sync + 'static,
{
    let layer = tracing_subscriber::fmt::layer().with_writer(writer).with_ansi(false);
    match format {
        LogFormat::Text => layer.with_target(false).boxed(),
        LogFormat::Json => {
            layer.json().flatten_event(true).with_current_span(true).with_span_list(false).boxed()
        }
    }
}

/// The span that every line about a call is told in. The caller's number is masked.
pub fn call_span(id: CallId, carrier: &str, bot: &str, caller: Option<&str>) -> Span {
    let caller = caller.map(masked).unwrap_or_default();
    tracing::info_span!("call", %id, carrier, bot, caller)
}
