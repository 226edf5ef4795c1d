"""Has pipecat's serializers read a carrier's messages and speak; writes down what they heard and sent, as JSON."""

import array
import asyncio
import json
import sys
from types import SimpleNamespace

from loguru import logger
from pipecat.frames.frames import (
    InputAudioRawFrame,
    InputDTMFFrame,
    InterruptionFrame,
    OutputAudioRawFrame,
)
from pipecat.serializers.plivo import PlivoFrameSerializer
from pipecat.serializers.twilio import TwilioFrameSerializer

SERIALIZERS = {"plivo": PlivoFrameSerializer, "twilio": TwilioFrameSerializer}


def heard(frame):
    if isinstance(frame, InputAudioRawFrame):
        return {"rate": frame.sample_rate, "samples": array.array("h", frame.audio).tolist()}
    if isinstance(frame, InputDTMFFrame):
        return {"digit": frame.button.value}
    return None


async def finding(carrier, case):
    serializer = SERIALIZERS[carrier]
    params = serializer.InputParams(sample_rate=8000, auto_hang_up=False)
    one = serializer(case["stream"], params=params)
    await one.setup(SimpleNamespace(audio_in_sample_rate=8000))
    read = [heard(await one.deserialize(text)) for text in case["messages"]]
    sent = []
    for samples in case["speak"]:
        audio = array.array("h", samples).tobytes()
        sent.append(await one.serialize(OutputAudioRawFrame(audio=audio, sample_rate=8000, num_channels=1)))
    return {"heard": read, "sent": sent, "clear": await one.serialize(InterruptionFrame())}


async def main():
    cases = json.load(sys.stdin)
    json.dump({carrier: await finding(carrier, case) for carrier, case in cases.items()}, sys.stdout)


logger.remove()
asyncio.run(main())
