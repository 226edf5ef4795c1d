//! Logs and metrics as an operator sees them.

use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex};

use call::{
    AgentDeparture, AgentLeft, AnswerId, BargeInBy, CallId, EndCause, Fact, Generation, Oddity, Retry, Side,
};
use gateway::config::{Log, LogFormat};
use gateway::ops::logs::{LogDrops, build, call_span};
use gateway::ops::metrics::Metrics;
use serde_json::Value;
use tracing::{debug, info, warn};

#[test]
fn a_line_in_json_carries_its_call_and_a_masked_caller() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("logs").join("trunkline.log");
    let log = Log { format: LogFormat::Json, ..Log::default() };
    let (subscriber, guard) = build(&log, Some(path.clone()), None, Box::new(io::sink()));
    let id = CallId::mint(1_700_000_000_000, [1; 10]);

    tracing::subscriber::with_default(subscriber, || {
        let _in_call = call_span(id, "twilio", "desk", Some("+14155550123")).entered();
        info!(waited_ms = 120, "agent joined after {} ms", 120);
    });
    assert_eq!(guard.dropped_lines(), 0);
    drop(guard);

    let text = std::fs::read_to_string(path).unwrap();
    let line: Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    assert_eq!(line["message"], "agent joined after 120 ms");
    assert_eq!(line["waited_ms"], 120);
    assert_eq!(line["span"]["id"], id.to_string());
    assert_eq!(line["span"]["caller"], "+•••••••••23");
    assert!(!text.contains("4155550123"), "{text}");
}

#[test]
fn console_and_file_say_the_same_in_text() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let console = Captured::default();
    let (subscriber, guard) = build(&Log::default(), Some(path.clone()), None, Box::new(console.clone()));

    tracing::subscriber::with_default(subscriber, || {
        warn!("the carrier stopped reading");
        debug!("not at this level");
    });
    drop(guard);

    let file = std::fs::read_to_string(path).unwrap();
    let without_time = |text: &str| text.split_once("Z ").map(|(_, rest)| rest.to_owned());
    assert_eq!(without_time(&file), without_time(&console.text()));
    assert!(file.contains("WARN") && file.contains("the carrier stopped reading"), "{file}");
    assert!(!file.contains("not at this level"), "{file}");
}

#[test]
fn rust_log_goes_before_the_configuration_unless_it_makes_no_sense() {
    for (rust_log, shown) in [(Some("debug"), true), (Some("a=b=c"), false), (Some(""), false), (None, false)]
    {
        let console = Captured::default();
        let (subscriber, guard) = build(&Log::default(), None, rust_log, Box::new(console.clone()));

        tracing::subscriber::with_default(subscriber, || debug!("why it chose that"));
        drop(guard);

        assert_eq!(console.text().contains("why it chose that"), shown, "{rust_log:?}");
    }
}

#[test]
fn the_file_rotates_and_a_missing_folder_is_told_and_not_fatal() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let log = Log { file_bytes: 4_096, files: 2, ..Log::default() };
    let (subscriber, guard) = build(&log, Some(path), None, Box::new(io::sink()));
    tracing::subscriber::with_default(subscriber, || {
        for number in 0..400 {
            info!(number, "a line of a certain length, so that files fill up");
        }
    });
    drop(guard);
    let mut names: Vec<_> = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap())
        .inspect(|entry| assert!(entry.metadata().unwrap().len() <= 4_096))
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["log", "log.1", "log.2"]);

    let blocked = folder.path().join("log").join("below-a-file");
    let console = Captured::default();
    let (subscriber, guard) = build(&Log::default(), Some(blocked), None, Box::new(console.clone()));
    tracing::subscriber::with_default(subscriber, || info!("still here"));
    assert!(guard.file_problem.as_ref().unwrap().contains("below-a-file"));
    drop(guard);
    assert!(console.text().contains("still here"));
}

#[test]
fn lines_that_nobody_takes_are_dropped_and_counted_and_nobody_waits() {
    let gate = Arc::new((Mutex::new(false), Condvar::new()));
    let (subscriber, guard) = build(&Log::default(), None, None, Box::new(Stuck(Arc::clone(&gate))));
    let metrics = Metrics::new(guard.drops());

    tracing::subscriber::with_default(subscriber, || {
        for _ in 0..10_000 {
            info!("a line");
        }
    });

    assert!(guard.dropped_lines() > 1_000, "{}", guard.dropped_lines());
    let line = format!("trunkline_log_lines_dropped_total {}", guard.dropped_lines());
    assert!(metrics.render().contains(&line));
    *gate.0.lock().unwrap() = true;
    gate.1.notify_all();
}

#[test]
fn the_facts_of_a_call_become_figures_and_every_call_ends_once() {
    let metrics = Metrics::new(LogDrops::default());
    let mut call = metrics.for_call("twilio", "desk", "elevenlabs").started();
    assert!(metrics.render().contains("trunkline_calls_live 1"));

    call.note(&Fact::AgentDialled { attempt: 1, resumed: false });
    call.note(&Fact::AnswerStarted { answer: AnswerId(1), waited_ms: Some(400) });
    call.note(&Fact::AnswerStarted { answer: AnswerId(2), waited_ms: Some(900) });
    call.note(&Fact::BargeIn {
        by: BargeInBy::Detector,
        answer: None,
        generation: Generation(1),
        heard_ms: 10,
        dropped_ms: 10,
        after_onset_ms: Some(210),
    });
    call.note(&Fact::Odd { side: Side::Caller, oddity: Oddity::Malformed, count: 1 });
    let departure = AgentDeparture {
        cause: AgentLeft::Closed { code: 1011 },
        retry: Retry::Backoff,
        detail: String::new(),
    };
    call.note(&Fact::AgentLost { departure });
    call.frames_in.inc_by(50);
    call.note(&Fact::Ended { end: EndCause::CallerHungUp });
    call.end(&EndCause::Stale);
    drop(call);
    drop(metrics.for_call("twilio", "desk", "elevenlabs").started());

    let text = metrics.render();
    for line in [
        r#"trunkline_calls_started_total{carrier="twilio",bot="desk"} 2"#,
        r#"trunkline_calls_ended_total{carrier="twilio",cause="caller_hung_up"} 1"#,
        r#"trunkline_calls_ended_total{carrier="twilio",cause="broken"} 1"#,
        "trunkline_calls_live 0",
        r#"trunkline_frames_in_total{carrier="twilio"} 50"#,
        r#"trunkline_barge_ins_total{by="detector"} 1"#,
        "trunkline_first_audio_seconds_sum 0.4",
        "trunkline_turn_seconds_sum 0.9",
        "trunkline_barge_in_seconds_count 1",
        r#"trunkline_oddities_total{side="carrier",kind="malformed"} 1"#,
        r#"trunkline_agent_losses_total{cause="closed"} 1"#,
        "process_resident_memory_bytes ",
        "process_cpu_seconds_total ",
        "trunkline_build_info{version=",
    ] {
        assert!(text.contains(line), "{line} is missing in\n{text}");
    }
    assert!(!text.contains(r#"cause="stale""#), "only the first cause counts");
    assert!(text.ends_with("# EOF\n"));
    let report = metrics.performance.report();
    assert_eq!((report.first_audio.count, report.turn.count, report.barge_in.count), (1, 1, 1));
}

#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl Captured {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A console that takes nothing until the gate opens.
struct Stuck(Arc<(Mutex<bool>, Condvar)>);

impl Write for Stuck {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let (open, opened) = &*self.0;
        drop(opened.wait_while(open.lock().unwrap(), |open| !*open).unwrap());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
