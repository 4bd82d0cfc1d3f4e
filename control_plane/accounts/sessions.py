"""Web sessions: their lifetime, how the person authenticated, the list of a person's sessions, and their end.

`SessionExpiry` ends a session that is too old or was idle too long, and records its use at most once a minute.
Disabling an account or changing a password ends sessions without our help: Django checks both at each request.
"""

import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from allauth.account.adapter import get_adapter
from allauth.account.internal.flows.login import (
    AUTHENTICATION_METHODS_SESSION_KEY,
    get_authentication_records,
)
from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib.auth import logout
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.db.models import Exists, OuterRef
from django.http import HttpRequest
from django.utils import timezone

from control_plane.accounts.models import User
from control_plane.accounts.user_agent import device_name
from control_plane.common import mail
from control_plane.common.middleware import Handler

SIGNED_IN_AT = "signed_in_at"
SEEN_AT = "seen_at"
"""Session keys; values in seconds since 1970."""
LONGEST_IDLE = "longest_idle"
"""Session key: the longest time without a request, in seconds, and when it ended."""
NOTED_EVERY_S = 60
PROVIDER_METHOD = "socialaccount"


@dataclass(frozen=True, slots=True)
class OwnSession:
    """One session of a person, as listed for them."""

    id: int
    device: str
    address: str
    first_seen_at: datetime
    last_seen_at: datetime
    is_current: bool


class SessionExpiry:
    """Ends sessions that have expired and records their use. Comes after Django's authentication middleware."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> Any:
        """Calls the next handler, with nobody signed in if the session has expired."""
        if request.session.session_key and request.user.is_authenticated:
            _expire_or_touch(request)
        return self.get_response(request)


def mark_signed_in(request: HttpRequest) -> None:
    """Records that the person has just signed in."""
    request.session[SIGNED_IN_AT] = request.session[SEEN_AT] = time.time()


def authenticated_at(request: HttpRequest) -> float:
    """Returns when the person last authenticated in this session, in seconds since 1970.

    That is the sign-in, or a later confirmation by password or factor (`account_reauthenticate`).
    """
    signed_in = float(request.session.get(SIGNED_IN_AT, time.time()))
    records = get_authentication_records(request, request.user) if request.user.is_authenticated else []
    return max([signed_in, *(float(entry["at"]) for entry in records if "at" in entry)])


def age_s(request: HttpRequest) -> float:
    """Returns the time since the person last authenticated in this session, in seconds."""
    return max(0.0, time.time() - authenticated_at(request))


def idle_s(request: HttpRequest) -> float:
    """Returns the longest time without a request since `authenticated_at`, to about a minute.

    The longest, not the last: an idle period counts until the person authenticates again, whichever page comes first
    after it.
    """
    return float(getattr(request, "session_idle_s", 0.0))


def used_second_factor(request: HttpRequest) -> bool:
    """Returns whether a second factor or a passkey was used in this session."""
    if not request.user.is_authenticated:
        return False
    return any(entry.get("method") == "mfa" for entry in get_authentication_records(request, request.user))


def provider_of(request: HttpRequest) -> str:
    """Returns the id of the identity provider if only it vouches for this session; else empty.

    A password, a passkey or a one-time link makes the session the person's own.
    """
    if not request.user.is_authenticated:
        return ""
    return _provider_in(get_authentication_records(request, request.user))


def _provider_in(records: list[dict[str, Any]]) -> str:
    provider = ""
    for entry in records:
        if entry.get("method") == PROVIDER_METHOD:
            provider = str(entry.get("provider", ""))
        elif entry.get("method") != "mfa" or entry.get("passwordless") or entry.get("reauthenticated"):
            return ""
    return provider


def authenticated_s_ago(request: HttpRequest) -> float | None:
    """Returns the seconds since the person last authenticated; None if unknown."""
    if not request.user.is_authenticated:
        return None
    entries = get_authentication_records(request, request.user)
    return time.time() - float(entries[-1]["at"]) if entries else None


def is_recently_authenticated(request: HttpRequest) -> bool:
    """Returns whether the person authenticated recently enough to change credentials."""
    ago_s = authenticated_s_ago(request)
    return ago_s is not None and ago_s <= settings.ACCOUNT_REAUTHENTICATION_TIMEOUT


def may_set_first_credential(request: HttpRequest) -> bool:
    """Returns whether this session may set the first password or factor of an account that has none.

    It may right after sign-in. Without a mail server it may as long as the session lives, because its owner could not
    get back in after signing out. A session that an admin of the person's only studio has ended there never may:
    somebody else may hold it.
    """
    user = request.user
    if not isinstance(user, User):
        return False
    if user.setup_not_before is not None and authenticated_at(request) < user.setup_not_before.timestamp():
        return False
    if is_recently_authenticated(request):
        return True
    return not mail.has_server() and not provider_of(request) and authenticated_s_ago(request) is not None


def visible_sessions(request: HttpRequest, user: User) -> list[UserSession]:
    """Returns the person's sessions that this session may see and end.

    A session through an identity provider sees only its own kind. The owner of a provider can sign in as anybody, and must
    not learn where that person uses other studios, nor sign them out there.
    """
    found: list[UserSession] = UserSession.objects.purge_and_list(user)
    provider = provider_of(request)
    return [row for row in found if not provider or _provider_of_row(row) == provider]


def own_sessions(found: Iterable[UserSession], current_key: str | None) -> list[OwnSession]:
    """Returns a person's sessions for display: the current one, then the most recently used."""
    rows = [
        OwnSession(
            id=row.pk,
            device=device_name(row.user_agent),
            address=row.ip,
            first_seen_at=row.created_at,
            last_seen_at=row.last_seen_at,
            is_current=row.session_key == current_key,
        )
        for row in found
    ]
    return sorted(rows, key=lambda row: (not row.is_current, -row.last_seen_at.timestamp()))


