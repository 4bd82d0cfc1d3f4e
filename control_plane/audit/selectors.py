"""Reads of the audit chain in the database."""

from collections.abc import Callable, Iterator
from uuid import UUID

from django.db.models import F, Func, QuerySet, TextField

from control_plane.audit.chain import GENESIS, Break, Stored, Walk, stored_row
from control_plane.audit.models import ChainHead, Entry
from control_plane.audit.services import chain_scope

CHUNK = 5000


def entries() -> QuerySet[Entry]:
    """Returns the entries of the studio in scope, newest first. Require access first."""
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
        report: called at intervals with the sequence reached.
    """
    walk = Walk()
    with chain_scope(studio_id):
        if found := walk.over(_reported(stored(Entry.objects.order_by("sequence")), report)):
            return chain_head()[0], found
    with chain_scope(studio_id):
        # The entries added meanwhile; with the head locked, head and entries are consistent.
        ChainHead.objects.select_for_update().first()
        head = chain_head()
        rest = walk.over(stored(Entry.objects.filter(sequence__gt=walk.sequence).order_by("sequence")))
        return head[0], rest or walk.end(head)


def stored(found: QuerySet[Entry]) -> Iterator[Stored]:
    """Yields entries for `chain.stored_row`, written as text by the database, which is the fastest way."""
    for row in found.annotate(**_AS_TEXT).values_list(*_COLUMNS).iterator(chunk_size=CHUNK):
        yield stored_row(*row)


def _reported(found: Iterator[Stored], report: Callable[[int], None]) -> Iterator[Stored]:
    for item in found:
        if item.sequence % CHUNK == 0:
            report(item.sequence)
        yield item


def _text(column: str, template: str) -> Func:
    return Func(F(column), template=template, output_field=TextField())


# With the era: without it a year BC would read like one AD.
_AS_TEXT = {
    "at_text": _text(
        "occurred_at",
        """coalesce(to_char(%(expressions)s AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"+00:00"BC'), '')""",
    ),
    "actor_text": _text("actor_id", "%(expressions)s::text"),
    "details_text": _text("details", "%(expressions)s::text"),
    "previous_text": _text("previous_hash", "encode(%(expressions)s, 'hex')"),
    "hash_text": _text("hash", "encode(%(expressions)s, 'hex')"),
    "studio_text": _text("studio_id", "%(expressions)s::text"),
}
_COLUMNS = (
    "sequence", "at_text", "action", "actor_kind", "actor_text", "actor_job", "object_type", "object_id",
    "details_text", "previous_text", "hash_text", "studio_text",
)  # fmt: skip
