//! What Exotel can and cannot do.

use std::time::Duration;

use audio::Rate;
use call::{CarrierCapabilities, Closing, Encoding, MarkOnFlush, Proof, ShortPiece, Sound, Way};

pub const CAPABILITIES: CarrierCapabilities = CarrierCapabilities {
    name: "exotel",
    title: "Exotel",
    rate: Rate::Hz8000,
    sounds: &[
        Sound { encoding: Encoding::Pcm16, rate: Rate::Hz8000 },
        Sound { encoding: Encoding::Pcm16, rate: Rate::Hz16000 },
        Sound { encoding: Encoding::Pcm16, rate: Rate::Hz24000 },
        Sound { encoding: Encoding::Mulaw, rate: Rate::Hz8000 },
    ],
    // 3,200 bytes of PCM16 at 8 kHz, the least that Exotel plays without gaps. Other rates have pieces of their own.
    piece: Duration::from_millis(200),
    short_piece: ShortPiece::Filled,
    lead_low: Duration::from_millis(200),
    lead_high: Duration::from_millis(400),
    mark_on_flush: MarkOnFlush::Unknown,
    digits_in: Way::Message,
    digits_out: Way::Sound,
    hang_up: Way::NextStep,
    lets_go_within: Duration::from_secs(5),
    transfer: Way::NextStep,
    // Connect API: the call ends. Voicebot applet: the flow goes on, and asks us whether to hand over or hang up.
    closing: Closing::Depends,
    ends_by_closing: true,
    proof: Proof::SharedSecret,
    places_calls: true,
    detects_machines: false,
};
