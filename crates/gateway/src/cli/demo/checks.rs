//! Whether everything that was to be shown has happened, judged by what the two emulators saw and the caller heard.

use std::time::Duration;

use call::{EndCause, Fact, Side};
use lab::twilio::Happening;
use lab::voice;

use super::{Played, plot};
use crate::cli::dial::story::{seconds, short};

/// One thing that was to be shown.
#[derive(Debug)]
pub(super) struct Check {
    pub(super) what: &'static str,
    pub(super) is_met: bool,
    pub(super) found: String,
}

/// Everything that the agent says, in the order in which it does.
const SENTENCES: [&str; 5] = [plot::GREETING, plot::ANSWER, plot::LOOKING, plot::FOUND, plot::ANNOUNCEMENT];

pub(super) fn all(played: &Played) -> Vec<Check> {
    let heard = voice::heard_for(&played.report.heard, &SENTENCES);
    let [greeting, answer, looking, found, announcement] = heard[..] else { return Vec::new() };
    vec![
        greeted(greeting),
        understood(played),
        interrupted(played, answer),
        tool(played, looking + found),
        reconnected(played),
        transferred(played, announcement),
        in_order(played),
        left_nothing(played),
    ]
}

/// Somebody has heard about the whole of a text and not much more. Words begin and end softly, so some of it is missed.
fn is_whole(heard: Duration, text: &str) -> bool {
    let whole = voice::duration(text);
    heard > whole.mul_f64(0.6) && heard < whole.mul_f64(1.3)
}

fn of(heard: Duration, text: &str) -> String {
    format!("{} of {} s", seconds(heard), seconds(voice::duration(text)))
}

fn greeted(heard: Duration) -> Check {
    Check {
        what: "the agent greets, once",
        is_met: is_whole(heard, plot::GREETING),
        found: format!("the caller heard {} of the greeting", of(heard, plot::GREETING)),
    }
}

fn understood(played: &Played) -> Check {
    let said: Vec<&str> = played
        .narration
        .facts
        .iter()
        .filter_map(|fact| match fact {
            Fact::Turn { turn } if turn.side == Side::Caller => Some(turn.text.as_str()),
            _ => None,
        })
        .collect();
    Check {
        what: "the caller is understood",
        is_met: said == [plot::QUESTION, plot::INTERRUPTION, plot::REQUEST],
        found: format!("{} of 3 turns reached the agent", said.len()),
    }
}

fn interrupted(played: &Played, heard: Duration) -> Check {
    let times = played.narration.facts.iter().filter(|fact| matches!(fact, Fact::BargeIn { .. })).count();
    let cleared = played.report.count(|what| matches!(what, Happening::Cleared { .. }));
    let silent_after = played.figures.silences.first();
    let soon = silent_after.is_some_and(|time| *time < Duration::from_secs(1));
    let cut = heard > Duration::from_millis(500) && heard < Duration::from_secs(4);
    let silent = silent_after.map_or("never silent".to_owned(), |time| {
        format!("silent {} after the caller's first word over it", short(*time))
    });
    Check {
        what: "the caller interrupts",
        is_met: times == 1 && cleared >= 1 && cut && soon,
        found: format!("the caller heard {} of the long answer; {silent}", of(heard, plot::ANSWER)),
    }
}

fn tool(played: &Played, heard: Duration) -> Check {
    let asked = played.tool_requests.len();
    let right = played.tool_requests.first().is_some_and(|request| {
        request["arguments"]["department"] == "front desk" && request["caller"] == plot::CALLER
    });
    let call = played
        .sessions
        .iter()
        .flat_map(|session| &session.tools)
        .find(|tool| tool.name == plot::TOOL)
        .and_then(|tool| tool.result.as_ref());
    let answered = call.filter(|(result, is_error, _)| !is_error && result.contains("Asha"));
    let found = match answered {
        Some((_, _, took)) => format!("the agent had the tool's answer after {}", short(*took)),
        None => "the agent never had the tool's answer".to_owned(),
    };
    Check {
        what: "the agent uses a tool",
        is_met: asked == 1 && right && answered.is_some() && heard > Duration::from_millis(500),
        found,
    }
}

