"""Mail to one person, as plain text. Without a server nothing is sent, and the caller says so on the page."""

import smtplib

from django.conf import settings
from django.core.mail import EmailMessage
from django.template.loader import render_to_string

from control_plane.common.errors import Unavailable

NO_SERVER = "django.core.mail.backends.dummy.EmailBackend"


def has_server() -> bool:
    """Returns whether mail can be sent at all."""
    return bool(settings.EMAIL_BACKEND != NO_SERVER)


def send(address: str, subject: str, template: str, context: dict[str, object]) -> None:
    """Sends one mail; `template` is that of its text.

    Raises:
        Unavailable: the mail server did not take it.
    """
    body = render_to_string(template, context)
    # A line break in a subject would be a second header.
    message = EmailMessage(subject=" ".join(subject.split()), body=body, to=[address])
    try:
        message.send()
    except (OSError, smtplib.SMTPException) as error:
        raise Unavailable("The mail could not be sent. Try again in a minute.") from error
