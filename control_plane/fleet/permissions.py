"""Permissions on agents and cameras, and to record with them."""

from control_plane.common.permissions import (
    AGENTS,
    EQUIPMENT,
    ON_CLASSES,
    ON_ROOMS,
    ON_STUDIOS,
    RECORDING,
    StudioPermission,
)
from control_plane.common.roles import Role

VIEW_AGENTS = StudioPermission(
    "view_agents",
    label="View agents and cameras",
    meaning="See agents, cameras and their status.",
    order=30,
    group=EQUIPMENT,
    default_roles=frozenset({Role.INSTRUCTOR}),
    available_to=frozenset({Role.VIEWER, Role.PARTNER}),
    grantable_on=ON_ROOMS,
    break_glass=True,
)
MANAGE_AGENTS = StudioPermission(
    "manage_agents",
    label="Manage agents",
    meaning="Pair, rename and revoke agents.",
    order=40,
    group=EQUIPMENT,
    available_to=frozenset({Role.INSTRUCTOR}),
    needs=frozenset({VIEW_AGENTS}),
    grantable_on=ON_STUDIOS,
    # Never by break-glass access: a paired agent is told the passwords of the cameras.
)
MANAGE_CAMERAS = StudioPermission(
    "manage_cameras",
    label="Manage cameras",
    meaning="Add, change and remove cameras.",
    order=50,
    group=EQUIPMENT,
    available_to=frozenset({Role.INSTRUCTOR}),
    needs=frozenset({VIEW_AGENTS}),
    grantable_on=ON_ROOMS,
    break_glass=True,
)
RECORD = StudioPermission(
    "record",
    label="Record classes",
    meaning="Start and stop recording a class.",
    order=70,
    group=RECORDING,
    default_roles=frozenset({Role.INSTRUCTOR}),
    available_to=frozenset({Role.VIEWER, Role.PARTNER}),
    grantable_on=ON_CLASSES,
    break_glass=True,
    doing="record in {rooms}",
    doing_to_one="record",
)
REPORT = StudioPermission(
    "report",
    label="Report status",
    meaning="Report an agent's status. For agents only.",
    order=230,
    holders=AGENTS,
    doing_to_one="report its state",
)
