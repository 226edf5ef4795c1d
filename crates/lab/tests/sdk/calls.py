"""Places and steers calls with Twilio's own REST client.

usage: calls.py BASE_URL ACCOUNT_SID AUTH_TOKEN DOCUMENT_URL RUNNING_CALL_SID
"""

import json
import sys
import time

from twilio.base.exceptions import TwilioRestException
from twilio.rest import Client


def main():
    base_url, account, token, document_url, running = sys.argv[1:6]
    client = Client(account, token)
    client.api.base_url = base_url
    told = {}

    call = client.calls(running).fetch()
    told["running"] = [call.status, call.direction, call.from_formatted]
    updated = client.calls(running).update(twiml="<Response><Pause length='60'/></Response>")
    told["updated"] = updated.status
    told["completed"] = client.calls(running).update(status="completed").status

    created = client.calls.create(
        to="+14155550777",
        from_="+14155550199",
        url=document_url,
        status_callback=document_url,
        status_callback_event=["initiated", "answered", "completed"],
        timeout=30,
    )
    told["created"] = [created.status, created.sid, created.direction]
    deadline = time.monotonic() + 20
    while client.calls(created.sid).fetch().status != "in-progress":
        if time.monotonic() > deadline:
            sys.exit("the originated call was never answered")
        time.sleep(0.05)
    told["hung_up"] = client.calls(created.sid).update(status="completed").status
    while client.calls(created.sid).fetch().status != "completed":
        if time.monotonic() > deadline:
            sys.exit("the originated call never ended")
        time.sleep(0.05)
    ended = client.calls(created.sid).fetch()
    told["times"] = [ended.start_time is not None, ended.end_time is not None, ended.duration is not None]

    errors = []
    for attempt in (
        lambda: client.calls(created.sid).update(status="completed"),
        lambda: client.calls("CA" + "0" * 32).fetch(),
        lambda: client.calls.create(to="nobody", from_="+1415", url=document_url),
    ):
        try:
            attempt()
            errors.append(None)
        except TwilioRestException as error:
            errors.append([error.status, error.code])
    told["errors"] = errors
    wrong = Client(account, "wrong")
    wrong.api.base_url = base_url
    try:
        wrong.calls(running).fetch()
    except TwilioRestException as error:
        told["stranger"] = [error.status, error.code]
    told["account"] = client.api.accounts(account).fetch().status
    print(json.dumps(told))


main()
