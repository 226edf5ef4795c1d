"""Signs and checks with Twilio's own validator. Reads cases from standard input, writes findings to standard output."""

import json
import sys
from urllib.parse import urlparse

from twilio.request_validator import RequestValidator, add_port, remove_port


class Form:
    """Names with several values each, in the shape that web frameworks give to the validator."""

    def __init__(self, pairs):
        self.pairs = pairs

    def __len__(self):
        return len(self.pairs)

    def __iter__(self):
        return iter(name for name, _ in self.pairs)

    def getall(self, wanted):
        return [value for name, value in self.pairs if name == wanted]


def main():
    cases = json.load(sys.stdin)
    validator = RequestValidator(cases["token"])

    forms = []
    for case in cases["forms"]:
        form = Form(case["pairs"])
        changed = Form(case["pairs"] + [["One", "more"]])
        parsed = urlparse(case["url"])
        forms.append(
            {
                "accepted": validator.validate(case["url"], form, case["signature"]),
                "accepted_when_changed": validator.validate(case["url"], changed, case["signature"]),
                "with_port": validator.compute_signature(add_port(parsed), form),
                "without_port": validator.compute_signature(remove_port(parsed), form),
            }
        )

    bodies = []
    for case in cases["bodies"]:
        bodies.append(
            {
                "accepted": validator.validate(case["url"], case["body"], case["signature"]),
                "accepted_when_changed": validator.validate(case["url"], case["body"] + " ", case["signature"]),
                "digest": validator.compute_hash(case["body"]),
                "signature": validator.compute_signature(case["url"], {}),
            }
        )

    upgrades = [validator.compute_signature(url, {}) for url in cases["upgrades"]]
    json.dump({"forms": forms, "bodies": bodies, "upgrades": upgrades}, sys.stdout)


main()
