//! How far Twilio's reports of each call have come. They may overtake one another on their way.

use std::collections::{HashMap, VecDeque};

use carriers::twilio::webhook::ReportOrder;

/// Calls that are remembered; the oldest is forgotten first. Reports come within seconds of each other.
const CALLS_MAX: usize = 4_096;

#[derive(Debug, Default)]
pub(crate) struct ReportOrders {
    by_call: HashMap<String, ReportOrder>,
    oldest_first: VecDeque<String>,
}

impl ReportOrders {
    /// Whether this report of the call is newer than all before it.
    pub(in crate::http) fn is_news(&mut self, call: &str, sequence_number: Option<u64>) -> bool {
        if let Some(order) = self.by_call.get_mut(call) {
            return order.is_news(sequence_number);
        }
        if self.oldest_first.len() >= CALLS_MAX
            && let Some(oldest) = self.oldest_first.pop_front()
        {
            self.by_call.remove(&oldest);
        }
        let mut order = ReportOrder::default();
        let is_news = order.is_news(sequence_number);
        self.by_call.insert(call.to_owned(), order);
        self.oldest_first.push_back(call.to_owned());
        is_news
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_call_has_an_order_of_its_own_and_old_ones_are_forgotten() {
        let mut orders = ReportOrders::default();

        assert!(orders.is_news("CA1", Some(2)));
        assert!(!orders.is_news("CA1", Some(1)), "overtaken");
        assert!(orders.is_news("CA2", Some(1)));
        for call in 0..CALLS_MAX {
            orders.is_news(&call.to_string(), Some(0));
        }
        assert!(orders.is_news("CA1", Some(1)), "forgotten by now");
        assert_eq!(orders.by_call.len(), CALLS_MAX);
        assert_eq!(orders.oldest_first.len(), CALLS_MAX);
    }
}