def end(rows: Iterable[UserSession]) -> int:
    """Ends sessions at once; returns how many."""
    count = 0
    for row in rows:
        row.end()
        count += 1
    return count


def clear_sessions(*, most: int) -> int:
    """Deletes up to `most` expired sessions, and as many entries of ended sessions; returns how many rows.

    Most people do not sign out, so their rows would stay for ever. Each row is a record of where somebody was and when.
    """
    now = timezone.now()
    expired = Session.objects.filter(expire_date__lt=now).values_list("pk", flat=True)[:most]
    cleared, _ = Session.objects.filter(pk__in=list(expired)).delete()
    there = Session.objects.filter(pk=OuterRef("session_key"))
    # A new session is listed before it is saved, so recent entries without a session are kept.
    left = UserSession.objects.filter(~Exists(there), last_seen_at__lt=now - timedelta(days=1))
    noted, _ = UserSession.objects.filter(pk__in=list(left.values_list("pk", flat=True)[:most])).delete()
    return cleared + noted


def _provider_of_row(row: UserSession) -> str:
    records = SessionStore(row.session_key).get(AUTHENTICATION_METHODS_SESSION_KEY, [])
    return _provider_in(records)


def _expire_or_touch(request: HttpRequest) -> None:
    now = time.time()
    session = request.session
    begun, seen = session.get(SIGNED_IN_AT), session.get(SEEN_AT)
    if begun is None or seen is None:
        begun = session[SIGNED_IN_AT] = begun or now
        seen = session[SEEN_AT] = now
    idle = max(0.0, now - float(seen))
    if now - float(begun) > settings.SESSION_HOURS * 3600 or idle > settings.SESSION_IDLE_MINUTES * 60:
        UserSession.objects.filter(session_key=session.session_key).delete()
        logout(request)
        return
    longest_idle_s = max(idle, _longest_idle_s(request))
    request.session_idle_s = longest_idle_s  # type: ignore[attr-defined]
    if idle > NOTED_EVERY_S:
        session[SEEN_AT] = now
        session[LONGEST_IDLE] = [longest_idle_s, now]
        UserSession.objects.filter(session_key=session.session_key).update(
            last_seen_at=timezone.now(), ip=get_adapter().get_client_ip(request)
        )


def _longest_idle_s(request: HttpRequest) -> float:
    """Returns the longest idle period recorded since the person last authenticated, in seconds."""
    longest_s, ended_at = request.session.get(LONGEST_IDLE, (0.0, 0.0))
    return float(longest_s) if float(ended_at) > authenticated_at(request) else 0.0
