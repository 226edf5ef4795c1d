//! Getting hold of somebody else's Python library, and running a script with it.
#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a test against somebody else's program has to start it; the crate itself still does not"
)]

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

/// What the findings were made with. A newer one is tried on purpose, not by accident.
pub(crate) const TWILIO: &str = "twilio==9.13.0";
pub(crate) const PLIVO: &str = "plivo==4.63.0";
pub(crate) const PIPECAT: &str = "pipecat-ai==1.14.0";

/// Runs a script of `tests/sdk` with this on its standard input; gives what it wrote. `library` is what the script needs
/// (`name==version`). `None`, said aloud, when the environment has no place for other people's programs.
pub(crate) fn run(library: &str, script: &str, input: &Value) -> Option<Value> {
    let Some(python) = interpreter(library) else {
        println!("skipped: TRUNKLINE_WITHOUT_PEERS is set, so {library} was not asked");
        return None;
    };
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sdk").join(script);
    let mut child = Command::new(python)
        .arg("-B")
        .arg(&script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the interpreter starts");
    // A script reads everything before it writes anything, so neither side waits for the other.
    child.stdin.take().unwrap().write_all(input.to_string().as_bytes()).expect("the script reads its input");
    let output = child.wait_with_output().unwrap();
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{} failed:\n{complaints}", script.display());
    Some(serde_json::from_slice(&output.stdout).expect("the script writes JSON"))
}

/// An interpreter that has the library: the one named by `TRUNKLINE_PYTHON`, or one of our own beside the build, made
/// at the first run.
fn interpreter(library: &str) -> Option<PathBuf> {
    if std::env::var_os("TRUNKLINE_WITHOUT_PEERS").is_some() {
        return None;
    }
    if let Some(python) = std::env::var_os("TRUNKLINE_PYTHON") {
        return Some(python.into());
    }
    let home = Path::new(env!("CARGO_TARGET_TMPDIR")).join(library.replace("==", "-"));
    let python = home.join("bin/python");
    let ready = home.join("ready");
    // Tests run beside each other, in threads and in processes: one of them makes it, the others wait.
    let lock = File::create(home.with_extension("lock")).expect("a file beside the build");
    lock.lock().expect("a lock on it");
    if !ready.exists() {
        if home.exists() {
            fs::remove_dir_all(&home).expect("what a broken attempt left behind goes");
        }
        must(Command::new("python3").args(["-m", "venv"]).arg(&home));
        must(Command::new(&python).args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            library,
        ]));
        File::create(&ready).expect("a note that it is whole");
    }
    Some(python)
}

fn must(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| {
        panic!(
            "{command:?} does not start ({error}); set TRUNKLINE_PYTHON, or TRUNKLINE_WITHOUT_PEERS to skip"
        )
    });
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{command:?} failed; set TRUNKLINE_PYTHON, or TRUNKLINE_WITHOUT_PEERS to skip:\n{complaints}"
    );
}
