"""Talks to an emulated agent with ElevenLabs' own conversation class and tells, as JSON, what happened.

usage: conversation.py BASE_URL API_KEY SCENARIO
"""

import array
import json
import math
import sys
import threading
import time

from elevenlabs import ElevenLabs
from elevenlabs.conversational_ai.conversation import (
    AudioInterface,
    ClientTools,
    Conversation,
    ConversationInitiationData,
)

RATE = 16000
BLOCK_S = 0.25


class ScriptedAudio(AudioInterface):
    """A microphone that plays a list of (seconds, loud) pieces, and a loudspeaker that only counts."""

    def __init__(self, pieces):
        self.pieces = pieces
        self.out_bytes = 0
        self.interruptions = 0
        self.late_bytes = 0
        self.answers = None
        self.stopping = threading.Event()
        self.speak_now = threading.Event()

    def start(self, input_callback):
        self.input_callback = input_callback
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        n = 0
        for seconds, loud in self.pieces:
            if loud:
                # Silence until the agent has begun to speak.
                while not self.speak_now.is_set() and not self.stopping.is_set():
                    n = self._block(n, False)
            for _ in range(int(seconds / BLOCK_S)):
                n = self._block(n, loud)
        while not self.stopping.is_set():
            n = self._block(n, False)

    def _block(self, n, loud):
        count = int(RATE * BLOCK_S)
        block = array.array("h", [0]) * count
        if loud:
            for i in range(count):
                t = (n + i) / RATE
                block[i] = int(6000 * math.sin(2 * math.pi * 220 * t) + 3000 * math.sin(2 * math.pi * 660 * t))
        if not self.stopping.wait(BLOCK_S):
            self.input_callback(block.tobytes())
        return n + count

    def stop(self):
        self.stopping.set()

    def output(self, audio):
        self.out_bytes += len(audio)
        # Between the interruption and the next answer nothing may come through.
        if self.interruptions and len(self.answers) == 1:
            self.late_bytes += len(audio)
        self.speak_now.set()

    def interrupt(self):
        self.interruptions += 1


def main():
    base_url, api_key, scenario = sys.argv[1:4]
    told = {"agent": [], "user": [], "corrections": [], "latencies": [], "alignments": 0, "tools": [], "disconnect": None}
    client = ElevenLabs(api_key=api_key, base_url=base_url)

    tools = ClientTools()

    def look_up(parameters):
        told["tools"].append({key: value for key, value in parameters.items() if key != "tool_call_id"})
        return "open until six"

    tools.register("look_up", look_up)

    def alignment(event):
        told["alignments"] += len(event.chars)

    pieces = {"interruption": [(0.75, False), (1.0, True)], "turn": [(1.0, True)]}.get(scenario, [])
    audio = None if scenario == "text" else ScriptedAudio(pieces)
    if audio is not None:
        audio.answers = told["agent"]
    ended = threading.Event()

    def disconnected(details):
        told["disconnect"] = {"reason": details.reason, "code": details.close_code, "message": details.message}
        ended.set()

    conversation = Conversation(
        client,
        "agent_lab",
        user_id="crm-42",
        requires_auth=scenario == "signed",
        audio_interface=audio,
        client_tools=tools,
        config=ConversationInitiationData(dynamic_variables={"name": "Asha"}),
        callback_agent_response=told["agent"].append,
        callback_user_transcript=told["user"].append,
        callback_agent_response_correction=lambda original, corrected: told["corrections"].append([original, corrected]),
        callback_latency_measurement=told["latencies"].append,
        callback_audio_alignment=alignment,
        callback_disconnect=disconnected,
    )
    conversation.start_session()

    def wait_for(happened, what):
        deadline = time.monotonic() + 30
        while not happened():
            if ended.is_set() or time.monotonic() > deadline:
                sys.exit(f"{what} did not happen: {json.dumps(told)}")
            time.sleep(0.02)

    if scenario in ("public", "signed"):
        wait_for(lambda: told["agent"] and audio.out_bytes and told["latencies"], "greeting")
        conversation.end_session()
    elif scenario == "turn":
        wait_for(lambda: len(told["agent"]) > 1, "answer")
        conversation.end_session()
    elif scenario == "interruption":
        wait_for(lambda: audio.interruptions and told["corrections"] and len(told["agent"]) > 1, "interruption")
        conversation.end_session()
    elif scenario in ("tool", "text"):
        wait_for(lambda: told["agent"], "greeting")
        conversation.send_contextual_update("the caller is in a hurry")
        conversation.register_user_activity()
        conversation.send_user_message("look it up")
        # The agent hangs up after its answer.
        if not ended.wait(30):
            sys.exit(f"the agent did not hang up: {json.dumps(told)}")
    elif scenario == "refused":
        if not ended.wait(30):
            sys.exit("the conversation went on")
    else:
        sys.exit(f"no scenario {scenario!r}")

    told["conversation_id"] = conversation.wait_for_session_end()
    if audio is not None:
        told["out_bytes"] = audio.out_bytes
        told["interruptions"] = audio.interruptions
        told["late_bytes"] = audio.late_bytes
    print(json.dumps(told))


main()
