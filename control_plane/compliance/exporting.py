"""Export of a studio's audit log, whole or filtered, streamed in batches and signed."""

from collections.abc import Callable, Iterator
from enum import StrEnum
from functools import partial
from typing import TypeVar

from django.db.models import Max, Min, QuerySet
from django.utils import timezone

from control_plane.access import access
from control_plane.audit.audit_events import AUDIT_EXPORTED
from control_plane.audit.chain import GENESIS, Link, Stored
from control_plane.audit.exports import FORM, KIND, Header, write_csv, write_jsonl
from control_plane.audit.models import Entry
from control_plane.audit.permissions import VIEW_AUDIT
from control_plane.audit.selectors import chain_head, stored
from control_plane.audit.services import record
from control_plane.common.actors import Actor
from control_plane.common.scoping import studio_scope
from control_plane.compliance.search import AuditQuery, Row, describe_entries, matching
from control_plane.compliance.signing import public_key, signing_key
from control_plane.plans.rate_limits import require_rate
from control_plane.tenancy.models import Studio

NAMED_BATCH, PLAIN_BATCH = 1000, 5000
"""Audit events per batch: with the names in them, and without."""
_Found = TypeVar("_Found", Stored, Row)


class Form(StrEnum):
    """File formats of an export."""

    JSONL = "jsonl"
    CSV = "csv"


CONTENT_TYPES = {Form.JSONL: "application/jsonl", Form.CSV: "text/csv; charset=utf-8"}


def export_log(studio: Studio, question: AuditQuery, form: Form, *, actor: Actor) -> Iterator[bytes]:
    """Writes the audit event of an export and returns its lines, oldest first. Reads nothing before they are requested.

    The lines may be requested after this transaction has ended. Each batch opens its own scope and asks `access` again,
    so that revoking the permission stops a running export.

    Raises:
        SigningKeyRefused: there is no key to sign with.
        NotFound, Forbidden: `actor` may not read the studio's log.
        TooManyRequests: too many exports within an hour.
    """
    with studio_scope(studio.id):
        access.require(actor, VIEW_AUDIT, studio)
        require_rate(AUDIT_EXPORTED, actor=actor)
        key, head = signing_key(), chain_head()
        header = _header(studio, question, head)
        record(
            AUDIT_EXPORTED,
            actor=actor,
            studio_id=studio.id,
            object_type="audit.Entry",
            object_id="",
            details={"form": form.value, "to": header.to_sequence, **question.facts()},
        )
    batches = partial(_in_batches, studio, question, header, actor)
    if form is Form.CSV:
        named = batches(lambda found: describe_entries(list(found[:NAMED_BATCH]), reader=actor), NAMED_BATCH)
        rows = ((_link(row.entry), bytes(row.entry.hash), row.words) for row in named)
        return write_csv(header, rows, key.sign)
    # Without names, events need no parsing.
    return write_jsonl(
        header, batches(lambda found: list(stored(found[:PLAIN_BATCH])), PLAIN_BATCH), key.sign
    )


def _header(studio: Studio, question: AuditQuery, head: tuple[int, bytes]) -> Header:
    # A range of time is not a range of the chain, because events are ordered by commit. So any filter makes the export
    # a selection.
    whole = not question.facts()
    first, last = 1, head[0]
    if not whole:
        ends = matching(question).aggregate(first=Min("sequence"), last=Max("sequence"))
        first, last = ends["first"] or 1, ends["last"] or 0
    return Header(
        kind=KIND,
        form=FORM,
        studio=studio.id,
        whole=whole,
        from_sequence=first,
        to_sequence=last,
        previous=GENESIS.hex(),
        head_sequence=head[0],
        head_hash=head[1].hex(),
        exported_at=timezone.now().isoformat(timespec="seconds"),
        public_key=public_key(),
        selection=question.facts(),
    )


def _in_batches(
    studio: Studio,
    question: AuditQuery,
    header: Header,
    actor: Actor,
    read: Callable[[QuerySet[Entry]], list[_Found]],
    size: int,
) -> Iterator[_Found]:
    """Yields the results of `read`, calling it with at most `size` events at a time."""
    after = header.from_sequence - 1
    while after < header.to_sequence:
        with studio_scope(studio.id):
            access.require(actor, VIEW_AUDIT, studio)
            found = matching(question).filter(sequence__gt=after, sequence__lte=header.to_sequence)
            batch = read(found.order_by("sequence"))
        yield from batch
        if len(batch) < size:
            return
        after = batch[-1].sequence


def _link(entry: Entry) -> Link:
    values = {name: getattr(entry, name) for name in Link.__dataclass_fields__}
    values["previous_hash"] = bytes(entry.previous_hash)
    return Link(**values)
