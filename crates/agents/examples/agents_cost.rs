//! What the two hot paths cost: one frame of the caller to the agent, one second of the agent to the caller.
//!
//! ```text
//! cargo build --release -p agents --example agents_cost
//! for n in 1000 2000; do
//!   valgrind --tool=callgrind --callgrind-out-file=/dev/null target/release/examples/agents_cost hear-ulaw $n
//! done
//! ```
//!
//! The difference between the two counts, divided by 1000, is the cost of one; start-up cancels out. Counts are stable
//! from run to run. Valgrind runs the AVX2 code of the base64 engine; a processor without it needs more.

use std::hint::black_box;
use std::process::ExitCode;
use std::time::Duration;

use agents::elevenlabs::{Initiation, Leg, LegPlan};
use audio::{Frame, Rate};
use call::AgentCommand;
use wire::{Incoming, Outbox};

const USAGE: &str =
    "usage: cost hear-ulaw|hear-ulaw-60|hear-pcm16k|speak-ulaw|speak-ulaw-general|speak-pcm16k COUNT";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [what, count] = &arguments[..] else {
        eprintln!("{USAGE}");
        return ExitCode::FAILURE;
    };
    let Ok(count) = count.parse::<u32>() else {
        eprintln!("{USAGE}");
        return ExitCode::FAILURE;
    };
    match what.as_str() {
        "hear-ulaw" => hear("ulaw_8000", 20, count),
        "hear-ulaw-60" => hear("ulaw_8000", 60, count),
        "hear-pcm16k" => hear("pcm_16000", 60, count),
        "speak-ulaw" => speak("ulaw_8000", 8_000, "", count),
        "speak-ulaw-general" => speak("ulaw_8000", 8_000, r#","unheard_of":0"#, count),
        "speak-pcm16k" => speak("pcm_16000", 32_000, "", count),
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

/// `count` frames of 20 ms from a telephone caller.
fn hear(format: &str, batch_ms: u64, count: u32) {
    let (mut leg, mut outbox) = session(format, "ulaw_8000", batch_ms);
    let mut events = Vec::new();
    let samples: Vec<i16> = (0..160).map(|n: i32| ((n * 997) % 20_000 - 10_000) as i16).collect();
    let command = AgentCommand::Hear(Frame::new(Rate::Hz8000, samples));
    for _ in 0..count {
        leg.write(black_box(&command), &mut outbox, &mut events);
        black_box(&outbox);
        outbox.clear();
    }
}

/// `count` messages with one second of the agent's speech each.
fn speak(format: &str, bytes: usize, more: &str, count: u32) {
    let (mut leg, mut outbox) = session("ulaw_8000", format, 20);
    let mut events = Vec::new();
    let base64 = "fn5/".repeat(bytes.div_ceil(3));
    let message =
        format!(r#"{{"type":"audio","audio_event":{{"audio_base_64":"{base64}","event_id":1}}{more}}}"#);
    for _ in 0..count {
        leg.read(Incoming::Text(black_box(&message)), &mut events, &mut outbox);
        black_box(&events);
        events.clear();
    }
}

fn session(hears: &str, speaks: &str, batch_ms: u64) -> (Leg, Outbox) {
    let mut leg = Leg::new(LegPlan {
        initiation: Initiation::default(),
        caller_rate: Rate::Hz8000,
        batch: Duration::from_millis(batch_ms),
        resume: None,
        first_message_override_allowed: false,
    });
    let mut outbox = Outbox::new();
    leg.open(&mut outbox);
    let metadata = format!(
        r#"{{"type":"conversation_initiation_metadata","conversation_initiation_metadata_event":{{"conversation_id":"c","agent_output_audio_format":"{speaks}","user_input_audio_format":"{hears}"}}}}"#
    );
    leg.read(Incoming::Text(&metadata), &mut Vec::new(), &mut outbox);
    outbox.clear();
    (leg, outbox)
}
