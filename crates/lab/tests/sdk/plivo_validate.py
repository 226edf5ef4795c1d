"""Asks Plivo's own library about signatures. Reads a JSON list on standard input, prints a list of verdicts.

Each entry: {"method", "url", "nonce", "token", "signature", "form": [[name, value], ...]}.
"""

import json
import sys

from plivo.utils.signature_v3 import validate_v3_signature


def as_dictionary(pairs):
    form = {}
    for name, value in pairs:
        form.setdefault(name, []).append(value)
    return {name: values[0] if len(values) == 1 else values for name, values in form.items()}


def main():
    verdicts = []
    for entry in json.load(sys.stdin):
        verdicts.append(
            validate_v3_signature(
                entry["method"],
                entry["url"],
                entry["nonce"],
                entry["token"],
                entry["signature"],
                as_dictionary(entry["form"]),
            )
        )
    print(json.dumps(verdicts))


main()
