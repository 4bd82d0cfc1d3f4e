"""The same way with a real S3 server as the store: the bytes never pass through the control plane."""

from pathlib import Path
from typing import Any

import httpx
import pytest
from django.core.management import call_command

from control_plane.common.scoping import studio_scope
from control_plane.recordings.models import Segment
from control_plane.storage.s3 import S3Store
from shared.protocol.errors import Code
from shared.protocol.upload import AlreadyCommitted, PutTarget, Refused
from tests.control_plane.conftest import Cast, as_person
from tests.control_plane.scenes import Scene, make_scene
from tests.control_plane.sending import announce, commit, put
from tests.rigs.radosgw import S3Server

pytestmark = [pytest.mark.s3, pytest.mark.timeout(180)]


@pytest.fixture
def scene(cast: Cast, radosgw: S3Server, settings: Any) -> Scene:
    settings.OBJECT_STORE_URL = radosgw.url(f"footage-{cast.studio.slug}")
    settings.PUBLIC_URL = "https://studio.example"
    call_command("prepare_store", verbosity=0)
    return make_scene(cast)


def test_bytes_go_straight_to_the_store_and_come_straight_from_it(scene: Scene, tmp_path: Path) -> None:
    made, other = scene.cuts(tmp_path, seconds=2)
    (target,) = announce(scene, made)
    assert isinstance(target, PutTarget)
    assert put(target, bytes(len(made.content))).status_code >= 400, "other bytes than the announced ones"
    (missing,) = commit(scene, made)
    assert isinstance(missing, Refused)
    assert missing.code is Code.SEGMENT_MISSING
    assert put(target, made.content).status_code == 200
    assert put(target, made.content).status_code == 412
    assert commit(scene, made) == [AlreadyCommitted(segment_id=made.manifest.segment_id)]
    with studio_scope(scene.cast.studio.id):
        segment = Segment.objects.get()
    blob = made.manifest.fragments[0].blob
    last = blob.offset_bytes + blob.size_bytes - 1
    redirect = as_person(scene.cast.vera).get(
        f"/studio/{scene.cast.studio.slug}/classes/{scene.session.id}/segments/{segment.id}/bytes.m4s"
    )
    assert redirect.status_code == 302
    part = httpx.get(
        redirect["Location"],
        headers={"Range": f"bytes={blob.offset_bytes}-{last}", "Origin": "https://studio.example"},
    )
    assert part.status_code == 206
    assert part.content == made.content[blob.offset_bytes : last + 1]
    assert part.headers["Access-Control-Allow-Origin"] == "https://studio.example"
    assert httpx.get(redirect["Location"].partition("?")[0]).status_code == 403
    tampered = redirect["Location"].replace(str(segment.id), str(other.manifest.segment_id))
    assert httpx.get(tampered).status_code == 403


def test_a_store_that_is_away_costs_time_and_nothing_else(
    scene: Scene, radosgw: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (made,) = scene.cuts(tmp_path, each=2)
    (target,) = announce(scene, made)
    assert isinstance(target, PutTarget)
    assert put(target, made.content).status_code == 200
    with monkeypatch.context() as away:
        away.setattr("control_plane.ingest.services.open_store", lambda store_id: _nowhere())
        (refused,) = commit(scene, made)
        assert isinstance(refused, Refused)
        assert (refused.code, refused.retryable) == (Code.STORE_UNAVAILABLE, True)
    assert commit(scene, made) == [AlreadyCommitted(segment_id=made.manifest.segment_id)]


def _nowhere() -> Any:
    return S3Store("s3+http://access:secret@127.0.0.1:1/bucket", timeout_s=0.2)
