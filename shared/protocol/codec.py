"""JSON encoding of the protocol, and the hash of a document."""

import hashlib
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")

MESSAGE_LIMIT_BYTES = 1 << 20
"""The largest websocket frame and the largest JSON body, in both directions."""


def encode(value: Any) -> bytes:
    """Returns `value` as JSON, with keys in the order of the type's fields."""
    return msgspec.json.encode(value)


def decode(data: bytes | str, type_: type[T]) -> T:
    """Returns the `type_` in `data`.

    Raises:
        msgspec.ValidationError: well-formed JSON that is not a `type_`; the message names the field.
        msgspec.DecodeError: not JSON in UTF-8, nested too deeply, or longer than `MESSAGE_LIMIT_BYTES`.
    """
    if len(data) > MESSAGE_LIMIT_BYTES:
        raise msgspec.DecodeError(f"message of {len(data)} bytes is over the limit of {MESSAGE_LIMIT_BYTES}")
    try:
        return msgspec.json.decode(data, type=type_)
    except UnicodeDecodeError as error:
        raise msgspec.DecodeError(f"not UTF-8: {error}") from error
    except RecursionError as error:
        raise msgspec.DecodeError("nested too deeply") from error


def document_hash(value: Any) -> str:
    """Returns the SHA-256, in hex, of `value` as JSON with sorted keys: equal documents have equal hashes."""
    return hashlib.sha256(msgspec.json.encode(value, order="deterministic")).hexdigest()
