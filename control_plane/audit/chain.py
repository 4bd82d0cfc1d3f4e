"""The rule of the hash chain, without database or clock: what is hashed, how, and where a chain breaks.

Source: RFC 8785 (canonical JSON), FIPS 180-4 (SHA-256).
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import rfc8785

FORM = 1
"""Version of the canonical form; a change of it adds a number and keeps the old rule."""
GENESIS = bytes(32)


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
    try:
        return rfc8785.dumps(
            {
                "form": FORM,
                "studio": _text(link.studio_id),
                "sequence": link.sequence,
                "at": link.occurred_at.astimezone(UTC).isoformat(timespec="microseconds"),
                "action": link.action,
                "actor": {"kind": link.actor_kind, "id": _text(link.actor_id), "job": link.actor_job},
                "object": {"type": link.object_type, "id": link.object_id},
                "details": _plain(link.details, "details"),
                "previous": link.previous_hash.hex(),
            }
        )
    except rfc8785.CanonicalizationError as error:
        raise ValueError(f"details have no canonical form: {error}") from error


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


def _text(value: UUID | None) -> str | None:
    return None if value is None else str(value)


def _plain(value: Any, where: str) -> Any:
    if value is None or isinstance(value, bool | str):
        if isinstance(value, str) and "\0" in value:
            raise ValueError(f"{where} holds a NUL character")
        return str(value) if isinstance(value, str) else value
    if isinstance(value, int):
        return value
    if isinstance(value, list | tuple):
        return [_plain(item, f"{where}[{index}]") for index, item in enumerate(value)]
    if isinstance(value, dict):
        return {str(key): _plain(item, f"{where}.{key}") for key, item in value.items()}
    raise ValueError(f"{where} is a {type(value).__name__}; give text, whole numbers, true, false or null")
