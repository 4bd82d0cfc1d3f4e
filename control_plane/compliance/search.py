"""Search in a studio's audit log by person, object, action, category and time; newest first, in pages."""

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet

from control_plane.audit.events import CATEGORY_LABELS, Category, Severity, codes_of, described
from control_plane.audit.models import Entry
from control_plane.common.actors import Actor
from control_plane.common.errors import BadRequest
from control_plane.compliance.anomaly_rules import RULE_LABELS
from control_plane.compliance.detail_text import detail_texts
from control_plane.compliance.name_lookup import NameLookup, keys_in

PAGE = 50
NEWEST_FIRST = ("-occurred_at", "-sequence")
Cursor = tuple[datetime, int]
"""End of a page: time and sequence of its last event."""


@dataclass(frozen=True, kw_only=True)
class AuditQuery:
    """Filters of a search, combined with AND. `thing` is the id of an object."""

    person_id: UUID | None = None
    thing: str = ""
    action: str = ""
    category: Category | None = None
    from_at: datetime | None = None
    to_at: datetime | None = None

    def facts(self) -> dict[str, str]:
        """Returns the filters that are set, as text. They contain ids, but no names."""
        values = {item.name: getattr(self, item.name) for item in fields(self)}
        return {name: _text(value) for name, value in values.items() if value}


@dataclass(frozen=True, slots=True)
class Row:
    """One audit event as shown to a reader."""

    sequence: int
    at: datetime
    words: str
    who: str
    category: str
    severity: Severity
    entry: Entry


@dataclass(frozen=True, slots=True)
class Page:
    """A page of events. `older` is the cursor of the next page, or None."""

    rows: list[Row]
    older: Cursor | None


def search(question: AuditQuery, *, reader: Actor, before: Cursor | None = None, size: int = PAGE) -> Page:
    """Returns audit events of the studio in scope, newest first. The caller checks `access` and writes an audit event.

    Args:
        before: `Page.older` of the previous page; None for the first page.
    """
    found = list(_newest(question, before, size + 1))
    shown = found[:size]
    last = shown[-1] if len(found) > size else None
    return Page(
        rows=describe_entries(shown, reader=reader),
        older=(last.occurred_at, last.sequence) if last else None,
    )


def describe_entries(entries: Sequence[Entry], *, reader: Actor) -> list[Row]:
    """Returns events as sentences, with the current names of people and objects."""
    names = NameLookup(
        reader,
        [entry.actor_id for entry in entries] + [person_in(entry) for entry in entries],
        [("fleet.Agent", str(entry.actor_id or "")) for entry in entries]
        + [(entry.object_type, entry.object_id) for entry in entries],
        keys=[key for entry in entries for key in keys_in(entry)],
    )
    return [_row(entry, names) for entry in entries]


def person_in(entry: Entry) -> UUID | None:
    """Returns the person that an event is about, other than its actor (`details.user`)."""
    try:
        return UUID(str(entry.details.get("user", "")))
    except ValueError:
        return None


def matching(question: AuditQuery) -> QuerySet[Entry]:
    """Returns all events that match, unordered."""
    return Entry.objects.filter(_conditions(question, with_actions=True))


def encode_cursor(place: Cursor) -> str:
    """Returns a cursor as a URL parameter."""
    return f"{place[0].isoformat()}~{place[1]}"


def decode_cursor(text: str) -> Cursor:
    """Parses a cursor from a URL parameter.

    Raises:
        BadRequest: it is not a cursor.
    """
    at, _, sequence = text.partition("~")
    try:
        moment = datetime.fromisoformat(at)
        number = int(sequence)
        if moment.tzinfo is None or not 0 < number < 1 << 62:
            raise ValueError
        return moment, number
    except ValueError as error:
        raise BadRequest("before: not a valid position in the log; go back to the first page") from error


def _newest(question: AuditQuery, before: Cursor | None, size: int) -> Iterator[Entry]:
    base = Entry.objects.filter(_conditions(question, with_actions=False)).order_by(*NEWEST_FIRST)
    if before is not None:
        at, sequence = before
        # The first condition follows from the second, but the index can only use the first.
        base = base.filter(
            Q(occurred_at__lte=at), Q(occurred_at__lt=at) | Q(occurred_at=at, sequence__lt=sequence)
        )
    if question.action or question.category is None:
        if question.action:
            base = base.filter(action=question.action)
        return iter(base[:size])
    # Merge the newest events of each action, so that finding a rare category does not read the whole log.
    streams = [list(base.filter(action=action)[:size]) for action in codes_of(question.category)]
    merged = heapq.merge(*streams, key=lambda entry: (entry.occurred_at, entry.sequence), reverse=True)
    return (entry for entry, _ in zip(merged, range(size), strict=False))


def _conditions(question: AuditQuery, *, with_actions: bool) -> Q:
    wanted = Q()
    if question.person_id:
        wanted &= Q(actor_id=question.person_id)
    if question.thing:
        wanted &= Q(object_id=question.thing)
    if question.from_at:
        wanted &= Q(occurred_at__gte=question.from_at)
    if question.to_at:
        wanted &= Q(occurred_at__lt=question.to_at)
    if with_actions and question.action:
        wanted &= Q(action=question.action)
    elif with_actions and question.category:
        wanted &= Q(action__in=codes_of(question.category))
    return wanted


class _Facts(dict[str, Any]):
    def __missing__(self, key: str) -> str:
        return "…"


def _row(entry: Entry, names: NameLookup) -> Row:
    event = described(entry.action)
    who = names.actor(entry.actor_kind, entry.actor_id, entry.actor_job)
    thing = names.thing(entry.object_type, entry.object_id)
    person = person_in(entry)
    what = thing if person is None else names.person(person)
    facts = _Facts(
        {name: value for name, value in entry.details.items() if isinstance(value, str | int)}
        | detail_texts(entry.action, entry.details)
        | {"who": who, "what": what, "thing": thing}
    )
    facts["rule"] = RULE_LABELS.get(str(entry.details.get("rule", "")), "").lower() or "…"
    words = event.text.format_map(facts)
    return Row(
        sequence=entry.sequence,
        at=entry.occurred_at,
        words=words[:1].upper() + words[1:],
        who=who,
        category=CATEGORY_LABELS[event.category],
        severity=event.severity,
        entry=entry,
    )


def _text(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
