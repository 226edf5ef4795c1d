//! The wiring diagram: in which order a gateway comes up, and in which order it goes down.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use call::EndCause;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{info, warn};
use wire::Secret;

use crate::agent_check::{AgentReports, look_at_agents};
use crate::bot_tools::BotTools;
use crate::config::Config;
use crate::control::exotel::NextSteps;
use crate::events::Events;
use crate::gateway::{ELEVENLABS, EXOTEL, Gateway, MCUBE, PLIVO, TWILIO};
use crate::http::{Front, router};
use crate::media::MediaThreads;
use crate::ops::health::Health;
use crate::ops::logs::LogDrops;
use crate::ops::metrics::Metrics;
use crate::outbound::Outbound;
use crate::outward::{Outward, OutwardError, TlsError, rustls_config};
use crate::records::Records;
use crate::switchboard::Switchboard;

/// After the drain time, this long for goodbyes to be heard and lines to be let go.
const LAST_WORDS_WITHIN: Duration = Duration::from_secs(20);

/// After the last call, this long for what still runs beside calls: longer than a carrier's service or a bot's tool is
/// given to answer, so that a line is not left standing because the process was in a hurry.
const TASKS_WITHIN: Duration = Duration::from_secs(10);

/// The longest wait for records to reach the disk at the end.
const RECORDS_WITHIN: Duration = Duration::from_secs(10);

/// The same when everything must end at once.
const RECORDS_AT_ONCE_WITHIN: Duration = Duration::from_secs(2);

/// Between two looks at how late the media threads are.
const LAG_EVERY: Duration = Duration::from_secs(1);

/// Why a gateway did not come up.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("cannot listen on {address}: {cause}; choose another address with --listen or stop what uses it")]
    Listen { address: SocketAddr, cause: std::io::Error },
    #[error("cannot start a thread: {0}; the machine or the user's limits are at their end")]
    Threads(std::io::Error),
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error(transparent)]
    Outward(#[from] OutwardError),
}

/// A gateway that listens.
#[derive(Debug)]
pub struct Serving {
    pub gateway: Arc<Gateway>,
    pub address: SocketAddr,
    stop: CancellationToken,
    front: tokio::task::JoinHandle<()>,
}

/// How a shutdown went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stopped {
    /// Calls that had to be left where they stood.
    pub abandoned: usize,
    pub tasks_left: usize,
    pub records_written: bool,
}

/// Brings a gateway up: what calls need first, the door last.
pub async fn start(
    config: Config,
    drops: LogDrops,
    lab_token: Option<Secret>,
) -> Result<Serving, StartError> {
    let address = config.server.listen;
    let front = Front::bind(address).await.map_err(|cause| StartError::Listen { address, cause })?;
    let address = front.address().map_err(|cause| StartError::Listen { address, cause })?;
    let metrics = Metrics::new(drops);
    let health = Arc::new(Health::new());
    if config.carriers.twilio.can_control_calls() {
        health.expect(TWILIO);
    }
    if config.carriers.mcube.api_token.is_some() {
        health.expect(MCUBE);
    }
    if config.carriers.plivo.can_control_calls() {
        health.expect(PLIVO);
    }
    if config.carriers.exotel.has_account() {
        health.expect(EXOTEL);
    }
    if config.bots.iter().any(|bot| bot.agent == crate::config::AgentKind::ElevenLabs) {
        health.expect(ELEVENLABS);
    }
    let tls = rustls_config(config.server.extra_ca_file.as_deref())?;
    let outward = Outward::new(&tls, Arc::clone(&metrics), Arc::clone(&health))?;
    let bot_tools = BotTools::new(&tls, Arc::clone(&metrics))?;
    let records = Records::start(&config.server.data_dir, Arc::clone(&metrics), Arc::clone(&health))
        .map_err(StartError::Threads)?;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let gather = Duration::from_micros(u64::from(config.server.gather_us));
    let media =
        MediaThreads::start(config.server.media_threads_on(cores), gather).map_err(StartError::Threads)?;
    let gateway = Arc::new(Gateway {
        address,
        switchboard: Switchboard::new(&config),
        outbound: Outbound::new(&config.outbound, config.numbers.country_code().as_deref()),
        config: Arc::new(config),
        events: Events::default(),
        metrics,
        health,
        records,
        outward,
        bot_tools,
        tls,
        runtime: Handle::current(),
        media,
        agent_reports: AgentReports::default(),
        tasks: TaskTracker::new(),
        lab_token,
        exotel_steps: NextSteps::default(),
    });
    let stop = CancellationToken::new();
    for thread in gateway.media.threads() {
        thread.handle().spawn(watch_lag(Arc::clone(&gateway.metrics), stop.clone()));
    }
    tokio::spawn({
        let (gateway, stop) = (Arc::clone(&gateway), stop.clone());
        async move {
            tokio::select! {
                () = look_at_agents(gateway) => {}
                () = stop.cancelled() => {}
            }
        }
    });
    let serving = front.serve(Arc::clone(&gateway), router(&gateway), stop.clone());
    let front = tokio::spawn(serving);
    Ok(Serving { gateway, address, stop, front })
}

impl Serving {
    /// Takes the gateway down: no new calls, live ones finish within their time, the rest end politely, records are
    /// written.
    pub async fn drain(self, within: Duration) -> Stopped {
        let gateway = self.gateway;
        let live = gateway.switchboard.live_count();
        match live {
            0 => info!("draining: no new calls, and none is live"),
            _ => info!(live, "draining: no new calls; live ones ({live}) have {} s", within.as_secs()),
        }
        gateway.switchboard.drain(within);
        gateway.drain_outbound();
        let everything = within + LAST_WORDS_WITHIN;
        if tokio::time::timeout(everything, calls_are_over(&gateway)).await.is_err() {
            warn!(left = gateway.switchboard.live_count(), "some calls did not end in time");
        }
        self.stop.cancel();
        // The door stays open until here, so that health checks see a draining gateway rather than a dead one.
        let _ = self.front.await;
        let abandoned = gateway.switchboard.live_count();
        gateway.tasks.close();
        let _ = tokio::time::timeout(TASKS_WITHIN, gateway.tasks.wait()).await;
        let records_written = gateway.records.flush(RECORDS_WITHIN).await;
        Stopped { abandoned, tasks_left: gateway.tasks.len(), records_written }
    }
}

/// How late a media thread wakes up: the first figure to grow when a machine has too many calls.
async fn watch_lag(metrics: Arc<Metrics>, stop: CancellationToken) {
    loop {
        let due = tokio::time::Instant::now() + LAG_EVERY;
        tokio::select! {
            () = tokio::time::sleep_until(due) => metrics.performance.loop_lag.record(due.elapsed()),
            () = stop.cancelled() => return,
        }
    }
}

/// Writes down the calls that are about to be cut off. For the moment when there is no time to end them.
pub async fn record_the_cut_off(gateway: &Arc<Gateway>) {
    gateway.drain_outbound();
    for live in gateway.switchboard.live() {
        live.set_end(EndCause::Drained);
        gateway.finished(&live, None);
    }
    gateway.records.flush(RECORDS_AT_ONCE_WITHIN).await;
}

async fn calls_are_over(gateway: &Gateway) {
    let mut check = tokio::time::interval(Duration::from_millis(50));
    while gateway.switchboard.live_count() > 0 {
        check.tick().await;
    }
}
