//! What Mcube can and cannot do.

use std::time::Duration;

use audio::Rate;
use call::{CarrierCapabilities, Closing, Encoding, MarkOnFlush, Proof, ShortPiece, Sound, Way};

pub const CAPABILITIES: CarrierCapabilities = CarrierCapabilities {
    name: "mcube",
    title: "Mcube",
    rate: Rate::Hz8000,
    sounds: &[
        Sound { encoding: Encoding::Mulaw, rate: Rate::Hz8000 },
        Sound { encoding: Encoding::Mulaw, rate: Rate::Hz16000 },
        Sound { encoding: Encoding::Pcm16, rate: Rate::Hz8000 },
        Sound { encoding: Encoding::Pcm16, rate: Rate::Hz16000 },
    ],
    piece: Duration::from_millis(20),
    short_piece: ShortPiece::Allowed,
    lead_low: Duration::from_millis(200),
    lead_high: Duration::from_millis(300),
    // Assumed, as with its relatives: a `playedStream` that comes all the same is of an earlier generation.
    mark_on_flush: MarkOnFlush::Silent,
    digits_in: Way::Message,
    digits_out: Way::Sound,
    // `terminate`; whether a closed socket alone ends the call is not known, so it comes two seconds later.
    hang_up: Way::Message,
    lets_go_within: Duration::from_secs(2),
    transfer: Way::Message,
    closing: Closing::Unknown,
    ends_by_closing: true,
    proof: Proof::SharedSecret,
    places_calls: true,
    detects_machines: false,
};
