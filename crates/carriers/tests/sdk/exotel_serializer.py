"""Has pipecat's serializer for Exotel read what it is given and write what it is told; writes down both as JSON."""

import asyncio
import base64
import json
import sys

from loguru import logger

logger.remove()

from pipecat.frames.frames import InputAudioRawFrame, InterruptionFrame, OutputAudioRawFrame
from pipecat.serializers.exotel import ExotelFrameSerializer


class Setup:
    """As much of a pipeline's setup as the serializer looks at."""

    def __init__(self, hz):
        self.audio_in_sample_rate = hz


async def converse(asked):
    hz = asked["hz"]
    params = ExotelFrameSerializer.InputParams(exotel_sample_rate=hz, sample_rate=hz)
    serializer = ExotelFrameSerializer(asked["stream_sid"], params=params)
    await serializer.setup(Setup(hz))

    heard = []
    for message in asked["messages"]:
        frame = await serializer.deserialize(message)
        if isinstance(frame, InputAudioRawFrame):
            heard.append(
                {
                    "hz": frame.sample_rate,
                    "channels": frame.num_channels,
                    "audio": base64.b64encode(frame.audio).decode(),
                }
            )
    key = await serializer.deserialize(json.dumps(asked["key"]))

    sound = OutputAudioRawFrame(
        audio=base64.b64decode(asked["sound"]), sample_rate=hz, num_channels=1
    )
    said = [await serializer.serialize(sound), await serializer.serialize(InterruptionFrame())]
    return {"heard": heard, "key": key.button.value, "said": said}


json.dump(asyncio.run(converse(json.load(sys.stdin))), sys.stdout)
