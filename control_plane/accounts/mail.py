"""Plain-text mail to one person. Without a mail server nothing is sent, and the page tells the user so."""

import smtplib

from django.conf import settings
from django.core.mail import EmailMessage
from django.template.loader import render_to_string

from control_plane.common.errors import Unavailable

NO_SERVER = "django.core.mail.backends.dummy.EmailBackend"


def has_server() -> bool:
    """Returns whether a mail server is configured."""
    return bool(settings.EMAIL_BACKEND != NO_SERVER)


def send(address: str, subject: str, template: str, context: dict[str, object]) -> None:
    """Sends a mail whose text is rendered from `template`.

    Raises:
        Unavailable: the mail server did not accept it.
    """
    body = render_to_string(template, context)
    # A line break in the subject would start another header.
    message = EmailMessage(subject=" ".join(subject.split()), body=body, to=[address])
    try:
        message.send()
    except (OSError, smtplib.SMTPException) as error:
        raise Unavailable("The mail could not be sent. Try again in a minute.") from error
