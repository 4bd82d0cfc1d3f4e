"""Compares segment rows with the object stores: presence, size and hash of each object.

Bytes are read outside of any transaction. A store that does not answer, or has none of the requested objects, is faulty
as a whole, and no damage is recorded for its objects. Nothing here relies on LIST.
"""

import itertools
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple
from uuid import UUID

from django.db.models import QuerySet

from control_plane.common.actors import Actor
from control_plane.common.errors import ControlPlaneError, StoreUnavailable
from control_plane.common.scoping import studio_scope
from control_plane.integrity.damage import DamageFinding, clear_damage, record_damage
from control_plane.integrity.models import ScanDepth
from control_plane.recordings.damage_models import DamageKind
from control_plane.recordings.models import Segment
from control_plane.recordings.segment_factory import ObjectLocation
from control_plane.storage.errors import ObjectMissing
from control_plane.storage.objects import ObjectStore
from control_plane.storage.stores import open_store

SYSTEM = Actor.system("integrity.scan_footage")
THREADS = 8
BATCH = {ScanDepth.PRESENCE: 256, ScanDepth.SIZE: 256, ScanDepth.HASH: 32}
EMPTY_STORE_THRESHOLD = 20
"""A store without any of this many objects, oldest and newest, is not mounted or is the wrong store."""


class StoredObject(NamedTuple):
    """One object to inspect, with its committed size and hash."""

    segment_id: UUID
    key: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Inspection:
    """Result for one object: `kind` None means intact; a non-empty `unavailable` is why it could not be inspected."""

    item: StoredObject
    kind: DamageKind | None = None
    detail: str = ""
    unavailable: str = ""


@dataclass(frozen=True, slots=True)
class Chunk:
    """An inspected part of a store: its segments by id up to `after`, and the damage recorded or cleared."""

    after: UUID
    seen: list[Inspection]
    recorded: list[UUID]
    cleared: list[UUID]


def inspect_object(item: StoredObject, store: ObjectStore, depth: ScanDepth) -> Inspection:
    """Inspects an object; an apparent damage is checked a second time."""
    seen = _inspect_once(item, store, depth)
    return _inspect_once(item, store, depth) if seen.kind else seen


def stores_in_use() -> list[UUID | None]:
    """Returns the stores that hold footage of the studio in scope; None is the platform's own."""
    found = Segment.objects.order_by("store_id").values_list("store_id", flat=True).distinct()
    return list(found)


def count_segments(store_id: UUID | None) -> int:
    """Returns how many segments of the studio in scope are in a store."""
    return int(Segment.objects.filter(store=store_id).count())


def scan_segments(
    studio_id: UUID, store_id: UUID | None, depth: ScanDepth, *, after: UUID | None = None, at_once: int = 256
) -> Iterator[Chunk]:
    """Inspects the undamaged segments of one store by id, from `after` on; records damage before each chunk is yielded.

    Segments that are already damaged belong to `recheck`.

    Raises:
        ControlPlaneError: the store cannot be opened, does not answer, or is not the one it should be.
    """
    is_believed = False
    for number in itertools.count():
        with studio_scope(studio_id):
            rows = Segment.objects.filter(store=store_id, damage=None)
            items = _items(rows.filter(pk__gt=after) if after else rows, min(at_once, BATCH[depth]))
            store = open_store(store_id)
        if not number:
            store.require_exists()
        if not items:
            return
        seen = inspect_objects(items, store, depth)
        is_believed = is_believed or _holds_our_objects(studio_id, store_id, store, seen)
        if not is_believed:
            raise StoreUnavailable(f"it has none of the {len(items)} objects that it was asked for first")
        after = items[-1].segment_id
        with studio_scope(studio_id):
            recorded = record_damage(_damage_findings(seen, store_id), actor=SYSTEM)
        yield Chunk(after, seen, recorded, [])


