"""The rule of the hash chain, without a database."""

import dataclasses
import hashlib
import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from control_plane.audit.chain import (
    GENESIS,
    Break,
    Link,
    canonical,
    canonical_json,
    first_break,
    link_hash,
    stored_row,
)
from tests.control_plane.audit.links import as_stored

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
    assert first_break(as_stored(links), head(links)) is None


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
                {"details": {"b": 1.0, "a": [True, None, "é"]}},
                {"details": {"b": 1, "a": [1, None, "é"]}},
                {"occurred_at": AT + timedelta(microseconds=1)},
                {"studio_id": None},
                {"previous_hash": b"\1" * 32},
            ]
        )
    )
    links[index] = (dataclasses.replace(links[index][0], **change), links[index][1])
    found = first_break(as_stored(links), head(links))
    assert found is not None
    assert found.sequence == index + 1


@given(index=st.integers(0, 4))
def test_a_missing_entry_is_named(index: int) -> None:
    links = chain(5)
    whole_head = head(links)
    del links[index]
    found = first_break(as_stored(links), whole_head)
    assert found is not None
    assert found.sequence == index + 1


def test_a_rehashed_entry_breaks_the_next_one() -> None:
    links = chain(3)
    forged = dataclasses.replace(links[1][0], details={"forged": True})
    links[1] = (forged, link_hash(forged))
    assert first_break(as_stored(links), head(links)) == Break(
        3, "it does not follow from the entry before it"
    )


TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
EXACT = st.integers(-(2**53) + 1, 2**53 - 1)
PLAIN = st.recursive(
    st.none() | st.booleans() | EXACT | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=5),
    max_leaves=12,
)


@given(value=st.dictionaries(TEXT, PLAIN, max_size=6))
def test_the_fast_form_is_that_of_the_standards_own_library(value: dict[str, Any]) -> None:
    assert canonical_json(value, "details") == rfc8785.dumps(value)


KEYS_THAT_SORT_APART = {"\U0001f484": 1, "\ue000": 2, "\ufb33": 3, "€": 4, "\r": 5, "ö": 6, "1": 7, "\x80": 8}


def test_keys_are_sorted_by_utf_16_code_units() -> None:
    # Section 3.2.3 of RFC 8785, with a private-use character more: by code point it would come before the lipstick.
    keys = list(json.loads(canonical_json(KEYS_THAT_SORT_APART, "details")))
    assert keys == ["\r", "1", "\x80", "ö", "€", "\U0001f484", "\ue000", "\ufb33"]
    assert canonical_json(KEYS_THAT_SORT_APART, "details") == rfc8785.dumps(KEYS_THAT_SORT_APART)


@given(text=st.text(st.characters(codec="utf-8", max_codepoint=0x9F, exclude_characters="\0"), max_size=30))
def test_control_characters_and_quotes_are_escaped_as_the_standard_says(text: str) -> None:
    assert canonical_json({text: text}, "details") == rfc8785.dumps({text: text})


@given(details=st.dictionaries(TEXT, PLAIN, max_size=4), job=TEXT, object_id=TEXT)
def test_a_whole_entry_has_the_form_of_the_standards_own_library(
    details: dict[str, Any], job: str, object_id: str
) -> None:
    item = link(7, GENESIS, details=details, actor_job=job, object_id=object_id, actor_id=None)
    (stored,) = as_stored([(item, GENESIS)])
    assert stored.content == canonical(item)
    assert canonical(item) == rfc8785.dumps(
        {
            "form": 1,
            "studio": str(STUDIO),
            "sequence": 7,
            "at": "2026-11-21T10:00:00.000005+00:00",
            "action": "room.created",
            "actor": {"kind": "user", "id": None, "job": job},
            "object": {"type": "studios.Room", "id": object_id},
            "details": details,
            "previous": "00" * 32,
        }
    )


@given(value=st.floats() | st.integers(min_value=2**53) | st.integers(max_value=-(2**53)))
def test_numbers_that_are_not_exact_are_refused(value: float) -> None:
    with pytest.raises(ValueError, match=r"details\.x"):
        canonical_json({"x": value}, "details")


def test_half_a_character_is_refused() -> None:
    with pytest.raises(ValueError, match="details"):
        canonical_json({"x": "\ud800"}, "details")


def test_columns_that_say_the_same_in_any_order_are_hashed_alike() -> None:
    item = link(1, GENESIS, details=KEYS_THAT_SORT_APART)
    (stored,) = as_stored([(item, link_hash(item))])
    assert stored.content == canonical(item)
    assert first_break([stored], (1, link_hash(item))) is None


def test_a_year_before_christ_is_another_year() -> None:
    (good,) = as_stored([(link(1, GENESIS), GENESIS)])
    assert isinstance(good.content, bytes)
    values = ("room.created", "user", None, "", "studios.Room", "1", "{}", "00" * 32, "00" * 32, None)
    after = stored_row(1, "2026-11-21T10:00:00.000000+00:00AD", *values)
    before = stored_row(1, "2026-11-21T10:00:00.000000+00:00BC", *values)
    assert after.content != before.content


def test_details_that_are_no_json_are_named() -> None:
    values = ("room.created", "user", None, "", "studios.Room", "1", "{", "00" * 32, "00" * 32, None)
    found = first_break([stored_row(1, "", *values)], (1, GENESIS))
    assert found is not None
    assert found.sequence == 1
    assert "cannot be read" in found.reason
