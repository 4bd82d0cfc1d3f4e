"""Audit events of reads about people, written once per page by the code that renders it."""

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
"""How long one event covers the names that are suggested to a person while typing."""


def note_read(act: AuditEvent, obj: Model, *, actor: Actor, **details: str | int) -> None:
    """Record that `actor` views `obj`, a studio or an object in one. The page is sent only if this is written."""
    record_for(act, obj, actor=actor, details=details)


def note_offered(studio: Studio, *, actor: Actor) -> None:
    """Record that names are suggested to `actor` while typing: one event, not one for each letter."""
    since = timezone.now() - TYPING
    looks = entries().filter(action=PEOPLE_LISTED, actor_id=actor.id, occurred_at__gt=since)
    if not looks.exists():
        note_read(PEOPLE_LISTED, studio, actor=actor)
