"""Finds the party of a request before the request is read, so that threads are shared fairly (`common.turns`).

A request is counted for a studio, whose agents and people share one party; where no studio is known, for an account; else
for the network that it comes from. A credential counts for an account or a studio only after a request with it was answered
as theirs. Made-up credentials, and requests for pages of another studio, are thus counted for the caller's own network.
This decides about waiting only, never about access.
"""

import binascii
import hashlib
from base64 import urlsafe_b64decode
from collections import OrderedDict
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal
from uuid import UUID

import msgspec
from django.conf import settings
from django.http import HttpRequest, parse_cookie

from control_plane.common.client_network import address_of_scope, limit_key
from control_plane.common.turns import Party
from control_plane.ingest.gate import AGENT, OBJECTS
from shared.protocol.codec import decode

MOST_KNOWN = 10_000
"""Credentials that are remembered; the one that was used longest ago is forgotten first."""
LONGEST_TOKEN = 4096
API = "/api/"
"""Below it an API key in `Authorization` counts, and a session only where there is no such header (`api.authentication`)."""
WHO = "threedance.who"
"""In the scope of a request: who it turned out to come from, and which studio it was for."""

OF_STUDIO, OF_PERSON, OF_NETWORK = 4, 3, 4
"""Threads, of eight, that they may have at a time."""
OF_AGENTS, OF_UPLOADS, OF_UPLOADS_OF_STUDIO = 5, 3, 2
"""Threads for all calls of agents, for all uploads, and for those of one studio: pages always have three."""
OF_HEALTH, OF_HEALTH_OF_NETWORK = 3, 2
"""Threads for all health probes, and for those of one network: it never has all of them."""
HEALTH = Party("health", OF_HEALTH)


Kind = Literal["agent", "key", "account"]


@dataclass(frozen=True, slots=True)
class Who:
    """From whom an answered request came, and which studio it was for; None: not known, and none."""

    caller: tuple[Kind, Hashable]
    """The kind of its credential, and its id."""
    studio_id: UUID | None


class _Claims(msgspec.Struct):
    iss: str


class Callers:
    """Remembers to which studio or account recently used credentials belong. Used by the event loop alone."""

    def __init__(self) -> None:
        self._known: OrderedDict[Hashable, Who] = OrderedDict()
        """By credential, and by the part of the address that named the studio that let it in."""

    def parties(self, scope: Mapping[str, Any]) -> list[Party]:
        """Returns to whom a request counts, the one first whose turn it is."""
        path: str = scope["path"]
        if path in ("/livez", "/readyz"):
            return [Party(("health", _network(scope)), OF_HEALTH_OF_NETWORK), HEALTH]
        if path.startswith(OBJECTS) and scope["method"] == "PUT":
            # The gate has checked that we signed the address, with or without a body; the studio is in front of the key.
            studio = path.removeprefix(OBJECTS).partition("/")[0]
            uploads = [Party(("uploads", studio), OF_UPLOADS_OF_STUDIO), Party("uploads", OF_UPLOADS)]
            return [Party(("studio", studio), OF_STUDIO), *uploads, *_KIND_OF_AGENTS]
        who = self._known_of(scope)
        if who is None:
            found = [Party(("network", _network(scope)), OF_NETWORK)]
        elif who.studio_id is None:
            found = [Party(who.caller, OF_PERSON)]
        else:
            found = [Party(("studio", str(who.studio_id)), OF_STUDIO), Party(who.caller, OF_PERSON)]
        return [*found, *(_KIND_OF_AGENTS if path.startswith(AGENT) else ())]

    def learn(self, scope: Mapping[str, Any]) -> None:
        """Remembers whose the credential of a request is that has been answered.

        Only where the credential is the one that proved it: a caller could change any other with each request, and push
        out those of others.
        """
        credential, who = _credential(scope), scope.get(WHO)
        if credential is None or who is None:
            return
        (kind, _), (proved_by, _) = credential, who.caller
        if kind != proved_by:
            return
        name = credential, _slug(scope["path"]) if who.studio_id else ""
        self._known[name] = who
        self._known.move_to_end(name)
        while len(self._known) > MOST_KNOWN:
            self._known.popitem(last=False)

    def _known_of(self, scope: Mapping[str, Any]) -> Who | None:
        credential = _credential(scope)
        return self._known.get((credential, _slug(scope["path"]))) or self._known.get((credential, ""))


_KIND_OF_AGENTS = (Party("agents", OF_AGENTS),)


def who(request: HttpRequest) -> Who | None:
    """Returns from whom an answered request came; None: it is not known."""
    if (agent := getattr(request, "agent_caller", None)) is not None:
        return Who(("agent", agent.agent_id), agent.studio_id)
    # Set once the studio of the address has let the caller in.
    studio = getattr(request, "studio", None)
    studio_id = studio.pk if studio is not None else None
    if (key := getattr(request, "api_key", None)) is not None:
        return Who(("key", key.pk), studio_id)
    # Not `request.user`: that would ask the database where no view has.
    user = getattr(request, "_cached_user", None)
    return Who(("account", user.pk), studio_id) if user is not None and user.is_authenticated else None


def _slug(path: str) -> str:
    """Returns the part of an address that names a studio; empty where none does."""
    pairs = pairwise(path.split("/"))
    return next((after for before, after in pairs if before in ("studio", "studios")), "")


def _network(scope: Mapping[str, Any]) -> str:
    return limit_key(address_of_scope(scope))


def _credential(scope: Mapping[str, Any]) -> tuple[Kind, Hashable] | None:
    """Returns the kind and name of a request's credential; None where it has none.

    It is the one that the path reads: a header that nobody reads would hide a person's session.
    """
    headers = dict(scope["headers"])
    authorization: bytes = headers.get(b"authorization", b"")
    if scope["path"].startswith(AGENT):
        issuer = _issuer(authorization)
        # Together with where it comes from: anybody can write another agent's name into a token.
        return ("agent", (issuer, _network(scope))) if issuer else None
    if authorization and scope["path"].startswith(API):
        return "key", hashlib.sha256(authorization).digest()
    cookies = parse_cookie(headers.get(b"cookie", b"").decode("latin-1"))
    session = cookies.get(settings.SESSION_COOKIE_NAME)
    return ("account", hashlib.sha256(session.encode()).digest()) if session else None


def _issuer(authorization: bytes) -> str:
    """Returns who a token says it is of, before anything of it is proved; empty where it says nothing."""
    if len(authorization) > LONGEST_TOKEN:
        return ""
    try:
        payload = authorization.split(b".")[1]
        return decode(urlsafe_b64decode(payload + b"=" * (-len(payload) % 4)), _Claims).iss
    except (IndexError, binascii.Error, ValueError, msgspec.MsgspecError):
        return ""
