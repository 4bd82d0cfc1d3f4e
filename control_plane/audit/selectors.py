"""Reads of the audit chain, as it stands in the database."""

from collections.abc import Iterator
from uuid import UUID

from django.db.models import QuerySet

from control_plane.audit.chain import GENESIS, Break, Link, first_break
from control_plane.audit.models import ChainHead, Entry
from control_plane.audit.services import chain_scope


def entries() -> QuerySet[Entry]:
    """Returns the entries of the studio in scope, newest first. Ask `studios.access` before."""
    queryset: QuerySet[Entry] = Entry.objects.order_by("-sequence")
    return queryset


def verify_chain(studio_id: UUID | None) -> tuple[int, Break | None]:
    """Checks the chain of a studio (None: the platform's) from its first entry; returns its length and first break."""
    with chain_scope(studio_id):
        head = ChainHead.objects.first()
        expected = (head.sequence, bytes(head.hash)) if head else (0, GENESIS)
        return expected[0], first_break(_links(), expected)


def _links() -> Iterator[tuple[Link, bytes]]:
    for entry in Entry.objects.order_by("sequence").iterator(chunk_size=2000):
        values = {name: getattr(entry, name) for name in Link.__dataclass_fields__}
        values["previous_hash"] = bytes(entry.previous_hash)
        yield Link(**values), bytes(entry.hash)
