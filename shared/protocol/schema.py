"""JSON Schema of the protocol: `python -m shared.protocol.schema` writes the document in `docs/ref`."""

import inspect
import json
import sys
from typing import Any

import msgspec

from shared.protocol import errors, messages, pairing, upload
from shared.protocol.version import PROTOCOL_VERSION

ROOTS: dict[str, Any] = {
    "FromAgent": messages.FromAgent,
    "ToAgent": messages.ToAgent,
    "PairRequest": pairing.PairRequest,
    "PairAnswer": pairing.PairAnswer,
    "IntentRequest": upload.IntentRequest,
    "IntentAnswer": upload.IntentAnswer,
    "CommitRequest": upload.CommitRequest,
    "CommitAnswer": upload.CommitAnswer,
    "GapsRequest": upload.GapsRequest,
    "GapsAnswer": upload.GapsAnswer,
    "Problem": errors.Problem,
}
"""The types of whole frames and bodies."""


def schema_document() -> dict[str, Any]:
    """Returns the JSON Schema (2020-12) of all of `ROOTS`, named under `$defs`."""
    roots, definitions = msgspec.json.schema_components(ROOTS.values(), ref_template="#/$defs/{name}")
    for definition in definitions.values():
        if "description" in definition:
            definition["description"] = inspect.cleandoc(
                definition["description"]
            )  # Python 3.13 does so itself
    named = dict(zip(ROOTS, roots, strict=True))
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"3Dance agent protocol, version {PROTOCOL_VERSION}",
        "$defs": dict(
            sorted({**definitions, **{k: v for k, v in named.items() if k not in definitions}}.items())
        ),
    }


def schema_text() -> str:
    """Returns the text of `docs/ref/protocol.schema.json`."""
    return json.dumps(schema_document(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.stdout.write(schema_text())
