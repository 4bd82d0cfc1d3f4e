"""Reads that show people: put on record by whoever shows them, once for each page."""

from django.db.models import Model

from control_plane.audit.catalogue import Action as Act
from control_plane.audit.services import record
from control_plane.common.actors import Actor


def note_read(act: Act, obj: Model, *, actor: Actor, **details: str | int) -> None:
    """Puts down that `actor` is shown `obj`, a Studio or a thing of one; the page is sent only if this is written."""
    record(
        act,
        actor=actor,
        studio_id=obj.studio_id,  # type: ignore[attr-defined]
        object_type=obj._meta.label,
        object_id=str(obj.pk),
        details=details,
    )
