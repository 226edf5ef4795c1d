"""Signs and checks with Plivo's own validators. Reads cases from standard input, writes findings to standard output."""

import json
import sys

from plivo.utils import validate_signature, validate_v3_signature
from plivo.utils.signature_v3 import construct_get_url, construct_post_url, get_signature_v3


def mapped(pairs):
    """Names with one value or a list of them, in the shape that web frameworks give to the validator."""
    params = {}
    for name, value in pairs:
        params.setdefault(name, []).append(value)
    return {name: values[0] if len(values) == 1 else values for name, values in params.items()}


def finding(case, token, nonce):
    url, pairs = case["url"], case["pairs"]
    method = "POST" if pairs else case["method"]

    def accepts(changed):
        params = mapped(pairs + changed) if method == "POST" else {}
        target = url if method == "POST" or not changed else url + "&more=1"
        return validate_v3_signature(method, target, nonce, token, case["signature"], params)

    base = construct_get_url(url, {}) if method == "GET" else construct_post_url(url, mapped(pairs))
    return {
        "accepted": accepts([]),
        "accepted_when_changed": accepts([["One", "more"]]),
        "signature": get_signature_v3(token.encode(), base.decode(), nonce).decode(),
        "accepted_v2": validate_signature(url, nonce, case["signature_v2"], token),
    }


cases = json.load(sys.stdin)
json.dump([finding(case, cases["token"], cases["nonce"]) for case in cases["requests"]], sys.stdout)
