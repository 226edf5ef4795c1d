//! What a web page can and cannot do.

use std::time::Duration;

use audio::Rate;
use call::{CarrierCapabilities, Closing, Encoding, MarkOnFlush, Proof, ShortPiece, Sound, Way};

pub const CAPABILITIES: CarrierCapabilities = CarrierCapabilities {
    name: "browser",
    title: "Browser",
    rate: Rate::Hz16000,
    sounds: &[Sound { encoding: Encoding::Pcm16, rate: Rate::Hz16000 }],
    piece: Duration::from_millis(20),
    short_piece: ShortPiece::Allowed,
    // Shorter than towards a telephone network: there is no jitter but the page's own.
    lead_low: Duration::from_millis(150),
    lead_high: Duration::from_millis(250),
    // It says where it is instead.
    mark_on_flush: MarkOnFlush::NoMarks,
    digits_in: Way::Message,
    digits_out: Way::Message,
    hang_up: Way::Message,
    lets_go_within: Duration::from_secs(5),
    transfer: Way::Message,
    closing: Closing::EndsCall,
    ends_by_closing: false,
    proof: Proof::ApiToken,
    places_calls: false,
    detects_machines: false,
};
