"""What the rows of the footage say, held against the object stores: is it there, is it whole, is it what was written?

Bytes are looked at outside of any transaction. A store that does not answer, or that has nothing of what it is asked
for, is at fault itself: none of its objects is blamed. Nothing here relies on a LIST.
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
from control_plane.integrity.damage import Found, lift_faults, note_faults
from control_plane.integrity.models import Depth
from control_plane.recordings.arrivals import ObjectPlace
from control_plane.recordings.fault_models import FaultKind
from control_plane.recordings.models import Segment
from control_plane.storage.errors import ObjectMissing
from control_plane.storage.objects import ObjectStore
from control_plane.storage.stores import open_store

SYSTEM = Actor.system("recordings.checks")
THREADS = 8
BATCH = {Depth.PRESENCE: 256, Depth.SIZE: 256, Depth.HASH: 32}
EMPTY_FROM = 20
"""A store that has nothing of so many objects, first and newest, is not mounted, or not the one it should be."""


class Item(NamedTuple):
    """One object to look at."""

    segment_id: UUID
    key: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Seen:
    """How one object was found: `kind` None is as committed, `silent` (not empty) is why it could not be looked at."""

    item: Item
    kind: FaultKind | None = None
    detail: str = ""
    silent: str = ""


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a store that was looked at: all its segments by id up to `after`, and what is new on record of them."""

    after: UUID
    seen: list[Seen]
    noted: list[UUID]
    lifted: list[UUID]


def look(item: Item, store: ObjectStore, depth: Depth) -> Seen:
    """Returns how an object is found; what looks wrong is looked at twice."""
    seen = _look(item, store, depth)
    return _look(item, store, depth) if seen.kind else seen


def stores_in_use() -> list[UUID | None]:
    """Returns the stores that hold footage of the studio in scope; None is the platform's own."""
    found = Segment.objects.order_by("store_id").values_list("store_id", flat=True).distinct()
    return list(found)


def segments_in(store_id: UUID | None) -> int:
    """Returns how many segments of the studio in scope lie in a store."""
    return int(Segment.objects.filter(store=store_id).count())


def walk(
    studio_id: UUID, store_id: UUID | None, depth: Depth, *, after: UUID | None = None, at_once: int = 256
) -> Iterator[Part]:
    """Looks at the segments of one store, by id, behind `after`; a part's findings are on record when it is yielded.

    Those that have a fault already are `recheck`'s.

    Raises:
        ControlPlaneError: the store cannot be opened, does not answer, or is not the one it should be.
    """
    is_believed = False
    for number in itertools.count():
        with studio_scope(studio_id):
            rows = Segment.objects.filter(store=store_id, fault=None)
            items = _items(rows.filter(pk__gt=after) if after else rows, min(at_once, BATCH[depth]))
            store = open_store(store_id)
        if not number:
            store.require_there()
        if not items:
            return
        seen = look_at_all(items, store, depth)
        is_believed = is_believed or _is_the_one(studio_id, store_id, store, seen)
        if not is_believed:
            raise StoreUnavailable(f"it has none of the {len(items)} objects that it was asked for first")
        after = items[-1].segment_id
        with studio_scope(studio_id):
            noted = note_faults(_found(seen, store_id), actor=SYSTEM)
        yield Part(after, seen, noted, [])


def recheck(studio_id: UUID, store_id: UUID | None) -> Iterator[Part]:
    """Reads whole what is damaged in a store so far; what is sound by now is a gap no longer.

    Raises:
        ControlPlaneError: see `walk`.
    """
    after: UUID | None = None
    while True:
        with studio_scope(studio_id):
            rows = Segment.objects.filter(store=store_id, fault__isnull=False)
            items = _items(rows.filter(pk__gt=after) if after else rows, BATCH[Depth.HASH])
            if not items:
                return
            store = open_store(store_id)
        seen = look_at_all(items, store, Depth.HASH)
        after = items[-1].segment_id
        sound = [
            (s.item.segment_id, ObjectPlace(store_id, s.item.key)) for s in seen if not (s.kind or s.silent)
        ]
        with studio_scope(studio_id):
            lifted = lift_faults(sound, actor=SYSTEM)
        yield Part(after, seen, [], lifted)


def look_at_all(items: Sequence[Item], store: ObjectStore, depth: Depth) -> list[Seen]:
    """Returns how each object is found.

    Raises:
        StoreUnavailable: none of some that were asked for at a time could be looked at.
    """
    seen: list[Seen] = []
    with ThreadPoolExecutor(THREADS) as pool:
        for first in range(0, len(items), THREADS):
            chunk = items[first : first + THREADS]
            found = list(pool.map(partial(look, store=store, depth=depth), chunk))
            if all(one.silent for one in found):
                raise StoreUnavailable(found[0].silent)
            seen += found
    return seen


def _is_the_one(studio_id: UUID, store_id: UUID | None, store: ObjectStore, seen: Sequence[Seen]) -> bool:
    """Says whether a store has anything of ours: of what it was asked for, or else of what came last.

    What is missing may lie together, such as all that is older than somebody's rule for the bucket allows; and a night's
    part may be a few objects. Where a store holds less than `EMPTY_FROM` all of it may well be lost.
    """
    if any(_is_there(one) for one in seen):
        return True
    with studio_scope(studio_id):
        rows = Segment.objects.filter(store=store_id, fault=None)
        others = rows.exclude(pk__in=[one.item.segment_id for one in seen])
        newest = _items(others, EMPTY_FROM, order="-id")
    if len(seen) + len(newest) < EMPTY_FROM:
        return True
    return any(_is_there(one) for one in look_at_all(newest, store, Depth.PRESENCE))


def _is_there(seen: Seen) -> bool:
    return seen.kind != FaultKind.MISSING and not seen.silent


def _items(rows: QuerySet[Segment], most: int, *, order: str = "id") -> list[Item]:
    # A class whose key is destroyed has nothing that could be damaged: what is left of it is being removed.
    living = rows.exclude(class_session__wrapped_key=b"").order_by(order)
    return [Item(*row) for row in living.values_list("id", "object_key", "size_bytes", "sha256")[:most]]


def _look(item: Item, store: ObjectStore, depth: Depth) -> Seen:
    try:
        size_bytes = store.head(item.key).size_bytes
        if depth is not Depth.PRESENCE and size_bytes != item.size_bytes:
            return Seen(
                item, FaultKind.SIZE, f"the object has {size_bytes} bytes, {item.size_bytes} were written"
            )
        if depth is Depth.HASH and store.sha256(item.key) != item.sha256:
            return Seen(item, FaultKind.HASH, "the bytes are not those that were written")
    except ObjectMissing:
        return Seen(item, FaultKind.MISSING, "the object is missing")
    except ControlPlaneError as error:
        return Seen(item, silent=error.detail or type(error).__name__)
    return Seen(item)


def _found(seen: Sequence[Seen], store_id: UUID | None) -> list[Found]:
    return [
        Found(one.item.segment_id, ObjectPlace(store_id, one.item.key), one.kind, one.detail)
        for one in seen
        if one.kind is not None
    ]
