//! Which status reports have come already. Exotel repeats one until it is answered in time.

use std::collections::{HashSet, VecDeque};

use carriers::exotel::webhook::{CallStatus, EventType, StatusReport};

/// Reports that are remembered; a call has some three, and repetitions come within the minute.
const REPORTS_MAX: usize = 8_192;

type Identity = (String, EventType, CallStatus);

#[derive(Debug, Default)]
pub(crate) struct ReportsSeen {
    seen: HashSet<Identity>,
    oldest_first: VecDeque<Identity>,
}

impl ReportsSeen {
    /// Whether this report has not come before.
    pub(super) fn is_news(&mut self, report: &StatusReport) -> bool {
        let identity = (report.call_sid.clone(), report.event.clone(), report.status.clone());
        if !self.seen.insert(identity.clone()) {
            return false;
        }
        if self.oldest_first.len() >= REPORTS_MAX
            && let Some(oldest) = self.oldest_first.pop_front()
        {
            self.seen.remove(&oldest);
        }
        self.oldest_first.push_back(identity);
        true
    }
}

#[cfg(test)]
mod tests {
    use carriers::exotel::webhook::Params;

    use super::*;

    #[test]
    fn a_report_counts_once_and_old_ones_are_forgotten() {
        let report = |text: &str| StatusReport::read(&Params::from_query(text).unwrap()).unwrap();
        let mut seen = ReportsSeen::default();

        let busy = report("CallSid=c1&EventType=terminal&Status=busy");
        assert!(seen.is_news(&busy));
        assert!(!seen.is_news(&busy));
        assert!(seen.is_news(&report("CallSid=c1&EventType=terminal&Status=failed")));
        assert!(seen.is_news(&report("CallSid=c1&EventType=answered&Status=busy")));
        assert!(seen.is_news(&report("CallSid=c2&EventType=terminal&Status=busy")));
        for call in 0..REPORTS_MAX {
            seen.is_news(&report(&format!("CallSid=other{call}&Status=busy")));
        }
        assert!(seen.is_news(&busy), "forgotten by now");
        assert_eq!((seen.seen.len(), seen.oldest_first.len()), (REPORTS_MAX, REPORTS_MAX));
    }
}
