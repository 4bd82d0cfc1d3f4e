"""Writes of accounts: people, one-time sign-in links, and the end of sessions."""

import hashlib
import secrets
from collections.abc import Iterable
from datetime import timedelta
from urllib.parse import urlencode

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from allauth.usersessions.models import UserSession
from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import IntegrityError, transaction
from django.urls import reverse
from django.utils import timezone

from control_plane.accounts import sessions
from control_plane.accounts.audit_events import (
    PASSWORD_CHANGED,
    SESSIONS_ENDED,
    SIGNIN_LINK_CREATED,
    SIGNIN_LINK_USED,
    USER_CREATED,
    USER_RENAMED,
)
from control_plane.accounts.models import SigninLink, User
from control_plane.audit.services import record_for
from control_plane.common.actors import Actor, ActorKind
from control_plane.common.errors import BadRequest, Conflict, Forbidden

LINK_LIFETIME = timedelta(minutes=15)
LINK_LIFETIME_LIMIT = timedelta(hours=24)
TOKEN_BYTES = 32
LONGEST_NAME = 120


def create_user(
    email: str, *, actor: Actor, display_name: str = "", is_staff: bool = False, verified: bool = True
) -> User:
    """Creates a person without a password. A one-time link lets them in to add a passkey or a password.

    Args:
        verified: whether the address is known to belong to the person.

    Raises:
        BadRequest: it is not an e-mail address.
        Conflict: the address is taken.
    """
    email = email.strip().lower()
    try:
        validate_email(email)
    except ValidationError as error:
        raise BadRequest(f"email: {' '.join(error.messages)}") from error
    try:
        with transaction.atomic():
            user = User.objects.create_user(email, display_name=display_name.strip(), is_staff=is_staff)
    except IntegrityError as error:
        raise Conflict("There is already an account with this e-mail address.") from error
    EmailAddress.objects.create(user=user, email=email, verified=verified, primary=True)
    record_for(USER_CREATED, user, actor=actor, details={"staff": is_staff})
    return user


def has_proven_address(user: User) -> bool:
    """Returns whether the account's address is known to belong to the person.

    If not, somebody else may hold the account. It gets no more permissions until the owner of the address claims it
    (`claim_address`).
    """
    return EmailAddress.objects.filter(user=user, email=user.email, verified=True).exists()


def claim_address(user: User, *, actor: Actor, keep_password: bool = False) -> None:
    """Gives an account to the person who has proven its address; deletes its password, factors and sessions.

    Args:
        keep_password: True if the owner has just set the password.
    """
    with transaction.atomic():
        if not keep_password:
            user.set_unusable_password()
            user.save(update_fields=["password"])
        Authenticator.objects.filter(user=user).delete()
        SocialAccount.objects.filter(user=user).delete()
        end_other_sessions(user, keep_key=None, actor=actor)
        EmailAddress.objects.update_or_create(
            user=user, email=user.email, defaults={"verified": True, "primary": True}
        )
        record_for(PASSWORD_CHANGED, user, actor=actor, details={"how": "address proven"})


def lacks_own_signin(user: User) -> bool:
    """Returns whether an account has neither password nor passkey, so that only a link or a provider signs it in.

    A security key that is only a second step does not sign in alone. A key whose browser did not report its kind counts
    as a passkey, as in the list of keys.
    """
    if user.has_usable_password():
        return False
    keys = Authenticator.objects.filter(user=user, type=Authenticator.Type.WEBAUTHN)
    return all(key.wrap().is_passwordless is False for key in keys)


def rename_user(user: User, name: str, *, actor: Actor) -> None:
    """Changes the name that all studios show for a person. Only the person may change it.

    Raises:
        BadRequest: the name is longer than 120 characters.
        Forbidden: `actor` is not this person.
    """
    if actor.kind is not ActorKind.USER or actor.id != user.id or actor.scopes is not None:
        raise Forbidden("Only the person may change this name.")
    name = " ".join(name.split())
    if len(name) > LONGEST_NAME:
        raise BadRequest(f"display_name: at most {LONGEST_NAME} characters.")
    if name == user.display_name:
        return
    with transaction.atomic():
        user.display_name = name
        user.save(update_fields=["display_name"])
        record_for(USER_RENAMED, user, actor=actor)


