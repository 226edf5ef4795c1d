//! What a call came to, on one screen or as JSON.

use std::path::Path;
use std::time::Duration;

use call::{EndCause, Receipt};
use serde_json::{Value, json};

use super::api::Record;
use super::ear::Figures;
use super::live::Told;
use super::place::Place;
use super::screen::wrapped;
use super::story::{millis, seconds, short};
use super::{Asked, End, Past, Words};
use crate::carrier_kind::CarrierKind;

/// Where the second column begins.
const COLUMN: usize = 16;

/// Why the caller waits longer than the gateway counts.
const WHY_THEY_DIFFER: &str = "The gateway counts from when its speech detection is sure that the caller has stopped to \
     the arrival of the agent's sound; the caller's ear counts from the last word itself until the sound is played.";

pub(super) struct Summary<'a> {
    past: &'a Past,
    figures: Figures,
    record: Option<&'a Record>,
    by_gateway: bool,
    out: &'a Path,
    asked: &'a Asked,
    place: &'a Place,
}

impl Summary<'_> {
    pub(super) fn new<'a>(
        past: &'a Past,
        record: Option<&'a Record>,
        told: &Told,
        out: &'a Path,
        asked: &'a Asked,
        place: &'a Place,
    ) -> Summary<'a> {
        Summary { figures: past.ear.figures(), past, record, by_gateway: told.by_gateway, out, asked, place }
    }

    /// The latencies of this call by the gateway's own clock; none where it gave no account.
    fn by_gateway(&self) -> ByGateway {
        self.receipt().map_or_else(ByGateway::default, |receipt| ByGateway {
            first_sound_ms: receipt.first_sound_ms,
            answer_ms: receipt.answer_ms.clone(),
        })
    }

    fn receipt(&self) -> Option<&Receipt> {
        self.record.and_then(|record| record.receipt.as_ref())
    }

    /// How it ended. The gateway knows more than the caller, unless the caller was cut off.
    fn end(&self) -> Words {
        match (&self.past.end, self.record.and_then(|record| record.end.as_ref())) {
            (End::Over { .. }, Some(end)) => EndCause::words(end),
            (end, _) => end.words().to_owned(),
        }
    }

    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        let mut row = |name: &str, words: String| {
            text.push_str(&format!("  {name:<width$}{}\n", wrapped(&words, COLUMN), width = COLUMN - 2));
        };
        if let Some(tally) = self.receipt().map(|receipt| &receipt.tally) {
            let cut = match tally.interrupted_turns {
                0 => String::new(),
                cut => format!(", {cut} of them interrupted"),
            };
            row(
                "turns",
                format!("{} of the caller, {} of the agent{cut}", tally.caller_turns, tally.agent_turns),
            );
        }
        let by_gateway = self.by_gateway();
        let Figures { first_sound, answers, silences, heard_for, level_dbfs, peak_dbfs } = &self.figures;
        row(
            "first sound",
            match first_sound {
                Some(time) => {
                    let at_gateway = at_gateway(by_gateway.first_sound_ms.as_slice());
                    format!("{} after the call was answered, at the caller's ear{at_gateway}", short(*time))
                }
                None => "none: the caller heard nothing".to_owned(),
            },
        );
        if !answers.is_empty() {
            let at_gateway = at_gateway(&by_gateway.answer_ms);
            let words = "from the caller's last word to the agent's first, at the caller's ear";
            row("answers", format!("{} {words}{at_gateway}", list(answers)));
        }
        if !silences.is_empty() {
            row(
                "interruptions",
                format!("{} from the caller's first word to silence, at the caller's ear", list(silences)),
            );
        }
        let cleared = match self.past.cleared {
            Duration::ZERO => String::new(),
            cleared => format!(", {} s of it thrown away by interruptions", seconds(cleared)),
        };
        row(
            "sound",
            format!(
                "{} frames of {} sent, {} s received{cleared}",
                self.past.frames_sent,
                short(self.past.piece),
                seconds(self.past.received)
            ),
        );
        if let (Some(level), Some(peak)) = (level_dbfs, peak_dbfs) {
            row(
                "heard",
                format!("{} s of speech at {level:.0} dBFS, loudest {peak:.0} dBFS", seconds(*heard_for)),
            );
        }
        if !self.past.objections.is_empty() {
            let title = self.asked.carrier.kind().table().title;
            row("objections", format!("the pretended {title} objects: {}", self.past.objections.join("; ")));
        }
        row(
            "recording",
            format!("{} ({} s, what the caller heard)", self.out.display(), seconds(self.past.lasted)),
        );
        if let Some(id) = &self.past.id {
            row("call", id.clone());
        }
        if !by_gateway.answer_ms.is_empty() && !answers.is_empty() {
            text.push_str(&format!("\n{}\n", wrapped(WHY_THEY_DIFFER, 0)));
        }
        let head = format!("The call lasted {} s. {}", seconds(self.past.lasted), upper_first(&self.end()));
        format!("\n{}\n\n{text}\n{}\n", wrapped(&head, 0), wrapped(&self.next_step(), 0))
    }

    /// What a newcomer might want to do now.
    fn next_step(&self) -> Words {
        let listen = format!("Listen to {}.", self.out.display());
        let kind = self.asked.carrier.kind();
        let carrier = match kind {
            CarrierKind::Browser => String::new(),
            kind => format!(" --carrier {}", kind.name()),
        };
        let more = if matches!(self.past.end, End::Failed { .. }) {
            "The gateway's log and `trunkline doctor` say more about what went wrong.".to_owned()
        } else if self.figures.first_sound.is_none() {
            "Nothing was heard: the gateway's log and `trunkline doctor` say more.".to_owned()
        } else if !self.asked.interrupt {
            format!("Speak over the agent: trunkline dial{carrier} --interrupt")
        } else if self.asked.calls == 1 && kind == CarrierKind::Browser {
            "The same over a carrier's protocol: trunkline dial --carrier twilio (or plivo, exotel, mcube)"
                .to_owned()
        } else {
            format!("Many callers at once: trunkline dial{carrier} --calls 20")
        };
        let yourself = if self.place.is_own() {
            "Talk yourself: run `trunkline` and open the page it names.".to_owned()
        } else {
            format!("Talk yourself: open {} and press Call.", self.place.url())
        };
        format!("{listen} {more}\n{yourself}")
    }

    pub(super) fn json(&self) -> Value {
        let ms = |time: &Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let list = |times: &[Duration]| times.iter().map(ms).collect::<Vec<u64>>();
        let outcome = match &self.past.end {
            End::Over { .. } => "over",
            End::Busy { .. } => "busy",
            End::Failed { .. } => "failed",
        };
        json!({
            "call": self.past.id,
            "outcome": outcome,
            "end": self.record.and_then(|record| record.end.as_ref()),
            "end_words": self.end(),
            "duration_ms": ms(&self.past.lasted),
            "first_sound_ms": self.figures.first_sound.as_ref().map(ms),
            "answer_ms": list(&self.figures.answers),
            "silence_ms": list(&self.figures.silences),
            "heard_ms": ms(&self.figures.heard_for),
            "level_dbfs": self.figures.level_dbfs,
            "peak_dbfs": self.figures.peak_dbfs,
            "frames_sent": self.past.frames_sent,
            "received_ms": ms(&self.past.received),
            "cleared_ms": ms(&self.past.cleared),
            "objections": self.past.objections,
            "recording": self.out,
            "told_by_gateway": self.by_gateway,
            "receipt": self.receipt(),
        })
    }
}

#[derive(Default)]
struct ByGateway {
    /// From the start of media.
    first_sound_ms: Option<u64>,
    answer_ms: Vec<u64>,
}

fn at_gateway(times_ms: &[u64]) -> Words {
    match times_ms {
        [] => String::new(),
        times => {
            let times: Vec<Words> = times.iter().map(|ms| millis(*ms)).collect();
            format!(" ({} at the gateway)", times.join(", "))
        }
    }
}

fn list(times: &[Duration]) -> Words {
    times.iter().map(|time| short(*time)).collect::<Vec<_>>().join(", ")
}

pub(super) fn upper_first(words: &str) -> Words {
    let mut chars = words.chars();
    let first = chars.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    let rest = chars.as_str();
    let stop = if rest.ends_with(['.', '!', '?', '”']) { "" } else { "." };
    format!("{first}{rest}{stop}")
}
