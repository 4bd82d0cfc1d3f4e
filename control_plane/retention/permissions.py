"""The permission to decide how long recordings are kept."""

from control_plane.common.permissions import STUDIO, StudioPermission

MANAGE_RETENTION = StudioPermission(
    "manage_retention",
    label="Manage retention",
    meaning="Decide how long recordings are kept, hold them back from deletion, and confirm large deletions.",
    order=195,
    group=STUDIO,
    # Its deletions are for good, and its holds outlast any break-glass access: admins only.
)
