//! What a call was like at the caller's ear, measured on what went in and came out of the telephone.
//!
//! Both directions are kept as one level per 20 ms, on the same clock. So the figures hold for every carrier and every
//! gateway alike, and include everything between the two ends: no event of ours is trusted here.

use std::time::Duration;

use audio::Frame;
use audio::level::{Level, SILENCE_DBFS, rms_dbfs};

use super::caller::TICK;

/// Louder than any line's noise, quieter than any speech.
const LOUD_DBFS: f32 = -42.0;

/// Pauses between words and sentences of one utterance.
const CALLER_PAUSE_TICKS: usize = 40;
const AGENT_PAUSE_TICKS: usize = 15;

/// Shorter is a click.
const STRETCH_TICKS_MIN: usize = 3;

/// A caller who begins so shortly after the agent did has not cut in; both began at once.
const CUT_IN_TICKS_MIN: usize = 10;

/// Longer than any agent needs to fall silent: it was not interrupted but came to its end.
const SILENCED_TICKS_MAX: usize = 100;

/// Levels of both directions, tick by tick.
#[derive(Clone, Debug, Default)]
pub(in crate::cli) struct Ear {
    heard: Vec<f32>,
    spoken: Vec<f32>,
    peak_dbfs: Option<f32>,
}

/// What they amount to.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::cli) struct Figures {
    /// From the answer of the call to the first sound of the agent.
    pub(in crate::cli) first_sound: Option<Duration>,
    /// From the caller's last word to the agent's first, each time.
    pub(in crate::cli) answers: Vec<Duration>,
    /// From the caller's first word over the agent to silence, each time.
    pub(in crate::cli) silences: Vec<Duration>,
    pub(in crate::cli) heard_for: Duration,
    /// Mean level of what was heard while something was.
    pub(in crate::cli) level_dbfs: Option<f32>,
    pub(in crate::cli) peak_dbfs: Option<f32>,
}

impl Ear {
    /// Of two recordings that began at the same moment.
    pub(in crate::cli) fn of(heard: &Frame, spoken: &Frame) -> Ear {
        let mut ear = Ear::default();
        let [of_heard, of_spoken] = [heard, spoken].map(|frame| frame.rate.samples_in(TICK) as usize);
        for (heard, spoken) in heard.samples.chunks(of_heard).zip(spoken.samples.chunks(of_spoken)) {
            ear.tick(heard, spoken);
        }
        ear
    }

    /// 20 ms in which this was heard and that was said.
    pub(in crate::cli) fn tick(&mut self, heard: &[i16], spoken: &[i16]) {
        let level = Level::of(heard);
        self.heard.push(level.rms_dbfs);
        self.spoken.push(rms_dbfs(spoken));
        if level.peak_dbfs > SILENCE_DBFS {
            self.peak_dbfs = Some(self.peak_dbfs.map_or(level.peak_dbfs, |peak| peak.max(level.peak_dbfs)));
        }
    }

    pub(in crate::cli) fn figures(&self) -> Figures {
        let agent = stretches(&self.heard, AGENT_PAUSE_TICKS);
        let caller = stretches(&self.spoken, CALLER_PAUSE_TICKS);
        let mut figures = Figures {
            first_sound: agent.first().map(|(from, _)| TICK * *from as u32),
            peak_dbfs: self.peak_dbfs,
            ..Figures::default()
        };
        for (number, (from, to)) in caller.iter().enumerate() {
            let next = caller.get(number + 1).map_or(usize::MAX, |(from, _)| *from);
            let over = agent.iter().find(|(began, ended)| began + CUT_IN_TICKS_MIN <= *from && from < ended);
            if let Some((_, ended)) = over
                && ended - from <= SILENCED_TICKS_MAX
            {
                figures.silences.push(TICK * (ended - from) as u32);
            }
            // An agent that is still speaking has not answered.
            let still = agent.iter().any(|(began, ended)| began < to && to < ended);
            let answer = agent.iter().find(|(began, _)| began >= to && *began < next);
            if let (false, Some((began, _))) = (still, answer) {
                figures.answers.push(TICK * (began - to) as u32);
            }
        }
        let loud: Vec<f32> = self.heard.iter().copied().filter(|level| *level > LOUD_DBFS).collect();
        figures.heard_for = TICK * loud.len() as u32;
        if !loud.is_empty() {
            let power = loud.iter().map(|level| 10f32.powf(level / 10.0)).sum::<f32>() / loud.len() as f32;
            figures.level_dbfs = Some(10.0 * power.log10());
        }
        figures
    }
}

