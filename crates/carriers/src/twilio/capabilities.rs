//! What Twilio can and cannot do.

use std::time::Duration;

use audio::Rate;
use call::{CarrierCapabilities, Closing, Encoding, MarkOnFlush, Proof, ShortPiece, Sound, Way};

pub const CAPABILITIES: CarrierCapabilities = CarrierCapabilities {
    name: "twilio",
    title: "Twilio",
    rate: Rate::Hz8000,
    sounds: &[Sound { encoding: Encoding::Mulaw, rate: Rate::Hz8000 }],
    // Any length is allowed; this is the one Twilio itself sends.
    piece: Duration::from_millis(20),
    short_piece: ShortPiece::Allowed,
    lead_low: Duration::from_millis(200),
    lead_high: Duration::from_millis(300),
    mark_on_flush: MarkOnFlush::Echoed,
    digits_in: Way::Message,
    // The media socket has no message for it, and `<Play digits>` would end the stream.
    digits_out: Way::Sound,
    hang_up: Way::Request,
    lets_go_within: Duration::from_secs(5),
    transfer: Way::Request,
    // Twilio goes on with the verb after `</Connect>`.
    closing: Closing::GoesOn,
    ends_by_closing: false,
    proof: Proof::Signature,
    places_calls: true,
    detects_machines: true,
};
