"""A checkpoint: the signed ends of all chains at one instant. Pure; works without Django, for the offline verifier.

The signed statement is short: the root of a hash tree over the ends of all chains, and the hash of the previous
statement. The operator's file lists all ends. A studio gets a receipt: a path through the tree proves that its own end is
included, and reveals nothing about other studios.

Source: RFC 8032 (Ed25519), RFC 6962 section 2.1 (the hash tree and its paths), RFC 8785.
"""

import base64
import binascii
import hashlib
import itertools
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from control_plane.audit.chain import canonical_json

FORM = 1
KIND = "threedance-checkpoint"
KEY_PREFIX = "ed25519:"
NOTHING_BEFORE = "00" * 32


class BadCheckpoint(Exception):
    """A checkpoint is inconsistent, or not signed by the expected key; the message gives the reason."""


@dataclass(frozen=True)
class Head:
    """The end of one chain: its last entry's sequence and hash; 0 and 32 zero bytes for an empty one."""

    studio_id: UUID | None
    sequence: int
    hash: bytes

    def facts(self) -> dict[str, Any]:
        """Returns its form in files."""
        studio = None if self.studio_id is None else str(self.studio_id)
        return {"studio": studio, "sequence": self.sequence, "hash": self.hash.hex()}


@dataclass(frozen=True)
class Checked:
    """A checkpoint with a valid signature and tree; `heads` are the ends that this file contains."""

    number: int
    taken_at: datetime
    sha256: str
    previous: str
    public_key: str
    heads: tuple[Head, ...]

    def head_of(self, studio_id: UUID | None) -> Head | None:
        """Returns the end of one chain, or None if the file does not contain it."""
        return next((head for head in self.heads if head.studio_id == studio_id), None)


def write_checkpoint(
    number: int, taken_at: datetime, previous: str, heads: Iterable[Head], key: Ed25519PrivateKey
) -> dict[str, Any]:
    """Returns the content of the checkpoint's file.

    Args:
        previous: `Checked.sha256` of the previous one; `NOTHING_BEFORE` for the first.
    """
    ordered = sorted(heads, key=lambda head: str(head.studio_id or ""))
    statement = {
        "form": FORM,
        "kind": KIND,
        "number": number,
        "at": taken_at.astimezone(UTC).isoformat(timespec="seconds"),
        "previous": previous,
        "root": tree_root([_leaf(head) for head in ordered]).hex(),
        "chains": len(ordered),
        "key": public_text(key.public_key()),
    }
    signature = base64.b64encode(key.sign(canonical_json(statement, "statement"))).decode()
    return {
        "statement": statement,
        "signature": signature,
        "heads": [head.facts() for head in ordered],
    }


def receipt_for(studio_id: UUID | None, document: dict[str, Any]) -> dict[str, Any] | None:
    """Returns the receipt for one chain, with its proving path; None if the checkpoint does not contain the chain."""
    heads = [_head(item) for item in document["heads"]]
    leaves = [_leaf(head) for head in heads]
    for index, head in enumerate(heads):
        if head.studio_id == studio_id:
            return {
                "statement": document["statement"],
                "signature": document["signature"],
                "head": head.facts(),
                "index": index,
                "path": [item.hex() for item in tree_path(leaves, index)],
            }
    return None


def read_checkpoint(content: bytes | dict[str, Any], *, public_key: str = "") -> Checked:
    """Returns a checkpoint or a receipt after checking signature and tree.

    Args:
        public_key: the expected signer; empty: the key that the file names itself, which proves less.

    Raises:
        BadCheckpoint: not a checkpoint, or not valid.
    """
    try:
        document = content if isinstance(content, dict) else json.loads(content)
        statement = document["statement"]
        if statement["form"] != FORM or statement["kind"] != KIND:
            raise BadCheckpoint(f"it is of form {statement['form']}, which this program does not know")
        if public_key and statement["key"] != public_key:
            raise BadCheckpoint(f"it is signed by {statement['key']}, not by {public_key}")
        said = canonical_json(statement, "statement")
        _verify(statement["key"], base64.b64decode(document["signature"], validate=True), said)
        if "heads" in document:
            heads = [_head(item) for item in document["heads"]]
            root = tree_root([_leaf(head) for head in heads])
        else:
            heads = [_head(document["head"])]
            path = [bytes.fromhex(item) for item in document["path"]]
            root = root_from(_leaf(heads[0]), document["index"], statement["chains"], path)
        if root.hex() != statement["root"]:
            raise BadCheckpoint("the ends of the chains in it are not those that were signed")
        return Checked(
            number=statement["number"],
            taken_at=datetime.fromisoformat(statement["at"]),
            sha256=hashlib.sha256(said).hexdigest(),
            previous=statement["previous"],
            public_key=statement["key"],
            heads=tuple(heads),
        )
    except (KeyError, TypeError, ValueError, binascii.Error) as error:
        raise BadCheckpoint(f"it is no checkpoint ({type(error).__name__}: {error})") from error


