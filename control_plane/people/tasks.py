"""Periodic tasks of people: mails that ask for consent, their reminders, and mails about dancers who came of age."""

from collections.abc import Callable
from uuid import UUID

from celery import shared_task

from control_plane.common import mail
from control_plane.common.errors import Unavailable
from control_plane.common.scoping import studio_scope
from control_plane.people.coming_of_age import due_dancers, tell_family
from control_plane.people.consent_requests import due_mails, send_mail_of
from control_plane.tenancy.sweeping import for_each_studio

MAILS_PER_RUN = 100
"""Per studio and run, so that other studios do not wait."""


@shared_task
def send_consent_mails() -> None:
    """Sends the mails that are due, in every studio; run by beat once a minute."""
    if mail.has_server():
        for_each_studio("consent mails", _send_mails_of)


@shared_task
def tell_families_of_age() -> None:
    """Tells families whose dancer has come of age, in every studio; run by beat once an hour."""
    if mail.has_server():
        for_each_studio("dancers of age", _tell_families_of)


def _send_mails_of(scope: UUID) -> None:
    with studio_scope(scope):
        due = due_mails(most=MAILS_PER_RUN)
    _send_each(scope, due, send_mail_of)


def _tell_families_of(scope: UUID) -> None:
    with studio_scope(scope):
        due = due_dancers(scope, most=MAILS_PER_RUN)
    _send_each(scope, due, lambda dancer_id: tell_family(dancer_id, scope))


def _send_each(scope: UUID, due: list[UUID], send: Callable[[UUID], bool]) -> None:
    refused: Unavailable | None = None
    for row_id in due:
        try:
            with studio_scope(scope):
                send(row_id)
        except Unavailable as error:
            refused = error  # one mailbox that takes nothing must not hold up the others
    if refused is not None:
        raise refused
