//! What one 20 ms frame costs in the call itself: speech detection, playout, ledger, both directions.
//!
//! `cargo build --release -p call --example call_cost`, then
//! `valgrind --tool=callgrind target/release/examples/call_cost 2000` and again with 4000: the difference divided by 2000 is
//! the cost of a frame in instructions, the same on every run.

use std::time::Duration;

use audio::{Frame, Rate};
use call::{
    AgentCapabilities, AgentEvent, AgentReady, AnswerId, Call, CallId, CallPlan, CallSettings,
    CarrierCapabilities, CarrierEvent, Closing, Command, Encoding, Input, MarkOnFlush, MediaStart, Moment,
    Prompts, Proof, ShortPiece, Sound, Way,
};

fn main() {
    let mut words = std::env::args().skip(1);
    let frames: u64 = words.next().and_then(|word| word.parse().ok()).unwrap_or(2_000);
    let mut call = Call::new(plan());
    call.handle(Moment::START, Input::Carrier(CarrierEvent::Started(MediaStart::default())));
    call.handle(Moment::START, Input::Agent(AgentEvent::Ready(AgentReady::default())));
    let voice: Vec<i16> =
        (0..160).map(|at| (f64::from(at) * 0.35).sin() as i16 * 3000 + at as i16 * 7).collect();
    let mut commands = 0u64;
    for frame in 0..frames {
        let now = Moment::START + Duration::from_millis(20) * frame as u32;
        let heard = Frame::new(Rate::Hz8000, voice.clone());
        call.handle(now, Input::Carrier(CarrierEvent::Audio(heard.clone())));
        commands += drain(&mut call);
        call.handle(now, Input::Agent(AgentEvent::Audio { answer: AnswerId(1), frame: heard }));
        commands += drain(&mut call);
        let _ = call.deadline();
    }
    println!("{frames} frames, {commands} commands");
}

fn drain(call: &mut Call) -> u64 {
    std::iter::from_fn(|| call.poll()).filter(|command| !matches!(command, Command::Note(_))).count() as u64
}

fn plan() -> CallPlan {
    CallPlan {
        id: CallId::mint(0, [0; 10]),
        carrier: CarrierCapabilities {
            name: "cost",
            title: "Cost",
            rate: Rate::Hz8000,
            sounds: &[Sound { encoding: Encoding::Mulaw, rate: Rate::Hz8000 }],
            piece: Duration::from_millis(20),
            short_piece: ShortPiece::Allowed,
            lead_low: Duration::from_millis(200),
            lead_high: Duration::from_millis(300),
            mark_on_flush: MarkOnFlush::Echoed,
            digits_in: Way::Message,
            digits_out: Way::Sound,
            hang_up: Way::Request,
            lets_go_within: Duration::from_secs(5),
            transfer: Way::Request,
            closing: Closing::GoesOn,
            ends_by_closing: false,
            proof: Proof::Signature,
            places_calls: true,
            detects_machines: true,
        },
        agent: AgentCapabilities {
            name: "cost",
            interrupts: true,
            truncates: false,
            says: true,
            pings: true,
        },
        fallback_agent: None,
        settings: CallSettings::default(),
        prompts: Prompts::default(),
        tools: Vec::new(),
        seed: 1,
    }
}
