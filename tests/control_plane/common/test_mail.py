"""Mail: one sender, each mail a template with a subject, failures as each caller needs them."""

import re
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.core import mail as django_mail
from django.db import transaction

from control_plane.common import mail
from control_plane.common.errors import Unavailable

ROOT = Path(__file__).parents[3] / "control_plane"
TEXTS = sorted(ROOT.glob("*/templates/*/mail/*.txt"))
NAMES = sorted(
    {str(path.relative_to(path.parents[2])).removesuffix(".txt").removesuffix("_subject") for path in TEXTS}
)
AT = datetime(2026, 12, 1, 16, 5, tzinfo=UTC)


def facts(**changes: Any) -> dict[str, Any]:
    """Returns what any of the templates asks for."""
    invitation = SimpleNamespace(
        studio=SimpleNamespace(name="Tanzhaus"), get_role_display="Viewer", expires_at=AT
    )
    return {
        "act": "member.changed", "studio": "Tanzhaus", "role": "Viewer", "page": "https://x/", "link": "https://x/y",
        "invitation": invitation, "operator": "Olga", "reason": "a ticket", "ends_at": AT, "permitted": ["See agents."],
        "used": "9 GB", "included": "10 GB", "contact": "help@example.org", "segment_count": 2, "class_count": 1,
        "alerts": [{"raised_at": AT, "label": "Night"}], "number": 7, "body": "{}",
        "dancer": "Dana", "is_self": False, "has_account": False,
        "today": AT.date(), "requests": [SimpleNamespace(get_kind_display="Erasure", due_on=AT.date())],
    } | changes  # fmt: skip


def break_down(settings: Any) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT, settings.EMAIL_TIMEOUT = "127.0.0.1", 1, 1


def test_nothing_else_sends_mail() -> None:
    senders = [
        str(path.relative_to(ROOT))
        for path in ROOT.rglob("*.py")
        if re.search(
            r"\bEmailMessage\b|\bsend_mail\b|EmailMultiAlternatives|dummy\.EmailBackend", path.read_text()
        )
    ]
    assert senders == ["common/mail.py"]


@pytest.mark.parametrize("name", NAMES)
def test_every_mail_has_a_subject_and_a_text(name: str) -> None:
    mail.send(name, facts(), to=["a@example.org"])
    (message,) = django_mail.outbox
    assert message.subject
    assert message.subject.strip() == message.subject
    assert "\n\n\n" not in str(message.body)
    assert "{" not in str(message.subject)


def test_a_line_break_in_a_name_makes_no_second_header() -> None:
    mail.send("administration/mail/membership", facts(studio="X\r\nBcc: b@example.org"), to=["a@example.org"])
    assert "\n" not in django_mail.outbox[0].message()["Subject"]
    assert django_mail.outbox[0].recipients() == ["a@example.org"]


def test_text_is_plain_and_escapes_nothing() -> None:
    mail.send("administration/mail/membership", facts(studio="Tanz & <Haus>"), to=["a@example.org"])
    assert "Tanz & <Haus>" in str(django_mail.outbox[0].body)
    assert "Tanz & <Haus>" in django_mail.outbox[0].subject


def test_times_are_in_the_zone_of_the_studio() -> None:
    mail.send("access/mail/break_glass", facts(), to=["a@example.org"], time_zone="Europe/Zurich")
    assert "1 December 2026, 17:05" in str(django_mail.outbox[0].body)


def test_numbers_choose_their_plural() -> None:
    mail.send("integrity/mail/damage", facts(), to=["a@example.org"])
    mail.send("integrity/mail/damage", facts(segment_count=1, class_count=3), to=["a@example.org"])
    first, second = (str(item.body) for item in django_mail.outbox)
    assert "found 2 segments of footage, in 1 class," in first
    assert "found 1 segment of footage, in 3 classes," in second


def test_a_server_that_is_down_refuses_what_is_sent_now(settings: Any) -> None:
    break_down(settings)
    with pytest.raises(Unavailable):
        mail.send("compliance/mail/alerts", facts(), bcc=["a@example.org"])


def test_news_goes_to_each_alone_and_only_after_the_commit(
    db: None, django_capture_on_commit_callbacks: Any
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        mail.send_on_commit("integrity/mail/damage", facts(), to=["a@example.org", "b@example.org"])
        assert django_mail.outbox == []
    assert [item.recipients() for item in django_mail.outbox] == [["a@example.org"], ["b@example.org"]]


def test_news_that_cannot_be_sent_undoes_nothing_and_is_logged(
    transactional_db: None, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    break_down(settings)
    with transaction.atomic():
        mail.send_on_commit("integrity/mail/damage", facts(), to=["a@example.org", "b@example.org"])
    assert caplog.text.count("Error calling send_on_commit.<locals>.deliver in on_commit()") == 2
    assert "a@example.org" not in caplog.text
