"""The lock of a studio's people and rules: whoever changes them does so one after the other."""

from uuid import UUID

from control_plane.tenancy.models import Studio


def lock_studio(studio_id: UUID) -> None:
    """Waits for whoever changes people or rules of the studio in scope, and holds off the next."""
    # Not a plain FOR UPDATE: rows that merely point at the studio may still be written.
    Studio.objects.select_for_update(no_key=True).get(pk=studio_id)
