"""Checkpoints at work: due by the hour, chained, carried away, and found by the offline verifier."""

import hashlib
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine
from django.core import mail
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection
from django.utils import timezone

from control_plane.administration import services as studios
from control_plane.audit.checkpoints import read_checkpoint, row_fault
from control_plane.audit.models import ChainHead
from control_plane.audit.offline import read_kept
from control_plane.common.errors import ScopeMissing, Unavailable
from control_plane.common.scoping import capability_scope, studio_scope
from control_plane.compliance import checkpoint_sinks
from control_plane.compliance.checkpointing import (
    checkpoint_status,
    copy_to_sinks,
    receipts,
    take_checkpoint_when_due,
)
from control_plane.compliance.models import Checkpoint
from control_plane.compliance.signing import SigningKeyRefused, public_key, signing_key
from control_plane.compliance.tasks import take_checkpoint
from control_plane.storage.configured import object_store
from tests.control_plane.conftest import Cast


@pytest.fixture(autouse=True)
def _own_store(tmp_path: Path, settings: Any) -> None:
    (tmp_path / "objects").mkdir()
    settings.OBJECT_STORE_URL = f"file://{tmp_path / 'objects'}"


def bodies() -> list[str]:
    with capability_scope("platform_checkpoints", "on"):
        return list(Checkpoint.objects.order_by("number").values_list("body", flat=True))


def test_one_is_taken_each_hour_and_names_the_one_before(cast: Cast, other: Cast) -> None:
    with time_machine.travel(timezone.now(), tick=False) as clock:
        assert take_checkpoint_when_due() == 1
        assert take_checkpoint_when_due() is None
        clock.shift(timedelta(minutes=59))
        assert take_checkpoint_when_due() is None
        clock.shift(timedelta(minutes=1))
        with studio_scope(cast.studio.id):
            studios.create_room(cast.studio, name="Blue", actor=cast.alice.actor)
        assert take_checkpoint_when_due() == 2
        clock.shift(timedelta(days=3))
        assert take_checkpoint_when_due() == 3, "one for all the hours that were missed"
    found = [read_checkpoint(body.encode(), public_key=public_key()) for body in bodies()]
    assert row_fault(found) == ""
    with studio_scope(cast.studio.id):
        head = ChainHead.objects.get()
    mine = found[1].head_of(cast.studio.id)
    assert mine is not None
    assert (mine.sequence, mine.hash) == (head.sequence, bytes(head.hash))
    assert found[1].head_of(None) is not None
    before = found[0].head_of(cast.studio.id)
    assert before is not None
    assert before.sequence == head.sequence - 1


def test_each_reaches_every_place_once(cast: Cast, tmp_path: Path, settings: Any) -> None:
    settings.CHECKPOINT_FOLDER = tmp_path / "elsewhere"
    settings.CHECKPOINT_FOLDER.mkdir()
    settings.CHECKPOINT_MAIL = ("keeper@example.org",)
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    take_checkpoint()
    take_checkpoint()
    (body,) = bodies()
    key = "checkpoints/checkpoint-0000000001.json"
    assert object_store().sha256(key) == hashlib.sha256(body.encode()).hexdigest()
    assert [path.name for path in settings.CHECKPOINT_FOLDER.iterdir()] == ["checkpoint-0000000001.json"]
    assert len(mail.outbox) == 1
    assert json.loads(mail.outbox[0].body.split("\n\n", 1)[1])["statement"]["number"] == 1
    kept = read_kept(settings.CHECKPOINT_FOLDER, public_key=public_key())
    known, faults = kept.checkpoints, kept.faults
    assert (len(known), faults) == (1, [])
    assert checkpoint_status().leaves
    assert not checkpoint_status().copy_is_late


def test_a_place_that_is_down_gets_them_later_and_holds_no_other_up(
    cast: Cast, tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.CHECKPOINT_FOLDER = tmp_path / "away"
    with time_machine.travel(timezone.now(), tick=False) as clock:
        take_checkpoint_when_due()
        assert copy_to_sinks() == 1, "the object store got it; the folder is not there"
        clock.shift(timedelta(hours=3))
        take_checkpoint_when_due()
        copy_to_sinks()
        assert checkpoint_status().copy_is_late
        with pytest.raises(CommandError, match="late"):
            call_command("audit_checkpoint")
        settings.CHECKPOINT_FOLDER.mkdir()
        assert copy_to_sinks() == 2
        assert not checkpoint_status().copy_is_late
    assert len(list(settings.CHECKPOINT_FOLDER.iterdir())) == 2


def test_another_checkpoint_of_the_same_number_in_the_store_is_no_copy(cast: Cast) -> None:
    content = b"{}"
    object_store().put(
        "checkpoints/checkpoint-0000000001.json", [content],
        size_bytes=2, sha256=hashlib.sha256(content).hexdigest(),
    )  # fmt: skip
    take_checkpoint_when_due()
    assert copy_to_sinks() == 0
    (body,) = bodies()
    with pytest.raises(Unavailable, match="different checkpoint 1"):
        checkpoint_sinks.configured_sinks()[0].put(1, body)


def test_a_late_one_is_said_to_be_late(cast: Cast) -> None:
    assert checkpoint_status().is_late
    assert not checkpoint_status(since=timezone.now() - timedelta(minutes=3)).is_late, "none is due yet"
    assert checkpoint_status(since=timezone.now() - timedelta(hours=3)).is_late
    take_checkpoint_when_due()
    assert not checkpoint_status().is_late
    with time_machine.travel(timezone.now() + timedelta(hours=2, minutes=1), tick=False):
        assert checkpoint_status().is_late


def test_a_studio_gets_receipts_of_its_own_chain(cast: Cast, other: Cast) -> None:
    take_checkpoint_when_due()
    (line,) = receipts(cast.studio.id)
    receipt = read_checkpoint(line, public_key=public_key())
    assert [head.studio_id for head in receipt.heads] == [cast.studio.id]
    assert str(other.studio.id).encode() not in line


def test_checkpoints_cannot_be_read_without_their_capability_nor_changed(cast: Cast) -> None:
    take_checkpoint_when_due()
    with pytest.raises(ScopeMissing):
        Checkpoint.objects.count()
    with studio_scope(cast.studio.id), connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM compliance_checkpoint")
        assert cursor.fetchone() == (0,)
    with (
        pytest.raises(DatabaseError, match="permission denied"),
        capability_scope("platform_checkpoints", "on"),
    ):
        Checkpoint.objects.update(body="x")


def test_the_signing_key_is_made_once_and_refused_where_others_can_read_it(settings: Any) -> None:
    assert signing_key().private_bytes_raw() == signing_key().private_bytes_raw()
    assert settings.CHECKPOINT_KEY_FILE.stat().st_mode & 0o777 == 0o600
    settings.CHECKPOINT_KEY_FILE.chmod(0o644)
    with pytest.raises(SigningKeyRefused, match="chmod 600"):
        signing_key()
    settings.CHECKPOINT_KEY_FILE.chmod(0o600)
    settings.CHECKPOINT_KEY_FILE.write_text("no key")
    with pytest.raises(SigningKeyRefused, match="holds no signing key"):
        signing_key()
