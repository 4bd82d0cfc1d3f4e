"""What happens while signing in, put on the platform's chain: signals of Django and allauth, one receiver each.

Entries hold the account's id and never an address; a failed try on an unknown address holds nothing of it.
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
from control_plane.accounts.models import User
from control_plane.audit.catalogue import Action
from control_plane.audit.services import record
from control_plane.common.actors import Actor

SIGNIN = Actor.system("accounts.signin")
NOBODY = "unknown"
FAILURES_AN_HOUR, FAILURES_OF_NOBODY_AN_HOUR = 32, 128
"""Refused sign-ins that are written one by one: of an account, and of all addresses that have none."""


def connect() -> None:
    """Connects every receiver; called once the apps are loaded."""
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
        signal.connect(receiver, dispatch_uid=f"accounts.record.{receiver.__name__}")


def write(action: Action, user: User | None, *, actor: Actor | None = None, **details: Any) -> None:
    """Puts an act on record; it is the person's own where `actor` is not given."""
    record(
        action,
        actor=actor or (user.actor if user else SIGNIN),
        studio_id=None,
        object_type="accounts.User",
        object_id=user.id if user else NOBODY,
        details=details,
    )


def write_failure(user: User | None, **details: Any) -> None:
    """Puts a refused sign-in on record, of an account or of nobody's.

    Anybody can cause these, and no entry is ever deleted: of each account `FAILURES_AN_HOUR` are written one by one,
    and then one each time that their number has doubled, with that number.
    """
    name = str(user.id) if user else NOBODY
    most = FAILURES_AN_HOUR if user else FAILURES_OF_NOBODY_AN_HOUR
    count = _count(f"threedance:signin-failed:{name}")
    if count > most:
        doublings, rest = divmod(count, most)
        if rest or doublings & (doublings - 1):
            return
        details["this_hour"] = count
    write(Action.SIGNIN_FAILED, user, actor=SIGNIN, **details)


def _count(key: str) -> int:
    """Returns how many times this was counted within the hour; 0 where the cache does not answer."""
    try:
        cache.add(key, 0, timeout=3600)
        return int(cache.incr(key))
    except (RedisError, ValueError):
        return 0


def _on_signed_in(request: HttpRequest, user: User, **kwargs: Any) -> None:
    sessions.begin(request)
    methods = sorted({_method(entry) for entry in get_authentication_records(request, user)})
    write(Action.SIGNED_IN, user, methods=methods)


def _method(entry: dict[str, Any]) -> str:
    name = str(entry.get("method", ""))
    return f"{name}:{entry['type']}" if "type" in entry else name


def _on_failed(credentials: dict[str, Any], **kwargs: Any) -> None:
    address = str(credentials.get("email") or credentials.get("username") or "")
    write_failure(User.objects.by_address(address), method="password")


def _on_factor_failed(user: User, **kwargs: Any) -> None:
    write_failure(user, method="second factor")


def _on_signed_out(user: User | None, request: HttpRequest, **kwargs: Any) -> None:
    if user is not None:
        key = request.session.session_key
        UserSession.objects.filter(session_key=key).delete()
        write(Action.SIGNED_OUT, user)


def _on_password(request: HttpRequest, user: User, **kwargs: Any) -> None:
    # Django ends the other sessions by itself: what they hold of the old password fits no more.
    services.end_signin_links(user)
    write(Action.PASSWORD_CHANGED, user, how="changed")


def _on_password_reset(request: HttpRequest, user: User, **kwargs: Any) -> None:
    if not services.is_proven(user):
        # Whoever made the account for this address may have put a passkey into it, which opens it without a password.
        services.claim_address(user, actor=SIGNIN, keep_password=True)
    services.end_signin_links(user)
    write(Action.PASSWORD_CHANGED, user, how="reset by mail")


def _on_factor_added(request: HttpRequest, user: User, authenticator: Authenticator, **kwargs: Any) -> None:
    _end_others(request, user)
    kind = str(authenticator.type)
    if kind != Authenticator.Type.RECOVERY_CODES:
        # Whoever has just used a new factor to add it is not asked for it once more on the next page.
        record_authentication(request, user, "mfa", type=kind, reauthenticated=True)
    services.end_signin_links(user)
    write(Action.FACTOR_ADDED, user, factor=kind)


def _on_factor_removed(request: HttpRequest, user: User, authenticator: Authenticator, **kwargs: Any) -> None:
    _end_others(request, user)
    write(Action.FACTOR_REMOVED, user, factor=str(authenticator.type))


def _on_factor_renewed(request: HttpRequest, user: User, authenticator: Authenticator, **kwargs: Any) -> None:
    write(Action.FACTOR_RENEWED, user, factor=str(authenticator.type))


def _end_others(request: HttpRequest, user: User) -> None:
    others = UserSession.objects.filter(user=user).exclude(session_key=request.session.session_key)
    sessions.end(others)
