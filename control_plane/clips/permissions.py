"""Permissions on clips."""

from control_plane.common.permissions import ON_CLASSES, SHARING, StudioPermission
from control_plane.common.roles import Role
from control_plane.recordings.permissions import REPLAY, VIEW_CLASS

MAKE_CLIPS = StudioPermission(
    "make_clips",
    label="Make clips",
    meaning="Make clips of a class, which outlive its recording, and delete them.",
    order=125,
    group=SHARING,
    default_roles=frozenset({Role.INSTRUCTOR}),
    needs=frozenset({VIEW_CLASS, REPLAY}),
    grantable_on=ON_CLASSES,
    footage=True,
    doing="make clips of {classes}",
    doing_to_one="make clips of it",
)
