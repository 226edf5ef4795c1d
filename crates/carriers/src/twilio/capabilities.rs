//! What Twilio can and cannot do.

use std::time::Duration;

use audio::Rate;
use call::{CarrierCapabilities, MarkOnFlush};

pub const CAPABILITIES: CarrierCapabilities = CarrierCapabilities {
    name: "twilio",
    rate: Rate::Hz8000,
    // Any length is allowed; this is the one Twilio itself sends.
    piece: Duration::from_millis(20),
    lead_low: Duration::from_millis(200),
    lead_high: Duration::from_millis(300),
    mark_on_flush: MarkOnFlush::Echoed,
    reports_digits: true,
    // As sound: the media socket has no message for it, and `<Play digits>` would end the stream.
    sends_digits: true,
    transfers: true,
    // Twilio goes on with the verb after `</Connect>`.
    close_ends_call: false,
};
