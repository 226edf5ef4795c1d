"""Reads an emulated workspace with ElevenLabs' own REST client, whose models refuse what they do not know.

usage: agent_rest.py BASE_URL API_KEY CONVERSATION_ID
"""

import json
import sys

from elevenlabs import ElevenLabs
from elevenlabs.core.api_error import ApiError


def main():
    base_url, api_key, conversation_id = sys.argv[1:4]
    client = ElevenLabs(api_key=api_key, base_url=base_url)
    agent = client.conversational_ai.agents.get("agent_lab")
    record = client.conversational_ai.conversations.get(conversation_id)
    user = client.user.get()
    signed = client.conversational_ai.conversations.get_signed_url(agent_id="agent_lab")
    statuses = []
    for attempt in (
        lambda: client.conversational_ai.agents.get("nobody"),
        lambda: ElevenLabs(api_key="wrong", base_url=base_url).user.get(),
        lambda: client.conversational_ai.conversations.get("conv_none"),
    ):
        try:
            attempt()
            statuses.append(200)
        except ApiError as error:
            statuses.append(error.status_code)
    print(
        json.dumps(
            {
                "agent_id": agent.agent_id,
                "input": agent.conversation_config.asr.user_input_audio_format,
                "output": agent.conversation_config.tts.agent_output_audio_format,
                "events": agent.conversation_config.conversation.client_events,
                "may_override_first_message":
                    agent.platform_settings.overrides.conversation_config_override.agent.first_message,
                "enable_auth": agent.platform_settings.auth.enable_auth,
                "status": record.status,
                "roles": [entry.role for entry in record.transcript],
                "tools": [call.tool_name for entry in record.transcript for call in entry.tool_calls or []],
                "seconds": record.metadata.call_duration_secs,
                "tier": user.subscription.tier,
                "signed_url": signed.signed_url,
                "statuses": statuses,
            }
        )
    )


main()
