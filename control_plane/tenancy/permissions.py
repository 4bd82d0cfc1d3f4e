"""Permissions on a studio, its rooms and its members."""

from control_plane.common.actors import ActorKind
from control_plane.common.permissions import EQUIPMENT, EVERY_ROLE, ON_ROOMS, STUDIO, StudioPermission
from control_plane.common.roles import Role

VIEW_STUDIO = StudioPermission(
    "view_studio",
    label="Open the studio",
    meaning="Open the studio's pages and see its rooms.",
    order=10,
    group=STUDIO,
    default_roles=EVERY_ROLE,
    always=EVERY_ROLE,
    holders=frozenset({ActorKind.USER, ActorKind.SYSTEM}),
    break_glass=True,
    in_every_key=True,
)
MANAGE_PEOPLE = StudioPermission(
    "manage_people",
    label="Manage people",
    meaning="Invite people, change their roles, and grant permissions on single classes and rooms.",
    order=20,
    group=STUDIO,
    # A studio must not lock itself out. A role below admin with this permission could give itself all others.
    always=frozenset({Role.ADMIN}),
    shows_people=True,
    doing="manage people and their roles",
)
MANAGE_ROOMS = StudioPermission(
    "manage_rooms",
    label="Manage rooms",
    meaning="Add, rename and remove rooms.",
    order=60,
    group=EQUIPMENT,
    available_to=frozenset({Role.INSTRUCTOR}),
    grantable_on=ON_ROOMS,
    break_glass=True,
    doing_to_one="manage the room",
)
MANAGE_STUDIO = StudioPermission(
    "manage_studio",
    label="Manage the studio",
    meaning="Change the studio's name, sign-in and encryption keys.",
    order=180,
    group=STUDIO,
    # An identity provider makes admins: admins only, and never by break-glass access, which it would outlast.
    doing="manage the studio, sign-in and keys",
)
