//! The facts of a call's ledger in words, for a terminal. What only an engineer wants is left to the record.

use std::time::Duration;

use call::{
    AgentLeft, BargeInBy, Fact, GoodbyeProof, IgnoredBecause, OwnTool, QueueStatus, Side, Turn, Watchdog,
};

use super::Words;

/// Whose doing something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli) enum Who {
    Caller,
    Agent,
    Gateway,
}

impl Who {
    pub(in crate::cli) fn name(self) -> &'static str {
        match self {
            Who::Caller => "caller",
            Who::Agent => "agent",
            Who::Gateway => "gateway",
        }
    }
}

/// Who did what; nothing for what does not belong to the story.
pub(in crate::cli) fn of(fact: &Fact) -> Option<(Who, Words)> {
    Some(match fact {
        Fact::AgentDialled { attempt: 1, .. }
        | Fact::PhaseChanged { .. }
        | Fact::MediaStarted { .. }
        | Fact::CallerSpeaks { speaking: false }
        | Fact::ToolTraced { .. }
        | Fact::Odd { .. }
        | Fact::Unexpected { .. }
        | Fact::LateAudioDropped { .. }
        | Fact::BargeInIgnored {
            why:
                IgnoredBecause::NothingPlays
                | IgnoredBecause::JustInterrupted
                | IgnoredBecause::AlreadyInterrupted,
            ..
        }
        | Fact::GoodbyeHeard { proof: GoodbyeProof::NothingQueued, .. }
        | Fact::Ended { .. } => return None,
        Fact::AgentDialled { attempt, resumed } => {
            let on = if *resumed { ", to go on with this conversation" } else { "" };
            (Who::Gateway, format!("dials the agent again, attempt {attempt}{on}"))
        }
        Fact::AgentReady { waited_ms, formats, .. } => {
            let formats = formats.as_ref().map_or(String::new(), |formats| format!(" ({formats})"));
            (Who::Agent, format!("joins after {}{formats}", millis(*waited_ms)))
        }
        Fact::AgentQueue { status } => {
            let words = match status {
                QueueStatus::Waiting => "waits in its provider's queue",
                QueueStatus::Admitted => "is let in",
                QueueStatus::TimedOut => "waited too long in its provider's queue",
            };
            (Who::Agent, words.to_owned())
        }
        Fact::AgentFault { fault } => {
            (Who::Agent, format!("reports a fault: {}", fault.message.as_deref().unwrap_or("no words")))
        }
        Fact::AgentLost { departure } if departure.cause == AgentLeft::Finished => {
            (Who::Agent, "leaves".to_owned())
        }
        Fact::AgentLost { departure } => (Who::Agent, format!("is lost: {}", departure.detail)),
        Fact::HeldAudioDropped { chunks } => {
            (Who::Gateway, format!("drops {chunks} pieces of the caller's words; the agent is away too long"))
        }
        Fact::HeldAudioDelivered { chunks } => {
            (Who::Agent, format!("hears what the caller said meanwhile ({chunks} pieces)"))
        }
        Fact::AnswerStarted { waited_ms: Some(ms), .. } => {
            (Who::Agent, format!("begins to speak after {} at the gateway", millis(*ms)))
        }
        Fact::AnswerStarted { waited_ms: None, .. } => (Who::Agent, "begins to speak".to_owned()),
        Fact::CallerSpeaks { speaking: true } => (Who::Caller, "speaks".to_owned()),
        Fact::Turn { turn } => (side(turn.side), said(turn)),
        Fact::BargeIn { by, heard_ms, dropped_ms, .. } => {
            let by = match by {
                BargeInBy::Agent => "the agent noticed",
                BargeInBy::Score => "by the agent's speech score",
                BargeInBy::Detector => "by the gateway's own ear",
            };
            let (heard, dropped) = (millis(*heard_ms), millis(*dropped_ms));
            (
                Who::Caller,
                format!("interrupts ({by}): {heard} of the answer were heard, {dropped} are dropped"),
            )
        }
        Fact::BargeInIgnored { .. } => (Who::Gateway, "lets the goodbye be heard to its end".to_owned()),
        Fact::SilenceConfirmed { waited_ms, .. } => {
            (Who::Caller, format!("hears silence, {} after the order", millis(*waited_ms)))
        }
        Fact::PlayoutOverflowed { ms } => {
            (Who::Gateway, format!("drops {} of an answer that is longer than is kept", millis(*ms)))
        }
        Fact::Digit { digit } => (Who::Caller, format!("presses {digit:?}")),
        // The call's own tools are answered at once, and what they do is told by itself.
        Fact::ToolAnswered { name, is_error: false, .. } if OwnTool::by_name(name).is_some() => return None,
        Fact::ToolCalled { name, .. } => (Who::Agent, format!("calls the tool {name}")),
        Fact::ToolAnswered { name, is_error, took_ms, .. } => {
            let how = if *is_error { "failed" } else { "answered" };
            (Who::Gateway, format!("the tool {name} {how} after {}", millis(*took_ms)))
        }
        Fact::TransferStarted { to } => (Who::Gateway, format!("hands the caller over to {to}")),
        Fact::TransferFailed { to, detail } => {
            (Who::Gateway, format!("could not hand the caller over to {to}: {detail}"))
        }
        Fact::GoodbyeHeard { proof, .. } => {
            let how = match proof {
                GoodbyeProof::NothingQueued | GoodbyeProof::Acknowledged => "confirmed",
                GoodbyeProof::Elapsed => "by the clock",
                GoodbyeProof::Deadline => "or should have: the wait was too long",
            };
            (Who::Caller, format!("has heard the goodbye ({how})"))
        }
        Fact::SaidOnRequest { text } => (Who::Gateway, format!("is asked to say “{text}”")),
        Fact::MachineAnswered => (Who::Gateway, "the carrier says: a machine answered".to_owned()),
        Fact::CannotSay => (Who::Agent, "cannot say a given text".to_owned()),
        Fact::Ordered { what, by } => {
            let by = by.as_ref().map_or(String::new(), |by| format!(", by {by}"));
            (Who::Gateway, format!("is ordered to {}{by}", what.replace('_', " ")))
        }
        Fact::Fallback { to } => (Who::Gateway, format!("falls back to {to}")),
        Fact::Watchdog { which } => (Who::Gateway, format!("notices that {}", noticed(*which))),
        Fact::HangUpFailed { detail } => (Who::Gateway, format!("could not hang up: {detail}")),
    })
}

