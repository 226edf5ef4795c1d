//! The commands that place calls, run as a newcomer runs them: the built program in an empty folder.

mod carriers;

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use audio::level::rms_dbfs;
use audio::{Frame, Rate};
use lab::voice;
use serde_json::Value;
use tempfile::TempDir;

/// The program in this folder, without anything of this machine's environment.
fn trunkline(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_trunkline"));
    command.args(args).current_dir(folder).env_clear().env("TMPDIR", folder).stdin(Stdio::null());
    command
}

fn run(folder: &Path, args: &[&str]) -> Output {
    trunkline(folder, args).output().unwrap()
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// An address at which nothing listens.
fn nowhere() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

fn wav(path: &Path) -> Frame {
    audio::wav::read(&std::fs::read(path).unwrap()).unwrap()
}

/// How much of a recording is loud enough to be speech.
fn loud(frame: &Frame) -> Duration {
    let piece = frame.rate.samples_in(Duration::from_millis(20)) as usize;
    let count = frame.samples.chunks(piece).filter(|piece| rms_dbfs(piece) > -42.0).count();
    Duration::from_millis(20) * u32::try_from(count).unwrap()
}

/// The parts are in the text, one after the other.
fn assert_tells(text: &str, parts: &[&str]) {
    let mut rest = text;
    for part in parts {
        let at = rest.find(part).unwrap_or_else(|| panic!("{part:?} is not told, or not there:\n{text}"));
        rest = &rest[at + part.len()..];
    }
}

/// A gateway in a process of its own, stopped when dropped.
struct Gateway {
    process: Child,
    url: String,
}

impl Gateway {
    fn start(folder: &Path, args: &[&str]) -> Gateway {
        let args = [&["--listen", "127.0.0.1:0", "--set", "log.level=error"], args].concat();
        let mut process = trunkline(folder, &args).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(process.stderr.take().unwrap()).lines();
        let first = lines.next().unwrap().unwrap();
        let url = first.split("listens on ").nth(1).unwrap_or_else(|| panic!("{first}")).trim().to_owned();
        // It must not be stopped by a pipe that nobody reads.
        std::thread::spawn(move || lines.for_each(drop));
        Gateway { process, url }
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn the_demo_shows_everything_and_says_so() {
    let folder = TempDir::new().unwrap();

    let output = run(folder.path(), &["demo", "--out", "heard.wav"]);

    let told = out(&output);
    assert!(output.status.success(), "{told}{}", err(&output));
    let story = told.split_whitespace().collect::<Vec<_>>().join(" ");
    assert_tells(
        &story,
        &[
            "asks the gateway's webhook",
            "opens the media stream",
            "The caller hears the agent: “Hello, front desk.”",
            "The caller asks",
            "ElevenLabs has understood: “Hello, I would like to know your opening hours, please.”",
            "The agent answers",
            "The caller speaks over the agent",
            "The agent is silenced",
            "calls the tool find_colleague",
            "The tool answers after",
            "the connection to the agent breaks",
            "It is back after",
            "“I am connecting you now.”",
            "arrives at Twilio's REST interface",
            "Twilio rings +14155550123, and a person answers.",
            "The call is over.",
            "✓ the agent greets, once",
            "✓ nothing is left behind",
            "The caller was handed over to +14155550123.",
            "heard.wav",
        ],
    );
    assert!(!told.contains('✗'), "{told}");
    assert_eq!(err(&output), "", "nothing but the story is on the terminal");
    let heard = wav(&folder.path().join("heard.wav"));
    assert!((15..40).contains(&heard.duration().as_secs()), "{:?}", heard.duration());
    let greeting = voice::heard_for(&heard, &["Hello, front desk.", "I am connecting you now."]);
    assert!(greeting.iter().all(|time| *time > Duration::from_millis(600)), "{greeting:?}");
    let left: Vec<_> =
        std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["heard.wav"], "the demo cleans up behind itself");
}

#[test]
fn a_call_from_the_terminal_needs_no_gateway() {
    let folder = TempDir::new().unwrap();

    let output = run(folder.path(), &["dial", "--listen", &nowhere()]);

    let told = out(&output);
    assert!(output.status.success(), "{told}{}", err(&output));
    let story = told.split_whitespace().collect::<Vec<_>>().join(" ");
    assert_tells(
        &story,
        &[
            "one is started for this call",
            "is connected to the bot demo (the built-in agent)",
            "agent “Hello, this is Trunkline's built-in agent.",
            "caller speaks",
            "agent begins to speak after",
            "“You said:",
            "caller presses 9",
            "Goodbye",
            "The agent ended the call: the caller pressed 9.",
            "1 of the caller, 3 of the agent",
            "first sound",
            "at the caller's ear (",
            "at the gateway)",
            "answers",
            "first, at the caller's ear (",
            "at the gateway)",
            "The gateway counts from when",
        ],
    );
    assert_eq!(err(&output), "", "the gateway's log is in its file");
    let heard = wav(&folder.path().join("trunkline-heard.wav"));
    assert_eq!(heard.rate, Rate::Hz16000);
    assert!((18..40).contains(&heard.duration().as_secs()), "{:?}", heard.duration());
    assert!(loud(&heard) > Duration::from_secs(8), "{:?}", loud(&heard));
    assert!(folder.path().join("data/calls.jsonl").exists(), "it has a record like every call");
}

#[test]
fn a_call_over_twilios_protocol_reaches_a_running_gateway() {
    let folder = TempDir::new().unwrap();
    let gateway = Gateway::start(folder.path(), &[]);
    let question = folder.path().join("question.wav");
    std::fs::write(&question, audio::wav::write(&voice::speech("Is anybody there at all?", Rate::Hz48000)))
        .unwrap();

    let args = ["dial", "--carrier", "twilio", "--url", &gateway.url, "--wav", "question.wav", "--json"];
    let output = run(folder.path(), &args);

    let told = err(&output);
    assert!(output.status.success(), "{told}");
    let story = told.split_whitespace().collect::<Vec<_>>().join(" ");
    assert_tells(
        &story,
        &[
            "the webhook answers with status 200",
            "the media stream is open",
            "is connected to the bot demo",
            "caller speaks",
            "agent begins to speak after",
            "caller presses 9",
        ],
    );
    let summary: Value = serde_json::from_str(&out(&output)).unwrap();
    assert_eq!(
        (summary["outcome"].as_str(), summary["end"]["cause"].as_str()),
        (Some("over"), Some("agent_hung_up"))
    );
    assert!(summary["first_sound_ms"].as_u64().is_some_and(|ms| ms < 2_000), "{summary}");
    let answers = summary["answer_ms"].as_array().unwrap();
    // The agent waits 0.7 s before it takes a pause for the end.
    assert!(answers.len() == 1 && (400..2_500).contains(&answers[0].as_u64().unwrap()), "{summary}");
    assert_eq!(summary["receipt"]["tally"]["caller_turns"], 1);
    assert_eq!(summary["told_by_gateway"], true);
    let heard = wav(&folder.path().join("trunkline-heard.wav"));
    assert_eq!(heard.rate, Rate::Hz8000);
    // The agent plays back what it has heard, so the caller's own voice comes back.
    assert!(voice::heard_for(&heard, &["Is anybody there at all?"])[0] > Duration::from_millis(700));
}

#[test]
fn many_callers_get_a_table_and_those_without_a_line_are_counted() {
    let folder = TempDir::new().unwrap();
    let gateway = Gateway::start(folder.path(), &["--set", "limits.calls=4"]);

    for carrier in ["browser", "twilio", "plivo", "exotel", "mcube"] {
        let args = ["dial", "--carrier", carrier, "--url", &gateway.url, "--calls", "6", "--seconds", "4"];
        let output = run(folder.path(), &args);

        let told = out(&output);
        assert!(output.status.success(), "{carrier}: {told}{}", err(&output));
        assert_tells(
            &told,
            &[
                "6 callers dial",
                "4 conversations, 2 found all lines busy, 0 failed",
                "p50",
                "first sound",
                "busy",
            ],
        );
    }
    // Only the gateway knows which side ended a call over Twilio's protocol.
    let bare = gateway.url.trim_start_matches("http://");
    let args = ["dial", "--carrier", "twilio", "--url", bare, "--calls", "2", "--json"];
    let ended: Value = serde_json::from_str(&out(&run(folder.path(), &args))).unwrap();
    let ends = ended["ends"].as_object().unwrap();
    assert!(ends.keys().all(|words| words.starts_with("The agent ended the call")), "{ended}");
    let left = run(folder.path(), &["dial", "--url", &gateway.url, "--seconds", "1", "--quiet"]);
    assert!(left.status.success(), "the lines are free again: {}", err(&left));
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let folder = TempDir::new().unwrap();

    let args = ["dial", "--listen", &nowhere(), "--seconds", "1"];
    let mut process =
        trunkline(folder.path(), &args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(process.stdout.take());
    let output = process.wait_with_output().unwrap();

    assert_eq!((output.status.code(), err(&output).as_str()), (Some(0), ""));
}

#[test]
fn what_stands_in_the_way_of_a_call_is_said_with_its_mend() {
    let folder = TempDir::new().unwrap();
    let token = "server.api_token=0123456789abcdefABCDEF";
    let gateway = Gateway::start(folder.path(), &["--set", token]);
    let elsewhere = TempDir::new().unwrap();
    std::fs::write(elsewhere.path().join("no.wav"), b"no sound").unwrap();
    let nobody = format!("http://{}", nowhere());
    let cases: [(&[&str], i32, &str); 8] = [
        (&["--url", &nobody], 1, "start a gateway there with `trunkline`"),
        (&["--url", &gateway.url], 1, "wants its API token; give it with --token"),
        (&["--url", &gateway.url, "--token", "wrong"], 1, "does not accept this API token"),
        (
            &["--url", &gateway.url, "--set", token, "--bot", "nobody"],
            1,
            "no bot named `nobody`; it has: demo",
        ),
        (&["--url", &gateway.url, "--set", token, "--carrier", "twilio"], 1, "set TWILIO_AUTH_TOKEN"),
        (&["--url", &gateway.url, "--wav", "no.wav"], 2, "not a WAV file"),
        (&["--url", &gateway.url, "--set", token, "--digits", "1?"], 1, "`?` is no telephone key"),
        (&["--url", &gateway.url, "--out", "no/where.wav"], 1, "there is no folder no"),
    ];

    for (args, code, words) in cases {
        let output = run(elsewhere.path(), &[&["dial"], args].concat());

        assert_eq!(output.status.code(), Some(code), "{args:?}");
        let said = err(&output);
        assert!(said.starts_with("trunkline: ") && said.contains(words), "{args:?}: {said}");
        assert!(!said.contains("0123456789abcdefABCDEF"), "{said}");
    }
}
