"""The addresses of an agent: heard with its token only, and a bad body is named."""

from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from control_plane.ingest.disk_space import RETRY_AFTER_S
from shared.kernel.disk import DiskSpace
from shared.protocol.codec import MESSAGE_LIMIT_BYTES, decode, encode
from shared.protocol.errors import Code, Problem
from shared.protocol.ids import CameraId, ClassSessionId, GapId, new_id
from shared.protocol.manifest import GapReason, GapRecord
from shared.protocol.upload import (
    AlreadyCommitted,
    CommitAnswer,
    CommitRequest,
    GapsAnswer,
    GapsRequest,
    IntentAnswer,
    IntentRequest,
    PutTarget,
)
from tests.control_plane.footage import START_AT
from tests.control_plane.scenes import Scene
from tests.control_plane.sending import item_of


def test_over_http_only_an_agent_is_heard_and_bad_bodies_are_named(
    scene: Scene, client: Client, tmp_path: Path
) -> None:
    (made,) = scene.cuts(tmp_path, each=2)
    body = encode(IntentRequest(manifests=(made.manifest,)))

    def post(data: bytes, *, path: str = "intent", **headers: str) -> Any:
        return client.post(
            f"/agent/v1/{path}",
            data,
            content_type="application/json",
            headers=headers or {"Authorization": scene.agent_client.authorization()},
        )

    answer = decode(post(body).content, IntentAnswer).answers[0]
    assert isinstance(answer, PutTarget)
    for path in ("intent", "commit", "gaps", "report"):
        unsigned = post(body, path=path, Accept="text/html")
        assert unsigned.status_code == 401
        assert decode(unsigned.content, Problem).code is Code.AGENT_TOKEN_INVALID
    assert post(b'{"manifests":[]}').status_code == 400
    assert "manifests" in decode(post(b'{"manifests":[{}]}').content, Problem).detail
    assert post(b"{").status_code == 400
    assert post(b"x" * (MESSAGE_LIMIT_BYTES + 1)).status_code == 413
    assert client.get("/agent/v1/intent").status_code == 405
    gaps = GapsRequest(
        gaps=(
            GapRecord(
                gap_id=GapId(new_id()),
                class_session_id=ClassSessionId(scene.session.id),
                camera_id=CameraId(scene.cameras["left"].id),
                from_at=START_AT,
                to_at=START_AT,
                reason=GapReason.AGENT_LATE,
            ),
        )
    )
    assert decode(post(encode(gaps), path="gaps").content, GapsAnswer).settled == (gaps.gaps[0].gap_id,)


def test_no_footage_is_taken_while_the_disk_is_nearly_full_and_receipts_are_still_given(
    scene: Scene, client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (made,) = scene.cuts(tmp_path, each=2)
    is_low = False
    monkeypatch.setattr(DiskSpace, "is_low", property(lambda self: is_low))

    def post(path: str, body: Any) -> Any:
        headers = {"Authorization": scene.agent_client.authorization()}
        return client.post(
            f"/agent/v1/{path}", encode(body), content_type="application/json", headers=headers
        )

    intent = IntentRequest(manifests=(made.manifest,))
    (target,) = decode(post("intent", intent).content, IntentAnswer).answers
    assert isinstance(target, PutTarget)
    is_low = True

    def put() -> Any:
        return client.put(
            target.url, made.content, content_type="application/octet-stream", headers=dict(target.headers)
        )

    for refused in (post("intent", intent), put()):
        assert (refused.status_code, refused.get("Retry-After")) == (503, str(RETRY_AFTER_S))
        assert "disk is full" in decode(refused.content, Problem).detail
    is_low = False
    assert put().status_code == 201
    is_low = True
    commit = CommitRequest(items=(item_of(made),))
    (receipt,) = decode(post("commit", commit).content, CommitAnswer).answers
    assert isinstance(receipt, AlreadyCommitted)
