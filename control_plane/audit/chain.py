"""The rule of the hash chain, without database or clock: the canonical form, the hash, and the first break.

Source: RFC 8785 (canonical JSON), FIPS 180-4 (SHA-256).
"""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec
import rfc8785

FORM = 1
"""Version of the canonical form. A change adds a version and keeps the old rule."""
GENESIS = bytes(32)
LARGEST_INTEGER = 2**53 - 1
"""RFC 8785 uses JavaScript's numbers, which are exact up to this whole number."""


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
    """The first break of a chain, with the reason."""

    sequence: int
    reason: str


def canonical(link: Link) -> bytes:
    """Returns the bytes to hash.

    Raises:
        ValueError: `details` has a value without a unique form in the database (floats, dates, big integers).
    """
    at = link.occurred_at.astimezone(UTC).isoformat(timespec="microseconds")
    actor_id, studio_id = _id(link.actor_id), _id(link.studio_id)
    details = canonical_json(link.details, "details").decode()
    return _form(
        link.action, link.actor_kind, actor_id, link.actor_job, at, details, link.object_type, link.object_id,
        link.previous_hash.hex(), link.sequence, studio_id,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Stored:
    """One stored entry: `content` holds the bytes to hash, or the reason why there are none; hashes are hex."""

    sequence: int
    previous: str
    content: bytes | str
    stored: str


def stored_row(
    sequence: int,
    at: str,
    action: str,
    actor_kind: str,
    actor_id: str | None,
    actor_job: str,
    object_type: str,
    object_id: str,
    details: str,
    previous: str,
    stored: str,
    studio_id: str | None,
) -> Stored:
    """Returns an entry from columns that the database has written as text: several times as fast as through `Link`.

    Args:
        at: in UTC, as `canonical` writes it, followed by the era.
        details: JSON with its keys in any order.
    """
    content: bytes | str
    try:
        text = _encode_sorted(_decode(details)).decode()
        if not text.isascii() and max(text) >= "\ud800":
            text = canonical_json(json.loads(details), "details").decode()
        content = _form(
            action, actor_kind, f'"{actor_id}"' if actor_id else "null", actor_job, at.removesuffix("AD"), text,
            object_type, object_id, previous, sequence, f'"{studio_id}"' if studio_id else "null",
        )  # fmt: skip
    except (ValueError, RecursionError) as error:
        content = f"its content cannot be read: {error}"
    return Stored(sequence, previous, content, stored)


def canonical_json(value: Any, name: str) -> bytes:
    """Returns a value of text, whole numbers, booleans, null, lists and mappings in the form of RFC 8785.

    Python's encoder with sorted keys writes the same bytes several times as fast, but sorts by code point where the
    standard sorts by UTF-16 code unit. The orders differ only above U+D7FF; there the slow path is used. A property test
    compares the two.

    Raises:
        ValueError: the value holds another type; the message names the value by `name`.
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
    """Returns the 32 bytes that the next entry stores as `previous_hash`.

    Raises:
        ValueError: see `canonical`.
    """
    return hashlib.sha256(canonical(link)).digest()


def first_break(found: Iterable[Stored], head: tuple[int, bytes]) -> Break | None:
    """Returns the first break of a chain, or None if it is intact up to its head.

    Args:
        found: the stored entries, by sequence.
        head: sequence and hash of the last entry according to the chain's head; `(0, GENESIS)` for an empty chain.
    """
    walk = Walk()
    return walk.over(found) or walk.end(head)


class Walk:
    """A check along a chain: `sequence` and `hash` (hex) are those of the last intact entry."""

    def __init__(self) -> None:
        self.sequence, self.hash = 0, GENESIS.hex()

    def over(self, found: Iterable[Stored]) -> Break | None:
        """Checks further entries, by sequence; returns the first break."""
        sha256 = hashlib.sha256
        sequence, previous = self.sequence, self.hash
        for entry in found:
            if entry.sequence != sequence + 1:
                return Break(sequence + 1, f"entry {sequence + 1} is missing")
            if entry.previous != previous:
                return Break(entry.sequence, "it does not follow from the entry before it")
            if isinstance(entry.content, str):
                return Break(entry.sequence, entry.content)
            if sha256(entry.content).hexdigest() != entry.stored:
                return Break(entry.sequence, "its content does not match its hash")
            sequence, previous = self.sequence, self.hash = entry.sequence, entry.stored
        return None

    def end(self, head: tuple[int, bytes]) -> Break | None:
        """Compares the last entry with the chain's head."""
        if (head[0], head[1].hex()) == (self.sequence, self.hash):
            return None
        reached = min(self.sequence, head[0])
        return Break(reached + 1, f"the chain's head is at {head[0]} but its entries end at {self.sequence}")


def _form(
    action: str,
    actor_kind: str,
    actor_id: str,
    actor_job: str,
    at: str,
    details: str,
    object_type: str,
    object_id: str,
    previous: str,
    sequence: int,
    studio_id: str,
) -> bytes:
    """Returns the canonical form; ids and details are given as JSON, the rest as plain text."""
    return (
        f'{{"action":{_quoted(action)},"actor":{{"id":{actor_id},"job":{_quoted(actor_job)},'
        f'"kind":{_quoted(actor_kind)}}},"at":"{at}","details":{details},"form":{FORM},'
        f'"object":{{"id":{_quoted(object_id)},"type":{_quoted(object_type)}}},'
        f'"previous":"{previous}","sequence":{sequence},"studio":{studio_id}}}'
    ).encode()


_encode = json.JSONEncoder(
    ensure_ascii=False, check_circular=False, allow_nan=False, sort_keys=True, separators=(",", ":")
).encode


_quoted = json.encoder.encode_basestring
_decode = msgspec.json.Decoder().decode
_encode_sorted = msgspec.json.Encoder(order="sorted").encode


def _id(value: UUID | None) -> str:
    return "null" if value is None else f'"{value}"'


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
