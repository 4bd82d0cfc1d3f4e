"""Shared parts of the management commands that print a one-time sign-in link."""

from datetime import timedelta

from django.core.management.base import CommandParser

from control_plane.accounts.models import User
from control_plane.accounts.services import LINK_LIFETIME, LINK_LIFETIME_LIMIT, create_signin_link
from control_plane.common.actors import Actor
from control_plane.common.commands import Refused
from control_plane.common.humanize import format_duration

_MINUTE = timedelta(minutes=1)
USUAL_MINUTES = LINK_LIFETIME // _MINUTE


def add_lifetime(parser: CommandParser) -> None:
    """Adds `--minutes`, the lifetime of the link."""
    parser.add_argument(
        "--minutes",
        type=int,
        default=USUAL_MINUTES,
        help="how long the link works (default: %(default)s)",
    )


def make_link(user: User, minutes: int = USUAL_MINUTES, *, actor: Actor) -> tuple[str, str]:
    """Returns a one-time sign-in link and the sentence that introduces it.

    Raises:
        Refused: the account is disabled, or the lifetime is not between a minute and a day.
    """
    most = LINK_LIFETIME_LIMIT // _MINUTE
    if not user.is_active:
        raise account_disabled(user)
    if not 0 < minutes <= most:
        raise Refused(
            f"a sign-in link works for at least 1 and at most {most} minutes, not {minutes}",
            hint=f"Choose --minutes between 1 and {most}.",
        )
    lifetime = timedelta(minutes=minutes)
    link = create_signin_link(user, actor=actor, ttl=lifetime)
    return (
        link,
        f"This link signs in {user.email} once, within {format_duration(lifetime)}. It is not shown again:",
    )


def account_disabled(user: User) -> Refused:
    """Returns the error for a disabled account."""
    return Refused(f"the account {user.email} is disabled", hint="No link signs it in. Use another address.")
