"""Everybody who may ask, as facts that `expected` reasons with, and as something that can be sent with a request."""

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.test import Client
from django.utils import timezone

from control_plane.access.decision import AccessFacts, ActiveBreakGlass, ActiveGrant
from control_plane.access.model_access import CLASS
from control_plane.access.roles import effective
from control_plane.access.services.api_keys import PREFIX
from control_plane.accounts.models import User
from control_plane.accounts.sessions import SEEN_AT, SIGNED_IN_AT
from control_plane.common.permissions import StudioPermission
from control_plane.common.roles import Role
from control_plane.recordings.permissions import REPLAY, VIEW_CLASS
from tests.control_plane.agent_client import AgentClient
from tests.matrix.furniture import EVERYTHING, NARROW
from tests.matrix.tenant import Tenant
from tests.matrix.world import ROLES_MAY, VISIT, World

IS_WHOLE = os.environ.get("THREEDANCE_TEST_MATRIX_ASKS") == "all"
"""Whether all is asked, as `nox -s matrix` does, or what `usual` leaves of it."""
BACKEND = "django.contrib.auth.backends.ModelBackend"


@dataclass
class Asker:
    """One who asks.

    `roles` maps a tenant's name to the role there; `agent_of` is the tenant of an agent. `token` makes the
    Authorization header of one call; it is good once.
    """

    name: str
    user: User | None = None
    roles: dict[str, Role] = field(default_factory=dict)
    held: dict[tuple[str, str], ActiveGrant] = field(default_factory=dict)
    """(tenant, key of a class) -> a right or a denial on it."""
    answers_for: str = ""
    """The tenant with a dancer whom the person answers for; the dancer was in its first class."""
    visits: str = ""
    """The tenant to which an operator has break-glass access."""
    lacks_factor: bool = False
    """The studio asks for a second factor that the account does not have."""
    is_active: bool = True
    agent_of: str = ""
    token: Callable[[], str] | None = None
    lends: frozenset[StudioPermission] | None = None
    """Permissions of an API key; None for callers without a key."""
    is_spent: bool = False
    """A key that opens nothing any more."""
    session: str = ""

    @property
    def signed_in(self) -> bool:
        """Whether pages know the person."""
        return self.user is not None and self.is_active

    @property
    def is_operator(self) -> bool:
        """Whether the platform's own pages open."""
        return self.name.startswith("operator")

    @property
    def asks_all(self) -> bool:
        """Whether this one asks for things that are foreign, missing, granted or destroyed too.

        So do those who are somebody to a studio, and those who are nobody in the two usual ways.
        """
        somebody = self.roles or self.visits or self.agent_of == "own"
        return bool(somebody and self.is_active) or self.name in ("signed out", "stranger")

    @property
    def administers(self) -> str:
        """The tenant whose admin site opens; empty for none."""
        return next((tenant for tenant, role in self.roles.items() if role is Role.ADMIN), "")

    def at(self, address: str) -> "Asker":
        """Returns who this one is to an address: a key is heard by the API alone."""
        if self.lends is None or address.startswith("api/"):
            return self
        return Asker(self.name, token=self.token)

    @property
    def is_heard_nowhere_else(self) -> bool:
        """Whether this one asks the API alone: of all keys, one asks everything else too, and is nobody there."""
        return self.lends is not None and self.name != "key of the admin"

    def facts(self, tenant: str, class_key: str) -> AccessFacts:
        """Returns the facts about this one, a studio and a class in it, for the rule that the product decides by."""
        role = self.roles.get(tenant)
        held = self.held.get((tenant, class_key))
        ends_at = timezone.now() + timedelta(hours=1)
        return AccessFacts(
            role=role,
            allowed=ROLES_MAY.get(role, effective(role, None)) if role else frozenset(),
            grants=(held,) if held else (),
            break_glasses=(ActiveBreakGlass(UUID(int=1), VISIT, ends_at),) if self.visits == tenant else (),
        )

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
        Asker("guardian", own.people["guardian"], {"own": Role.GUARDIAN}, answers_for="own"),
        Asker("partner", own.people["partner"], {"own": Role.PARTNER}),
        Asker(
            "granted",
            own.people["granted"],
            {"own": Role.PARTNER},
            held={("own", "granted_class"): ActiveGrant(REPLAY, True, CLASS)},
        ),
        Asker(
            "denied",
            own.people["denied"],
            {"own": Role.VIEWER},
            held={("own", "class"): ActiveGrant(VIEW_CLASS, False, CLASS)},
        ),
        Asker("childless", own.people["childless"], {"own": Role.GUARDIAN}),
        Asker("factorless", other.people["factorless"], {"other": Role.ADMIN}, lacks_factor=True),
        Asker("ended", own.people["ended"]),
        Asker("expired", own.people["expired"]),
        Asker("inactive", own.people["inactive"], is_active=False),
        Asker("both", world.people["both"], {"own": Role.VIEWER, "other": Role.ADMIN}),
        Asker("other admin", other.people["admin"], {"other": Role.ADMIN}),
        Asker("operator", world.people["olga"]),
        Asker("operator inside", world.people["otto"], visits="own"),
        Asker("agent", agent_of="own", token=own.agent_client.authorization),
        Asker("other agent", agent_of="other", token=other.agent_client.authorization),
        Asker("revoked agent", token=own.revoked.authorization),
        Asker("false agent", token=lambda: _false(own.agent_client, other.agent_client)),
        Asker("lying agent", token=lambda: _lying(own.agent_client, other.agent_client)),
        *_keys(world),
    ]
    for asker in found:
        if asker.user is not None and asker.lends is None:
            asker.session = _signed_in(asker.user)
    return {asker.name: asker for asker in found}


