//! `trunkline demo`: one call with everything in it, on this machine alone.
//!
//! An emulated Twilio, an emulated ElevenLabs, a bot's tool and a gateway run in this process and talk over real sockets.
//! `plot` says who shall say what, `stage` sets it up, `narration` tells what happens while it does, `checks` looks
//! afterwards whether all of it did, `closing` is the last screen.

mod checks;
mod closing;
mod narration;
mod plot;
mod stage;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use lab::twilio::{CallReport, LiveCall};
use tokio::time::{Instant, timeout};

use super::dial::screen::Screen;
use super::dial::{Ear, Figures, write_wav};
use super::runtime;
use crate::records::CallRecord;
use narration::Narration;
use stage::Stage;

#[derive(Debug, Args)]
pub(super) struct Asked {
    /// Where to write what the caller heard.
    #[arg(long, value_name = "FILE", default_value = "trunkline-demo.wav")]
    out: PathBuf,
}

/// Twice what the call takes. Whatever is not over by then hangs.
const CALL_WITHIN: Duration = Duration::from_secs(60);

/// For the gateway's record, once the call is over.
const RECORD_WITHIN: Duration = Duration::from_secs(5);

/// What there is to look at when the call is over.
#[derive(Debug)]
struct Played {
    report: CallReport,
    /// What the call was like at the caller's ear.
    figures: Figures,
    narration: Narration,
    record: Option<std::sync::Arc<CallRecord>>,
    sessions: Vec<lab::elevenlabs::SessionRecord>,
    tool_requests: Vec<serde_json::Value>,
    /// Calls and agent slots that the gateway still held afterwards.
    left_over: (usize, usize),
}

pub(super) fn run(asked: &Asked) -> ExitCode {
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("trunkline: no threads to run on: {error}");
            return ExitCode::FAILURE;
        }
    };
    let code = runtime.block_on(Box::pin(whole(asked))).unwrap_or_else(|words| {
        eprintln!("trunkline: {words}");
        ExitCode::FAILURE
    });
    runtime.shutdown_timeout(Duration::from_secs(1));
    code
}

async fn whole(asked: &Asked) -> Result<ExitCode, String> {
    let screen = Screen::new(false, false);
    let stage = Box::pin(Stage::set()).await?;
    stage.introduce(&screen);
    let played = tokio::select! {
        played = Box::pin(play(&stage, &screen)) => played,
        _ = tokio::signal::ctrl_c() => {
            stage.clear().await;
            return Ok(ExitCode::from(130));
        }
    };
    let played = match played {
        Ok(played) => played,
        Err(words) => {
            stage.clear().await;
            return Err(words);
        }
    };
    write_wav(&asked.out, &played.report.heard)?;
    let shown = checks::all(&played);
    closing::print(&screen, &played, &shown, &asked.out);
    stage.clear().await;
    Ok(if shown.iter().all(|check| check.is_met) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn play(stage: &Stage, screen: &Screen) -> Result<Played, String> {
    let gateway = stage.gateway();
    let mut events = gateway.events.listen();
    let call = stage.place_call();
    let began = Instant::now();
    let mut narration = Narration::new(screen, began);
    let watched = timeout(CALL_WITHIN, Box::pin(narration.follow(&call, &mut events, stage))).await;
    if watched.is_err() {
        call.hang_up().await;
    }
    let report = finished(call).await?;
    let record = match narration.call() {
        Some(id) => {
            // The record is written when the call's task has gone, a moment after its last word.
            let written = async {
                loop {
                    if let Some(record) = gateway.records.find(id) {
                        return record;
                    }
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            };
            timeout(RECORD_WITHIN, written).await.ok()
        }
        None => None,
    };
    Ok(Played {
        figures: Ear::of(&report.heard, &report.spoken).figures(),
        report,
        narration,
        record,
        sessions: stage.sessions(),
        tool_requests: stage.tool_requests(),
        left_over: (gateway.switchboard.live_count(), gateway.switchboard.slots().0),
    })
}

async fn finished(call: LiveCall) -> Result<CallReport, String> {
    timeout(Duration::from_secs(10), call.finished())
        .await
        .map_err(|_| "the call did not end within a minute; this is a bug".to_owned())
}