def recheck(studio_id: UUID, store_id: UUID | None) -> Iterator[Chunk]:
    """Reads the damaged segments of a store in full, and clears the damage of those that are intact now.

    Raises:
        ControlPlaneError: see `scan_segments`.
    """
    after: UUID | None = None
    while True:
        with studio_scope(studio_id):
            rows = Segment.objects.filter(store=store_id, damage__isnull=False)
            items = _items(rows.filter(pk__gt=after) if after else rows, BATCH[ScanDepth.HASH])
            if not items:
                return
            store = open_store(store_id)
        seen = inspect_objects(items, store, ScanDepth.HASH)
        after = items[-1].segment_id
        intact = [
            (s.item.segment_id, ObjectLocation(store_id, s.item.key))
            for s in seen
            if not (s.kind or s.unavailable)
        ]
        with studio_scope(studio_id):
            cleared = clear_damage(intact, actor=SYSTEM)
        yield Chunk(after, seen, [], cleared)


def inspect_objects(items: Sequence[StoredObject], store: ObjectStore, depth: ScanDepth) -> list[Inspection]:
    """Inspects several objects in parallel.

    Raises:
        StoreUnavailable: no object of one parallel group could be inspected.
    """
    seen: list[Inspection] = []
    with ThreadPoolExecutor(THREADS) as pool:
        for first in range(0, len(items), THREADS):
            chunk = items[first : first + THREADS]
            found = list(pool.map(partial(inspect_object, store=store, depth=depth), chunk))
            if all(one.unavailable for one in found):
                raise StoreUnavailable(found[0].unavailable)
            seen += found
    return seen


def _holds_our_objects(
    studio_id: UUID, store_id: UUID | None, store: ObjectStore, seen: Sequence[Inspection]
) -> bool:
    """Returns whether a store holds any of our objects: of those just inspected, or else of the newest ones.

    Missing objects may be adjacent, for example all those older than a lifecycle rule allows, and one night's part may be
    few objects. If a store holds fewer than `EMPTY_STORE_THRESHOLD` objects, all of them may really be lost.
    """
    if any(_is_present(one) for one in seen):
        return True
    with studio_scope(studio_id):
        rows = Segment.objects.filter(store=store_id, damage=None)
        others = rows.exclude(pk__in=[one.item.segment_id for one in seen])
        newest = _items(others, EMPTY_STORE_THRESHOLD, order="-id")
    if len(seen) + len(newest) < EMPTY_STORE_THRESHOLD:
        return True
    return any(_is_present(one) for one in inspect_objects(newest, store, ScanDepth.PRESENCE))


def _is_present(seen: Inspection) -> bool:
    return seen.kind != DamageKind.MISSING and not seen.unavailable


def _items(rows: QuerySet[Segment], most: int, *, order: str = "id") -> list[StoredObject]:
    # Segments of a class whose key is destroyed are being deleted, so their damage does not matter;
    # but not those that a clip keeps.
    living = rows.exclude(class_session__wrapped_key=b"", kept=False).order_by(order)
    return [
        StoredObject(*row) for row in living.values_list("id", "object_key", "size_bytes", "sha256")[:most]
    ]


def _inspect_once(item: StoredObject, store: ObjectStore, depth: ScanDepth) -> Inspection:
    try:
        size_bytes = store.head(item.key).size_bytes
        if depth is not ScanDepth.PRESENCE and size_bytes != item.size_bytes:
            return Inspection(
                item, DamageKind.SIZE, f"the object has {size_bytes} bytes, {item.size_bytes} were written"
            )
        if depth is ScanDepth.HASH and store.sha256(item.key) != item.sha256:
            return Inspection(item, DamageKind.HASH, "the bytes are not those that were written")
    except ObjectMissing:
        return Inspection(item, DamageKind.MISSING, "the object is missing")
    except ControlPlaneError as error:
        return Inspection(item, unavailable=error.detail or type(error).__name__)
    return Inspection(item)


def _damage_findings(seen: Sequence[Inspection], store_id: UUID | None) -> list[DamageFinding]:
    return [
        DamageFinding(one.item.segment_id, ObjectLocation(store_id, one.item.key), one.kind, one.detail)
        for one in seen
        if one.kind is not None
    ]
