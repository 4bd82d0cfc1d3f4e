"""Periodic task of people: the mails that ask for consent, and their reminders."""

from uuid import UUID

from celery import shared_task

from control_plane.common import mail
from control_plane.common.errors import Unavailable
from control_plane.common.scoping import studio_scope
from control_plane.people.consent_requests import due_mails, send_mail_of
from control_plane.tenancy.sweeping import for_each_studio

MAILS_PER_RUN = 100
"""Per studio and run, so that other studios do not wait."""


@shared_task
def send_consent_mails() -> None:
    """Sends the mails that are due, in every studio; run by beat once a minute."""
    if mail.has_server():
        for_each_studio("consent mails", _send_mails_of)


def _send_mails_of(scope: UUID) -> None:
    with studio_scope(scope):
        due = due_mails(most=MAILS_PER_RUN)
    refused: Unavailable | None = None
    for request_id in due:
        try:
            with studio_scope(scope):
                send_mail_of(request_id)
        except Unavailable as error:
            refused = error  # one mailbox that takes nothing must not hold up the others
    if refused is not None:
        raise refused
