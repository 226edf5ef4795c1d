//! When to dial a lost agent again.

use std::time::Duration;

use crate::{Moment, ReconnectSettings};

/// How often, since when, and with what chance.
#[derive(Debug)]
pub(crate) struct Backoff {
    settings: ReconnectSettings,
    tried: u32,
    since: Option<Moment>,
    chance: u64,
}

impl Backoff {
    pub(crate) fn new(settings: ReconnectSettings, seed: u64) -> Backoff {
        // A generator of this kind stands still at zero.
        Backoff { settings, tried: 0, since: None, chance: seed | 1 }
    }

    /// The wait before the next attempt, or `None` when attempts or patience are used up.
    pub(crate) fn next(&mut self, now: Moment, asked: Option<Duration>) -> Option<Duration> {
        let since = *self.since.get_or_insert(now);
        let patience = Duration::from_millis(u64::from(self.settings.patience_ms));
        if self.tried >= self.settings.attempts {
            return None;
        }
        let doubled = u64::from(self.settings.backoff_ms) << self.tried.min(16);
        let plain = Duration::from_millis(doubled.min(u64::from(self.settings.backoff_ms_max)));
        let jitter = f64::from(self.settings.jitter.clamp(0.0, 1.0));
        let wait = plain.mul_f64(1.0 - jitter * self.roll()).max(asked.unwrap_or_default());
        if now.since(since) + wait > patience {
            return None;
        }
        self.tried += 1;
        Some(wait)
    }

    /// A session lasted long enough: the next loss starts afresh.
    pub(crate) fn recovered(&mut self) {
        self.tried = 0;
        self.since = None;
    }

    pub(crate) fn healthy_after(&self) -> Duration {
        Duration::from_millis(u64::from(self.settings.healthy_after_ms))
    }

    /// The caller is served again, but the attempts are not given back yet.
    pub(crate) fn answered(&mut self) {
        self.since = None;
    }

    /// Between 0 and 1 (xorshift64*): spreading retries needs no better chance.
    fn roll(&mut self) -> f64 {
        self.chance ^= self.chance >> 12;
        self.chance ^= self.chance << 25;
        self.chance ^= self.chance >> 27;
        (self.chance.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 11) as f64 / (1u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_within_their_jitter_until_the_attempts_are_spent() {
        let settings = ReconnectSettings { attempts: 4, patience_ms: 60_000, ..ReconnectSettings::default() };
        let mut backoff = Backoff::new(settings, 7);

        let waits: Vec<_> = std::iter::from_fn(|| backoff.next(Moment::START, None)).collect();

        assert_eq!(waits.len(), 4);
        for (wait, plain) in waits.iter().zip([200, 400, 800, 1600]) {
            assert!((plain * 7 / 10..=plain).contains(&(wait.as_millis() as u64)), "{wait:?} of {plain} ms");
        }
    }

    #[test]
    fn patience_ends_the_attempts_too() {
        let mut backoff = Backoff::new(ReconnectSettings::default(), 7);

        assert!(backoff.next(Moment::START, None).is_some());
        assert_eq!(backoff.next(Moment::from_millis(20_001), None), None);
    }

    #[test]
    fn a_provider_that_asks_for_time_gets_it() {
        let mut backoff = Backoff::new(ReconnectSettings::default(), 7);

        assert_eq!(backoff.next(Moment::START, Some(Duration::from_secs(7))), Some(Duration::from_secs(7)));
        assert_eq!(
            backoff.next(Moment::START, Some(Duration::from_secs(30))),
            None,
            "longer than the patience"
        );
    }
}
