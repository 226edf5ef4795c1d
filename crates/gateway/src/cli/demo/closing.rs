//! The last screen of the demo: what was shown, the receipt, what to do next.

use std::path::Path;
use std::time::Duration;

use call::Receipt;

use super::Played;
use super::checks::Check;
use crate::cli::dial::screen::Screen;
use crate::cli::dial::story::{millis, seconds};

pub(super) fn print(screen: &Screen, played: &Played, shown: &[Check], out: &Path) {
    screen.line("\nWhat was shown:");
    screen.blank();
    for check in shown {
        let mark = if check.is_met { "✓" } else { "✗" };
        screen.row(&format!("  {mark} {}", check.what), 40, &check.found);
    }
    let receipt: Option<Receipt> =
        played.record.as_ref().and_then(|record| serde_json::from_value(record.receipt.clone()).ok());
    if let Some(receipt) = &receipt {
        screen.line("\nThe gateway's receipt:");
        screen.blank();
        for (name, words) in rows(receipt) {
            screen.row(&format!("  {name}"), 18, &words);
        }
    }
    let heard = seconds(played.report.heard.duration());
    screen.line(&format!("\nWhat the caller heard is in {} ({heard} s).", out.display()));
    let missed: Vec<&str> = shown.iter().filter(|check| !check.is_met).map(|check| check.what).collect();
    if missed.is_empty() {
        screen.line(
            "Next: `trunkline` and its page let you talk yourself, `trunkline dial` calls from this terminal, and \
             `trunkline doctor` says what a real phone number needs.",
        );
    } else {
        screen.line(&format!(
            "Not everything happened as it should: {}. Please report this with the lines above.",
            missed.join("; ")
        ));
    }
}

fn rows(receipt: &Receipt) -> Vec<(&'static str, String)> {
    let tally = &receipt.tally;
    let ms = |ms: u64| seconds(Duration::from_millis(ms));
    let list = |times: &[u64]| times.iter().map(|time| millis(*time)).collect::<Vec<_>>().join(", ");
    let or_none = |time: Option<u64>| time.map_or("never".to_owned(), millis);
    vec![
        ("end", receipt.end.words()),
        ("duration", format!("{} s", ms(receipt.duration_ms))),
        (
            "turns",
            format!(
                "{} of the caller, {} of the agent, {} of them interrupted",
                tally.caller_turns, tally.agent_turns, tally.interrupted_turns
            ),
        ),
        (
            "agent ready",
            format!(
                "{} after dialling; {} dialled, {} lost",
                or_none(receipt.agent_ready_ms),
                times(tally.agent_dials),
                times(tally.agent_losses)
            ),
        ),
        ("first sound", or_none(receipt.first_sound_ms)),
        ("answers", format!("{} after the caller's last word", list(&receipt.answer_ms))),
        ("interrupted", times(tally.barge_ins)),
        (
            "agent's speech",
            format!(
                "{} s came, {} s were sent to the caller, {} s were heard",
                ms(tally.agent_ms),
                ms(tally.sent_ms),
                ms(tally.heard_ms)
            ),
        ),
        ("frames", format!("{} from the caller, {} to the caller", tally.frames_in, tally.frames_out)),
        ("tools", format!("called {}", times(tally.tools))),
    ]
}

fn times(count: u64) -> String {
    match count {
        1 => "once".to_owned(),
        2 => "twice".to_owned(),
        count => format!("{count} times"),
    }
}
