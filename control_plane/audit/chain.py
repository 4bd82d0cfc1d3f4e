"""The rule of the hash chain, without database or clock: what is hashed, how, and where a chain breaks.

Source: RFC 8785 (canonical JSON), FIPS 180-4 (SHA-256).
"""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import rfc8785

FORM = 1
"""Version of the canonical form; a change of it adds a number and keeps the old rule."""
GENESIS = bytes(32)
LARGEST_INTEGER = 2**53 - 1
"""RFC 8785 writes numbers as JavaScript has them; beyond this a whole number is not one number any more."""


@dataclass(frozen=True, kw_only=True)
class Link:
    """The content of one entry, as a value."""

    studio_id: UUID | None
    sequence: int
    occurred_at: datetime
    action: str
    actor_kind: str
    actor_id: UUID | None
    actor_job: str
    object_type: str
    object_id: str
    details: dict[str, Any]
    previous_hash: bytes


@dataclass(frozen=True)
class Break:
    """The first place where a chain does not hold, and why."""

    sequence: int
    reason: str


def canonical(link: Link) -> bytes:
    """Returns the bytes that are hashed.

    Raises:
        ValueError: `details` holds what has no one canonical form through the database (floats, dates, big integers).
    """
    return (
        b'{"action":%b,"actor":{"id":%b,"job":%b,"kind":%b},"at":"%b","details":%b,"form":%d,'
        b'"object":{"id":%b,"type":%b},"previous":"%b","sequence":%d,"studio":%b}'
        % (
            _json(link.action),
            _id(link.actor_id),
            _json(link.actor_job),
            _json(link.actor_kind),
            link.occurred_at.astimezone(UTC).isoformat(timespec="microseconds").encode(),
            canonical_json(link.details, "details"),
            FORM,
            _json(link.object_id),
            _json(link.object_type),
            link.previous_hash.hex().encode(),
            link.sequence,
            _id(link.studio_id),
        )
    )


def canonical_json(value: Any, name: str) -> bytes:
    """Returns a value of text, whole numbers, booleans, null, lists and mappings as RFC 8785 has it.

    Python's own encoder, told to sort, writes the same bytes several times as fast, but sorts keys by code point where
    the standard sorts by UTF-16 code unit: these orders part only beyond U+D7FF, and there the slow way is taken. A
    property test holds the two side by side.

    Raises:
        ValueError: the value holds something else; `name` says in the message which value.
    """
    _check(value, name)
    text = _encode(value)
    try:
        if text.isascii() or max(text) < "\ud800":
            return text.encode()
        return rfc8785.dumps(_plain(value))
    except (rfc8785.CanonicalizationError, UnicodeEncodeError) as error:
        raise ValueError(f"{name} has no canonical form: {error}") from error


def link_hash(link: Link) -> bytes:
    """Returns the 32 bytes that the next entry refers to.

    Raises:
        ValueError: see `canonical`.
    """
    return hashlib.sha256(canonical(link)).digest()


def first_break(links: Iterable[tuple[Link, bytes]], head: tuple[int, bytes]) -> Break | None:
    """Returns where a chain breaks first, or None where it holds up to its head.

    Args:
        links: each entry with the hash stored beside it, by sequence.
        head: sequence and hash of the last entry as the chain's head has them; `(0, GENESIS)` for an empty chain.
    """
    sequence, previous = 0, GENESIS
    for link, stored in links:
        if link.sequence != sequence + 1:
            return Break(sequence + 1, f"entry {sequence + 1} is missing")
        if link.previous_hash != previous:
            return Break(link.sequence, "it does not follow from the entry before it")
        try:
            computed = link_hash(link)
        except ValueError as error:
            return Break(link.sequence, str(error))
        if computed != stored:
            return Break(link.sequence, "its content does not match its hash")
        sequence, previous = link.sequence, stored
    if head != (sequence, previous):
        reached = min(sequence, head[0])
        return Break(reached + 1, f"the chain's head is at {head[0]} but its entries end at {sequence}")
    return None


_encode = json.JSONEncoder(
    ensure_ascii=False, check_circular=False, allow_nan=False, sort_keys=True, separators=(",", ":")
).encode


def _json(text: str) -> bytes:
    return _encode(text).encode()


def _id(value: UUID | None) -> bytes:
    return b"null" if value is None else b'"%b"' % str(value).encode()


def _check(value: Any, where: str) -> None:
    kind = type(value)
    if kind is str:
        if "\0" in value:
            raise ValueError(f"{where} holds a NUL character")
    elif kind is dict:
        for key, item in value.items():
            if not isinstance(key, str):
                raise ValueError(f"{where} has a key that is a {type(key).__name__}, not text")
            _check(key, f"a key of {where}")
            _check(item, f"{where}.{key}")
    elif kind is list or kind is tuple:
        for item in value:
            _check(item, f"an item of {where}")
    elif kind is int:
        if not -LARGEST_INTEGER <= value <= LARGEST_INTEGER:
            raise ValueError(f"{where} is {value}, which is no exact number in JSON")
    elif value is not None and kind is not bool:
        if isinstance(value, str):  # members of a StrEnum, text of lazy translations
            _check(str(value), where)
            return
        raise ValueError(f"{where} is a {kind.__name__}; give text, whole numbers, true, false or null")


def _plain(value: Any) -> Any:
    """Returns plain text for members of a StrEnum, throughout."""
    if isinstance(value, str):
        return str(value)
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return {str(key): _plain(item) for key, item in value.items()} if isinstance(value, dict) else value
