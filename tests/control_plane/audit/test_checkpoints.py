"""Signed checkpoints and receipts, as values."""

import base64
import copy
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid5

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from control_plane.audit.checkpoints import (
    NOTHING_BEFORE,
    BadCheckpoint,
    Head,
    public_text,
    read_checkpoint,
    receipt_for,
    root_from,
    row_fault,
    tree_path,
    tree_root,
    write_checkpoint,
)

KEY = Ed25519PrivateKey.from_private_bytes(b"k" * 32)
AT = datetime(2026, 11, 21, 10, tzinfo=UTC)
SPACE = UUID(int=7)


def heads(count: int, longer: int = 0) -> list[Head]:
    named = [
        Head(uuid5(SPACE, str(number)), number + longer, bytes([number]) * 32) for number in range(count)
    ]
    return [Head(None, 5, b"p" * 32), *named]


def checkpoint(
    number: int = 1, previous: str = NOTHING_BEFORE, count: int = 4, longer: int = 0
) -> dict[str, Any]:
    return write_checkpoint(number, AT, previous, heads(count, longer), KEY)


@given(leaves=st.lists(st.binary(min_size=32, max_size=32), min_size=1, max_size=20), data=st.data())
def test_every_leaf_has_a_path_to_the_root_and_no_other_leaf_has_it(
    leaves: list[bytes], data: st.DataObject
) -> None:
    index = data.draw(st.integers(0, len(leaves) - 1))
    path = tree_path(leaves, index)
    assert root_from(leaves[index], index, len(leaves), path) == tree_root(leaves)
    assert root_from(b"\0" * 31 + b"x", index, len(leaves), path) != tree_root(leaves)


def test_a_checkpoint_shows_the_end_of_every_chain() -> None:
    found = read_checkpoint(checkpoint(), public_key=public_text(KEY.public_key()))
    assert len(found.heads) == 5
    assert found.head_of(None) == Head(None, 5, b"p" * 32)
    assert found.taken_at == AT


@given(count=st.integers(0, 9), data=st.data())
def test_a_receipt_proves_one_chain_and_names_no_other(count: int, data: st.DataObject) -> None:
    document = checkpoint(count=count)
    wanted = data.draw(st.sampled_from(heads(count)))
    receipt = receipt_for(wanted.studio_id, document)
    assert receipt is not None
    assert read_checkpoint(receipt).heads == (wanted,)
    others = [str(head.studio_id) for head in heads(count) if head.studio_id != wanted.studio_id]
    assert not any(other in str(receipt) for other in others)


def test_a_studio_that_is_not_in_it_has_no_receipt() -> None:
    assert receipt_for(UUID(int=1), checkpoint()) is None


def _change(document: dict[str, Any], where: str) -> None:
    match where:
        case "hash of a chain":
            document["heads"][1]["hash"] = "11" * 32
        case "sequence of a chain":
            document["heads"][1]["sequence"] += 1
        case "a chain taken out":
            del document["heads"][1]
        case "time":
            document["statement"]["at"] = "2026-11-21T11:00:00+00:00"
        case "root":
            document["statement"]["root"] = "22" * 32
        case "previous":
            document["statement"]["previous"] = "33" * 32
        case "signature":
            document["signature"] = base64.b64encode(bytes(64)).decode()
        case "key":
            other = Ed25519PrivateKey.from_private_bytes(b"o" * 32)
            document["statement"]["key"] = public_text(other.public_key())
        case "form":
            document["statement"]["form"] = 9


@pytest.mark.parametrize(
    "where",
    [
        "hash of a chain", "sequence of a chain", "a chain taken out", "time", "root", "previous", "signature",
        "key", "form",
    ],
)  # fmt: skip
def test_whatever_is_changed_is_noticed(where: str) -> None:
    document = copy.deepcopy(checkpoint())
    _change(document, where)
    with pytest.raises(BadCheckpoint):
        read_checkpoint(document)


def test_a_checkpoint_by_another_key_is_refused_where_the_key_is_known() -> None:
    other = Ed25519PrivateKey.from_private_bytes(b"o" * 32)
    forged = write_checkpoint(1, AT, NOTHING_BEFORE, heads(2), other)
    assert read_checkpoint(forged).public_key == public_text(other.public_key())
    with pytest.raises(BadCheckpoint, match="is signed by"):
        read_checkpoint(forged, public_key=public_text(KEY.public_key()))


@pytest.mark.parametrize(
    "content", [b"", b"{}", b"[]", b"null", b'{"statement": 1}', b"\xff", b'{"statement": {}}']
)
def test_what_is_no_checkpoint_is_called_that(content: bytes) -> None:
    with pytest.raises(BadCheckpoint, match="no checkpoint"):
        read_checkpoint(content)


def test_a_row_holds_where_each_names_the_one_before() -> None:
    first = read_checkpoint(checkpoint())
    second = read_checkpoint(checkpoint(2, first.sha256, longer=3))
    third = read_checkpoint(checkpoint(3, second.sha256, longer=3))
    assert row_fault([first, second, third]) == ""
    assert row_fault([first, third]) == ""
    strange = read_checkpoint(checkpoint(2, "44" * 32, longer=3))
    assert row_fault([first, strange]) == "checkpoint 2 does not follow from checkpoint 1"
    twin = read_checkpoint(checkpoint(1, longer=1))
    assert "two different" in row_fault([first, twin])


def test_a_chain_that_became_shorter_is_noticed() -> None:
    first = read_checkpoint(checkpoint(longer=5))
    second = read_checkpoint(checkpoint(2, first.sha256, longer=2))
    assert "shorter" in row_fault([first, second])
