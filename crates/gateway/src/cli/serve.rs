//! `trunkline serve`: the gateway, from its first line on the terminal to its last.

use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::warn;
use wire::Secret;

use super::{Given, runtime};
use crate::carrier_kind::CarrierKind;
use crate::carrier_setup;
use crate::config::{AgentKind, Config, Loaded, Server};
use crate::doctor;
use crate::ops::logs;
use crate::serve::{self, Serving, StartError};

/// The file with the token of the pretended carrier, in the data folder.
pub(crate) const LAB_TOKEN_FILE: &str = "lab-token";

pub(super) fn run(given: &Given) -> ExitCode {
    let Loaded { config, warnings, .. } = match given.load_or_complain() {
        Ok(loaded) => loaded,
        Err(code) => return code,
    };
    let guard = match logs::start(&config.log, config.log.file_in(&config.server)) {
        Ok(guard) => guard,
        Err(error) => {
            eprintln!("trunkline: logging cannot be started: {error}");
            return ExitCode::FAILURE;
        }
    };
    for warning in &warnings {
        warn!("{warning}");
    }
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("trunkline: no threads to run on: {error}");
            return ExitCode::FAILURE;
        }
    };
    let drain = Duration::from_secs(u64::from(config.server.drain_s));
    let code = runtime.block_on(async {
        // Before the door opens: whoever sees it open may send a signal.
        let signals = match Signals::listen() {
            Ok(signals) => signals,
            Err(error) => {
                eprintln!("trunkline: cannot listen for signals: {error}");
                return ExitCode::FAILURE;
            }
        };
        let lab_token = if records_can_be_kept(&config) { lab_token(&config) } else { None };
        let told = Told::of(&config);
        let serving = match serve::start(config, guard.drops(), lab_token).await {
            Ok(serving) => serving,
            Err(StartError::Listen { address, cause }) if cause.kind() == std::io::ErrorKind::AddrInUse => {
                eprintln!(
                    "trunkline: another program, perhaps another trunkline, listens on {address} already; stop it, or \
                     choose another address with --listen"
                );
                return ExitCode::FAILURE;
            }
            Err(error) => {
                eprintln!("trunkline: {error}");
                return ExitCode::FAILURE;
            }
        };
        told.print(&serving);
        until_told_to_stop(serving, signals, drain).await
    });
    runtime.shutdown_timeout(Duration::from_secs(1));
    drop(guard);
    code
}

/// Serves until SIGTERM or Ctrl-C, then drains. A second signal ends at once.
async fn until_told_to_stop(serving: Serving, mut signals: Signals, drain: Duration) -> ExitCode {
    signals.next().await;
    let gateway = Arc::clone(&serving.gateway);
    let live = gateway.switchboard.live_count();
    if live > 0 {
        eprintln!(
            "stopping: {live} live calls may finish within {} s; once more ends at once",
            drain.as_secs()
        );
    }
    tokio::select! {
        stopped = serving.drain(drain) => {
            if stopped.abandoned > 0 {
                warn!(abandoned = stopped.abandoned, "calls were left where they stood");
            }
            ExitCode::SUCCESS
        }
        () = signals.next() => {
            serve::record_the_cut_off(&gateway).await;
            ExitCode::from(130)
        }
    }
}

