"""An attacker with a copy of database, objects, root key and share store, who tries every key on everything.

It asks none of the product's rules: rows are read as they are by the database's superuser, and every key that can be had
is tried on every wrapped thing that is found, in whatever column or text it stands.
"""

import base64
import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from psycopg import sql

from control_plane.keys import key_wrapping, seal
from control_plane.keys.errors import KeyRefused
from control_plane.keys.roots.file import FileRootKey
from control_plane.keys.shares.folder import FolderShareStore

BASE64 = re.compile(rb"[A-Za-z0-9+/_-]{80,100}={0,2}")
MADE_UP = bytes(32)
KINDS = ("studio", "studio-private", "class", "segment", "segment-sealed")


@dataclass
class Loot:
    """Content of a copy: every id, every stretch of bytes, and the segments' places."""

    ids: set[UUID] = field(default_factory=set)
    blobs: set[bytes] = field(default_factory=set)
    segments: list[tuple[UUID, bytes]] = field(default_factory=list)


def rifled(url: str) -> Loot:
    """Returns everything in a database that could be a key or name one."""
    loot = Loot()
    with psycopg.connect(url) as connection:
        names = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
        for (name,) in names:
            for row in connection.execute(
                sql.SQL("SELECT * FROM {}").format(sql.Identifier(name))
            ).fetchall():
                for value in row:
                    _take(value, loot)
        loot.segments = [
            (id_, bytes(iv))
            for id_, iv in connection.execute("SELECT id, init_iv FROM recordings_segment").fetchall()
        ]
    return loot


def _take(value: Any, loot: Loot) -> None:
    match value:
        case UUID():
            loot.ids.add(value)
        case bytes() | memoryview():
            loot.blobs.add(bytes(value))
        case dict():
            _take(repr(value), loot)
        case str():
            for text in BASE64.findall(value.encode()):
                loot.blobs.add(
                    base64.b64decode(text + b"=" * (-len(text) % 4), altchars=b"-_", validate=False)
                )
                loot.blobs.add(base64.b64decode(text + b"=" * (-len(text) % 4)))


def stolen_keys(loot: Loot, root: FileRootKey, share_store: FolderShareStore) -> set[bytes]:
    """Returns every secret that can be unwrapped from a copy, by trying until nothing new comes.

    For a share that was destroyed one is made up: it opens something only where shares are asked for and not needed.
    """
    shares = {id_: share or MADE_UP for id_, share in share_store.entries()}
    found: set[bytes] = set()
    for blob, id_, kind in itertools.product(loot.blobs, loot.ids, ("studio",)):
        try:
            found.add(root.unwrap(blob, kind=kind, id_=id_))
        except KeyRefused:
            continue
    while True:
        new = set()
        for key in [key for key in found if len(key) == 32]:
            for wrapping, kinds, id_ in _wrappings(key, shares, loot.ids):
                for blob in loot.blobs:
                    new |= _opened(wrapping, blob, kinds, id_)
            new |= _unsealed(key, loot.blobs | found)
        if new <= found:
            return found
        found |= new


def _wrappings(
    key: bytes, shares: dict[UUID, bytes], ids: set[UUID]
) -> Iterator[tuple[bytes, tuple[str, ...], UUID]]:
    for id_ in ids:
        yield key, KINDS, id_
        if id_ in shares:
            for kind in ("studio", "class"):
                mixed = key_wrapping.combine_with_share(key, shares[id_], kind=kind, id_=id_)
                yield mixed, KINDS, id_
                for other in ids if kind == "studio" else ():
                    if other in shares:
                        yield (
                            key_wrapping.combine_with_share(mixed, shares[other], kind="class", id_=other),
                            ("class",),
                            other,
                        )


def _opened(key: bytes, blob: bytes, kinds: tuple[str, ...], id_: UUID) -> set[bytes]:
    found = set()
    for start, kind in itertools.product((0, 16, 17), kinds):
        if len(blob) > start + 29 and blob[start] == 1:
            try:
                found.add(key_wrapping.unwrap(key, blob[start:], kind=kind, id_=id_))
            except KeyRefused:
                continue
    return found


def _unsealed(private: bytes, blobs: set[bytes]) -> set[bytes]:
    found = set()
    for blob in blobs:
        if len(blob) == 64:
            try:
                found.add(seal.open_seal(private, blob))
            except KeyRefused:
                continue
    return found


def pictures(objects: Path, found: set[bytes], *, under: str = "") -> int:
    """Returns how many objects show their init section with one of the keys, whatever it is: none is the aim."""
    seen = 0
    for path in objects.rglob("*.seg"):
        if under not in str(path):
            continue
        data = path.read_bytes()[:64]
        seen += any(
            # The second block needs no IV but the first: `ftyp` names its brands there.
            b"iso" in Cipher(algorithms.AES(key), modes.CBC(data[:16])).decryptor().update(data[16:48])
            for key in found
            if len(key) == 16
        )
    return seen
