//! A program under test: how to start it, how to know that it is ready, and that it is gone afterwards.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::error::MeasureError;
use super::load::{Entry, Place, Webhook, exchange};
use super::process::command;

pub(super) const READY_SECONDS_MAX: u64 = 20;

/// A program under test. In every string `{agent}` becomes the agent's host and port and `{port}` a free port for the
/// program itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct System {
    pub name: String,
    pub program: PathBuf,
    pub args: Vec<String>,
    #[serde(default)]
    pub env: Vec<(String, String)>,
    /// Answers 200 when calls may come, for example `http://127.0.0.1:{port}/livez`.
    pub ready_url: String,
    pub entry: Entry,
}

/// The system under test; killed when dropped.
#[derive(Debug)]
pub(super) struct Running {
    child: Child,
}

impl Running {
    pub(super) fn start(
        system: &System,
        agent: SocketAddr,
        core: Option<usize>,
        log: Option<PathBuf>,
    ) -> Result<(Running, Entry), MeasureError> {
        // Free now; nobody else is likely to take it before the program does.
        let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
        let fill = |text: &str| filled(text, agent, port);
        let mut command = command(system.program.as_os_str(), core);
        command.args(system.args.iter().map(|arg| fill(arg)));
        command.envs(system.env.iter().map(|(name, value)| (name, fill(value))));
        command.stdin(Stdio::null());
        match &log {
            Some(path) => {
                let file = fs::File::create(path)?;
                command.stdout(file.try_clone()?).stderr(file);
            }
            None => {
                command.stdout(Stdio::null()).stderr(Stdio::null());
            }
        }
        let child = command
            .spawn()
            .map_err(|cause| MeasureError::Start { program: system.program.clone(), cause })?;
        let mut running = Running { child };
        let hint = match &log {
            Some(path) => format!("its output is in {}", path.display()),
            None => "set the plan's `logs` to see its output".to_owned(),
        };
        running.await_ready(&system.name, &fill(&system.ready_url), &hint)?;
        let entry = match &system.entry {
            Entry::Stream { url } => Entry::Stream { url: fill(url) },
            Entry::Agent { url } => Entry::Agent { url: fill(url) },
            Entry::Webhook(webhook) => Entry::Webhook(Webhook {
                url: fill(&webhook.url),
                signed_as: webhook.signed_as.as_deref().map(fill),
                ..webhook.clone()
            }),
        };
        Ok((running, entry))
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    fn await_ready(&mut self, name: &str, url: &str, hint: &str) -> Result<(), MeasureError> {
        let place = Place::of(url)?;
        let request =
            format!("GET {} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", place.target, place.host);
        let deadline = Instant::now() + Duration::from_secs(READY_SECONDS_MAX);
        loop {
            if exchange(&place, &request).is_ok_and(|(head, _)| head.split(' ').nth(1) == Some("200")) {
                return Ok(());
            }
            if let Some(status) = self.child.try_wait()? {
                return Err(MeasureError::PartFailed {
                    name: name.to_owned(),
                    hint: format!("{status}; {hint}"),
                });
            }
            if Instant::now() > deadline {
                return Err(MeasureError::NotReady {
                    name: name.to_owned(),
                    url: url.to_owned(),
                    seconds: READY_SECONDS_MAX,
                    hint: hint.to_owned(),
                });
            }
            thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn filled(text: &str, agent: SocketAddr, port: u16) -> String {
    text.replace("{agent}", &agent.to_string()).replace("{port}", &port.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agent() -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], 9))
    }

    fn system(program: &str, args: &[&str]) -> System {
        System {
            name: "gateway".to_owned(),
            program: program.into(),
            args: args.iter().map(|arg| (*arg).to_owned()).collect(),
            env: Vec::new(),
            ready_url: "http://127.0.0.1:{port}/livez".to_owned(),
            entry: Entry::Stream { url: "ws://127.0.0.1:{port}/media".to_owned() },
        }
    }

    #[test]
    fn places_in_a_command_are_filled() {
        assert_eq!(filled("--to={agent} -p {port}", agent(), 80), "--to=127.0.0.1:9 -p 80");
    }

    #[cfg(unix)]
    #[test]
    fn a_system_that_ends_before_it_is_ready_is_reported_with_its_status() {
        let folder = tempfile::tempdir().expect("a folder");
        let log = folder.path().join("gateway.log");
        let broken = system("sh", &["-c", "echo no configuration; exit 3"]);

        let error =
            Running::start(&broken, agent(), None, Some(log.clone())).expect_err("it ended").to_string();

        assert!(error.contains("gateway") && error.contains('3') && error.contains("gateway.log"), "{error}");
        assert_eq!(fs::read_to_string(log).expect("its output"), "no configuration\n");
    }
}
