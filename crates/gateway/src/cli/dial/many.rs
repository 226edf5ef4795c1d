//! Many callers at once: progress while they talk, and a table of what they met with.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use lab::caller::Caller;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};
use tokio_util::sync::CancellationToken;

use super::api::Api;
use super::ear::percentile;
use super::screen::Screen;
use super::story::{seconds, short};
use super::summary::upper_first;
use super::{Asked, Dialling, End, Past, Telephone, Words, write_wav};
use crate::cli::print_out;

/// All callers begin within this time, evenly, as a busy minute would bring them but faster.
const RAMP: Duration = Duration::from_millis(1_500);

/// Between two lines of progress where nobody sees them change.
const PROGRESS_EVERY: Duration = Duration::from_secs(5);

/// Between two changes of a line that somebody looks at.
const REDRAW_EVERY: Duration = Duration::from_millis(200);

/// Different objections that are shown.
const OBJECTIONS_SHOWN: usize = 10;

/// What all callers have in common.
pub(super) struct Round<'a> {
    pub(super) asked: &'a Asked,
    pub(super) caller: Caller,
    pub(super) limit: Duration,
    pub(super) hang_up: CancellationToken,
    pub(super) api: &'a Api,
}

pub(super) async fn run(
    telephone: Arc<Telephone>,
    round: Round<'_>,
    screen: &Screen,
) -> Result<ExitCode, Words> {
    let count = usize::from(round.asked.calls);
    screen.line(&format!("{count} callers dial within {} s.", seconds(RAMP)));
    let began = Instant::now();
    let mut calls = JoinSet::new();
    for number in 0..count {
        let at = began + RAMP.mul_f64(number as f64 / count as f64);
        let (telephone, dialling) = (Arc::clone(&telephone), dialling(&round, number));
        let api = round.api.clone();
        calls.spawn(async move {
            sleep_until(at).await;
            let past = Box::pin(telephone.call(number, dialling)).await;
            if telephone.hears_why() { past } else { told_why(past, &api).await }
        });
    }
    let mut progress = interval(if screen.is_watched() { REDRAW_EVERY } else { PROGRESS_EVERY });
    progress.set_missed_tick_behavior(MissedTickBehavior::Skip);
    // The first one is due at once.
    progress.tick().await;
    let mut tally = Tally::default();
    let mut heard = None;
    while !calls.is_empty() {
        tokio::select! {
            Some(past) = calls.join_next() => {
                let broken = |error| Past::none(End::Failed { words: format!("a caller broke: {error}") });
                heard = heard.or(tally.take(past.unwrap_or_else(broken)));
            }
            _ = progress.tick() => {
                let words = tally.progress(began.elapsed(), count);
                screen.progress(began.elapsed(), &words);
            }
        }
    }
    screen.close();
    let lasted = began.elapsed();
    if let (Some(out), Some(heard)) = (&round.asked.out, &heard) {
        write_wav(out, heard)?;
    }
    if round.asked.json {
        print_out(&format!("{}\n", tally.json(lasted, count)));
    } else {
        print_out(&tally.text(lasted, count, round.asked.out.as_deref().filter(|_| heard.is_some())));
    }
    Ok(if tally.failed == 0 && tally.over > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// A conversation that ended, with the gateway's reason in place of what the telephone can tell, where it gives one.
async fn told_why(mut past: Past, api: &Api) -> Past {
    if let (End::Over { words }, Some(id)) = (&mut past.end, &past.id)
        && let Some(end) = api.record(id).await.and_then(|record| record.end)
    {
        *words = end.words();
    }
    past
}

fn dialling(round: &Round<'_>, number: usize) -> Dialling {
    // Nobody reads fifty stories at once.
    let (notes, _) = mpsc::channel(1);
    Dialling {
        caller: Caller { seed: number as u64, ..round.caller.clone() },
        limit: round.limit,
        keep_sound: number == 0 && round.asked.out.is_some(),
        hang_up: round.hang_up.clone(),
        notes,
    }
}

#[derive(Debug, Default)]
struct Tally {
    over: usize,
    busy: usize,
    failed: usize,
    /// How often each end came about, in words.
    ends: BTreeMap<Words, usize>,
    /// In how many calls the pretended carrier objected, by what it said.
    objections: BTreeMap<Words, usize>,
    first_sounds: Vec<Duration>,
    answers: Vec<Duration>,
    silences: Vec<Duration>,
}

impl Tally {
    /// Counts one call. Gives back its recording, if it has one.
    fn take(&mut self, past: Past) -> Option<audio::Frame> {
        let figures = past.ear.figures();
        let words = match (&past.end, figures.first_sound) {
            // A conversation in which nothing was said is none.
            (End::Over { .. }, None) => {
                self.failed += 1;
                "The caller heard nothing.".to_owned()
            }
            (End::Over { words }, Some(_)) => {
                self.over += 1;
                words.clone()
            }
            (End::Busy { words }, _) => {
                self.busy += 1;
                words.clone()
            }
            (End::Failed { words }, _) => {
                self.failed += 1;
                words.clone()
            }
        };
        *self.ends.entry(words).or_default() += 1;
        for objection in past.objections {
            *self.objections.entry(objection).or_default() += 1;
        }
        self.first_sounds.extend(figures.first_sound);
        self.answers.extend(figures.answers);
        self.silences.extend(figures.silences);
        (!past.heard.is_empty()).then_some(past.heard)
    }

    fn done(&self) -> usize {
        self.over + self.busy + self.failed
    }

    fn progress(&self, lasted: Duration, count: usize) -> Words {
        let dialled = (count as f64 * lasted.as_secs_f64() / RAMP.as_secs_f64()).ceil() as usize;
        let talking = dialled.min(count).saturating_sub(self.done());
        let mut words = format!("{talking} of {count} callers talk, {} are done", self.over);
        if self.busy > 0 {
            words.push_str(&format!(", {} found all lines busy", self.busy));
        }
        if self.failed > 0 {
            words.push_str(&format!(", {} failed", self.failed));
        }
        words
    }

    fn rows(&self) -> [(&'static str, Vec<Duration>); 3] {
        let sorted = |times: &[Duration]| {
            let mut times = times.to_vec();
            times.sort_unstable();
            times
        };
        [
            ("first sound", sorted(&self.first_sounds)),
            ("answer", sorted(&self.answers)),
            ("silence", sorted(&self.silences)),
        ]
    }

    fn text(&self, lasted: Duration, count: usize, out: Option<&Path>) -> String {
        let mut text = format!(
            "\n{count} calls in {} s: {} conversations, {} found all lines busy, {} failed.\n\n",
            seconds(lasted),
            self.over,
            self.busy,
            self.failed
        );
        text.push_str(&format!(
            "  {:<14}{:>8}{:>10}{:>10}{:>10}{:>10}\n",
            "", "count", "p50", "p95", "p99", "worst"
        ));
        for (name, times) in self.rows() {
            if times.is_empty() {
                continue;
            }
            text.push_str(&format!("  {name:<14}{:>8}", times.len()));
            for share in [0.5, 0.95, 0.99, 1.0] {
                let value = percentile(&times, share).map(short).unwrap_or_default();
                text.push_str(&format!("{value:>10}"));
            }
            text.push('\n');
        }
        text.push_str(
            "\n  first sound: after the call was answered; answer: from the caller's last word to the agent's\n  \
             first; silence: from the caller's first word over the agent. All at the caller's ear, to 20 ms.\n\n",
        );
        for (words, times) in &self.ends {
            text.push_str(&format!("  {times:>4} × {}\n", upper_first(words)));
        }
        for (words, times) in self.objections.iter().take(OBJECTIONS_SHOWN) {
            text.push_str(&format!("  {times:>4} × the pretended carrier objects: {words}\n"));
        }
        if let Some(out) = out {
            text.push_str(&format!("\n  What the first caller heard is in {}.\n", out.display()));
        }
        text
    }

    fn json(&self, lasted: Duration, count: usize) -> Value {
        let ms =
            |time: Option<Duration>| time.map(|time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX));
        let latencies: serde_json::Map<String, Value> = self
            .rows()
            .into_iter()
            .map(|(name, times)| {
                let figures = json!({
                    "count": times.len(),
                    "p50_ms": ms(percentile(&times, 0.5)),
                    "p95_ms": ms(percentile(&times, 0.95)),
                    "p99_ms": ms(percentile(&times, 0.99)),
                    "worst_ms": ms(times.last().copied()),
                });
                (name.replace(' ', "_"), figures)
            })
            .collect();
        json!({
            "calls": count,
            "duration_ms": ms(Some(lasted)),
            "over": self.over,
            "busy": self.busy,
            "failed": self.failed,
            "ends": self.ends,
            "objections": self.objections,
            "latencies": latencies,
        })
    }
}