fn reconnected(played: &Played) -> Check {
    let told: Option<&String> = played.sessions.get(1).and_then(|session| session.contextual_updates.first());
    let knows = told.is_some_and(|context| context.contains(plot::QUESTION) && context.contains(plot::FOUND));
    let lost = played.narration.facts.iter().filter(|fact| matches!(fact, Fact::AgentLost { .. })).count();
    let lines = told.map_or(0, |context| context.lines().count());
    Check {
        what: "the agent is lost and called back",
        is_met: lost >= 1 && played.sessions.len() == 2 && knows,
        found: match told {
            Some(_) => format!("its new session was told the conversation so far, in {lines} lines"),
            None => format!("{} sessions, and the last one was told nothing", played.sessions.len()),
        },
    }
}

fn transferred(played: &Played, heard: Duration) -> Check {
    let dialled = played.report.timeline.iter().find_map(|note| match &note.what {
        Happening::Dialled { numbers, outcome } => Some((numbers.clone(), outcome.clone())),
        _ => None,
    });
    let ended = matches!(&played.narration.end, Some(EndCause::Transferred { to }) if to == plot::PERSON);
    let through = dialled.as_ref().is_some_and(|(numbers, outcome)| {
        numbers.first().is_some_and(|number| number == plot::PERSON) && outcome == "completed"
    });
    Check {
        what: "the caller is handed to a person",
        is_met: ended && through && is_whole(heard, plot::ANNOUNCEMENT),
        found: match dialled {
            Some((numbers, outcome)) => format!(
                "Twilio rang {}: {outcome}; {} of the announcement were heard before",
                numbers.join(", "),
                of(heard, plot::ANNOUNCEMENT)
            ),
            None => "Twilio was never told to ring anybody".to_owned(),
        },
    }
}

fn in_order(played: &Played) -> Check {
    let warnings = played.report.warnings.iter().map(|warning| warning.text.as_str());
    let complaints = played.sessions.iter().flat_map(|session| &session.complaints).map(String::as_str);
    let found: Vec<&str> = warnings.chain(complaints).collect();
    Check {
        what: "both protocols are kept",
        is_met: found.is_empty(),
        found: match found.first() {
            None => "neither Twilio nor ElevenLabs had anything to complain about".to_owned(),
            Some(first) => format!("{} complaints, the first: {first}", found.len()),
        },
    }
}

fn left_nothing(played: &Played) -> Check {
    let (calls, slots) = played.left_over;
    Check {
        what: "nothing is left behind",
        is_met: calls == 0 && slots == 0 && played.record.is_some(),
        found: format!(
            "{calls} calls live, {slots} agent slots held, {}",
            if played.record.is_some() { "one record written" } else { "and no record written" }
        ),
    }
}

#[cfg(test)]
mod tests {
    use audio::{Frame, Rate};
    use lab::twilio::{CallReport, End};

    use super::*;
    use crate::cli::demo::Narration;
    use crate::cli::dial::{Ear, screen::Screen};

    /// A call in which nothing but `heard` came about.
    fn played(heard: Frame) -> Played {
        Played {
            figures: Ear::of(&heard, &heard).figures(),
            report: CallReport { spoken: heard.clone(), heard, ..CallReport::nothing("", End::CallerHungUp) },
            narration: Narration::new(&Screen::new(true, false), tokio::time::Instant::now()),
            record: None,
            sessions: Vec::new(),
            tool_requests: Vec::new(),
            left_over: (1, 0),
        }
    }

    fn met(played: &Played) -> Vec<&'static str> {
        all(played).into_iter().filter(|check| check.is_met).map(|check| check.what).collect()
    }

    #[test]
    fn a_call_in_which_nothing_happens_shows_nothing() {
        let silence = played(Frame::silence(Rate::Hz8000, Duration::from_secs(2)));

        assert_eq!(met(&silence), ["both protocols are kept"]);
    }

    #[test]
    fn a_greeting_counts_once() {
        let once = voice::speech(plot::GREETING, Rate::Hz8000).samples;
        let pause = vec![0; 4_000];
        let twice = [once.clone(), pause.clone(), once.clone()].concat();

        let whole =
            |samples| met(&played(Frame::new(Rate::Hz8000, samples))).contains(&"the agent greets, once");
        assert!(whole([once.clone(), pause].concat()));
        assert!(!whole(twice));
        assert!(!whole(once[..3_000].to_vec()));
    }
}
