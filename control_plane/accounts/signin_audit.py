"""Audit events of sign-in, on the platform's chain: one receiver for each signal of Django and allauth.

Events contain the account's id but never an address. A failed attempt for an unknown address contains nothing of it.
"""

from collections.abc import Callable
from typing import Any

from allauth.account import signals as account
from allauth.account.internal.flows.login import get_authentication_records, record_authentication
from allauth.mfa import signals as factors
from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.contrib.auth import signals as auth
from django.core.cache import cache
from django.dispatch import Signal
from django.http import HttpRequest
from redis import RedisError

from control_plane.accounts import services, sessions
from control_plane.accounts.audit_events import (
    FACTOR_ADDED,
    FACTOR_REMOVED,
    FACTOR_RENEWED,
    PASSWORD_CHANGED,
    SIGNED_IN,
    SIGNED_OUT,
    SIGNIN_FAILED,
)
from control_plane.accounts.models import User
from control_plane.audit.events import AuditEvent
from control_plane.audit.services import record
from control_plane.common.actors import Actor

SIGNIN = Actor.system("accounts.signin")
NOBODY = "unknown"
FAILURES_AN_HOUR, FAILURES_OF_NOBODY_AN_HOUR = 32, 128
"""Failed sign-ins per hour that get an event each: of one account, and of all unknown addresses together."""


def connect() -> None:
    """Connects all receivers. Called once, when the apps are loaded."""
    wanted: list[tuple[Signal, Callable[..., None]]] = [
        (auth.user_logged_in, _on_signed_in),
        (auth.user_login_failed, _on_failed),
        (auth.user_logged_out, _on_signed_out),
        (account.password_set, _on_password),
        (account.password_changed, _on_password),
        (account.password_reset, _on_password_reset),
        (factors.authenticator_added, _on_factor_added),
        (factors.authenticator_removed, _on_factor_removed),
        (factors.authenticator_reset, _on_factor_renewed),
        (factors.authentication_failed, _on_factor_failed),
    ]
    for signal, receiver in wanted:
        signal.connect(receiver, dispatch_uid=f"accounts.signin_audit.{receiver.__name__}")


def record_event(
    action: AuditEvent, user: User | None, *, actor: Actor | None = None, **details: Any
) -> None:
    """Writes an audit event about `user`, who is the actor unless `actor` is given."""
    record(
        action,
        actor=actor or (user.actor if user else SIGNIN),
        studio_id=None,
        object_type="accounts.User",
        object_id=user.id if user else NOBODY,
        details=details,
    )


def record_failure(user: User | None, **details: Any) -> None:
    """Writes an audit event about a failed sign-in of an account or an unknown address.

    Anyone can cause these, and audit events are never deleted. So only the first `FAILURES_AN_HOUR` of an account get
    an event each; after that one event is written whenever their number has doubled, with the number.
    """
    name = str(user.id) if user else NOBODY
    most = FAILURES_AN_HOUR if user else FAILURES_OF_NOBODY_AN_HOUR
    count = _count(f"threedance:signin-failed:{name}")
    if count > most:
        doublings, rest = divmod(count, most)
        if rest or doublings & (doublings - 1):
            return
        details["this_hour"] = count
    record_event(SIGNIN_FAILED, user, actor=SIGNIN, **details)


def _count(key: str) -> int:
    """Counts and returns the failures within the hour; 0 if the cache does not answer."""
    try:
        cache.add(key, 0, timeout=3600)
        return int(cache.incr(key))
    except (RedisError, ValueError):
        return 0


def _on_signed_in(request: HttpRequest, user: User, **kwargs: Any) -> None:
    sessions.mark_signed_in(request)
    methods = sorted({_method(entry) for entry in get_authentication_records(request, user)})
    record_event(SIGNED_IN, user, methods=methods)


def _method(entry: dict[str, Any]) -> str:
    name = str(entry.get("method", ""))
    return f"{name}:{entry['type']}" if "type" in entry else name


def _on_failed(credentials: dict[str, Any], **kwargs: Any) -> None:
    address = str(credentials.get("email") or credentials.get("username") or "")
    record_failure(User.objects.by_address(address), method="password")


def _on_factor_failed(user: User, **kwargs: Any) -> None:
    record_failure(user, method="second factor")


def _on_signed_out(user: User | None, request: HttpRequest, **kwargs: Any) -> None:
    if user is not None:
        key = request.session.session_key
        UserSession.objects.filter(session_key=key).delete()
        record_event(SIGNED_OUT, user)


def _on_password(request: HttpRequest, user: User, **kwargs: Any) -> None:
    # Django ends the other sessions itself, because their hash of the password no longer matches.
    services.end_signin_links(user)
    record_event(PASSWORD_CHANGED, user, how="changed")


def _on_password_reset(request: HttpRequest, user: User, **kwargs: Any) -> None:
    if not services.has_proven_address(user):
        # The person who registered the account may have added a passkey, which signs in without the new password.
        services.claim_address(user, actor=SIGNIN, keep_password=True)
    services.end_signin_links(user)
    record_event(PASSWORD_CHANGED, user, how="reset by mail")


def _on_factor_added(request: HttpRequest, user: User, authenticator: Authenticator, **kwargs: Any) -> None:
    _end_others(request, user)
    kind = str(authenticator.type)
    if kind != Authenticator.Type.RECOVERY_CODES:
        # The person has just used the new factor to add it, so the next page should not ask for it again.
        record_authentication(request, user, "mfa", type=kind, reauthenticated=True)
    services.end_signin_links(user)
    record_event(FACTOR_ADDED, user, factor=kind)


def _on_factor_removed(request: HttpRequest, user: User, authenticator: Authenticator, **kwargs: Any) -> None:
    _end_others(request, user)
    record_event(FACTOR_REMOVED, user, factor=str(authenticator.type))


def _on_factor_renewed(request: HttpRequest, user: User, authenticator: Authenticator, **kwargs: Any) -> None:
    record_event(FACTOR_RENEWED, user, factor=str(authenticator.type))


def _end_others(request: HttpRequest, user: User) -> None:
    others = UserSession.objects.filter(user=user).exclude(session_key=request.session.session_key)
    sessions.end(others)