/// Where somebody speaks, as ticks from and to; shorter pauses do not divide.
fn stretches(levels: &[f32], pause: usize) -> Vec<(usize, usize)> {
    let mut found: Vec<(usize, usize)> = Vec::new();
    let mut begins = None;
    for (at, level) in levels.iter().chain([&SILENCE_DBFS]).enumerate() {
        match (*level > LOUD_DBFS, begins) {
            (true, None) => begins = Some(at),
            (false, Some(from)) => {
                begins = None;
                match found.last_mut() {
                    Some(last) if from - last.1 < pause => last.1 = at,
                    _ => found.push((from, at)),
                }
            }
            _ => {}
        }
    }
    found.retain(|(from, to)| to - from >= STRETCH_TICKS_MIN);
    found
}

/// The value below which this share of the values lies.
pub(in crate::cli) fn percentile(sorted: &[Duration], share: f64) -> Option<Duration> {
    let last = sorted.len().checked_sub(1)?;
    let rank = (share * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.saturating_sub(1).min(last)).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An ear that lived through stretches of (ticks, agent speaks, caller speaks).
    fn ear(story: &[(usize, bool, bool)]) -> Ear {
        let sound = |speaks: bool| vec![if speaks { 6_000 } else { 20 }; 160];
        let mut ear = Ear::default();
        for (ticks, agent, caller) in story {
            for _ in 0..*ticks {
                ear.tick(&sound(*agent), &sound(*caller));
            }
        }
        ear
    }

    #[test]
    fn first_sound_answer_and_silence_are_found_in_the_levels() {
        let figures = ear(&[
            (10, false, false),
            (100, true, false),
            (50, false, false),
            (60, false, true),
            (40, false, false),
            (60, true, false),
            (15, true, true),
            (80, false, true),
            (35, false, false),
            (50, true, false),
            (50, false, false),
        ])
        .figures();

        assert_eq!(figures.first_sound, Some(Duration::from_millis(200)));
        assert_eq!(figures.answers, [Duration::from_millis(800), Duration::from_millis(700)]);
        assert_eq!(figures.silences, [Duration::from_millis(300)]);
        assert_eq!(figures.heard_for, TICK * 225);
        assert!(figures.level_dbfs.is_some_and(|level| (-15.5..-14.0).contains(&level)), "{figures:?}");
    }

    #[test]
    fn a_silent_call_has_no_figures() {
        assert_eq!(ear(&[(100, false, false)]).figures().first_sound, None);
        assert_eq!(Ear::default().figures(), Figures::default());
    }

    #[test]
    fn an_agent_that_talks_on_has_not_answered() {
        let figures =
            ear(&[(50, true, false), (30, true, true), (200, true, false), (9, false, false)]).figures();

        assert!(figures.answers.is_empty() && figures.silences.is_empty(), "{figures:?}");
    }

    #[test]
    fn percentiles_are_values_that_occurred() {
        let sorted: Vec<Duration> = (1..=100).map(Duration::from_millis).collect();

        assert_eq!(percentile(&sorted, 0.5), Some(Duration::from_millis(50)));
        assert_eq!(percentile(&sorted, 0.99), Some(Duration::from_millis(99)));
        assert_eq!(percentile(&sorted[..1], 0.99), Some(Duration::from_millis(1)));
        assert_eq!(percentile(&[], 0.5), None);
    }
}
