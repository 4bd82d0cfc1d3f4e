"""Exporting the log of a studio: whole, or what a search found, streamed in pieces and signed."""

from collections.abc import Iterator
from enum import StrEnum

from django.db.models import Max, Min
from django.utils import timezone

from control_plane.audit.catalogue import Action as Act
from control_plane.audit.chain import GENESIS, Link
from control_plane.audit.exports import FORM, KIND, Header, Row, write_csv, write_jsonl
from control_plane.audit.models import Entry
from control_plane.audit.selectors import chain_head
from control_plane.audit.services import record
from control_plane.common.actors import Actor
from control_plane.common.scoping import studio_scope
from control_plane.compliance.search import Question, in_words, matching
from control_plane.compliance.signing import public_key, signing_key
from control_plane.studios import access
from control_plane.studios.models import Studio

PIECE = 1000


class Form(StrEnum):
    """As what the file is written."""

    JSONL = "jsonl"
    CSV = "csv"


CONTENT_TYPES = {Form.JSONL: "application/jsonl", Form.CSV: "text/csv; charset=utf-8"}


def export_log(studio: Studio, question: Question, form: Form, *, actor: Actor) -> Iterator[bytes]:
    """Puts the export on record and returns its lines, oldest first; nothing is read before they are asked for.

    The first line may be asked for when this transaction has ended: each piece opens a scope of its own and asks
    `access` again, so that a right taken away ends the export where it is.

    Raises:
        SigningKeyRefused: there is no key to sign with.
        NotFound, Forbidden: `actor` may not read the studio's log.
    """
    with studio_scope(studio.id):
        access.require(actor, access.Action.VIEW_AUDIT, studio)
        key, head = signing_key(), chain_head()
        header = _header(studio, question, head)
        record(
            Act.AUDIT_EXPORTED,
            actor=actor,
            studio_id=studio.id,
            object_type="audit.Entry",
            object_id="",
            details={"form": form.value, "to": header.to_sequence, **question.facts()},
        )
    write = write_csv if form is Form.CSV else write_jsonl
    rows = _rows(studio, question, header.from_sequence, header.to_sequence, actor, named=form is Form.CSV)
    return write(header, rows, key.sign)


def _header(studio: Studio, question: Question, head: tuple[int, bytes]) -> Header:
    # A range of time is a range of the chain only in so far as acts were committed in the order they were done in:
    # whatever was asked for beside everything makes a selection.
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


def _rows(
    studio: Studio, question: Question, first: int, last: int, actor: Actor, *, named: bool
) -> Iterator[Row]:
    after = first - 1
    while after < last:
        with studio_scope(studio.id):
            access.require(actor, access.Action.VIEW_AUDIT, studio)
            found = matching(question).filter(sequence__gt=after, sequence__lte=last)
            piece = list(found.order_by("sequence")[:PIECE])
            words = [row.words for row in in_words(piece, reader=actor)] if named else [""] * len(piece)
        for entry, said in zip(piece, words, strict=True):
            yield _link(entry), bytes(entry.hash), said
        if len(piece) < PIECE:
            return
        after = piece[-1].sequence


def _link(entry: Entry) -> Link:
    values = {name: getattr(entry, name) for name in Link.__dataclass_fields__}
    values["previous_hash"] = bytes(entry.previous_hash)
    return Link(**values)
