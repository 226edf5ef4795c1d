"""Asks Twilio's own validator about signatures. Reads a JSON list on standard input, prints a list of verdicts.

Each entry: {"token", "url", "signature", "form": [[name, value], ...]} or {..., "json": "body"}.
"""

import json
import sys

from twilio.request_validator import RequestValidator


class Form:
    """Names may repeat, as in the web frameworks' own dictionaries."""

    def __init__(self, pairs):
        self.pairs = pairs

    def __iter__(self):
        return iter([name for name, _ in self.pairs])

    def __len__(self):
        return len(self.pairs)

    def getlist(self, name):
        return [value for known, value in self.pairs if known == name]


def main():
    verdicts = []
    for entry in json.load(sys.stdin):
        parameters = entry["json"] if "json" in entry else Form([tuple(pair) for pair in entry.get("form", [])])
        verdicts.append(RequestValidator(entry["token"]).validate(entry["url"], parameters, entry["signature"]))
    print(json.dumps(verdicts))


main()
