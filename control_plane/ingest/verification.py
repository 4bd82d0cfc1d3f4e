"""Verifies that an announced segment is in its store, by reading it back outside of any transaction."""

from collections.abc import Mapping
from functools import partial
from uuid import UUID

from control_plane.common.errors import ControlPlaneError
from control_plane.common.fair_threads import FairThreads
from control_plane.common.result_cache import ResultCache
from control_plane.ingest.models import PendingSegment
from control_plane.ingest.quarantine import refused
from control_plane.ingest.readback import CACHE_S, NICE, READERS, READERS_PER_STUDIO, results_within
from control_plane.storage.errors import ObjectMissing
from control_plane.storage.objects import ObjectStore
from control_plane.storage.stores import encryption_mismatch, region_mismatch
from shared.protocol.errors import Code
from shared.protocol.upload import CommitItem, Refused

STILL_READING = "The bytes are still being verified. Ask again."

MAX_REMEMBERED = 4096

_readers = FairThreads("ingest-read-back", threads=READERS, of_one=READERS_PER_STUDIO, nice=NICE)
_read: ResultCache[bool] = ResultCache(most=MAX_REMEMBERED, for_s=CACHE_S)
"""Objects that were read back intact, so that a retry after an unrelated refusal does not read them again."""


def verify(
    studio_id: UUID,
    pinned: str,
    to_read: Mapping[CommitItem, PendingSegment | None],
    stores: Mapping[UUID | None, ObjectStore],
) -> dict[CommitItem, Refused | None]:
    """Returns for each item a refusal, or None if its bytes are in the store as announced.

    Waits at most `readback.WAIT_S`; an item that is not read by then gets a retryable refusal.

    Args:
        pinned: the region that the studio's footage must stay in.
        stores: the stores of the pending rows, by id.
    """
    calls = [
        partial(_verify, pinned, item, row, stores[row.store_id] if row else None)
        for item, row in to_read.items()
    ]
    results = results_within(_readers.submit(studio_id, calls))
    return {
        item: refused(item, Code.UNAVAILABLE, STILL_READING, retryable=True) if result is None else result[0]
        for item, result in zip(to_read, results, strict=True)
    }


def _verify(
    pinned: str, item: CommitItem, row: PendingSegment | None, store: ObjectStore | None
) -> tuple[Refused | None]:
    if row is None or store is None:
        return (refused(item, Code.SEGMENT_MISSING, "The segment was never announced.", retryable=True),)
    if (row.size_bytes, row.sha256) != (item.size_bytes, item.sha256):
        return (
            refused(item, Code.SEGMENT_HASH_CONFLICT, "The segment was announced with another size or hash."),
        )
    try:
        return (_check_object(pinned, item, row, store),)
    except ObjectMissing:
        return (refused(item, Code.SEGMENT_MISSING, "The object is not in the store.", retryable=True),)
    except ControlPlaneError as error:
        return (refused(item, error.code, error.detail, retryable=True),)


def _check_object(pinned: str, item: CommitItem, row: PendingSegment, store: ObjectStore) -> Refused | None:
    name = (row.store_id, row.object_key, row.sha256)
    if text := region_mismatch(row.store, pinned):
        # Uploaded with a URL signed before the region was set: the agent gets a new target when it announces again,
        # and the bytes are deleted.
        return _delete_and_refuse(item, row, store, Code.STORE_UNAVAILABLE, text)
    facts = store.head(row.object_key)
    if text := encryption_mismatch(store, facts):
        return _delete_and_refuse(item, row, store, Code.STORE_UNAVAILABLE, text)
    # Not every store checks the received hash, so the whole object is read back before the agent may delete its copy.
    if facts.size_bytes != row.size_bytes or not (
        _read.get(name) or store.sha256(row.object_key) == row.sha256
    ):
        return _delete_and_refuse(
            item, row, store, Code.SEGMENT_CORRUPT, "The stored bytes do not match the announced hash."
        )
    _read.put(name, True)
    return None


def _delete_and_refuse(
    item: CommitItem, row: PendingSegment, store: ObjectStore, code: Code, detail: str
) -> Refused:
    store.delete(row.object_key)
    _read.forget((row.store_id, row.object_key, row.sha256))
    return refused(item, code, detail, retryable=True)
