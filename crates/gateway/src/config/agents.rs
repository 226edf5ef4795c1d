//! `[agents.*]`: the AI side.

use serde::{Deserialize, Serialize};
use url::Url;
use wire::Secret;

use super::keys::{Kind, leaf, section};
use super::known_url;

section! {
    /// The AI side: one table per provider.
    pub struct Agents {
        /// ElevenLabs Agents.
        elevenlabs: ElevenLabs = ElevenLabs::default(),
    }
}

section! {
    /// ElevenLabs Agents. With a key and an agent, a bot named `elevenlabs` exists by itself.
    pub struct ElevenLabs {
        /// The API key of the workspace.
        api_key: Option<Secret> = None,
        /// The agent that answers, unless a bot names another.
        /// Example: `"agent_0000000000000000000000000000"`
        agent_id: Option<String> = None,
        /// Where ElevenLabs is: a data-residency host, a proxy or an emulator. Moves REST and WebSocket together. Plain
        /// `http` only towards loopback.
        base_url: Url = known_url("https://api.elevenlabs.io"),
        /// How a conversation is let in: `signed_url` fetches an address that is good for one conversation (the usual
        /// way for private agents), `api_key` sends the key with the socket's upgrade, `public` sends nothing and works
        /// for agents that ask for no authentication.
        auth: ElevenLabsAuth = ElevenLabsAuth::SignedUrl,
        /// Conversations at a time. Your plan has a limit of its own; stay at or below it.
        slots: u32 = 30,
        /// A slot whose call gave no sign of life for this long, in seconds, is free again.
        slot_lease_s: u32 = 120,
        /// The caller's sound is sent in pieces of this length, 20 to 100 ms. Longer ones save almost nothing and are heard
        /// that much later.
        batch_ms: u32 = 20,
        /// The longest a connection may take to stand, in milliseconds.
        connect_timeout_ms: u32 = 5_000,
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ElevenLabsAuth {
    SignedUrl,
    ApiKey,
    Public,
}

leaf! { ElevenLabsAuth => Kind::Choice(&["signed_url", "api_key", "public"]) }

impl ElevenLabs {
    /// Whether the way in asks for the API key.
    pub fn needs_key(&self) -> bool {
        match self.auth {
            ElevenLabsAuth::SignedUrl | ElevenLabsAuth::ApiKey => true,
            ElevenLabsAuth::Public => false,
        }
    }
}
