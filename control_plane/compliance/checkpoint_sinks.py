"""Sinks for checkpoints: always the object store; a second folder, a webhook and mail if the settings name them."""

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httpx
from django.conf import settings

from control_plane.common import mail
from control_plane.common.errors import Unavailable
from control_plane.storage.configured import object_store
from control_plane.storage.errors import ObjectExists

WEBHOOK_TIMEOUT_S = 10


@dataclass(frozen=True)
class CheckpointSink:
    """One sink. `name` is shown and stored, so it holds no secret. `leaves`: whether the copy is off this machine."""

    name: str
    leaves: bool
    put: Callable[[int, str], None]
    """Stores a checkpoint's number and body; raises `ControlPlaneError` or OSError. Idempotent."""


def configured_sinks() -> list[CheckpointSink]:
    """Returns the sinks that the settings name."""
    store = urlsplit(settings.OBJECT_STORE_URL)
    found = [
        CheckpointSink(f"object store ({store.hostname or 'this machine'})", bool(store.hostname), _to_store)
    ]
    if settings.CHECKPOINT_FOLDER:
        found.append(CheckpointSink(f"folder {settings.CHECKPOINT_FOLDER}", True, _to_folder))
    if settings.CHECKPOINT_WEBHOOK:
        host = urlsplit(settings.CHECKPOINT_WEBHOOK).hostname
        found.append(CheckpointSink(f"webhook at {host}", True, _to_webhook))
    if settings.CHECKPOINT_MAIL:
        found.append(CheckpointSink("mail", True, _to_mail))
    return found


def file_name(number: int) -> str:
    """Returns the file name of a checkpoint. Names sort by number."""
    return f"checkpoint-{number:010d}.json"


def _to_store(number: int, body: str) -> None:
    content = body.encode()
    key = f"checkpoints/{file_name(number)}"
    try:
        object_store().put(
            key, [content], size_bytes=len(content), sha256=hashlib.sha256(content).hexdigest()
        )
    except ObjectExists:
        if object_store().sha256(key) != hashlib.sha256(content).hexdigest():
            raise Unavailable(f"the object store has a different checkpoint {number}") from None


def _to_folder(number: int, body: str) -> None:
    path = Path(settings.CHECKPOINT_FOLDER or "") / file_name(number)
    if path.exists():
        if path.read_text() != body:
            raise Unavailable(f"{path} has a different checkpoint {number}")
        return
    part = path.with_suffix(".part")
    with part.open("w") as file:
        file.write(body)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)


def _to_webhook(number: int, body: str) -> None:
    try:
        httpx.post(
            settings.CHECKPOINT_WEBHOOK,
            content=body.encode(),
            headers={"Content-Type": "application/json", "X-Checkpoint": file_name(number)},
            timeout=WEBHOOK_TIMEOUT_S,
        ).raise_for_status()
    except httpx.HTTPError as error:
        raise Unavailable(
            f"the webhook did not accept checkpoint {number}: {type(error).__name__}"
        ) from error


def _to_mail(number: int, body: str) -> None:
    if not mail.has_server():
        raise Unavailable("THREEDANCE_CHECKPOINT_MAIL is set, but there is no mail server")
    try:
        mail.send("compliance/mail/checkpoint", {"number": number, "body": body}, to=settings.CHECKPOINT_MAIL)
    except Unavailable as error:
        raise Unavailable(f"the mail server did not accept checkpoint {number}") from error
