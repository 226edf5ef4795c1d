//! Every number a call goes by.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{AgentCapabilities, CallId, CarrierCapabilities};

/// Everything a call is born with.
#[derive(Clone, Debug)]
pub struct CallPlan {
    pub id: CallId,
    pub carrier: CarrierCapabilities,
    pub agent: AgentCapabilities,
    /// The agent of the bot named by [`Fallback::Bot`].
    pub fallback_agent: Option<AgentCapabilities>,
    pub settings: CallSettings,
    pub prompts: Prompts,
    /// The bot's own tools, by name. Anything else an agent calls is answered with an error.
    pub tools: Vec<String>,
    /// Chance, for the jitter of retries.
    pub seed: u64,
}

/// Sounds that the call itself can make, at the carrier's rate. An empty one is skipped.
#[derive(Clone, Debug)]
pub struct Prompts {
    /// Said before hanging up when no agent can be had.
    pub apology: Arc<[i16]>,
    /// Said before hanging up when the gateway goes down.
    pub closing: Arc<[i16]>,
}

impl Default for Prompts {
    fn default() -> Prompts {
        Prompts { apology: Arc::from([]), closing: Arc::from([]) }
    }
}

/// How a call behaves. One set per bot.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CallSettings {
    pub barge_in: BargeInSettings,
    pub reconnect: ReconnectSettings,
    pub limits: LimitSettings,
    /// What to do when the agent cannot be had any more.
    pub fallback: Fallback,
    /// Keys pressed within this time of each other reach the agent together; `#` ends the wait. 0 hands on each at once.
    pub digit_gap_ms: u32,
    /// Numbers the agent may hand a caller to. Empty: any number the bot's prompt leads it to.
    pub transfer_to: Vec<String>,
    /// What to do when a machine answers a call that we placed.
    pub voicemail: Voicemail,
}

impl Default for CallSettings {
    fn default() -> CallSettings {
        CallSettings {
            barge_in: BargeInSettings::default(),
            reconnect: ReconnectSettings::default(),
            limits: LimitSettings::default(),
            fallback: Fallback::Apologise,
            digit_gap_ms: 800,
            transfer_to: Vec::new(),
            voicemail: Voicemail::Continue,
        }
    }
}

/// When the caller may speak over the agent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BargeInSettings {
    /// Whether the caller can interrupt at all.
    pub enabled: bool,
    /// Speech score of the agent from which the caller counts as speaking, 0 to 1.
    pub score_threshold: f32,
    /// How long the score must stay at or above the threshold.
    pub score_sustained_ms: u32,
    /// Whether our own speech detector interrupts: `auto` only where the agent cannot by itself.
    pub detector: DetectorUse,
    /// Caller speech that our own detector needs before the agent is cut off. Lower reacts sooner and trips on coughs
    /// and on "uh-huh".
    pub detector_sustained_ms: u32,
    /// After an interruption, further signs within this time are the same interruption.
    pub debounce_ms: u32,
}

impl Default for BargeInSettings {
    fn default() -> BargeInSettings {
        BargeInSettings {
            enabled: true,
            score_threshold: 0.45,
            score_sustained_ms: 150,
            detector: DetectorUse::Auto,
            detector_sustained_ms: 200,
            debounce_ms: 300,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DetectorUse {
    Auto,
    Always,
    Never,
}

/// How a lost agent is called back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ReconnectSettings {
    /// Attempts in a row before the fallback. A session that lasted a while starts the count anew.
    pub attempts: u32,
    /// Wait before the first new attempt; it doubles each time.
    pub backoff_ms: u32,
    /// The longest wait between two attempts.
    pub backoff_ms_max: u32,
    /// Part of each wait that is left to chance, 0 to 1, so that a hundred calls do not dial in step.
    pub jitter: f32,
    /// The longest the caller is kept waiting for an agent in one go, whatever the attempts.
    pub patience_ms: u32,
    /// A session that lasted this long gives the attempts back.
    pub healthy_after_ms: u32,
}

impl Default for ReconnectSettings {
    fn default() -> ReconnectSettings {
        ReconnectSettings {
            attempts: 5,
            backoff_ms: 200,
            backoff_ms_max: 4_000,
            jitter: 0.3,
            patience_ms: 20_000,
            healthy_after_ms: 10_000,
        }
    }
}

/// Every limit of a call, in milliseconds unless its name says otherwise.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LimitSettings {
    /// From the first knock to the first media message.
    pub start_ms: u32,
    /// Without any media message from the carrier.
    pub no_media_ms: u32,
    /// From dialling an agent to its readiness.
    pub agent_ready_ms: u32,
    /// Without any sign of life from an agent that gives signs of life.
    pub agent_stalled_ms: u32,
    /// After the caller stopped speaking, without any answer. Noted, not punished: some agents
    /// keep silent on purpose.
    pub agent_silent_ms: u32,
    pub max_duration_ms: u32,
    /// Without speech from either side.
    pub stale_ms: u32,
    /// The longest wait for a goodbye to be heard before hanging up or handing over.
    pub goodbye_ms: u32,
    /// The longest wait for the carrier to let go after being told to hang up.
    pub hang_up_ms: u32,
    /// Messages of the conversation that are kept for a new session of the agent and for the record.
    pub history_messages: u32,
    /// The most agent speech that is kept unplayed.
    pub playout_ms: u32,
}

impl Default for LimitSettings {
    fn default() -> LimitSettings {
        LimitSettings {
            start_ms: 10_000,
            no_media_ms: 15_000,
            agent_ready_ms: 10_000,
            agent_stalled_ms: 45_000,
            agent_silent_ms: 30_000,
            max_duration_ms: 3_600_000,
            stale_ms: 300_000,
            goodbye_ms: 15_000,
            hang_up_ms: 5_000,
            history_messages: 100,
            playout_ms: 300_000,
        }
    }
}

impl LimitSettings {
    pub(crate) fn ms(value: u32) -> Duration {
        Duration::from_millis(u64::from(value))
    }
}

/// What to do when the agent cannot be had any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum Fallback {
    /// Say sorry and hang up.
    Apologise,
    /// Hand the caller to a person.
    Transfer { to: String },
    /// Let another bot go on.
    Bot { name: String },
}

/// What to do when a machine answers a call that we placed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum Voicemail {
    /// Nothing: the agent talks to it, or finds out by itself.
    #[default]
    Continue,
    /// Hang up at once.
    HangUp,
    /// Have the agent say this, then hang up.
    Say { text: String },
}