def row_fault(checkpoints: Sequence[Checked]) -> str:
    """Returns the fault in a series of checkpoints sorted by number; empty if each names the previous one.

    A missing number is no fault, because copies may be missing. Two checkpoints of one number are.
    """
    for before, after in itertools.pairwise(checkpoints):
        if after.number == before.number and after.sha256 != before.sha256:
            return f"there are two different checkpoints of number {after.number}"
        if after.number == before.number + 1 and after.previous != before.sha256:
            return f"checkpoint {after.number} does not follow from checkpoint {before.number}"
        for head in after.heads:
            earlier = before.head_of(head.studio_id)
            if earlier is not None and earlier.sequence > head.sequence:
                return (
                    f"checkpoint {after.number} has a chain shorter than checkpoint {before.number} has it:"
                    f" {head.sequence} entries after {earlier.sequence}"
                )
    return ""


def public_text(key: Ed25519PublicKey) -> str:
    """Returns a public key in its printed form: `ed25519:` and 44 characters."""
    return KEY_PREFIX + base64.b64encode(key.public_bytes_raw()).decode()


def verify_signature(public_key: str, signature: str, said: bytes) -> None:
    """Checks that `signature` (base64) is one of `said` by `public_key`.

    Raises:
        BadCheckpoint: not a valid signature.
    """
    try:
        _verify(public_key, base64.b64decode(signature, validate=True), said)
    except (ValueError, binascii.Error) as error:
        raise BadCheckpoint(f"the signature or the key is malformed: {error}") from error


def tree_root(leaves: Sequence[bytes]) -> bytes:
    """Returns the root over leaf hashes, in order."""
    if len(leaves) == 1:
        return leaves[0]
    if not leaves:
        return hashlib.sha256(b"").digest()
    split = _split(len(leaves))
    return _node(tree_root(leaves[:split]), tree_root(leaves[split:]))


def tree_path(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """Returns the sibling hashes on the path from one leaf to the root, lowest first."""
    if len(leaves) <= 1:
        return []
    split = _split(len(leaves))
    if index < split:
        return [*tree_path(leaves[:split], index), tree_root(leaves[split:])]
    return [*tree_path(leaves[split:], index - split), tree_root(leaves[:split])]


def root_from(leaf: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes:
    """Returns the root computed from a leaf and its path.

    Raises:
        ValueError: the path does not fit a tree of this size.
    """
    if not 0 <= index < size or (size == 1) != (not path):
        raise ValueError("the path does not fit the tree")
    if size == 1:
        return leaf
    split, (*lower, beside) = _split(size), path
    if index < split:
        return _node(root_from(leaf, index, split, lower), beside)
    return _node(beside, root_from(leaf, index - split, size - split, lower))


def _split(size: int) -> int:
    return 1 << ((size - 1).bit_length() - 1)


def _leaf(head: Head) -> bytes:
    return hashlib.sha256(b"\0" + canonical_json(head.facts(), "head")).digest()


def _node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\1" + left + right).digest()


def _head(item: dict[str, Any]) -> Head:
    studio = item["studio"]
    return Head(None if studio is None else UUID(str(studio)), item["sequence"], bytes.fromhex(item["hash"]))


def _verify(public_key: str, signature: bytes, said: bytes) -> None:
    if not public_key.startswith(KEY_PREFIX):
        raise BadCheckpoint(f"{public_key[:60]!r} is no public key: it begins with {KEY_PREFIX}")
    try:
        raw = base64.b64decode(public_key.removeprefix(KEY_PREFIX), validate=True)
        Ed25519PublicKey.from_public_bytes(raw).verify(signature, said)
    except InvalidSignature as error:
        raise BadCheckpoint("the signature does not hold: it was changed, or is by another key") from error
