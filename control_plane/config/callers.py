"""Finds the party of a request before the request is read, so that threads are shared fairly (`common.turns`).

A request counts for a studio, whose agents and people share one party; if the studio is unknown, for an account; else for
the caller's network. A credential counts for a studio or an account only after a request with it was answered as theirs. So
made-up credentials, and requests for pages of another studio, count for the caller's own network. This only decides about
waiting, never about access.
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
"""Credentials that are remembered; the least recently used is dropped first."""
LONGEST_TOKEN = 4096
API = "/api/"
"""Below this path an API key in `Authorization` counts, and a session only without such a header (`api.authentication`)."""
CALLER = "threedance.caller"
"""Key in a request's scope: its caller, and the studio that it was for."""

OF_STUDIO, OF_PERSON, OF_NETWORK = 4, 3, 4
"""Threads, of eight, that each of these may hold at a time."""
OF_AGENTS, OF_UPLOADS, OF_UPLOADS_OF_STUDIO = 5, 3, 2
"""Threads for all calls of agents, for all uploads, and for uploads of one studio: pages always have three."""
OF_HEALTH, OF_HEALTH_OF_NETWORK = 3, 2
"""Threads for all health probes, and for those of one network, so that no network can hold all of them."""
HEALTH = Party("health", OF_HEALTH)


Kind = Literal["agent", "key", "account"]


@dataclass(frozen=True, slots=True)
class Caller:
    """The caller of an answered request, and its studio; None: unknown, or none."""

    identity: tuple[Kind, Hashable]
    """Kind and id of the credential's owner."""
    studio_id: UUID | None


class _Claims(msgspec.Struct):
    iss: str


class Callers:
    """Remembers the studio or account of recently used credentials. Used in the event loop only."""

    def __init__(self) -> None:
        self._known: OrderedDict[Hashable, Caller] = OrderedDict()
        """By credential, and by the path part of the studio that admitted it."""

    def parties(self, scope: Mapping[str, Any]) -> list[Party]:
        """Returns the parties that a request counts for; the first one decides the order."""
        path: str = scope["path"]
        if path in ("/livez", "/readyz"):
            return [Party(("health", _network(scope)), OF_HEALTH_OF_NETWORK), HEALTH]
        if path.startswith(OBJECTS) and scope["method"] == "PUT":
            # The gate has checked our signature of the URL, with or without a body; the studio's id precedes the object key.
            studio = path.removeprefix(OBJECTS).partition("/")[0]
            uploads = [Party(("uploads", studio), OF_UPLOADS_OF_STUDIO), Party("uploads", OF_UPLOADS)]
            return [Party(("studio", studio), OF_STUDIO), *uploads, *_AGENT_CALLS]
        caller = self._known_of(scope)
        if caller is None:
            found = [Party(("network", _network(scope)), OF_NETWORK)]
        elif caller.studio_id is None:
            found = [Party(caller.identity, OF_PERSON)]
        else:
            found = [Party(("studio", str(caller.studio_id)), OF_STUDIO), Party(caller.identity, OF_PERSON)]
        return [*found, *(_AGENT_CALLS if path.startswith(AGENT) else ())]

    def learn(self, scope: Mapping[str, Any]) -> None:
        """Remembers the owner of the credential of an answered request.

        Only if this credential proved the caller. A caller could vary any other header with each request, and so push
        out the credentials of others.
        """
        credential, caller = _credential(scope), scope.get(CALLER)
        if credential is None or caller is None:
            return
        (kind, _), (proved_by, _) = credential, caller.identity
        if kind != proved_by:
            return
        name = credential, _slug(scope["path"]) if caller.studio_id else ""
        self._known[name] = caller
        self._known.move_to_end(name)
        while len(self._known) > MOST_KNOWN:
            self._known.popitem(last=False)

    def _known_of(self, scope: Mapping[str, Any]) -> Caller | None:
        credential = _credential(scope)
        return self._known.get((credential, _slug(scope["path"]))) or self._known.get((credential, ""))


_AGENT_CALLS = (Party("agents", OF_AGENTS),)


def caller_of(request: HttpRequest) -> Caller | None:
    """Returns the caller of an answered request, or None if unknown."""
    if (agent := getattr(request, "agent_caller", None)) is not None:
        return Caller(("agent", agent.agent_id), agent.studio_id)
    # Set once the studio of the path has admitted the caller.
    studio = getattr(request, "studio", None)
    studio_id = studio.pk if studio is not None else None
    if (key := getattr(request, "api_key", None)) is not None:
        return Caller(("key", key.pk), studio_id)
    # Not `request.user`: that would query the database even if no view has.
    user = getattr(request, "_cached_user", None)
    return Caller(("account", user.pk), studio_id) if user is not None and user.is_authenticated else None


def _slug(path: str) -> str:
    """Returns the part of a path that names a studio; empty if there is none."""
    pairs = pairwise(path.split("/"))
    return next((after for before, after in pairs if before in ("studio", "studios")), "")


def _network(scope: Mapping[str, Any]) -> str:
    return limit_key(address_of_scope(scope))


def _credential(scope: Mapping[str, Any]) -> tuple[Kind, Hashable] | None:
    """Returns kind and value of a request's credential, or None.

    Only the one that the path reads: another header would hide a person's session.
    """
    headers = dict(scope["headers"])
    authorization: bytes = headers.get(b"authorization", b"")
    if scope["path"].startswith(AGENT):
        issuer = _issuer(authorization)
        # With its network, because anybody can write another agent's id into a token.
        return ("agent", (issuer, _network(scope))) if issuer else None
    if authorization and scope["path"].startswith(API):
        return "key", hashlib.sha256(authorization).digest()
    cookies = parse_cookie(headers.get(b"cookie", b"").decode("latin-1"))
    session = cookies.get(settings.SESSION_COOKIE_NAME)
    return ("account", hashlib.sha256(session.encode()).digest()) if session else None


def _issuer(authorization: bytes) -> str:
    """Returns the issuer that a token claims, unverified; empty if it names none."""
    if len(authorization) > LONGEST_TOKEN:
        return ""
    try:
        payload = authorization.split(b".")[1]
        return decode(urlsafe_b64decode(payload + b"=" * (-len(payload) % 4)), _Claims).iss
    except (IndexError, binascii.Error, ValueError, msgspec.MsgspecError):
        return ""
