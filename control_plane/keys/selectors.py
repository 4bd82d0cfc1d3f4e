"""Scoped reads of keys."""

from control_plane.keys.models import StudioKey


def current_key() -> StudioKey:
    """Returns the current generation of the studio's keys: the one that agents seal to.

    Raises:
        StudioKey.DoesNotExist: the studio has none; `administration.services.create_studio` always makes one.
    """
    key: StudioKey = StudioKey.objects.get(retired_at__isnull=True)
    return key
