"""Has Plivo's own client make its requests and read the given replies; writes down both as JSON."""

import base64
import contextlib
import json
import sys

import plivo
import requests
from plivo.exceptions import PlivoRestError, ResourceNotFoundError


class Recorder:
    """Sends nothing: keeps the request and answers with what it was told to."""

    def __init__(self, client):
        self.requests = []
        self.reply = (200, "{}")
        client.session.send = self.send

    def send(self, request, **_):
        user, _, password = base64.b64decode(request.headers["Authorization"].split()[1]).decode().partition(":")
        self.requests.append(
            {
                "method": request.method,
                "url": request.url,
                "auth": [user, password],
                "body": json.loads(request.body) if request.body else None,
            }
        )
        response = requests.Response()
        response.status_code, body = self.reply
        response._content = body.encode()
        response.url = request.url
        return response


def client_and_recorder():
    client = plivo.RestClient("MAXXXXXXXXXXXXXXXXXX", "token")
    return client, Recorder(client)


def made_requests():
    client, recorder = client_and_recorder()
    calls = client.calls
    calls.hangup("c-1")
    calls.cancel("r-1")
    calls.update("c-1", legs="aleg", aleg_url="https://gw.example.com/next?a=1", aleg_method="POST")
    calls.send_digits("c-1", "1234#", leg="aleg")
    calls.create(
        from_="+18005551212",
        to_="+14155550123",
        answer_url="https://gw.example.com/answer?call=1",
        ring_url="https://gw.example.com/ring",
        hangup_url="https://gw.example.com/hangup",
        fallback_url="https://gw.example.com/fallback",
        caller_name="Ada",
        send_digits="wW1#",
        time_limit=3600,
        machine_detection="true",
        machine_detection_time=4000,
        machine_detection_url="https://gw.example.com/machine",
        sip_headers="tenant=t1",
        ring_timeout=45,
    )
    calls.start_stream(
        "c-1",
        "wss://gw.example.com/plivo/stream",
        bidirectional=True,
        audio_track="inbound",
        stream_timeout=60,
        status_callback_url="https://gw.example.com/status",
        status_callback_method="POST",
        content_type="audio/x-mulaw;rate=8000",
        extra_headers="token=abc,call=1",
    )
    calls.delete_specific_stream("c-1", "s-1")
    calls.delete_all_streams("c-1")
    with contextlib.suppress(Exception):
        # It wants a whole account in the reply; the request is what counts.
        client.account.get()
    return recorder.requests


def read_replies(replies):
    client, recorder = client_and_recorder()
    findings = []
    for reply in replies:
        client.voice_retry_count = 0
        recorder.reply = (reply["status"], reply["body"])
        try:
            client.calls.update("c-1", legs="aleg", aleg_url="https://gw.example.com/next")
            findings.append({"result": "done"})
        except ResourceNotFoundError:
            findings.append({"result": "gone"})
        except PlivoRestError as error:
            findings.append({"result": "failed", "said": str(error)})
    return findings


asked = json.load(sys.stdin)
# It prints when it tries another of Plivo's addresses.
with contextlib.redirect_stdout(sys.stderr):
    findings = {"requests": made_requests(), "replies": read_replies(asked)}
json.dump(findings, sys.stdout)
