//! The bench's child processes: one for each role, so that each one's use of processor and memory is its own.
//!
//! The program that runs the bench starts itself again as `bench-part <role> <plan as JSON>` and hands the two words on
//! to [`part_main`]. A part answers with one line of JSON: where it listens, or what it found. It ends when its
//! standard input closes, so no part outlives a bench that was killed.

use std::ffi::OsString;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, ExitCode, Stdio};
use std::sync::mpsc;
use std::time::Duration;
use std::{io, process, thread};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::agent::Agent;
use super::error::MeasureError;
use super::load;
use super::process::command;
use super::relay::Relay;

/// The word before the role on the command line.
pub const PART_WORD: &str = "bench-part";

/// The first line of a part that listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listening {
    pub address: SocketAddr,
}

/// Plays one part: `args` are what follows `bench-part`, the role (`relay`, `agent` or `load`) and its plan.
pub fn part_main(args: &[String]) -> ExitCode {
    match play(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench-part: {error}");
            ExitCode::FAILURE
        }
    }
}

fn play(args: &[String]) -> Result<(), MeasureError> {
    let role = args.first().map_or("", String::as_str);
    let plan = args.get(1).map_or("{}", String::as_str);
    end_with_standard_input();
    match role {
        "relay" => {
            let (mut relay, address) = Relay::bind(&read(plan)?)?;
            say(&Listening { address })?;
            loop {
                relay.turn(None)?;
            }
        }
        "agent" => {
            let (mut agent, address) = Agent::bind(&read(plan)?)?;
            say(&Listening { address })?;
            loop {
                agent.turn(None)?;
            }
        }
        "load" => say(&load::run(&read(plan)?)?),
        other => Err(MeasureError::UnknownPart(other.to_owned())),
    }
}

fn read<P: DeserializeOwned>(plan: &str) -> Result<P, MeasureError> {
    serde_json::from_str(plan).map_err(MeasureError::Plan)
}

fn say(line: &impl Serialize) -> Result<(), MeasureError> {
    let line = serde_json::to_string(line).map_err(MeasureError::Plan)?;
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    Ok(out.flush()?)
}

/// The starter holds the other end of the pipe; its death, however sudden, closes it.
fn end_with_standard_input() {
    let watch = move || {
        let mut rest = Vec::new();
        let _ = io::stdin().lock().read_to_end(&mut rest);
        process::exit(0);
    };
    // Without the watcher the part still works; it merely needs to be stopped by hand.
    let _ = thread::Builder::new().stack_size(64 * 1024).spawn(watch);
}

/// A child that does not outlive its owner.
#[derive(Debug)]
pub(super) struct Part {
    name: String,
    child: Child,
    lines: mpsc::Receiver<String>,
}

impl Part {
    /// Starts `role` by way of `starter`, on one core if that is given.
    pub(super) fn start(
        starter: &Starter,
        role: &str,
        plan: &impl Serialize,
        core: Option<usize>,
    ) -> Result<Part, MeasureError> {
        let plan = serde_json::to_string(plan).map_err(MeasureError::Plan)?;
        let mut command = command(starter.program.as_os_str(), core);
        command.args(&starter.args).arg(role).arg(plan);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        let mut child = command
            .spawn()
            .map_err(|cause| MeasureError::Start { program: starter.program.clone(), cause })?;
        let (sender, lines) = mpsc::channel();
        if let Some(out) = child.stdout.take() {
            thread::spawn(move || {
                for line in BufReader::new(out).lines().map_while(Result::ok) {
                    if sender.send(line).is_err() {
                        return;
                    }
                }
            });
        }
        Ok(Part { name: role.to_owned(), child, lines })
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The next line, read as what is expected there.
    pub(super) fn hear<T: DeserializeOwned>(&mut self, patience: Duration) -> Result<T, MeasureError> {
        let line = self.lines.recv_timeout(patience).map_err(|_| MeasureError::PartFailed {
            name: format!("the bench's {}", self.name),
            hint: "its last words are on standard error".to_owned(),
        })?;
        serde_json::from_str(&line).map_err(MeasureError::Plan)
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        // It may have ended by itself, as the load does.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// How to start a part: a program and the words before the role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Starter {
    pub program: PathBuf,
    pub args: Vec<OsString>,
}

impl Starter {
    /// This very program with [`PART_WORD`].
    pub fn this_program() -> Result<Starter, MeasureError> {
        Ok(Starter { program: std::env::current_exe()?, args: vec![PART_WORD.into()] })
    }
}
