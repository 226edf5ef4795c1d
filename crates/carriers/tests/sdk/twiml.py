"""Writes documents with Twilio's own builder, as a JSON object of name and document."""

import json
import sys

from twilio.twiml.voice_response import Connect, Dial, Start, Stop, Stream, VoiceResponse


def connected(when_gone, action=None):
    response = VoiceResponse()
    connect = Connect(action=action, method="POST" if action else None)
    stream = connect.stream(
        url="wss://gw.example.com/twilio/media-stream",
        name="agent",
        status_callback="https://gw.example.com/webhooks/stream?a=1&b=2",
        status_callback_method="POST",
    )
    stream.parameter(name="token", value="8f14e45fceea167a")
    stream.parameter(name="from", value="+14155550123")
    stream.parameter(name="say", value="\"<ä>\" & 'co'\n\t日本語")
    response.append(connect)
    when_gone(response)
    return response


def hang_up(response):
    response.hangup()


def say_and_hang_up(response):
    response.say("Entschuldigung & <Ende>.", language="de-DE")
    response.hangup()


def dial_a_person(response):
    dial = Dial(timeout=20, caller_id="+18005551212")
    dial.number("+14155550123")
    response.append(dial)


def go_elsewhere(response):
    response.redirect("https://gw.example.com/gone?a=1&b=2", method="POST")


def waiting():
    response = VoiceResponse()
    response.play("https://gw.example.com/a.wav?x=1&y=2", loop=2)
    response.play(digits="wwww1")
    response.pause(length=5)
    response.redirect("https://gw.example.com/ready", method="POST")
    return response


def listening_in():
    response = VoiceResponse()
    start = Start()
    stream = start.stream(url="wss://gw.example.com/tap", name="tap", track="both_tracks")
    stream.parameter(name="k", value="v")
    response.append(start)
    stop = Stop()
    stop.stream(name="tap")
    response.append(stop)
    return response


def refused(reason):
    response = VoiceResponse()
    response.reject(reason=reason)
    return response


def dialled_in_full():
    response = VoiceResponse()
    dial = Dial(
        action="https://gw.example.com/after",
        method="POST",
        timeout=20,
        time_limit=3600,
        caller_id="+18005551212",
        answer_on_bridge=True,
        hangup_on_star=True,
        record="record-from-answer-dual",
        ring_tone="de",
        refer_url="https://gw.example.com/refer",
    )
    dial.number(
        "+14155550123",
        send_digits="ww42#",
        url="https://gw.example.com/whisper",
        status_callback="https://gw.example.com/status",
        status_callback_event="ringing answered",
    )
    response.append(dial)
    return response


def dialled_by_sip():
    response = VoiceResponse()
    dial = Dial()
    dial.sip("sip:desk@pbx.example.com;transport=tls", username="me", password='p"w')
    response.append(dial)
    return response


def dialled_to_client():
    response = VoiceResponse()
    dial = Dial()
    dial.client("jenny")
    response.append(dial)
    return response


def spoken():
    response = VoiceResponse()
    response.say("All lines are busy. Please call again later.", voice="alice", language="en-GB", loop=2)
    response.hangup()
    return response


documents = {
    "connected, then hang up": connected(hang_up),
    "connected, then say": connected(say_and_hang_up),
    "connected, then dial": connected(dial_a_person),
    "connected, then redirect": connected(go_elsewhere),
    "connected, then ask": connected(hang_up, action="https://gw.example.com/gone"),
    "waiting": waiting(),
    "listening in": listening_in(),
    "busy": refused("busy"),
    "rejected": refused("rejected"),
    "dialled in full": dialled_in_full(),
    "dialled by SIP": dialled_by_sip(),
    "dialled to a client": dialled_to_client(),
    "spoken": spoken(),
}
json.dump({name: str(response) for name, response in documents.items()}, sys.stdout)
