"""A real agent process against the real control plane: three file cameras, one class, played back by FFmpeg."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import httpx
import pytest
from django.conf import settings
from django.core.management import call_command
from django.core.management.base import CommandError
from django.test import Client

from control_plane.administration import services as studios
from control_plane.audit.models import Entry
from control_plane.common.scoping import studio_scope
from control_plane.fleet import pairing
from control_plane.fleet import services as fleet
from control_plane.fleet.models import Agent
from control_plane.fleet.selectors import camera_statuses
from control_plane.recordings import services as recordings
from control_plane.recordings.damage_models import RepairState, SegmentDamage
from control_plane.recordings.models import ClassSession, ClassState, Segment
from control_plane.storage.configured import object_store
from control_plane.storage.local import LocalStore
from shared.protocol.status import CameraState
from tests.control_plane.conftest import Cast
from tests.control_plane.live import serve
from tests.media import make_video, number_of

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]
POSITIONS = ("left", "centre", "right")
RECORD_S = 8
LOOP_S = 60
PATIENCE_S = 45


@pytest.fixture
def address(committed: Cast) -> Iterator[str]:
    with serve() as url:
        yield url


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "an agent"


def agent_command(state: Path, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "edge_agent", *arguments, "--state", str(state)]


def until(is_so: Callable[[], Any], what: str) -> float:
    """Waits until it is so; returns how long that took, in seconds."""
    began_s = time.monotonic()
    while not is_so():
        assert time.monotonic() - began_s < PATIENCE_S, f"never: {what}"
        time.sleep(0.05)
    return time.monotonic() - began_s


def lose_and_repair(cast: Cast, state: Path) -> None:
    """Loses three objects, one of them damaged, one also on the agent; two come back from it, the third from elsewhere."""
    store = object_store()
    assert isinstance(store, LocalStore)
    with studio_scope(cast.studio.id):
        first, second, third = Segment.objects.order_by("id")[:3]
    gone, damaged, elsewhere = (store.root / row.object_key for row in (first, second, third))
    gone.unlink()
    damaged.write_bytes(bytes(second.size_bytes))
    kept = elsewhere.read_bytes()
    elsewhere.unlink()
    (copy,) = (state / "spool").rglob(f"*{third.id}*.seg")
    copy.unlink()
    with pytest.raises(CommandError):
        call_command("fsck", "--depth", "hash", "--repair", verbosity=0)

    def repairs() -> list[str]:
        with studio_scope(cast.studio.id):
            return list(SegmentDamage.objects.values_list("repair", flat=True))

    until(lambda: repairs() == [RepairState.LOST], "two are back, and the third is not to be had")
    elsewhere.write_bytes(kept)
    call_command("fsck", "--depth", "hash", verbosity=0)
    assert repairs() == []
    with studio_scope(cast.studio.id):
        entries = Entry.objects.filter(action="footage.repaired").values_list("details", flat=True)
        back = sorted((id_, entry["how"]) for entry in entries for id_ in entry["segments"])
    assert back == sorted(
        [(str(first.id), "sent_again"), (str(second.id), "sent_again"), (str(third.id), "sound_again")]
    )


def test_a_real_agent_records_a_class_and_every_picture_of_it_is_replayed_in_order(
    committed: Cast, address: str, state: Path, tmp_path: Path, client: Client
) -> None:
    cast, alice = committed, committed.alice.actor
    video = make_video(tmp_path / "loop.mp4", seconds=LOOP_S, size=(160, 90), audio="aac")
    with studio_scope(cast.studio.id):
        room = studios.create_room(cast.studio, name="Big room", actor=alice)
        code = pairing.create_pairing_code(cast.studio, actor=alice).text
    for arguments in (["pair", address, code], ["media", "add", "loop.mp4", str(video)]):
        done = subprocess.run(agent_command(state, *arguments), capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    log = (tmp_path / "agent.log").open("w")
    process = subprocess.Popen(agent_command(state, "run", "--json-logs"), stdout=log, stderr=log)
    try:
        with studio_scope(cast.studio.id):
            agent = Agent.objects.get()
            for position in POSITIONS:
                fleet.add_camera(
                    room, agent, name=position, position=position, address="file:loop.mp4", actor=alice
                )

        def connected() -> bool:
            with studio_scope(cast.studio.id):
                cameras = camera_statuses(Agent.objects.get()).values()
            return [camera.state for camera in cameras] == [CameraState.CONNECTED] * 3

        until(connected, "three cameras connected")
        with studio_scope(cast.studio.id):
            session = recordings.start_class(room, actor=cast.ivan.actor)

        def state_of_class() -> str:
            with studio_scope(cast.studio.id):
                return str(ClassSession.objects.values_list("state", flat=True).get())

        started_s = until(lambda: state_of_class() == ClassState.RECORDING, "recording")
        time.sleep(RECORD_S)  # a real agent records a real length
        with studio_scope(cast.studio.id):
            recordings.stop_class(session, actor=cast.ivan.actor)
        finished_s = until(lambda: state_of_class() == ClassState.COMPLETE, "complete")
        lose_and_repair(cast, state)
    finally:
        process.terminate()
        process.wait(timeout=20)
        log.close()
    print(f"button to recording {started_s:.1f} s, stop to complete {finished_s:.1f} s")

    client.force_login(cast.vera, backend=settings.AUTHENTICATION_BACKENDS[0])
    cookie = f"{settings.SESSION_COOKIE_NAME}={client.cookies[settings.SESSION_COOKIE_NAME].value}"
    folder = f"{address}/studio/{cast.studio.slug}/classes/{session.id}"
    timeline = httpx.get(f"{folder}/timeline.json", headers={"Cookie": cookie}).json()
    assert timeline["class"]["duration_s"] > RECORD_S - 1
    assert len(timeline["tracks"]) == 3
    for track in timeline["tracks"]:
        assert {gap["reason"] for gap in track["gaps"]} <= {"key_frame", "camera_late"}, track["gaps"]
        with av.open(
            f"{address}{track['playlist_url']}",
            options={"headers": f"Cookie: {cookie}\r\n", "protocol_whitelist": "http,tcp,crypto"},
        ) as container:
            numbers = [number_of(frame) for frame in container.decode(video=0)]
        assert len(numbers) > (RECORD_S - 2) * 30
        # File cameras play in phase with UTC: the class may lie across a join of the loop.
        assert all(after == (before + 1) % (LOOP_S * 30) for before, after in pairwise(numbers))
    with studio_scope(cast.studio.id):
        frames = sum(fragment.frames for row in Segment.objects.all() for fragment in row.fragments)
    assert frames >= 3 * (RECORD_S - 2) * 30
