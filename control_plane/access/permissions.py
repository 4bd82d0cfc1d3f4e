"""Permissions on roles and API keys, and the permission of the platform's own jobs."""

from control_plane.common.permissions import PLATFORM, STUDIO, StudioPermission
from control_plane.common.roles import Role

MANAGE_POLICY = StudioPermission(
    "manage_policy",
    label="Manage roles and policies",
    meaning="Set what each role may do, and what raises an alert.",
    order=170,
    group=STUDIO,
    # A studio must not lock itself out. A role below admin with this permission could give itself all others.
    always=frozenset({Role.ADMIN}),
)
USE_API = StudioPermission(
    "use_api",
    label="Create API keys",
    meaning="Create keys by which API clients use some of one's own permissions.",
    order=210,
    group=STUDIO,
    default_roles=frozenset({Role.PARTNER}),
    available_to=frozenset({Role.INSTRUCTOR}),
    in_every_key=True,
)
MAINTAIN = StudioPermission(
    "maintain",
    label="Run maintenance",
    meaning="Run sweeps, integrity scans and other maintenance, without viewing footage. For the platform only.",
    order=240,
    holders=PLATFORM,
)
