"""A real agent process across a rotation of the studio's keys: what waits in its spool arrives, nothing is missing."""

import subprocess
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import UUID

import av
import httpx
import pytest
from django.conf import settings
from django.test import Client

from control_plane.administration import services as administration_services
from control_plane.common.errors import StoreUnavailable
from control_plane.common.scoping import studio_scope
from control_plane.fleet import pairing
from control_plane.fleet import services as fleet
from control_plane.fleet.models import Agent
from control_plane.fleet.selectors import camera_statuses, is_acknowledged
from control_plane.ingest import services as ingest
from control_plane.keys import keyring, vault
from control_plane.keys import services as keys_services
from control_plane.keys.models import StudioKey
from control_plane.keys.tasks import sweep_keys
from control_plane.recordings import services as recordings
from control_plane.recordings.models import ClassSession, ClassState
from shared.protocol.status import CameraState
from tests.control_plane.conftest import Cast
from tests.control_plane.live import serve
from tests.control_plane.recordings.test_real_agent import agent_command, until
from tests.media import make_video, number_of

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]
EACH_S = 9
"""Longer than a segment: some are sealed before the rotation, some after."""


@pytest.fixture
def address(committed: Cast) -> Iterator[str]:
    with serve() as url:
        yield url


def test_a_class_across_a_rotation_is_complete_and_what_was_spooled_for_the_old_key_arrives(
    committed: Cast, address: str, tmp_path: Path, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    cast, alice, state = committed, committed.alice.actor, tmp_path / "an agent"
    opened_with: list[UUID] = []
    is_away = True
    real_key, real_announce = keyring.private_key, ingest.announce_segments

    def watched(generation_id: UUID) -> bytes:
        opened_with.append(generation_id)
        return real_key(generation_id)

    def announced(*given: Any) -> Any:
        if is_away:
            raise StoreUnavailable("The store is away.")
        return real_announce(*given)

    monkeypatch.setattr(keyring, "private_key", watched)
    monkeypatch.setattr("control_plane.ingest.services.announce_segments", announced)
    video = make_video(tmp_path / "loop.mp4", seconds=60, size=(160, 90))
    with studio_scope(cast.studio.id):
        room = administration_services.create_room(cast.studio, name="Big room", actor=alice)
        code = pairing.create_pairing_code(cast.studio, actor=alice).text
    for arguments in (["pair", address, code], ["media", "add", "loop.mp4", str(video)]):
        done = subprocess.run(agent_command(state, *arguments), capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    log = (tmp_path / "agent.log").open("w")
    process = subprocess.Popen(agent_command(state, "run", "--json-logs"), stdout=log, stderr=log)
    try:
        with studio_scope(cast.studio.id):
            fleet.add_camera(
                room, Agent.objects.get(), name="wall", position="left", address="file:loop.mp4", actor=alice
            )

        def connected() -> bool:
            with studio_scope(cast.studio.id):
                cameras = camera_statuses(Agent.objects.get()).values()
            return [camera.state for camera in cameras] == [CameraState.CONNECTED]

        def class_is(state: ClassState) -> bool:
            with studio_scope(cast.studio.id):
                return bool(ClassSession.objects.filter(state=state).exists())

        def heard() -> bool:
            with studio_scope(cast.studio.id):
                return is_acknowledged(Agent.objects.select_related("desired", "reported").get())

        until(connected, "the camera connected")
        with studio_scope(cast.studio.id):
            session = recordings.start_class(room, actor=cast.ivan.actor)
            old = vault.recipient().id
        until(lambda: class_is(ClassState.RECORDING), "recording")
        time.sleep(EACH_S)  # a real agent records a real length, more than a segment, under each key
        with studio_scope(cast.studio.id):
            keys_services.rotate_studio_key(cast.studio, actor=alice)
            new = vault.recipient().id
        heard_s = until(heard, "the agent seals to the new key")
        sweep_keys()
        time.sleep(EACH_S)
        assert not opened_with, "nothing has arrived yet: all of it waits in the spool"
        with studio_scope(cast.studio.id):
            recordings.stop_class(session, actor=cast.ivan.actor)
        is_away = False
        until(lambda: class_is(ClassState.COMPLETE), "complete")
    finally:
        process.terminate()
        process.wait(timeout=20)
        log.close()
    print(f"rotation to the agent's receipt: {heard_s:.2f} s")
    assert set(opened_with) == {old, new}
    assert heard_s < 5

    client.force_login(cast.vera, backend=settings.AUTHENTICATION_BACKENDS[0])
    cookie = f"{settings.SESSION_COOKIE_NAME}={client.cookies[settings.SESSION_COOKIE_NAME].value}"
    folder = f"{address}/studio/{cast.studio.slug}/classes/{session.id}"
    (track,) = httpx.get(f"{folder}/timeline.json", headers={"Cookie": cookie}).json()["tracks"]
    assert {gap["reason"] for gap in track["gaps"]} <= {"key_frame", "camera_late"}, track["gaps"]
    with av.open(
        f"{address}{track['playlist_url']}",
        options={"headers": f"Cookie: {cookie}\r\n", "protocol_whitelist": "http,tcp,crypto"},
    ) as container:
        numbers = [number_of(frame) for frame in container.decode(video=0)]
    assert len(numbers) > (2 * EACH_S - 3) * 30
    steps = {(later - earlier) % (60 * 30) for earlier, later in pairwise(numbers)}
    assert steps == {1}, "every picture, in order, across the rotation"
    with studio_scope(cast.studio.id):
        assert StudioKey.objects.count() == 2
