"""Reads that show people: put on record by whoever shows them, once for each page."""

from datetime import timedelta

from django.db.models import Model
from django.utils import timezone

from control_plane.access.audit_events import PEOPLE_LISTED
from control_plane.audit.events import AuditEvent
from control_plane.audit.selectors import entries
from control_plane.audit.services import record_for
from control_plane.common.actors import Actor
from control_plane.tenancy.models import Studio

TYPING = timedelta(minutes=10)
"""For so long one entry stands for the names that somebody is offered while typing."""


def note_read(act: AuditEvent, obj: Model, *, actor: Actor, **details: str | int) -> None:
    """Puts down that `actor` is shown `obj`, a Studio or a thing of one; the page is sent only if this is written."""
    record_for(act, obj, actor=actor, details=details)


def note_offered(studio: Studio, *, actor: Actor) -> None:
    """Puts down that `actor` is offered names while typing: a look at the list of people, not one for each letter."""
    since = timezone.now() - TYPING
    looks = entries().filter(action=PEOPLE_LISTED, actor_id=actor.id, occurred_at__gt=since)
    if not looks.exists():
        note_read(PEOPLE_LISTED, studio, actor=actor)
