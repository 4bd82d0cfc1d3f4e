"""Permissions on classes and their footage."""

from control_plane.common.actors import ActorKind
from control_plane.common.permissions import ON_CLASSES, RECORDING, SHARING, VIEWING, StudioPermission
from control_plane.common.roles import Role

VIEW_CLASS = StudioPermission(
    "view_class",
    label="See the list of classes",
    meaning="See that a class was recorded: its title, room, time and state. No pictures.",
    order=80,
    group=VIEWING,
    default_roles=frozenset({Role.INSTRUCTOR, Role.VIEWER}),
    available_to=frozenset({Role.GUARDIAN, Role.PARTNER}),
    grantable_on=ON_CLASSES,
    break_glass=True,
    footage=True,
    doing="see {classes} in the list",
    doing_to_one="see it in the list",
)
MANAGE_CLASS = StudioPermission(
    "manage_class",
    label="Manage classes",
    meaning="Rename a class and manage its recording.",
    order=90,
    group=RECORDING,
    default_roles=frozenset({Role.INSTRUCTOR}),
    needs=frozenset({VIEW_CLASS}),
    grantable_on=ON_CLASSES,
    break_glass=True,
    doing="manage {classes}",
    doing_to_one="manage it",
)
REPLAY = StudioPermission(
    "replay",
    label="Watch recorded classes",
    meaning="Watch a recorded class.",
    order=100,
    group=VIEWING,
    default_roles=frozenset({Role.INSTRUCTOR, Role.VIEWER}),
    available_to=frozenset({Role.GUARDIAN, Role.PARTNER}),
    needs=frozenset({VIEW_CLASS}),
    grantable_on=ON_CLASSES,
    break_glass=True,
    footage=True,
    doing="watch {classes}",
    doing_to_one="watch it",
)
VIEW_LIVE = StudioPermission(
    "view_live",
    label="Watch live",
    meaning="Watch a room while a class runs.",
    order=110,
    group=VIEWING,
    default_roles=frozenset({Role.INSTRUCTOR}),
    available_to=frozenset({Role.VIEWER, Role.GUARDIAN}),
    needs=frozenset({VIEW_CLASS}),
    grantable_on=ON_CLASSES,
    break_glass=True,
    footage=True,
    doing="watch {rooms} live",
    doing_to_one="watch it live",
)
ANNOTATE = StudioPermission(
    "annotate",
    label="Annotate classes",
    meaning="Write notes at points in time of a class.",
    order=120,
    group=VIEWING,
    default_roles=frozenset({Role.INSTRUCTOR}),
    available_to=frozenset({Role.VIEWER, Role.GUARDIAN, Role.PARTNER}),
    needs=frozenset({VIEW_CLASS, REPLAY}),
    grantable_on=ON_CLASSES,
    break_glass=True,
    footage=True,
    doing="write notes in {classes}",
    doing_to_one="write notes in it",
)
SHARE = StudioPermission(
    "share",
    label="Share classes",
    meaning="Create links by which others watch a class.",
    order=130,
    group=SHARING,
    available_to=frozenset({Role.INSTRUCTOR, Role.VIEWER, Role.GUARDIAN}),
    needs=frozenset({VIEW_CLASS, REPLAY}),
    grantable_on=ON_CLASSES,
    footage=True,
    doing="share {classes}",
    doing_to_one="share it",
)
EXPORT = StudioPermission(
    "export",
    label="Export classes",
    meaning="Download a class as files.",
    order=140,
    group=SHARING,
    available_to=frozenset({Role.INSTRUCTOR, Role.VIEWER, Role.GUARDIAN, Role.PARTNER}),
    needs=frozenset({VIEW_CLASS, REPLAY}),
    grantable_on=ON_CLASSES,
    footage=True,
    doing="export {classes}",
    doing_to_one="export it",
)
UPLOAD = StudioPermission(
    "upload",
    label="Upload footage",
    meaning="Upload footage. For agents only.",
    order=220,
    holders=frozenset({ActorKind.AGENT, ActorKind.SYSTEM}),
)