def _keys(world: World) -> Iterator[Asker]:
    """Yields programs: a key of a person of each role, and of each kind that opens less, or nothing."""
    own, other = world.own, world.other

    def key(
        name: str, tenant: Tenant, person: str, role: Role | None = None, whose: str = "", **more: Any
    ) -> Asker:
        bearer = f"Bearer {tenant.secrets[person]}"
        user = world.people["both"] if person == "both" else tenant.people.get(whose or person)
        more.setdefault("lends", EVERYTHING)
        return Asker(name, user, {tenant.name: role} if role else {}, token=lambda: bearer, **more)

    yield key("key of the admin", own, "admin", Role.ADMIN)
    yield key("narrow key", own, "narrow", Role.ADMIN, "admin", lends=NARROW)
    for role in (Role.INSTRUCTOR, Role.VIEWER, Role.GUARDIAN, Role.PARTNER):
        yield key(
            f"key of the {role}", own, role.value, role, answers_for="own" if role is Role.GUARDIAN else ""
        )
    yield key("key of the other admin", other, "admin", Role.ADMIN)
    yield key("key of both", other, "both", Role.ADMIN)
    yield key("key of one who left", own, "ended", is_spent=True)
    for name in ("revoked", "expired"):
        yield key(f"{name} key", own, f"{name} key", is_active=False, is_spent=True)
    yield key("key of an account switched off", own, "inactive", is_active=False, is_spent=True)
    unknown = PREFIX + "no-such-key-" + "0" * 31
    yield Asker("false key", token=lambda: f"Bearer {unknown}", lends=EVERYTHING, is_spent=True)


def _signed_in(user: User) -> str:
    """Returns the key of a new session of a person."""
    client = Client()
    client.force_login(user, backend=BACKEND)
    session = client.session
    session[SIGNED_IN_AT] = time.time()
    # Ahead of the clock for as long as a run may take: noting that it was seen is a write in each of thousands of requests.
    session[SEEN_AT] = time.time() + 3600
    session.save()
    return str(client.cookies[settings.SESSION_COOKIE_NAME].value)


def _false(claimed: AgentClient, signer: AgentClient) -> str:
    """A token that names another studio's agent, signed by one's own key."""
    return f"Bearer {claimed.token(key=signer.identity)}"


def _lying(claimed: AgentClient, signer: AgentClient) -> str:
    """One's own token that says it is of another studio."""
    return f"Bearer {signer.token(std=str(claimed.answer.studio_id))}"
