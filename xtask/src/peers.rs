//! The real programs and libraries that tests talk to, installed where they are missing.
//!
//! Nothing here is needed to build or run Trunkline. Packages come from the registries of the system, Python and npm, by
//! name; Python and npm libraries go below `target/`, so that the machine stays as it was.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Programs and the Debian packages that bring them.
const PROGRAMS: &[(&str, &str)] = &[
    ("espeak-ng", "espeak-ng"),
    ("sox", "sox"),
    ("chromium", "chromium"),
    ("python3", "python3-venv"),
    ("node", "nodejs"),
    ("npm", "npm"),
];

/// Pinned: a test that fails because a peer moved says nothing about us.
const PYTHON_LIBRARIES: &[&str] =
    &["twilio==9.13.0", "plivo==4.63.0", "pipecat-ai==1.14.0", "elevenlabs==2.78.0"];

/// Where to find what was installed.
#[derive(Debug)]
pub(crate) struct Peers {
    pub(crate) python: PathBuf,
    pub(crate) chromium: PathBuf,
}

pub(crate) fn install_all() -> Result<Peers, String> {
    programs()?;
    let python = python()?;
    npm()?;
    let chromium = find("chromium").ok_or("chromium was installed and cannot be found")?;
    Ok(Peers { python, chromium })
}

fn programs() -> Result<(), String> {
    let missing: Vec<&str> =
        PROGRAMS.iter().filter(|(program, _)| find(program).is_none()).map(|(_, package)| *package).collect();
    if missing.is_empty() {
        return Ok(());
    }
    println!("installing {}", missing.join(" "));
    let installed = run(Command::new("apt-get").args(["update", "-qq"])).and_then(|()| {
        let mut install = Command::new("apt-get");
        install.env("DEBIAN_FRONTEND", "noninteractive");
        install.args(["install", "-y", "-qq", "--no-install-recommends"]).args(&missing);
        run(&mut install)
    });
    installed.map_err(|words| {
        format!(
            "the tests need {}, and they could not be installed ({words}).\n\
             Install them with your system's package manager, or set TRUNKLINE_WITHOUT_PEERS=1 to leave out the tests that talk to them.",
            missing.join(", ")
        )
    })
}

fn python() -> Result<PathBuf, String> {
    let home = workspace().join("target/peers/python");
    let python = home.join("bin/python");
    let stamp = home.join("libraries.txt");
    let wanted = PYTHON_LIBRARIES.join("\n");
    if fs::read_to_string(&stamp).is_ok_and(|had| had == wanted) {
        return Ok(python);
    }
    println!("installing {} for Python", PYTHON_LIBRARIES.join(" "));
    run(Command::new("python3").arg("-m").arg("venv").arg(&home))?;
    run(Command::new(&python)
        .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"])
        .args(PYTHON_LIBRARIES))?;
    fs::write(&stamp, wanted).map_err(|error| format!("{}: {error}", stamp.display()))?;
    Ok(python)
}

fn npm() -> Result<(), String> {
    let folder = workspace().join("console/tests");
    if !folder.join("package.json").exists() || folder.join("node_modules/playwright-core").exists() {
        return Ok(());
    }
    println!("installing the browser tests' npm packages");
    let verb = if folder.join("package-lock.json").exists() { "ci" } else { "install" };
    run(Command::new("npm").args([verb, "--no-audit", "--no-fund", "--silent"]).current_dir(folder))
}

pub(crate) fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(program)).find(|candidate| candidate.is_file())
}

pub(crate) fn workspace() -> &'static Path {
    // This file lies in xtask/ of the workspace.
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("."))
}

fn run(command: &mut Command) -> Result<(), String> {
    let shown = format!("{command:?}");
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("{shown}: {status}")),
        Err(error) => Err(format!("{shown}: {error}")),
    }
}
