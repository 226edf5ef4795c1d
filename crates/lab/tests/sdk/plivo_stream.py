"""Pipecat's Plivo serializer at the other end of a stream.

Reads a JSON list of the carrier's messages on standard input. Prints what the serializer makes of them, and what it
would send: a second of a loud tone in pieces of 20 ms, then an interruption.
"""

import asyncio
import json
import struct
import sys
from types import SimpleNamespace

from loguru import logger

logger.remove()

from pipecat.frames.frames import InterruptionFrame, OutputAudioRawFrame  # noqa: E402
from pipecat.runner.utils import _detect_transport_type_from_message  # noqa: E402
from pipecat.serializers.plivo import PlivoFrameSerializer  # noqa: E402

RATE = 8000


async def main():
    messages = json.load(sys.stdin)
    start = next(message for message in messages if message["event"] == "start")
    parameters = PlivoFrameSerializer.InputParams(sample_rate=RATE, auto_hang_up=False)
    serializer = PlivoFrameSerializer(start["start"]["streamId"], params=parameters)
    await serializer.setup(SimpleNamespace(audio_in_sample_rate=RATE, audio_out_sample_rate=RATE))

    samples, digits, ignored = [], [], 0
    for message in messages:
        frame = await serializer.deserialize(json.dumps(message))
        if frame is None:
            ignored += 1
        elif hasattr(frame, "audio"):
            samples.extend(struct.unpack(f"<{len(frame.audio) // 2}h", frame.audio))
        else:
            digits.append(frame.button.value)

    tone = struct.pack(f"<{RATE // 50}h", *([8000, -8000] * (RATE // 100)))
    sent = [
        await serializer.serialize(OutputAudioRawFrame(audio=tone, sample_rate=RATE, num_channels=1))
        for _ in range(50)
    ]
    sent.append(await serializer.serialize(InterruptionFrame()))
    print(
        json.dumps(
            {
                "carrier": _detect_transport_type_from_message(start),
                "samples": samples,
                "digits": digits,
                "ignored": ignored,
                "sent": [json.loads(text) for text in sent],
            }
        )
    )


asyncio.run(main())
