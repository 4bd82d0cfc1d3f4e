"""Writes of keys. Each requires access, changes, and records, in one transaction of the studio's scope."""

from control_plane.keys.services.generations import rotate_studio_key

__all__ = [
    "rotate_studio_key",
]
