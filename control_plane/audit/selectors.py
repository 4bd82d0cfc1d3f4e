"""Reads of the audit chain, as it stands in the database."""

from collections.abc import Callable, Iterator
from uuid import UUID

from django.db.models import QuerySet

from control_plane.audit.chain import GENESIS, Break, Link, first_break
from control_plane.audit.models import ChainHead, Entry
from control_plane.audit.services import chain_scope

CHUNK = 5000
_FIELDS = (*Link.__dataclass_fields__, "hash")


def entries() -> QuerySet[Entry]:
    """Returns the entries of the studio in scope, newest first. Ask `studios.access` before."""
    queryset: QuerySet[Entry] = Entry.objects.order_by("-sequence")
    return queryset


def chain_head() -> tuple[int, bytes]:
    """Returns sequence and hash of the last entry of the chain in scope; `(0, GENESIS)` for an empty one."""
    head = ChainHead.objects.first()
    return (head.sequence, bytes(head.hash)) if head else (0, GENESIS)


def verify_chain(
    studio_id: UUID | None, *, report: Callable[[int], None] = lambda sequence: None
) -> tuple[int, Break | None]:
    """Checks the chain of a studio (None: the platform's) from its first entry; returns its length and first break.

    Args:
        report: called now and then with the sequence reached.
    """
    with chain_scope(studio_id):
        head = chain_head()
        return head[0], first_break(_reported(links(Entry.objects.order_by("sequence")), report), head)


def links(found: QuerySet[Entry]) -> Iterator[tuple[Link, bytes]]:
    """Yields entries as values, each with the hash stored beside it."""
    # As tuples: a million model instances take longer to make than to hash.
    for *values, previous, stored in found.values_list(*_FIELDS).iterator(chunk_size=CHUNK):
        studio_id, sequence, at, action, kind, actor_id, job, object_type, object_id, details = values
        yield (
            Link(
                studio_id=studio_id,
                sequence=sequence,
                occurred_at=at,
                action=action,
                actor_kind=kind,
                actor_id=actor_id,
                actor_job=job,
                object_type=object_type,
                object_id=object_id,
                details=details,
                previous_hash=bytes(previous),
            ),
            bytes(stored),
        )


def _reported(
    found: Iterator[tuple[Link, bytes]], report: Callable[[int], None]
) -> Iterator[tuple[Link, bytes]]:
    for item in found:
        if item[0].sequence % CHUNK == 0:
            report(item[0].sequence)
        yield item
