"""Writes of keys: generations of a studio's."""

from django.utils import timezone

from control_plane.audit.catalogue import Action as Act
from control_plane.audit.services import record
from control_plane.common.actors import Actor
from control_plane.common.scoping import studio_scope
from control_plane.studios import access, vault
from control_plane.studios.models import Studio, StudioKey


def rotate_studio_key(studio: Studio, *, actor: Actor) -> StudioKey:
    """Makes a new generation of the studio's keys; the one before still opens what was sealed to it.

    Raises:
        NotFound, Forbidden: `actor` may not manage the studio.
    """
    with studio_scope(studio.id):
        access.require(actor, access.Action.MANAGE_STUDIO, studio)
        StudioKey.objects.filter(retired_at__isnull=True).update(retired_at=timezone.now())
        key = vault.new_studio_key(studio)
        key.save()
        record_key(key, actor)
    return key


def record_key(key: StudioKey, actor: Actor) -> None:
    """Puts a new generation on record."""
    record(
        Act.STUDIO_KEY_MADE,
        actor=actor,
        studio_id=key.studio_id,
        object_type="studios.StudioKey",
        object_id=key.id,
        details={"root_key": key.root_key_id},
    )
