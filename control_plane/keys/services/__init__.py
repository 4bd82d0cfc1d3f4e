"""Writes of keys. Each requires access, changes the rows and records the change, in one transaction."""

from control_plane.keys.services.generations import rotate_studio_key

__all__ = [
    "rotate_studio_key",
]
