//! What a call amounts to when it is over.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{CallId, EndCause};

/// The sums of a finished call. The ledger has the story, this has the figures.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Receipt {
    pub call: CallId,
    pub end: EndCause,
    pub duration_ms: u64,
    /// From the dialling of the agent to its readiness, for the first session.
    pub agent_ready_ms: Option<u64>,
    /// From the start of media to the first sound of the agent.
    pub first_sound_ms: Option<u64>,
    /// From the caller's last word to the agent's first, each time, at most [`Tally::LATENCIES_MAX`] of them.
    pub answer_ms: Vec<u64>,
    /// From the decision to interrupt to the carrier's confirmation.
    pub silence_ms: Vec<u64>,
    pub tally: Tally,
}

/// Everything that is counted in a call.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    pub frames_in: u64,
    pub frames_out: u64,
    /// Agent speech that was taken on, sent to the carrier, and heard by the caller.
    pub agent_ms: u64,
    pub sent_ms: u64,
    pub heard_ms: u64,
    pub caller_speech_ms: u64,
    pub caller_turns: u64,
    pub agent_turns: u64,
    pub interrupted_turns: u64,
    pub barge_ins: u64,
    pub late_audio_ms: u64,
    pub overflowed_ms: u64,
    pub held_dropped: u64,
    pub marks_lost: u64,
    pub agent_dials: u64,
    pub agent_losses: u64,
    pub tools: u64,
    pub digits: u64,
    pub silence_fed_ms: u64,
    pub forgotten_messages: u64,
    pub unexpected: u64,
    /// By side and kind, `caller.malformed` and so on.
    pub oddities: BTreeMap<String, u64>,
}

impl Tally {
    /// Latencies kept one by one; later ones are only counted as turns.
    pub const LATENCIES_MAX: usize = 200;
}
