"""Scoped reads of keys."""

from control_plane.keys.models import StudioKey


def current_key() -> StudioKey:
    """Returns the generation of the studio's keys that boxes seal to now.

    Raises:
        StudioKey.DoesNotExist: the studio has none, which `administration.services.create_studio` rules out.
    """
    key: StudioKey = StudioKey.objects.get(retired_at__isnull=True)
    return key
