"""The whole agent as a process: paired, recording, killed, revoked, cut off; checked by decoding what arrives."""

import signal
from collections.abc import Iterator
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from shared.protocol.config import (
    CameraConfig,
    Credentials,
    RtspSource,
    SpoolPolicy,
    UploadPolicy,
    UploadWindow,
)
from shared.protocol.manifest import GapReason
from shared.protocol.messages import CLOSE_STOPPED
from shared.protocol.status import ConfigStatus, WindowState
from tests.media import make_video
from tests.rigs.agent_process import AgentBox, agent_box
from tests.rigs.control_plane import ControlPlane

FPS, LOOP_S = 30, 20
LOOP = FPS * LOOP_S

pytestmark = pytest.mark.faults


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_video(tmp_path_factory.mktemp("media") / "class.mp4", seconds=LOOP_S, gop=FPS, audio="aac")


@pytest.fixture
def box(tmp_path: Path, video: Path) -> Iterator[AgentBox]:
    with ControlPlane().running() as plane, agent_box(plane, tmp_path / "state", video) as running:
        yield running
        if running.process is not None:
            print(running.log())  # shown where the test failed


def _missing(numbers: list[int]) -> int:
    """Returns how many pictures are missing between the first and the last; none may be there twice or out of order."""
    missing = 0
    for before, after in pairwise(numbers):
        step = (after - before) % LOOP
        assert 1 <= step < LOOP // 2, (before, after)
        missing += step - 1
    return missing


def _numbers(box: AgentBox, order: object, camera: CameraConfig) -> list[int]:
    segments = box.segments(order, camera)  # type: ignore[arg-type]
    assert [m.sequence for m in segments] == list(range(segments[0].sequence, segments[-1].sequence + 1))
    return [number for manifest in segments for number in box.numbers(manifest)]


def test_a_class_is_recorded_by_three_cameras_and_arrives_whole(box: AgentBox) -> None:
    box.start()
    box.connect_cameras()
    order = box.record()
    box.plane.wait(lambda: len(box.plane.committed) >= 3)
    stop_at = box.finish(order)
    for camera in box.cameras:
        numbers = _numbers(box, order, camera)
        assert _missing(numbers) == 0
        recorded_s = len(numbers) / FPS
        asked_s = (stop_at - order.start_at).total_seconds()
        assert abs(recorded_s - asked_s) < 2.5
    assert not box.plane.gaps
    assert set(box.plane.puts.values()) == {1}
    assert box.plane.reports[-1].status is ConfigStatus.APPLIED
    assert box.stop() == 0
    box.plane.wait(lambda: box.plane.link_closes)
    assert box.plane.link_closes == [CLOSE_STOPPED]
    assert "Traceback" not in box.log()


def test_nothing_that_lies_on_the_disk_can_be_read(box: AgentBox, video: Path) -> None:
    box.start()
    box.plane.wait(lambda: box.plane.pairing is not None)
    secret = Credentials(username="wall-cam", password="geheim-4711")
    locked = msgspec.structs.replace(
        box.cameras[0],
        source=RtspSource(url="rtsp://127.0.0.1:9/none?"),
        sealed_credentials=box.plane.sealed(secret),
        sealed_tail=box.plane.sealed("token=geheim-4712"),
    )
    box.cameras = (locked, *box.cameras[1:])
    box.plane.desire(cameras=box.cameras)
    box.plane.wait(lambda: box.plane.statuses and len(box.plane.statuses[-1].cameras) == 3)
    order = box.record()
    box.plane.wait(lambda: len(box.plane.committed) >= 2)
    assert box.stop() == 0
    keys = [box.plane.key_of(m) for m in box.segments(order, box.cameras[1])]
    for path in (p for p in box.state.rglob("*") if p.is_file()):
        data = path.read_bytes()
        for text in (b"geheim-4711", b"geheim-4712", b"moof", b"mdat", b"ftyp", *keys):
            assert text not in data, (path, text)
    assert "geheim-471" not in box.log()


def test_an_agent_killed_in_the_middle_of_a_class_goes_on_and_owns_up_to_its_absence(box: AgentBox) -> None:
    box.start()
    box.connect_cameras()
    order = box.record()
    box.plane.wait(lambda: len(box.plane.committed) >= 3)
    box.stop(signal.SIGKILL)
    box.start()
    before = len(box.plane.hellos)
    box.plane.wait(lambda: len(box.plane.hellos) > before or len(box.plane.committed) >= 6)
    box.plane.wait(lambda: len(box.plane.committed) >= 9, 30)
    box.finish(order)
    for camera in box.cameras:
        numbers = _numbers(box, order, camera)
        gaps = [gap for gap in box.plane.gaps.values() if gap.camera_id == camera.id]
        assert {gap.reason for gap in gaps} == {GapReason.AGENT_STOPPED}
        stated_s = sum((gap.to_at - gap.from_at).total_seconds() for gap in gaps)
        # File cameras start over with the agent, so what is missing shows in the clock and not in the numbers.
        first, last = box.segments(order, camera)[0], box.segments(order, camera)[-1]
        span_s = (last.closed_at - first.closed_at).total_seconds()
        recorded_s = (len(numbers) - len(box.numbers(first))) / FPS
        assert abs(span_s - recorded_s - stated_s) < 4
    assert set(box.plane.puts.values()) <= {1, 2}
    assert box.stop() == 0


