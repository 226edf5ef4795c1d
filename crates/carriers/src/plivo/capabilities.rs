//! What Plivo can and cannot do.

use std::time::Duration;

use audio::Rate;
use call::{CarrierCapabilities, Closing, Encoding, MarkOnFlush, Proof, ShortPiece, Sound, Way};

pub const CAPABILITIES: CarrierCapabilities = CarrierCapabilities {
    name: "plivo",
    title: "Plivo",
    rate: Rate::Hz8000,
    sounds: &[
        Sound { encoding: Encoding::Mulaw, rate: Rate::Hz8000 },
        Sound { encoding: Encoding::Pcm16, rate: Rate::Hz8000 },
        Sound { encoding: Encoding::Pcm16, rate: Rate::Hz16000 },
    ],
    // Of Plivo's two documents on it, one refuses messages that are not 20 ms long.
    piece: Duration::from_millis(20),
    short_piece: ShortPiece::Filled,
    lead_low: Duration::from_millis(200),
    lead_high: Duration::from_millis(300),
    // After `clearAudio` only `clearedAudio` comes; outstanding checkpoints never do.
    mark_on_flush: MarkOnFlush::Silent,
    digits_in: Way::Message,
    digits_out: Way::Message,
    hang_up: Way::Request,
    lets_go_within: Duration::from_secs(5),
    transfer: Way::Request,
    // With `keepCallAlive`, which our document always asks for, Plivo goes on with the element after `</Stream>`.
    closing: Closing::GoesOn,
    ends_by_closing: true,
    proof: Proof::Signature,
    places_calls: true,
    detects_machines: true,
};
