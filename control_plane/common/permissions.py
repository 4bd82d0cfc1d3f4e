"""How an app declares its permissions: one constant each in its `permissions.py`, with everything that is known about it.

Declaration modules load no model. `access.roles` reads the table of roles from what is declared here.
"""

from dataclasses import KW_ONLY, dataclass

from control_plane.common.actors import ActorKind
from control_plane.common.declared import DeclaredCode
from control_plane.common.roles import Role


@dataclass(frozen=True)
class PermissionGroup:
    """A section of the table of roles; sections are sorted by `order`."""

    title: str
    order: int


VIEWING = PermissionGroup("Viewing", 10)
SHARING = PermissionGroup("Sharing and export", 20)
RECORDING = PermissionGroup("Recording", 30)
DANCERS = PermissionGroup("Dancers", 40)
EQUIPMENT = PermissionGroup("Rooms and agents", 50)
STUDIO = PermissionGroup("Studio", 60)

ON_CLASSES = frozenset({"recordings.ClassSession", "tenancy.Room", "tenancy.Studio"})
"""A grant on a room covers the classes in it, and one on the studio covers everything: hence the larger objects too."""
ON_ROOMS = frozenset({"tenancy.Room", "tenancy.Studio"})
ON_STUDIOS = frozenset({"tenancy.Studio"})

EVERY_ROLE = frozenset(Role)
PEOPLE = frozenset({ActorKind.USER})
AGENTS = frozenset({ActorKind.AGENT})
PLATFORM = frozenset({ActorKind.SYSTEM})


@dataclass(frozen=True, eq=False, repr=False)
class StudioPermission(DeclaredCode):
    """A permission in a studio. With a model's name its code is also a permission of django-guardian: `replay_classsession`.

    Studio admins have every permission that people can have, so the fields about roles name the other roles only.

    Attributes:
        label: its name on pages, such as "Watch recorded classes".
        meaning: what it allows, as a sentence.
        order: its position in lists; leave gaps for others.
        group: its section of the table of roles; None: people cannot have it.
        default_roles: roles that have it unless the studio changes that.
        available_to: roles that a studio may give it to, beside the default ones.
        always: roles (admins included) that a studio cannot take it from.
        needs: permissions without which it is of no use.
        grantable_on: labels of the models on one object of which it can be granted or denied.
        holders: kinds of actors that can have it.
        break_glass: whether break-glass access can include it: not if its effect outlasts the access, nor if it takes data
            out of the studio.
        in_every_key: whether every API key has it.
        footage: whether it shows or passes on footage; guardians have it for classes of their own dancers only.
        personal_data: whether the privacy assessment lists who has it; permissions on footage are listed anyway.
        shows_people: whether rows that it shows are about people: reading their admin page is an audit event.
        doing: what its holder does, as a verb phrase with `{classes}`, `{rooms}` or `{dancers}` as counted objects; empty:
            the label.
        doing_to_one: the same to one object, such as "watch it"; empty: the label.
    """

    code: str
    _: KW_ONLY
    label: str
    meaning: str
    order: int
    group: PermissionGroup | None = None
    default_roles: frozenset[Role] = frozenset()
    available_to: frozenset[Role] = frozenset()
    always: frozenset[Role] = frozenset()
    needs: frozenset["StudioPermission"] = frozenset()
    grantable_on: frozenset[str] = frozenset()
    holders: frozenset[ActorKind] = PEOPLE
    break_glass: bool = False
    in_every_key: bool = False
    footage: bool = False
    personal_data: bool = False
    shows_people: bool = False
    doing: str = ""
    doing_to_one: str = ""

    @property
    def position(self) -> tuple[int, str]:
        """The sort key in `all()`."""
        return (self.order, self.code)

    @property
    def is_for_people(self) -> bool:
        """Whether people can have it."""
        return ActorKind.USER in self.holders

    def is_default_of(self, role: Role) -> bool:
        """Return whether the role has it unless the studio changes that."""
        return self.is_for_people and (role is Role.ADMIN or role in self.default_roles)

    def is_available_to(self, role: Role) -> bool:
        """Return whether a studio may give it to the role."""
        return self.is_default_of(role) or (self.is_for_people and role in self.available_to)

    @property
    def phrase(self) -> str:
        """The effect for its holder as a verb phrase; see `doing`."""
        return self.doing or _lower_first(self.label)

    @property
    def phrase_on_one(self) -> str:
        """The same for one object."""
        return self.doing_to_one or _lower_first(self.label)


def _lower_first(text: str) -> str:
    return text[:1].lower() + text[1:]
