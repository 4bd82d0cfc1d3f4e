"""The permission to read the audit log."""

from control_plane.common.permissions import STUDIO, StudioPermission
from control_plane.common.roles import Role

VIEW_AUDIT = StudioPermission(
    "view_audit",
    label="Read the audit log",
    meaning="Read who did and saw what.",
    order=200,
    group=STUDIO,
    available_to=frozenset({Role.INSTRUCTOR}),
    always=frozenset({Role.ADMIN}),
    break_glass=True,
    personal_data=True,
    shows_people=True,
    doing="view the audit log",
    doing_to_one="view the audit log",
)
