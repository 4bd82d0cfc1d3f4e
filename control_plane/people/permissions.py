"""Permissions on dancers. Families never get them: the pages of dancers hold the staff's notes."""

from control_plane.common.permissions import DANCERS, ON_STUDIOS, StudioPermission
from control_plane.common.roles import Role

VIEW_DANCERS = StudioPermission(
    "view_dancers",
    label="View dancers",
    meaning="See the dancers' names, the studio's notes about them, and who was in which class.",
    order=150,
    group=DANCERS,
    default_roles=frozenset({Role.INSTRUCTOR}),
    available_to=frozenset({Role.VIEWER}),
    grantable_on=ON_STUDIOS,
    break_glass=True,
    personal_data=True,
    shows_people=True,
    doing="see the names of {dancers}",
)
MANAGE_DANCERS = StudioPermission(
    "manage_dancers",
    label="Manage dancers",
    meaning="Add dancers, name their guardians, and confirm rosters.",
    order=160,
    group=DANCERS,
    available_to=frozenset({Role.INSTRUCTOR}),
    needs=frozenset({VIEW_DANCERS}),
    grantable_on=ON_STUDIOS,
    personal_data=True,
    doing="manage {dancers} and rosters",
)
MANAGE_CONSENTS = StudioPermission(
    "manage_consents",
    label="Manage consents",
    meaning="Ask families for consent, enter answers from paper, and write the notices.",
    order=165,
    group=DANCERS,
    available_to=frozenset({Role.INSTRUCTOR}),
    needs=frozenset({VIEW_DANCERS}),
    personal_data=True,
    shows_people=True,
    doing="manage the consents of {dancers}",
)