/// What tells a program to stop: SIGTERM, and Ctrl-C.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn listen() -> std::io::Result<Signals> {
        Ok(Signals {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// The first lines on the terminal.
struct Told {
    bot: String,
    agent: AgentKind,
    carriers: Vec<String>,
    asks_for_token: bool,
}

impl Told {
    fn of(config: &Config) -> Told {
        let agent = config.bot(&config.default_bot).map_or(AgentKind::Demo, |bot| bot.agent);
        Told {
            bot: config.default_bot.clone(),
            agent,
            carriers: carrier_lines(config),
            asks_for_token: config.server.api_token.is_some(),
        }
    }

    fn print(&self, serving: &Serving) {
        let version = env!("CARGO_PKG_VERSION");
        let address = serving.address;
        let page = page_address(address);
        let agent = match self.agent {
            AgentKind::Demo => "the built-in agent, no account needed",
            AgentKind::ElevenLabs => "an ElevenLabs agent",
        };
        let everywhere = if address.ip().is_unspecified() { "all addresses, here " } else { "" };
        eprintln!("Trunkline {version} listens on {everywhere}{page}");
        eprintln!("  answers with  {} ({agent})", self.bot);
        let token = if self.asks_for_token { " (it asks for server.api_token)" } else { "" };
        let dial = dial_hint(address, self.asks_for_token);
        eprintln!("  try it        open {page} and press Call{token}{dial}");
        for line in &self.carriers {
            eprintln!("  {line}");
        }
        eprintln!("  stop          Ctrl-C");
    }
}

/// A line for each carrier that somebody has begun to set up.
fn carrier_lines(config: &Config) -> Vec<String> {
    let begun = carrier_setup::phone_carriers(config);
    if begun.is_empty() {
        return vec!["phone number  trunkline doctor says what is missing to point one here".to_owned()];
    }
    let line = |carrier: CarrierKind| {
        let setup = carrier_setup::of(config, carrier);
        let words = match setup.is_ready() {
            // The others are for later: `trunkline carriers` has them all.
            true => setup.to_enter().into_iter().next().unwrap_or_default(),
            false => format!("not ready: set {}", setup.missing_words()),
        };
        format!("{:<12}  {words}", carrier.table().title)
    };
    begun.into_iter().map(line).collect()
}

/// How to call the gateway at this address from a terminal. `trunkline dial` alone calls the usual one.
fn dial_hint(address: SocketAddr, asks_for_token: bool) -> String {
    if !cfg!(feature = "demo") {
        return String::new();
    }
    let page = page_address(address);
    let url = match page == page_address(Server::default().listen) {
        true => String::new(),
        false => format!(" --url {}", page.trim_end_matches('/')),
    };
    let token = if asks_for_token { " (it needs the token: --token, or the same configuration)" } else { "" };
    format!(", or run: trunkline dial{url}{token}")
}

/// The address as a browser on this machine reaches it.
pub(crate) fn page_address(address: SocketAddr) -> String {
    if address.ip().is_unspecified() {
        format!("http://127.0.0.1:{}/", address.port())
    } else {
        format!("http://{address}/")
    }
}

/// Whether the data folder takes records. When not, this is said once for all that follows from it.
fn records_can_be_kept(config: &Config) -> bool {
    let folder = &config.server.data_dir;
    let Err(error) = doctor::probe(folder) else { return true };
    warn!(
        "{} cannot be written to ({error}): call records stay in memory only and are gone when the gateway stops; make \
         the folder writable, or name another in server.data_dir",
        folder.display()
    );
    false
}

/// A token with which the terminal's pretended Twilio may call here. Only while nobody but this machine can reach us, and
/// only for those who may read the data folder.
fn lab_token(config: &Config) -> Option<Secret> {
    if !config.server.listen.ip().is_loopback() {
        return None;
    }
    let bytes: [u8; 24] = rand::random();
    let token: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let path = config.server.data_dir.join(LAB_TOKEN_FILE);
    match write_private(&path, &token) {
        Ok(()) => Some(Secret::new(token)),
        Err(error) => {
            warn!(
                "{} cannot be written ({error}): `trunkline dial --carrier twilio` needs your own auth token",
                path.display()
            );
            None
        }
    }
}

fn write_private(path: &Path, text: &str) -> std::io::Result<()> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    // A file of somebody else's making may be open to others.
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())
}

#[cfg(all(test, feature = "demo"))]
mod tests {
    use super::*;

    #[test]
    fn only_carriers_that_are_being_set_up_are_listed() {
        let mut config = Config::default();
        assert!(carrier_lines(&config)[0].contains("trunkline doctor"));

        config.carriers.plivo.auth_token = Some(Secret::new("a-secret"));
        config.carriers.twilio.account_sid = Some("AC1".to_owned());
        let lines = carrier_lines(&config);
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert!(lines[0].starts_with("Twilio        not ready: set carriers.twilio.auth_token"), "{lines:?}");

        config.server.public_url = Some(url::Url::parse("https://voice.example.com").unwrap());
        let lines = carrier_lines(&config);
        assert!(lines[1].contains("POST https://voice.example.com/plivo/answer"), "{lines:?}");
        assert!(!lines.concat().contains("a-secret"));
    }

    #[test]
    fn the_hint_calls_the_port_that_is_listened_on() {
        let hint = |address: &str, token| dial_hint(address.parse().unwrap(), token);

        assert_eq!(hint("127.0.0.1:7900", false), ", or run: trunkline dial");
        assert_eq!(hint("127.0.0.1:8123", false), ", or run: trunkline dial --url http://127.0.0.1:8123");
        assert!(hint("0.0.0.0:8123", true).contains("--url http://127.0.0.1:8123 (it needs the token"));
        assert!(hint("[::]:7900", true).starts_with(", or run: trunkline dial (it needs"));
    }
}
