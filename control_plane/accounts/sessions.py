"""Web sessions: how long they live, how they came about, which a person has, and how they end.

`SessionLife` ends a session that is too old or was left alone too long, and notes at most once a minute that it was
used. Deactivating an account or changing a password ends sessions without us: Django compares both at each request.
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

from control_plane.accounts import mail
from control_plane.accounts.device import device_words
from control_plane.accounts.models import User
from control_plane.common.middleware import Handler

SIGNED_IN_AT = "signed_in_at"
SEEN_AT = "seen_at"
"""Session keys: seconds since 1970."""
LONGEST_PAUSE = "longest_pause"
"""Session key: the longest pause between two requests, in seconds, and when it ended."""
NOTED_EVERY_S = 60
PROVIDER_METHOD = "socialaccount"


@dataclass(frozen=True, slots=True)
class OwnSession:
    """One place in which a person is signed in."""

    id: int
    device: str
    address: str
    first_seen_at: datetime
    last_seen_at: datetime
    is_current: bool


class SessionLife:
    """Ends what is too old, and keeps `last seen`. Stands behind Django's authentication."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> Any:
        """Calls on, with nobody signed in where the session has ended."""
        if request.session.session_key and request.user.is_authenticated:
            _live(request)
        return self.get_response(request)


def begin(request: HttpRequest) -> None:
    """Notes that somebody has just signed in."""
    request.session[SIGNED_IN_AT] = request.session[SEEN_AT] = time.time()


def proved_at(request: HttpRequest) -> float:
    """Return when the person last showed who they are in this session, in seconds since 1970.

    That is the sign-in, or a confirmation by password or factor since (`account_reauthenticate`).
    """
    signed_in = float(request.session.get(SIGNED_IN_AT, time.time()))
    records = get_authentication_records(request, request.user) if request.user.is_authenticated else []
    return max([signed_in, *(float(entry["at"]) for entry in records if "at" in entry)])


def age_s(request: HttpRequest) -> float:
    """Return how long ago the person last showed who they are in this session."""
    return max(0.0, time.time() - proved_at(request))


def idle_s(request: HttpRequest) -> float:
    """Return the longest time that the session was not used since `proved_at`, give or take a minute.

    Not the pause before this request alone: whichever page comes first after a long pause, the pause counts until the
    person has shown again who they are.
    """
    return float(getattr(request, "session_idle_s", 0.0))


def has_shown_factor(request: HttpRequest) -> bool:
    """Say whether a second factor, or a passkey, was used in this session."""
    if not request.user.is_authenticated:
        return False
    return any(entry.get("method") == "mfa" for entry in get_authentication_records(request, request.user))


def provider_of(request: HttpRequest) -> str:
    """Returns the id of the identity provider that alone vouches for this session; empty where the person did so.

    A session counts as the person's own as soon as a password, a passkey or a one-time link was used in it.
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
    """Returns how long ago the person last showed who they are; None where nothing is known of it."""
    if not request.user.is_authenticated:
        return None
    entries = get_authentication_records(request, request.user)
    return time.time() - float(entries[-1]["at"]) if entries else None


def is_recently_authenticated(request: HttpRequest) -> bool:
    """Returns whether the person signed in recently enough to change how the account is entered."""
    ago_s = authenticated_s_ago(request)
    return ago_s is not None and ago_s <= settings.ACCOUNT_REAUTHENTICATION_TIMEOUT


def may_set_up(request: HttpRequest) -> bool:
    """Say whether an account without a password and a factor may be given its first one in this session.

    Right after signing in it may. Where no mail server could bring its owner back, it may as long as the session lives:
    after five minutes nobody could set up the first password, and signing out would lock the person out. In no case may
    it in a session that an admin of the person's only studio has ended there: somebody else may hold it.
    """
    user = request.user
    if not isinstance(user, User):
        return False
    if user.setup_not_before is not None and proved_at(request) < user.setup_not_before.timestamp():
        return False
    if is_recently_authenticated(request):
        return True
    return not mail.has_server() and not provider_of(request) and authenticated_s_ago(request) is not None


def seen_from(request: HttpRequest, user: User) -> list[UserSession]:
    """Returns those of a person's sessions that this one may see and end.

    A provider sees its own alone: whoever runs one can sign in as anybody, and must not learn from where that person
    uses other studios, nor sign them out there.
    """
    found: list[UserSession] = UserSession.objects.purge_and_list(user)
    provider = provider_of(request)
    return [row for row in found if not provider or _provider_of_row(row) == provider]


def own_sessions(found: Iterable[UserSession], current_key: str | None) -> list[OwnSession]:
    """Returns where a person is signed in, this place first, then the latest used."""
    rows = [
        OwnSession(
            id=row.pk,
            device=device_words(row.user_agent),
            address=row.ip,
            first_seen_at=row.created_at,
            last_seen_at=row.last_seen_at,
            is_current=row.session_key == current_key,
        )
        for row in found
    ]
    return sorted(rows, key=lambda row: (not row.is_current, -row.last_seen_at.timestamp()))


def end(rows: Iterable[UserSession]) -> int:
    """Ends sessions for good, at once; returns how many."""
    count = 0
    for row in rows:
        row.end()
        count += 1
    return count


def clear_sessions(*, most: int) -> int:
    """Removes up to `most` sessions that have expired, and as many notes of places whose session is gone; how many.

    Most people do not sign out: their rows would stay for ever, and each is a record of when somebody was where.
    """
    now = timezone.now()
    expired = Session.objects.filter(expire_date__lt=now).values_list("pk", flat=True)[:most]
    cleared, _ = Session.objects.filter(pk__in=list(expired)).delete()
    there = Session.objects.filter(pk=OuterRef("session_key"))
    # One that was made a moment ago may be noted before its session is saved.
    left = UserSession.objects.filter(~Exists(there), last_seen_at__lt=now - timedelta(days=1))
    noted, _ = UserSession.objects.filter(pk__in=list(left.values_list("pk", flat=True)[:most])).delete()
    return cleared + noted


def _provider_of_row(row: UserSession) -> str:
    records = SessionStore(row.session_key).get(AUTHENTICATION_METHODS_SESSION_KEY, [])
    return _provider_in(records)


def _live(request: HttpRequest) -> None:
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
    pause = max(idle, _pause_s(request))
    request.session_idle_s = pause  # type: ignore[attr-defined]
    if idle > NOTED_EVERY_S:
        session[SEEN_AT] = now
        session[LONGEST_PAUSE] = [pause, now]
        UserSession.objects.filter(session_key=session.session_key).update(
            last_seen_at=timezone.now(), ip=get_adapter().get_client_ip(request)
        )


def _pause_s(request: HttpRequest) -> float:
    """Return the longest pause that was noted since the person last showed who they are."""
    pause_s, ended_at = request.session.get(LONGEST_PAUSE, (0.0, 0.0))
    return float(pause_s) if float(ended_at) > proved_at(request) else 0.0