def test_an_outage_of_the_control_plane_costs_nothing(box: AgentBox) -> None:
    box.start()
    box.connect_cameras()
    order = box.record()
    box.plane.faults.unavailable = True
    box.plane.cut_links()
    refused = box.plane.calls["link"]
    box.plane.wait(lambda: box.plane.calls["link"] >= refused + 3, 60)
    box.plane.faults.unavailable = False
    box.plane.wait(lambda: len(box.plane.committed) >= 3, 90)
    box.finish(order)
    for camera in box.cameras:
        assert _missing(_numbers(box, order, camera)) == 0
    assert not box.plane.gaps
    assert box.stop() == 0


def test_a_restart_without_a_control_plane_records_what_the_disk_says(box: AgentBox) -> None:
    box.start()
    box.connect_cameras()
    order = box.record()
    assert box.stop() == 0
    box.plane.faults.unavailable = True
    committed = len(box.plane.committed)
    box.start()
    box.plane.wait(lambda: box.plane.calls["link"] >= 4, 60)
    status = msgspec.json.decode(box.must("status", "--json"))
    assert [recording["state"] for recording in status["status"]["recordings"]] == ["recording"]
    assert not status["link_up"]
    box.plane.faults.unavailable = False
    box.plane.wait(lambda: len(box.plane.committed) >= committed + 3, 90)
    box.finish(order)
    assert {gap.reason for gap in box.plane.gaps.values()} == {GapReason.AGENT_STOPPED}
    assert box.stop() == 0


def test_a_forged_revocation_changes_nothing_and_a_signed_one_ends_the_agent(box: AgentBox) -> None:
    box.start()
    box.connect_cameras()
    order = box.record()
    box.plane.revoke(box.plane.sign_revocation(key=Ed25519PrivateKey.generate()))
    heard = len(box.plane.statuses)
    box.plane.revocation = ""
    box.plane.wait(lambda: len(box.plane.statuses) > heard, 90)
    assert box.recording(order) is not None
    assert box.process is not None
    assert box.process.poll() is None
    box.plane.revoke(box.plane.sign_revocation())
    assert box.process.wait(30) == 3
    assert list((box.state / "spool").rglob("*.seg"))
    again = box.run("run")
    assert again.returncode == 4
    assert "the box was stolen" in again.stderr
    assert "Traceback" not in again.stderr


def test_a_second_agent_on_the_same_folder_is_told_so(box: AgentBox) -> None:
    box.start()
    box.plane.wait(lambda: box.plane.hellos)
    second = box.run("run")
    assert second.returncode == 1
    assert "another agent" in second.stderr
    assert "Traceback" not in second.stderr


def test_new_policies_and_a_new_media_file_take_effect_without_a_restart(box: AgentBox, video: Path) -> None:
    box.start()
    box.connect_cameras()
    counted = {c.camera_id: c.failures_in_row for c in box.plane.statuses[-1].cameras}
    opens, closes = (f"{box.plane.now() + timedelta(hours=hours):%H:%M}" for hours in (2, 3))
    window = UploadWindow(opens=opens, closes=closes, time_zone="UTC")
    box.plane.desire(
        upload=UploadPolicy(max_bytes_per_s=10**6, window=window), spool=SpoolPolicy(keep_committed_s=1)
    )
    version = box.plane.config.version
    box.plane.wait(lambda: box.plane.reports[-1].version == version)
    assert box.plane.reports[-1].status is ConfigStatus.APPLIED
    box.plane.wait(lambda: box.plane.statuses[-1].upload.window is WindowState.WAITS)
    assert {c.camera_id: c.failures_in_row for c in box.plane.statuses[-1].cameras} == counted
    works = "camera Left (left): connected, h264 320x180, sound"
    box.plane.wait(lambda: works in box.log())
    box.must("media", "remove", "class.mp4")
    box.plane.wait(lambda: not box.all_connected())
    box.plane.wait(lambda: "camera Left (left): The agent has no media file of this name." in box.log())
    box.must("media", "add", "class.mp4", str(video))
    box.plane.wait(box.all_connected, 40)
    box.plane.wait(lambda: box.log().count(works) == 2)
    assert box.stop() == 0


def test_a_box_whose_clock_is_an_hour_off_records_by_the_servers_time(tmp_path: Path, video: Path) -> None:
    ahead = timedelta(hours=1)
    with ControlPlane(ahead=ahead).running() as plane, agent_box(plane, tmp_path / "state", video) as box:
        box.start()
        box.connect_cameras()
        order = box.record()
        plane.wait(lambda: len(plane.committed) >= 3)
        box.finish(order)
        for manifest in plane.committed.values():
            assert timedelta(seconds=-2) < manifest.clock.anchor_at - order.start_at < timedelta(seconds=30)
            assert abs(manifest.closed_at - order.start_at) < timedelta(seconds=60)
        assert 3590_000 < plane.statuses[-1].clock_offset_ms < 3610_000
        assert box.stop() == 0
