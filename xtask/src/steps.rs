//! The steps of `cargo xtask test`, in the order in which a mistake shows soonest.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use crate::hygiene;
use crate::peers::{self, Peers, workspace};

struct Step {
    name: &'static str,
    about: &'static str,
    run: fn(&Peers) -> Result<(), String>,
}

const STEPS: &[Step] = &[
    Step { name: "format", about: "cargo fmt --check", run: |_| cargo(&["fmt", "--all", "--check"]) },
    Step { name: "hygiene", about: "licences, sources, banned crates", run: |_| hygiene::check() },
    Step {
        name: "lints",
        about: "clippy, warnings are errors",
        run: |_| {
            cargo(&["clippy", "--workspace", "--all-targets", "--locked", "--quiet", "--", "-D", "warnings"])
        },
    },
    Step {
        name: "unit-property-integration-sdk",
        about: "all Rust tests; those with official SDKs and speech synthesis among them",
        run: tests,
    },
    Step { name: "fuzz-targets", about: "the fuzz targets build and survive a short run", run: fuzz },
    Step { name: "docs", about: "rustdoc without warnings", run: docs },
    Step {
        name: "browser",
        about: "the console in Chromium, against a stand-in and the real gateway",
        run: browser,
    },
];

pub(crate) fn list() {
    for step in STEPS {
        println!("{:32} {}", step.name, step.about);
    }
}

pub(crate) fn test(words: &[String]) -> ExitCode {
    let chosen: Vec<&Step> = STEPS
        .iter()
        .filter(|step| words.is_empty() || words.iter().any(|word| step.name.contains(word)))
        .collect();
    if chosen.is_empty() {
        eprintln!("xtask: no step of that name; see cargo xtask steps");
        return ExitCode::FAILURE;
    }
    let peers = match peers::install_all() {
        Ok(peers) => peers,
        Err(words) if std::env::var_os("TRUNKLINE_WITHOUT_PEERS").is_some() => {
            println!("WITHOUT PEERS: {words}");
            Peers { python: PathBuf::from("python3"), chromium: PathBuf::from("chromium") }
        }
        Err(words) => {
            eprintln!("xtask: {words}");
            return ExitCode::FAILURE;
        }
    };
    let mut results = Vec::new();
    for step in chosen {
        println!("\n=== {} ({})", step.name, step.about);
        let began = Instant::now();
        let result = (step.run)(&peers);
        if let Err(words) = &result {
            eprintln!("--- {} FAILED: {words}", step.name);
        }
        results.push((step.name, result, began.elapsed()));
    }
    summary(&results)
}

fn summary(results: &[(&str, Result<(), String>, Duration)]) -> ExitCode {
    println!("\n=== summary");
    for (name, result, took) in results {
        let word = if result.is_ok() { "passed" } else { "FAILED" };
        println!("{word}  {name:32} {:6.1} s", took.as_secs_f64());
    }
    let failed = results.iter().filter(|(_, result, _)| result.is_err()).count();
    println!("{} passed, {failed} failed", results.len() - failed);
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

pub(crate) fn cargo(arguments: &[&str]) -> Result<(), String> {
    run(Command::new(env!("CARGO")).args(arguments).current_dir(workspace()))
}

fn tests(peers: &Peers) -> Result<(), String> {
    let mut command = Command::new(env!("CARGO"));
    command.args(["test", "--workspace", "--locked", "--no-fail-fast"]).current_dir(workspace());
    command.env("TRUNKLINE_PYTHON", &peers.python).env("TRUNKLINE_CHROMIUM", &peers.chromium);
    run(&mut command)
}

fn docs(_: &Peers) -> Result<(), String> {
    let mut command = Command::new(env!("CARGO"));
    command.args(["doc", "--workspace", "--no-deps", "--locked", "--quiet"]).current_dir(workspace());
    run(command.env("RUSTDOCFLAGS", "-D warnings"))
}

fn fuzz(_: &Peers) -> Result<(), String> {
    let folder = workspace().join("fuzz");
    let mut command = Command::new(env!("CARGO"));
    command
        .args(["run", "--quiet", "--release", "--locked", "--bin", "run", "--", "--seconds", "11"])
        .current_dir(folder);
    command.env("CARGO_TARGET_DIR", workspace().join("target/fuzz"));
    run(&mut command)
}

fn browser(peers: &Peers) -> Result<(), String> {
    if std::env::var_os("TRUNKLINE_WITHOUT_PEERS").is_some() {
        println!("left out: TRUNKLINE_WITHOUT_PEERS is set");
        return Ok(());
    }
    node(peers, None)?;
    cargo(&["build", "--locked", "--package", "gateway"])?;
    let gateway = Gateway::start()?;
    node(peers, Some(&gateway.url))
}

fn node(peers: &Peers, url: Option<&str>) -> Result<(), String> {
    let mut command = Command::new("npm");
    command.args(["test", "--silent"]).current_dir(workspace().join("console/tests"));
    command.env("TRUNKLINE_CHROMIUM", &peers.chromium);
    if let Some(url) = url {
        command.env("TRUNKLINE_URL", url);
    }
    run(&mut command)
}

/// A gateway of the tree that was just built, on a free port and in a folder of its own.
struct Gateway {
    child: Child,
    folder: PathBuf,
    url: String,
}

impl Gateway {
    fn start() -> Result<Gateway, String> {
        let folder = std::env::temp_dir().join(format!("trunkline-browser-{}", std::process::id()));
        std::fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
        // Asked for and given back: nobody else on this machine takes it in the meantime, or the start fails loudly.
        let port = TcpListener::bind("127.0.0.1:0")
            .and_then(|l| l.local_addr())
            .map_err(|error| error.to_string())?
            .port();
        let program = target_folder()?.join("debug/trunkline");
        let mut child = Command::new(&program)
            .args(["--listen", &format!("127.0.0.1:{port}")])
            .current_dir(&folder)
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| format!("{}: {error}", program.display()))?;
        let said = child.stderr.take().ok_or("the gateway has no voice")?;
        let mut lines = BufReader::new(said).lines();
        let listens = lines.by_ref().map_while(Result::ok).any(|line| line.contains("listens on"));
        // Its further words must be taken, or it stops at a full pipe.
        std::thread::spawn(move || {
            lines.map_while(Result::ok).for_each(|line| eprintln!("  gateway: {line}"))
        });
        let gateway = Gateway { child, folder, url: format!("http://127.0.0.1:{port}/") };
        if listens { Ok(gateway) } else { Err("the gateway did not start".into()) }
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        // It may be gone already, which is as well.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn target_folder() -> Result<PathBuf, String> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps"])
        .current_dir(workspace())
        .output()
        .map_err(|error| error.to_string())?;
    let metadata: serde_json::Value =
        serde_json::from_slice(&output.stdout).map_err(|error| error.to_string())?;
    metadata["target_directory"]
        .as_str()
        .map(PathBuf::from)
        .ok_or_else(|| "cargo names no target folder".into())
}

fn run(command: &mut Command) -> Result<(), String> {
    let shown = command.get_program().to_string_lossy().into_owned();
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("{shown}: {status}")),
        Err(error) => Err(format!("{shown}: {error}")),
    }
}
