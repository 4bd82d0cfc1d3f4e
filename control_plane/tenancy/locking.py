"""The lock of a studio's members and permissions. It is always taken first (see also `accounts.services.lock_account`)."""

from uuid import UUID

from control_plane.tenancy.models import Studio


def lock_studio(studio_id: UUID) -> None:
    """Locks members and permissions of the studio in scope until the transaction ends."""
    # NO KEY UPDATE: inserts of rows that refer to the studio need KEY SHARE on it and must not wait.
    Studio.objects.select_for_update(no_key=True).get(pk=studio_id)
