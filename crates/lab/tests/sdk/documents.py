"""Builds documents with Twilio's own TwiML builder and prints them as JSON.

usage: documents.py MEDIA_URL CALLBACK_URL
"""

import json
import sys

from twilio.twiml.voice_response import Connect, Dial, Stream, VoiceResponse


def main():
    media_url, callback_url = sys.argv[1:3]
    documents = {}

    response = VoiceResponse()
    response.say("Hello & welcome <caller>", voice="alice", language="en-GB", loop=2)
    response.pause(length=1)
    response.play("", digits="ww12")
    response.hangup()
    documents["words"] = str(response)

    response = VoiceResponse()
    connect = Connect(action=callback_url, method="POST")
    stream = Stream(url=media_url, name="leg", status_callback=callback_url, status_callback_method="POST")
    stream.parameter(name="token", value='a"b<c>&é')
    stream.parameter(name="from", value="+14155550100")
    connect.append(stream)
    response.append(connect)
    documents["stream"] = str(response)

    response = VoiceResponse()
    dial = Dial(caller_id="+14155550199", timeout=20, time_limit=60, answer_on_bridge=True, hangup_on_star=False)
    dial.number("+14155550123", send_digits="wwww1", status_callback=callback_url, status_callback_event="answered")
    dial.sip("sip:desk@example.com", username="u", password="p")
    response.append(dial)
    response.redirect(callback_url, method="GET")
    documents["dial"] = str(response)

    response = VoiceResponse()
    response.reject(reason="busy")
    documents["reject"] = str(response)

    print(json.dumps(documents))


main()