fn side(side: Side) -> Who {
    match side {
        Side::Caller => Who::Caller,
        Side::Agent => Who::Agent,
    }
}

fn said(turn: &Turn) -> Words {
    let lasted = seconds(turn.duration());
    let heard = match turn.text.trim() {
        // The built-in agent understands no words and says so in brackets.
        text if text.starts_with('(') => text.to_owned(),
        "" => format!("({lasted} s without words)"),
        text => format!("“{text}”"),
    };
    match &turn.meant {
        Some(meant) if turn.interrupted => {
            let rest = meant.strip_prefix(turn.text.trim()).unwrap_or(meant).trim();
            if rest.is_empty() { heard } else { format!("{heard}, and not heard: “{rest}”") }
        }
        _ => heard,
    }
}

fn noticed(watchdog: Watchdog) -> &'static str {
    match watchdog {
        Watchdog::NeverStarted => "no media ever started",
        Watchdog::NoMedia => "the caller's side sends no sound",
        Watchdog::AgentNotReady => "the agent did not get ready in time",
        Watchdog::AgentStalled => "the agent gives no sign of life",
        Watchdog::AgentSilent => "the agent says nothing",
        Watchdog::MaxDuration => "the longest time for a call is over",
        Watchdog::Stale => "nobody has said anything for too long",
        Watchdog::Drain => "the time to finish is over",
        Watchdog::NotHungUp => "the carrier did not hang up when told to",
        Watchdog::TransferNotConfirmed => "the carrier did not say whether it handed the caller over",
    }
}

/// `850 ms`, `2.4 s`.
pub(in crate::cli) fn millis(ms: u64) -> Words {
    if ms < 1_000 { format!("{ms} ms") } else { format!("{} s", seconds(Duration::from_millis(ms))) }
}

pub(in crate::cli) fn short(time: Duration) -> Words {
    millis(u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
}

/// Seconds with one decimal.
pub(in crate::cli) fn seconds(time: Duration) -> Words {
    format!("{:.1}", time.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use call::{AnswerId, Moment};

    use super::*;

    fn turn(text: &str, meant: Option<&str>) -> Fact {
        Fact::Turn {
            turn: Turn {
                side: Side::Agent,
                from: Moment::START,
                to: Moment::from_millis(1_500),
                text: text.to_owned(),
                meant: meant.map(str::to_owned),
                interrupted: meant.is_some(),
                answer: Some(AnswerId(1)),
            },
        }
    }

    #[test]
    fn a_turn_tells_what_was_heard_and_what_was_not() {
        assert_eq!(of(&turn("Hello.", None)), Some((Who::Agent, "“Hello.”".to_owned())));
        let cut = of(&turn("We are open", Some("We are open from nine to five.")));
        assert_eq!(cut.unwrap().1, "“We are open”, and not heard: “from nine to five.”");
        assert_eq!(of(&turn("", None)).unwrap().1, "(1.5 s without words)");
        assert_eq!(of(&turn("(1.2 s of speech)", None)).unwrap().1, "(1.2 s of speech)");
    }

    #[test]
    fn times_read_like_times() {
        assert_eq!(
            (millis(12).as_str(), millis(999).as_str(), millis(2_449).as_str()),
            ("12 ms", "999 ms", "2.4 s")
        );
    }
}
