//! The AI side's providers.

use super::Check;

impl Check<'_> {
    pub(super) fn elevenlabs(&mut self) {
        let elevenlabs = &self.config.agents.elevenlabs;
        self.safe_url("agents.elevenlabs.base_url", &elevenlabs.base_url);
        self.range("agents.elevenlabs.slots", elevenlabs.slots, 1..=10_000);
        self.range("agents.elevenlabs.slot_lease_s", elevenlabs.slot_lease_s, 10..=3_600);
        self.range("agents.elevenlabs.batch_ms", elevenlabs.batch_ms, 20..=100);
        self.range("agents.elevenlabs.connect_timeout_ms", elevenlabs.connect_timeout_ms, 100..=60_000);
        if !elevenlabs.batch_ms.is_multiple_of(20) {
            self.warn(
                "agents.elevenlabs.batch_ms",
                format!(
                    "is {}, which is not a multiple of 20: telephone sound comes in pieces of 20 ms",
                    elevenlabs.batch_ms
                ),
                "choose 20, 40, 60, 80 or 100",
            );
        }
        if elevenlabs.agent_id.is_some()
            && elevenlabs.api_key.is_none()
            && elevenlabs.needs_key()
            && !self.config.bots.iter().any(|bot| bot.agent == crate::config::AgentKind::ElevenLabs)
        {
            self.warn(
                "agents.elevenlabs.api_key",
                "is missing, so the agent in agents.elevenlabs.agent_id answers nobody",
                "set it (ELEVENLABS_API_KEY), or agents.elevenlabs.auth = \"public\" for an agent that asks for no key",
            );
        }
        if elevenlabs.api_key.is_some()
            && elevenlabs.agent_id.is_none()
            && !self.config.bots.iter().any(|bot| bot.agent == crate::config::AgentKind::ElevenLabs)
        {
            self.warn(
                "agents.elevenlabs.agent_id",
                "is missing, so the ElevenLabs key is not used",
                "set it (ELEVENLABS_AGENT_ID) to the id of the agent that answers",
            );
        }
        if let Some(key) = &elevenlabs.api_key
            && !key.reveal().bytes().all(|byte| byte.is_ascii_graphic())
        {
            self.wrong(
                "agents.elevenlabs.api_key",
                "has spaces, line breaks or characters that no HTTP header carries",
                "copy the key again, alone",
            );
        }
    }
}
