"""Everybody who may ask, as facts that `expected` reasons with, and as something that can be sent with a request."""

from collections.abc import Callable
from dataclasses import dataclass, field

from django.conf import settings
from django.test import Client

from control_plane.accounts.models import User
from control_plane.studios.models import Role
from tests.control_plane.box import Box
from tests.matrix.world import World

BACKEND = "django.contrib.auth.backends.ModelBackend"


@dataclass
class Asker:
    """One who asks.

    `roles` maps a house's name to the role there; `granted` names houses where single classes are granted; `box` is the
    house of the box that an agent is. `token` makes the Authorization header of one call; it is good once.
    """

    name: str
    user: User | None = None
    roles: dict[str, Role] = field(default_factory=dict)
    granted: str = ""
    is_active: bool = True
    agent_of: str = ""
    token: Callable[[], str] | None = None
    session: str = ""

    @property
    def signed_in(self) -> bool:
        """Whether pages know the person."""
        return self.user is not None and self.is_active

    @property
    def administers(self) -> str:
        """The house whose admin site opens; empty for none."""
        return next((house for house, role in self.roles.items() if role is Role.ADMIN), "")

    def headers(self) -> dict[str, str]:
        """Returns what this one sends with a request, fresh."""
        found = {}
        if self.session:
            found["HTTP_COOKIE"] = f"{settings.SESSION_COOKIE_NAME}={self.session}"
        if self.token is not None:
            found["HTTP_AUTHORIZATION"] = self.token()
        return found


def make_askers(world: World) -> dict[str, Asker]:
    """Returns everybody, signed in where they are people."""
    own, other = world.own, world.other
    found = [
        Asker("signed out"),
        Asker("stranger", world.people["sam"]),
        Asker("admin", own.people["admin"], {"own": Role.ADMIN}),
        Asker("instructor", own.people["instructor"], {"own": Role.INSTRUCTOR}),
        Asker("viewer", own.people["viewer"], {"own": Role.VIEWER}),
        Asker("guardian", own.people["guardian"], {"own": Role.GUARDIAN}),
        Asker("partner", own.people["partner"], {"own": Role.PARTNER}),
        Asker("granted", own.people["granted"], {"own": Role.PARTNER}, granted="own"),
        Asker("ended", own.people["ended"]),
        Asker("inactive", own.people["inactive"], is_active=False),
        Asker("both", world.people["both"], {"own": Role.VIEWER, "other": Role.ADMIN}),
        Asker("other admin", other.people["admin"], {"other": Role.ADMIN}),
        Asker("operator", world.people["olga"]),
        Asker("agent", agent_of="own", token=own.box.authorization),
        Asker("other agent", agent_of="other", token=other.box.authorization),
        Asker("revoked agent", token=own.revoked.authorization),
        Asker("false agent", token=lambda: _false(own.box, other.box)),
        Asker("lying agent", token=lambda: _lying(own.box, other.box)),
    ]
    for asker in found:
        if asker.user is not None:
            client = Client()
            client.force_login(asker.user, backend=BACKEND)
            asker.session = client.cookies[settings.SESSION_COOKIE_NAME].value
    return {asker.name: asker for asker in found}


def _false(claimed: Box, signer: Box) -> str:
    """A token that names another studio's box, signed by one's own key."""
    return f"Bearer {claimed.token(key=signer.identity)}"


def _lying(claimed: Box, signer: Box) -> str:
    """One's own token that says it is of another studio."""
    return f"Bearer {signer.token(std=str(claimed.answer.studio_id))}"
