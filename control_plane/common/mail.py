"""The only sender of mail: plain text from templates, in the language of the reader and the time zone of the studio.

A mail is named by its template: `APP/mail/NAME.txt` is the text, `APP/mail/NAME_subject.txt` the subject. `send` is for a
mail that the act depends on: it goes out at once, and a server that refuses it undoes the act. `send_on_commit` is for news
about an act: it goes out after the commit, and a failure is logged and undoes nothing. Neither retries: what must arrive is
sent from a task that runs again. Mail about passwords and factors is sent by allauth from its own templates.
"""

import smtplib
from collections.abc import Mapping, Sequence
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.core.mail import EmailMessage
from django.db import transaction
from django.template.loader import render_to_string
from django.utils import timezone, translation

from control_plane.common.errors import Unavailable

NO_SERVER = "django.core.mail.backends.dummy.EmailBackend"


def has_server() -> bool:
    """Returns whether mail can be sent at all. Without a server nothing is sent; a caller that must say so asks first."""
    return bool(settings.EMAIL_BACKEND != NO_SERVER)


def send(
    template: str,
    context: Mapping[str, Any],
    *,
    to: Sequence[str] = (),
    bcc: Sequence[str] = (),
    time_zone: str = "UTC",
) -> None:
    """Sends one mail now.

    Args:
        template: `APP/mail/NAME`.
        bcc: recipients who do not learn each other's addresses.
        time_zone: name of the zone in which the text shows times.

    Raises:
        Unavailable: the mail server did not take it.
    """
    message = _message(template, context, time_zone)
    message.to, message.bcc = list(to), list(bcc)
    try:
        message.send()
    except (OSError, smtplib.SMTPException) as error:
        raise Unavailable("The mail could not be sent. Try again in a minute.") from error


def send_on_commit(
    template: str, context: Mapping[str, Any], *, to: Sequence[str], time_zone: str = "UTC"
) -> None:
    """Sends one mail to each address once this transaction is committed; the text is that of now.

    Args:
        template, time_zone: as `send`.
    """
    for address in to:
        message = _message(template, context, time_zone)
        message.to = [address]

        # A function and no partial: where it fails, Django logs its `__qualname__`.
        def deliver(message: EmailMessage = message) -> None:
            message.send()

        transaction.on_commit(deliver, robust=True)


def _message(template: str, context: Mapping[str, Any], time_zone: str) -> EmailMessage:
    # Accounts have no language of their own yet; the task of a worker must not use that of another request.
    with translation.override(settings.LANGUAGE_CODE), timezone.override(ZoneInfo(time_zone)):
        subject = render_to_string(f"{template}_subject.txt", dict(context))
        body = render_to_string(f"{template}.txt", dict(context))
    # A line break in a subject would be a second header.
    return EmailMessage(subject=" ".join(subject.split()), body=body.strip() + "\n")
