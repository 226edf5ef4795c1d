//! What a web page can and cannot do.

use std::time::Duration;

use audio::Rate;
use call::{CarrierCapabilities, MarkOnFlush};

pub const CAPABILITIES: CarrierCapabilities = CarrierCapabilities {
    name: "browser",
    rate: Rate::Hz16000,
    piece: Duration::from_millis(20),
    // Shorter than towards a telephone network: there is no jitter but the page's own.
    lead_low: Duration::from_millis(150),
    lead_high: Duration::from_millis(250),
    // It says where it is instead.
    mark_on_flush: MarkOnFlush::NoMarks,
    reports_digits: true,
    sends_digits: true,
    transfers: true,
    close_ends_call: true,
};
