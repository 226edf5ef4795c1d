//! How everything that we depend on is doing, each by itself.
//!
//! Nothing is polled: whoever talks to a dependency notes how it went. A dependency that nobody has talked to is
//! unknown, which is not a failure.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use serde::Serialize;

/// Words of an error that are kept; a peer may send a novel.
const WORDS_MAX: usize = 300;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    Ok,
    /// Nobody has asked it for anything yet.
    Unknown,
    Failing,
}

/// One dependency, as `/health` shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Dependency {
    pub name: String,
    pub state: State,
    /// Since when it is in this state.
    pub since: Timestamp,
    /// Failures in a row.
    pub failures: u64,
    /// The last failure, in words and without secrets; kept after things went well again.
    pub last_error: Option<String>,
    pub last_error_at: Option<Timestamp>,
}

#[derive(Debug, Default)]
pub struct Health {
    dependencies: Mutex<BTreeMap<String, Dependency>>,
}

impl Health {
    pub fn new() -> Health {
        Health::default()
    }

    /// Lists a dependency before anybody has talked to it.
    pub fn expect(&self, name: &str) {
        self.entry(&mut self.lock(), name);
    }

    pub fn note_ok(&self, name: &str) {
        let mut dependencies = self.lock();
        let dependency = self.entry(&mut dependencies, name);
        if dependency.state != State::Ok {
            dependency.state = State::Ok;
            dependency.since = Timestamp::now();
        }
        dependency.failures = 0;
    }

    /// `words` must hold no secret.
    pub fn note_failure(&self, name: &str, words: &str) {
        let now = Timestamp::now();
        let mut dependencies = self.lock();
        let dependency = self.entry(&mut dependencies, name);
        if dependency.state != State::Failing {
            dependency.state = State::Failing;
            dependency.since = now;
        }
        dependency.failures = dependency.failures.saturating_add(1);
        dependency.last_error = Some(words.chars().take(WORDS_MAX).collect());
        dependency.last_error_at = Some(now);
    }

    /// Every dependency, by name.
    pub fn report(&self) -> Vec<Dependency> {
        self.lock().values().cloned().collect()
    }

    /// Whether nothing is known to fail.
    pub fn is_well(&self) -> bool {
        self.lock().values().all(|dependency| dependency.state != State::Failing)
    }

    fn entry<'a>(
        &self,
        dependencies: &'a mut MutexGuard<'_, BTreeMap<String, Dependency>>,
        name: &str,
    ) -> &'a mut Dependency {
        dependencies.entry(name.to_owned()).or_insert_with(|| Dependency {
            name: name.to_owned(),
            state: State::Unknown,
            since: Timestamp::now(),
            failures: 0,
            last_error: None,
            last_error_at: None,
        })
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Dependency>> {
        self.dependencies.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dependency_fails_by_itself_and_recovers_by_itself() {
        let health = Health::new();
        health.expect("twilio");
        health.note_failure("elevenlabs", "refused the key");
        health.note_failure("elevenlabs", &"x".repeat(1000));

        let report = health.report();
        assert_eq!((report[0].name.as_str(), report[0].state), ("elevenlabs", State::Failing));
        assert_eq!(report[0].failures, 2);
        assert_eq!(report[0].last_error.as_ref().unwrap().len(), WORDS_MAX);
        assert_eq!((report[1].name.as_str(), report[1].state), ("twilio", State::Unknown));
        assert!(!health.is_well());

        health.note_ok("elevenlabs");
        assert!(health.is_well());
        let report = health.report();
        assert_eq!((report[0].state, report[0].failures), (State::Ok, 0));
        assert!(report[0].last_error.is_some(), "what went wrong last stays to be read");
    }
}
