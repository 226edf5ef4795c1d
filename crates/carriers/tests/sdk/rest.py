"""Has Twilio's own client make its requests and read the given replies; writes down both as JSON."""

import json
import logging
import sys

from twilio.base.exceptions import TwilioException
from twilio.http import HttpClient
from twilio.http.response import Response
from twilio.rest import Client


class Recorder(HttpClient):
    """Sends nothing: keeps the request and answers with what it was told to."""

    def __init__(self):
        super().__init__(logging.getLogger("recorder"), False, None)
        self.requests = []
        self.reply = (200, "{}")

    def request(
        self, method, uri, params=None, data=None, headers=None, auth=None, timeout=None, allow_redirects=False
    ):
        pairs = []
        for name, value in (data or {}).items():
            values = value if isinstance(value, list) else [value]
            pairs.extend([name, str(one)] for one in values)
        self.requests.append({"method": method, "url": uri, "auth": list(auth), "form": pairs})
        return Response(*self.reply)


def made_requests(document):
    recorder = Recorder()
    client = Client("AC1", "token", http_client=recorder)
    call = client.calls("CA1")

    call.update(status="completed")
    call.update(status="canceled")
    call.update(twiml=document)
    call.update(url="https://gw.example.com/next?a=1", method="POST")
    call.update(
        status_callback="https://gw.example.com/status",
        status_callback_method="POST",
        fallback_url="https://gw.example.com/fallback",
        fallback_method="POST",
        time_limit=600,
    )
    client.api.accounts("AC1").fetch()
    recorder.reply = (201, '{"sid":"CA9","status":"queued"}')
    client.calls.create(to="+14155550123", from_="+18005551212", url="https://gw.example.com/", method="POST")
    client.calls.create(to="+14155550123", from_="+18005551212", application_sid="AP1")
    client.calls.create(
        to="+14155550123",
        from_="+18005551212",
        twiml=document,
        status_callback="https://gw.example.com/status",
        status_callback_method="POST",
        status_callback_event=["initiated", "ringing", "answered", "completed"],
        timeout=30,
        send_digits="wW1#",
        machine_detection="DetectMessageEnd",
        machine_detection_timeout=10,
        async_amd="true",
        async_amd_status_callback="https://gw.example.com/amd",
        async_amd_status_callback_method="POST",
        time_limit=3600,
        record=True,
        caller_id="+18005551213",
        call_token="t",
    )
    call.streams.create(
        url="wss://gw.example.com/tap",
        name="tap",
        track="both_tracks",
        status_callback="https://gw.example.com/stream",
        parameter1_name="k",
        parameter1_value="v",
        parameter2_name="l",
        parameter2_value="w",
    )
    call.streams("MZ1").update(status="stopped")
    Client("SK1", "key", "AC1", region="ie1", edge="dublin", http_client=recorder).calls("CA1").update(
        status="completed"
    )
    return recorder.requests


def read_replies(replies):
    recorder = Recorder()
    client = Client("AC1", "token", http_client=recorder)
    findings = []
    for reply in replies:
        recorder.reply = (reply["status"], reply["body"])
        try:
            client.calls("CA1").update(status="completed")
            findings.append({"done": True})
        except TwilioException as error:
            findings.append({"done": False, "code": getattr(error, "code", None)})
    return findings


asked = json.load(sys.stdin)
json.dump({"requests": made_requests(asked["document"]), "replies": read_replies(asked["replies"])}, sys.stdout)
