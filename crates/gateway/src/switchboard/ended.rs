//! Calls of which their carrier has said that they are over. What it asks about them afterwards was sent before, and came
//! late: no place is kept for them.

use std::collections::{HashSet, VecDeque};

/// Questions that come late do so within seconds, a minute at most.
const CALLS_MAX: usize = 4_096;

/// A carrier, and its name for a call.
type Name = (String, String);

#[derive(Debug, Default)]
pub(super) struct Ended {
    names: HashSet<Name>,
    oldest_first: VecDeque<Name>,
}

impl Ended {
    pub(super) fn add(&mut self, carrier: &str, carrier_call: &str) {
        let name = (carrier.to_owned(), carrier_call.to_owned());
        if !self.names.insert(name.clone()) {
            return;
        }
        if self.oldest_first.len() >= CALLS_MAX
            && let Some(oldest) = self.oldest_first.pop_front()
        {
            self.names.remove(&oldest);
        }
        self.oldest_first.push_back(name);
    }

    pub(super) fn contains(&self, carrier: &str, carrier_call: &str) -> bool {
        self.names.contains(&(carrier.to_owned(), carrier_call.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_remembered_by_its_carrier_until_many_others_came() {
        let mut ended = Ended::default();

        ended.add("plivo", "c1");
        ended.add("plivo", "c1");

        assert!(ended.contains("plivo", "c1"));
        assert!(!ended.contains("twilio", "c1") && !ended.contains("plivo", "c2"));
        for number in 0..CALLS_MAX {
            ended.add("twilio", &number.to_string());
        }
        assert!(!ended.contains("plivo", "c1"), "forgotten by now");
        assert_eq!((ended.names.len(), ended.oldest_first.len()), (CALLS_MAX, CALLS_MAX));
    }
}
