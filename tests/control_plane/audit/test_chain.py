"""The rule of the hash chain, without a database."""

import dataclasses
import hashlib
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from control_plane.audit.catalogue import MEANINGS, Action
from control_plane.audit.chain import GENESIS, Break, Link, canonical, first_break, link_hash

STUDIO = UUID("018f0000-0000-7000-8000-000000000001")
AT = datetime(2026, 11, 21, 10, 0, 0, 5, tzinfo=UTC)


def link(sequence: int, previous: bytes, **changes: Any) -> Link:
    values: dict[str, Any] = {
        "studio_id": STUDIO,
        "sequence": sequence,
        "occurred_at": AT,
        "action": "room.created",
        "actor_kind": "user",
        "actor_id": STUDIO,
        "actor_job": "",
        "object_type": "studios.Room",
        "object_id": "1",
        "details": {"b": 1, "a": [True, None, "é"]},
        "previous_hash": previous,
    }
    return Link(**(values | changes))


def chain(length: int) -> list[tuple[Link, bytes]]:
    made: list[tuple[Link, bytes]] = []
    previous = GENESIS
    for sequence in range(1, length + 1):
        item = link(sequence, previous)
        previous = link_hash(item)
        made.append((item, previous))
    return made


def head(links: list[tuple[Link, bytes]]) -> tuple[int, bytes]:
    return (links[-1][0].sequence, links[-1][1]) if links else (0, GENESIS)


def test_the_canonical_form_never_changes() -> None:
    assert canonical(link(1, GENESIS)) == (
        b'{"action":"room.created","actor":{"id":"018f0000-0000-7000-8000-000000000001","job":"","kind":"user"},'
        b'"at":"2026-11-21T10:00:00.000005+00:00","details":{"a":[true,null,"\xc3\xa9"],"b":1},"form":1,'
        b'"object":{"id":"1","type":"studios.Room"},"previous":"' + b"00" * 32 + b'","sequence":1,'
        b'"studio":"018f0000-0000-7000-8000-000000000001"}'
    )
    assert link_hash(link(1, GENESIS)) == hashlib.sha256(canonical(link(1, GENESIS))).digest()


def test_the_time_zone_of_an_instant_does_not_matter() -> None:
    elsewhere = AT.astimezone(timezone(timedelta(hours=5)))
    assert canonical(link(1, GENESIS, occurred_at=elsewhere)) == canonical(link(1, GENESIS))


@pytest.mark.parametrize(
    "details", [{"x": 1.5}, {"x": AT}, {"x": b"1"}, {"x": 2**60}, {"x": [{"y": 0.0}]}, {"x": "a\0b"}]
)
def test_details_without_one_canonical_form_are_refused(details: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="details"):
        canonical(link(1, GENESIS, details=details))


@given(length=st.integers(0, 6))
def test_an_untouched_chain_holds(length: int) -> None:
    links = chain(length)
    assert first_break(links, head(links)) is None


@given(st.data())
def test_any_changed_field_breaks_the_chain_at_that_entry(data: st.DataObject) -> None:
    links = chain(5)
    index = data.draw(st.integers(0, 4))
    change: dict[str, Any] = data.draw(
        st.sampled_from(
            [
                {"action": "room.removed"},
                {"actor_id": None},
                {"actor_kind": "system"},
                {"actor_job": "x"},
                {"object_id": "2"},
                {"object_type": "studios.Studio"},
                {"details": {}},
                {"occurred_at": AT + timedelta(microseconds=1)},
                {"studio_id": None},
                {"previous_hash": b"\1" * 32},
            ]
        )
    )
    links[index] = (dataclasses.replace(links[index][0], **change), links[index][1])
    found = first_break(links, head(links))
    assert found is not None
    assert found.sequence == index + 1


@given(index=st.integers(0, 4))
def test_a_missing_entry_is_named(index: int) -> None:
    links = chain(5)
    whole_head = head(links)
    del links[index]
    found = first_break(links, whole_head)
    assert found is not None
    assert found.sequence == index + 1


def test_a_rehashed_entry_breaks_the_next_one() -> None:
    links = chain(3)
    forged = dataclasses.replace(links[1][0], details={"forged": True})
    links[1] = (forged, link_hash(forged))
    assert first_break(links, head(links)) == Break(3, "it does not follow from the entry before it")


def test_every_action_has_a_meaning() -> None:
    assert set(MEANINGS) == set(Action)
