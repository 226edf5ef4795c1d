"""Writes documents with Plivo's own builder, as a JSON object of name and document."""

import json
import sys

from plivo import plivoxml as xml


def connected(*after, content_type="audio/x-mulaw;rate=8000"):
    stream = xml.StreamElement(
        "wss://gw.example.com/plivo/stream",
        bidirectional=True,
        audioTrack="inbound",
        streamTimeout=3600,
        statusCallbackUrl="https://gw.example.com/plivo/stream-status?a=1&b=2",
        statusCallbackMethod="POST",
        contentType=content_type,
        extraHeaders="token=8f14e45f,call=0198c0ff",
        keepCallAlive=True,
    )
    response = xml.ResponseElement().add(stream)
    for element in after:
        response.add(element)
    return response


def dialled(dial, destination):
    return xml.ResponseElement().add(dial.add(destination))


documents = {
    "connected, then hang up": connected(xml.HangupElement()),
    "connected in wide sound": connected(xml.HangupElement(), content_type="audio/x-l16;rate=16000"),
    "connected, then speak": connected(
        xml.SpeakElement("Entschuldigung & <Ende>.", language="de-DE"), xml.HangupElement()
    ),
    "connected, then dial": connected(
        xml.DialElement(timeout=20, caller_id="+18005551212").add(xml.NumberElement("+14155550123"))
    ),
    "busy": xml.ResponseElement()
    .add(xml.SpeakElement("All lines are busy. Please call again later."))
    .add(xml.HangupElement()),
    "refused": xml.ResponseElement().add(xml.HangupElement(reason="busy")),
    "dialled in full": dialled(
        xml.DialElement(
            action="https://gw.example.com/after",
            method="POST",
            hangup_on_star=True,
            time_limit=3600,
            timeout=20,
            caller_id="+18005551212",
        ),
        xml.NumberElement("+14155550123"),
    ),
    "dialled by SIP": dialled(xml.DialElement(), xml.UserElement("sip:desk@pbx.example.com;transport=tls")),
}
json.dump({name: document.to_string(pretty=False) for name, document in documents.items()}, sys.stdout)
