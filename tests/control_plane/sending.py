"""Segments sent the way an agent sends them: announced, put where the answer says, committed."""

from collections.abc import Sequence
from typing import Any

import httpx
from django.test import Client

from control_plane.common.scoping import studio_scope
from control_plane.ingest import services
from control_plane.recordings.models import Segment
from shared.protocol.errors import Code
from shared.protocol.upload import AlreadyCommitted, CommitItem, PutTarget, Refused
from tests.control_plane.footage import Cut
from tests.control_plane.scenes import Scene


def announce(scene: Scene, *made: Cut) -> list[Any]:
    """Returns where each segment goes, or why it does not."""
    return services.announce_segments([item.manifest for item in made], scene.caller)


def put(target: PutTarget, content: bytes) -> Any:
    """Returns the answer to the bytes: of the store that holds them, or of the control plane."""
    if target.url.startswith("http"):
        return httpx.put(target.url, content=content, headers=target.headers)
    return Client().put(target.url, content, content_type="application/octet-stream")


def item_of(made: Cut) -> CommitItem:
    """Returns what a commit says of a segment."""
    manifest = made.manifest
    return CommitItem(segment_id=manifest.segment_id, size_bytes=manifest.size_bytes, sha256=manifest.sha256)


def commit(scene: Scene, *made: Cut) -> list[Any]:
    """Returns the receipt of each segment, or why there is none."""
    return services.commit_segments([item_of(item) for item in made], scene.caller)


def send(scene: Scene, *made: Cut) -> list[Any]:
    """Announces segments, puts their bytes, and returns what the commit says of each."""
    for target, item in zip(announce(scene, *made), made, strict=True):
        assert isinstance(target, PutTarget), target
        assert put(target, item.content).status_code in (200, 201)
    return commit(scene, *made)


def upload(scene: Scene, *made: Cut) -> None:
    """Sends segments of which each must be taken."""
    receipts = [AlreadyCommitted(segment_id=item.manifest.segment_id) for item in made]
    assert send(scene, *made) == receipts


def arrived(scene: Scene) -> list[Segment]:
    """Returns the segments that the studio has, each with its track."""
    with studio_scope(scene.cast.studio.id):
        return list(Segment.objects.select_related("track").order_by("sequence"))


def codes(answers: Sequence[Any]) -> list[Code | None]:
    """Returns for each answer why it was refused, None where it was not."""
    return [answer.code if isinstance(answer, Refused) else None for answer in answers]