def forbid_first_credential(user: User) -> None:
    """Prevents all current sessions from setting the account's first password or factor. Later sign-ins may."""
    user.setup_not_before = timezone.now()
    user.save(update_fields=["setup_not_before"])


def lock_account(user: User) -> User:
    """Locks an account against changes of its credentials until the transaction ends; returns the current row.

    Lock order: studio, account, then the account's links and sessions, then the audit chain.
    """
    # FOR UPDATE, so that inserting a factor waits too: its foreign key needs a lock on this row.
    locked: User = User.objects.select_for_update().get(pk=user.pk)
    return locked


def end_signin_links(user: User) -> None:
    """Deletes a person's unused one-time links, because their credentials or memberships have changed."""
    with transaction.atomic():
        # A link is made under this lock, after a check of the account. So it either exists and is deleted here, or the
        # check runs after this transaction.
        lock_account(user)
        SigninLink.objects.filter(user=user, used_at=None).delete()


def create_signin_link(user: User, *, actor: Actor, ttl: timedelta = LINK_LIFETIME) -> str:
    """Returns a URL that signs `user` in once. It is shown once, because only its hash is stored.

    Raises:
        ValueError: `ttl` is not between zero and a day.
    """
    if not timedelta(0) < ttl <= LINK_LIFETIME_LIMIT:
        raise ValueError(
            f"a sign-in link lives for more than 0 s and at most {LINK_LIFETIME_LIMIT}, not {ttl}"
        )
    token = secrets.token_urlsafe(TOKEN_BYTES)
    with transaction.atomic():
        link = SigninLink.objects.create(
            user=user, token_sha256=token_hash(token), expires_at=timezone.now() + ttl
        )
        record_for(
            SIGNIN_LINK_CREATED,
            link,
            actor=actor,
            details={"user": str(user.id), "lifetime_s": int(ttl.total_seconds())},
        )
    return f"{settings.PUBLIC_URL}{reverse('signin_link')}?{urlencode({'token': token})}"


def use_signin_link(token: str) -> User | None:
    """Uses up a sign-in link and returns its person; None if it is unknown, used or expired.

    Of parallel calls exactly one succeeds, because the update of the row decides. Holds `lock_account` until the
    caller's transaction ends.
    """
    now = timezone.now()
    hash_ = token_hash(token)
    active = User.objects.filter(is_active=True)
    with transaction.atomic():
        owner = User.objects.filter(
            pk__in=SigninLink.objects.filter(token_sha256=hash_).values("user")
        ).first()
        if owner is None:
            return None
        # Lock the account before the link's row, in the same order as `end_signin_links`.
        lock_account(owner)
        # No join: it would move `used_at IS NULL` into a subquery. PostgreSQL does not re-evaluate a subquery for a row that
        # another transaction has just updated, so two calls would succeed.
        spent = SigninLink.objects.filter(
            token_sha256=hash_, used_at__isnull=True, expires_at__gt=now, user__in=active
        ).update(used_at=now)
        if spent != 1:
            return None
        link = SigninLink.objects.select_related("user").get(token_sha256=hash_)
        record_for(SIGNIN_LINK_USED, link, actor=link.user.actor)
        return link.user


def end_sessions(user: User, rows: Iterable[UserSession], *, actor: Actor) -> int:
    """Ends some of a person's sessions at once; returns how many."""
    return _end(user, rows, actor)


def end_other_sessions(user: User, *, keep_key: str | None, actor: Actor) -> int:
    """Ends all of a person's sessions at once, except the one of `keep_key` (None: no exception); returns how many."""
    return _end(user, UserSession.objects.filter(user=user).exclude(session_key=keep_key or ""), actor)


def _end(user: User, rows: Iterable[UserSession], actor: Actor) -> int:
    with transaction.atomic():
        count = sessions.end(list(rows))
        if count:
            record_for(SESSIONS_ENDED, user, actor=actor, details={"sessions": count})
    return count


def token_hash(token: str) -> bytes:
    """Returns the SHA-256 of a token, as stored."""
    return hashlib.sha256(token.encode()).digest()
