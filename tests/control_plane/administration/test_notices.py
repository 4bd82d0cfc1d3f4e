"""A change of a membership by an admin is mailed to its person, where there is a mail server."""

import smtplib
from typing import Any

import pytest
from django.core import mail
from django.core.mail.backends.locmem import EmailBackend
from pytest_django import DjangoCaptureOnCommitCallbacks

from control_plane.administration import services
from control_plane.common.actors import Actor
from control_plane.common.mail import NO_SERVER
from control_plane.common.roles import Role
from control_plane.plans.rate_limits import MAILS_PER_RECIPIENT
from tests.control_plane.conftest import Cast

Committed = DjangoCaptureOnCommitCallbacks


def told(cast: Cast) -> list[tuple[list[str], str]]:
    return [(item.to, str(item.subject).replace(cast.studio.name, "STUDIO")) for item in mail.outbox]


def test_a_changed_role_is_told(cast: Cast, django_capture_on_commit_callbacks: Committed) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        services.change_role(cast.membership(cast.vera), Role.INSTRUCTOR, actor=cast.alice.actor)
        assert not mail.outbox, "nothing is sent before the change is committed"
    assert told(cast) == [([cast.vera.email], "Your role in STUDIO was changed")]
    assert "Your new role: Instructor" in str(mail.outbox[0].body)
    assert f"/studio/{cast.studio.slug}/classes/" in str(mail.outbox[0].body)


def test_ended_sessions_and_a_removal_are_told(
    cast: Cast, django_capture_on_commit_callbacks: Committed
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        services.end_member_sessions(cast.membership(cast.vera), actor=cast.alice.actor)
        services.remove_member(cast.membership(cast.ivan), actor=cast.alice.actor)
    assert told(cast) == [
        ([cast.vera.email], "Your sessions in STUDIO were ended"),
        ([cast.ivan.email], "You no longer belong to STUDIO"),
    ]
    assert "Your other studios stay open" in str(mail.outbox[0].body)


def test_what_one_does_oneself_or_a_job_does_is_not_told(
    cast: Cast, django_capture_on_commit_callbacks: Committed
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        services.end_member_sessions(cast.membership(cast.alice), actor=cast.alice.actor)
        services.leave_studio(cast.membership(cast.gita), actor=cast.gita.actor)
        services.change_role(cast.membership(cast.vera), Role.PARTNER, actor=Actor.system("identity.sso"))
    assert not mail.outbox


def test_without_a_mail_server_nothing_is_sent(
    cast: Cast, settings: Any, django_capture_on_commit_callbacks: Committed
) -> None:
    settings.EMAIL_BACKEND = NO_SERVER
    with django_capture_on_commit_callbacks(execute=True) as waiting:
        services.change_role(cast.membership(cast.vera), Role.INSTRUCTOR, actor=cast.alice.actor)
    assert not [item for item in waiting if "tell_member" in repr(item)]
    assert cast.role_of(cast.vera) == "instructor"


def test_a_mail_server_that_is_down_undoes_nothing(
    cast: Cast, monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: Committed
) -> None:
    def refuse(self: EmailBackend, messages: object) -> int:
        raise smtplib.SMTPException("no")

    monkeypatch.setattr(EmailBackend, "send_messages", refuse)
    with django_capture_on_commit_callbacks(execute=True):
        services.change_role(cast.membership(cast.vera), Role.INSTRUCTOR, actor=cast.alice.actor)
    assert cast.role_of(cast.vera) == "instructor"


def test_an_admin_cannot_flood_a_members_mailbox(
    cast: Cast, django_capture_on_commit_callbacks: Committed
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        for number in range(MAILS_PER_RECIPIENT.by_person + 5):
            role = Role.INSTRUCTOR if number % 2 else Role.PARTNER
            services.change_role(cast.membership(cast.vera), role, actor=cast.alice.actor)
        services.end_member_sessions(cast.membership(cast.vera), actor=cast.alice.actor)
        services.change_role(cast.membership(cast.ivan), Role.VIEWER, actor=cast.alice.actor)
    assert (
        len([item for item in mail.outbox if item.to == [cast.vera.email]]) == MAILS_PER_RECIPIENT.by_person
    )
    assert len([item for item in mail.outbox if item.to == [cast.ivan.email]]) == 1
