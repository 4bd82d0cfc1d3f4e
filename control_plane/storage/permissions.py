"""The permission to choose where recordings are stored."""

from control_plane.common.permissions import STUDIO, StudioPermission

MANAGE_STORAGE = StudioPermission(
    "manage_storage",
    label="Manage storage",
    meaning="Choose where recordings are stored.",
    order=190,
    group=STUDIO,
    # A store receives all footage to come: admins only, and never by break-glass access, which it would outlast.
)
