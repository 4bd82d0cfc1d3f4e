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
from tests.rigs.agent_process import AgentProcess, paired_agent
from tests.rigs.control_plane import ControlPlane

FPS, LOOP_S = 30, 20
LOOP = FPS * LOOP_S

pytestmark = pytest.mark.faults


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_video(tmp_path_factory.mktemp("media") / "class.mp4", seconds=LOOP_S, gop=FPS, audio="aac")


@pytest.fixture
def agent(tmp_path: Path, video: Path) -> Iterator[AgentProcess]:
    with ControlPlane().running() as plane, paired_agent(plane, tmp_path / "state", video) as running:
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


def _numbers(agent: AgentProcess, order: object, camera: CameraConfig) -> list[int]:
    segments = agent.segments(order, camera)  # type: ignore[arg-type]
    assert [m.sequence for m in segments] == list(range(segments[0].sequence, segments[-1].sequence + 1))
    return [number for manifest in segments for number in agent.numbers(manifest)]


def test_a_class_is_recorded_by_three_cameras_and_arrives_whole(agent: AgentProcess) -> None:
    agent.start()
    agent.connect_cameras()
    order = agent.record()
    agent.plane.wait(lambda: len(agent.plane.committed) >= 3)
    stop_at = agent.finish(order)
    for camera in agent.cameras:
        numbers = _numbers(agent, order, camera)
        assert _missing(numbers) == 0
        recorded_s = len(numbers) / FPS
        asked_s = (stop_at - order.start_at).total_seconds()
        assert abs(recorded_s - asked_s) < 2.5
    assert not agent.plane.gaps
    assert set(agent.plane.puts.values()) == {1}
    assert agent.plane.reports[-1].status is ConfigStatus.APPLIED
    assert agent.stop() == 0
    agent.plane.wait(lambda: agent.plane.link_closes)
    assert agent.plane.link_closes == [CLOSE_STOPPED]
    assert "Traceback" not in agent.log()


def test_nothing_that_lies_on_the_disk_can_be_read(agent: AgentProcess, video: Path) -> None:
    agent.start()
    agent.plane.wait(lambda: agent.plane.pairing is not None)
    secret = Credentials(username="wall-cam", password="geheim-4711")
    locked = msgspec.structs.replace(
        agent.cameras[0],
        source=RtspSource(url="rtsp://127.0.0.1:9/none?"),
        sealed_credentials=agent.plane.sealed(secret),
        sealed_tail=agent.plane.sealed("token=geheim-4712"),
    )
    agent.cameras = (locked, *agent.cameras[1:])
    agent.plane.desire(cameras=agent.cameras)
    agent.plane.wait(lambda: agent.plane.statuses and len(agent.plane.statuses[-1].cameras) == 3)
    order = agent.record()
    agent.plane.wait(lambda: len(agent.plane.committed) >= 2)
    assert agent.stop() == 0
    keys = [agent.plane.key_of(m) for m in agent.segments(order, agent.cameras[1])]
    for path in (p for p in agent.state.rglob("*") if p.is_file()):
        data = path.read_bytes()
        for text in (b"geheim-4711", b"geheim-4712", b"moof", b"mdat", b"ftyp", *keys):
            assert text not in data, (path, text)
    assert "geheim-471" not in agent.log()


def test_an_agent_killed_in_the_middle_of_a_class_goes_on_and_owns_up_to_its_absence(
    agent: AgentProcess,
) -> None:
    agent.start()
    agent.connect_cameras()
    order = agent.record()
    agent.plane.wait(lambda: len(agent.plane.committed) >= 3)
    agent.stop(signal.SIGKILL)
    agent.start()
    before = len(agent.plane.hellos)
    agent.plane.wait(lambda: len(agent.plane.hellos) > before or len(agent.plane.committed) >= 6)
    agent.plane.wait(lambda: len(agent.plane.committed) >= 9, 30)
    agent.finish(order)
    for camera in agent.cameras:
        numbers = _numbers(agent, order, camera)
        gaps = [gap for gap in agent.plane.gaps.values() if gap.camera_id == camera.id]
        assert {gap.reason for gap in gaps} == {GapReason.AGENT_STOPPED}
        stated_s = sum((gap.to_at - gap.from_at).total_seconds() for gap in gaps)
        # File cameras start over with the agent, so what is missing shows in the clock and not in the numbers.
        first, last = agent.segments(order, camera)[0], agent.segments(order, camera)[-1]
        span_s = (last.closed_at - first.closed_at).total_seconds()
        recorded_s = (len(numbers) - len(agent.numbers(first))) / FPS
        assert abs(span_s - recorded_s - stated_s) < 4
    assert set(agent.plane.puts.values()) <= {1, 2}
    assert agent.stop() == 0


def test_an_outage_of_the_control_plane_costs_nothing(agent: AgentProcess) -> None:
    agent.start()
    agent.connect_cameras()
    order = agent.record()
    agent.plane.faults.unavailable = True
    agent.plane.cut_links()
    refused = agent.plane.calls["link"]
    agent.plane.wait(lambda: agent.plane.calls["link"] >= refused + 3, 60)
    agent.plane.faults.unavailable = False
    agent.plane.wait(lambda: len(agent.plane.committed) >= 3, 90)
    agent.finish(order)
    for camera in agent.cameras:
        assert _missing(_numbers(agent, order, camera)) == 0
    assert not agent.plane.gaps
    assert agent.stop() == 0


def test_a_restart_without_a_control_plane_records_what_the_disk_says(agent: AgentProcess) -> None:
    agent.start()
    agent.connect_cameras()
    order = agent.record()
    assert agent.stop() == 0
    agent.plane.faults.unavailable = True
    committed = len(agent.plane.committed)
    agent.start()
    agent.plane.wait(lambda: agent.plane.calls["link"] >= 4, 60)
    status = msgspec.json.decode(agent.must("status", "--json"))
    assert [recording["state"] for recording in status["status"]["recordings"]] == ["recording"]
    assert not status["link_up"]
    agent.plane.faults.unavailable = False
    agent.plane.wait(lambda: len(agent.plane.committed) >= committed + 3, 90)
    agent.finish(order)
    assert {gap.reason for gap in agent.plane.gaps.values()} == {GapReason.AGENT_STOPPED}
    assert agent.stop() == 0


def test_a_forged_revocation_changes_nothing_and_a_signed_one_ends_the_agent(agent: AgentProcess) -> None:
    agent.start()
    agent.connect_cameras()
    order = agent.record()
    agent.plane.revoke(agent.plane.sign_revocation(key=Ed25519PrivateKey.generate()))
    heard = len(agent.plane.statuses)
    agent.plane.revocation = ""
    agent.plane.wait(lambda: len(agent.plane.statuses) > heard, 90)
    assert agent.recording(order) is not None
    assert agent.process is not None
    assert agent.process.poll() is None
    agent.plane.revoke(agent.plane.sign_revocation())
    assert agent.process.wait(30) == 3
    assert list((agent.state / "spool").rglob("*.seg"))
    again = agent.run("run")
    assert again.returncode == 4
    assert "the agent was stolen" in again.stderr
    assert "Traceback" not in again.stderr


def test_a_second_agent_on_the_same_folder_is_told_so(agent: AgentProcess) -> None:
    agent.start()
    agent.plane.wait(lambda: agent.plane.hellos)
    second = agent.run("run")
    assert second.returncode == 1
    assert "another agent" in second.stderr
    assert "Traceback" not in second.stderr


def test_new_policies_and_a_new_media_file_take_effect_without_a_restart(
    agent: AgentProcess, video: Path
) -> None:
    agent.start()
    agent.connect_cameras()
    counted = {c.camera_id: c.failures_in_row for c in agent.plane.statuses[-1].cameras}
    opens, closes = (f"{agent.plane.now() + timedelta(hours=hours):%H:%M}" for hours in (2, 3))
    window = UploadWindow(opens=opens, closes=closes, time_zone="UTC")
    agent.plane.desire(
        upload=UploadPolicy(max_bytes_per_s=10**6, window=window), spool=SpoolPolicy(keep_committed_s=1)
    )
    version = agent.plane.config.version
    agent.plane.wait(lambda: agent.plane.reports[-1].version == version)
    assert agent.plane.reports[-1].status is ConfigStatus.APPLIED
    agent.plane.wait(lambda: agent.plane.statuses[-1].upload.window is WindowState.WAITS)
    assert {c.camera_id: c.failures_in_row for c in agent.plane.statuses[-1].cameras} == counted
    works = "camera Left (left): connected, h264 320x180, sound"
    agent.plane.wait(lambda: works in agent.log())
    agent.must("media", "remove", "class.mp4")
    agent.plane.wait(lambda: not agent.all_connected())
    agent.plane.wait(lambda: "camera Left (left): The agent has no media file of this name." in agent.log())
    agent.must("media", "add", "class.mp4", str(video))
    agent.plane.wait(agent.all_connected, 40)
    agent.plane.wait(lambda: agent.log().count(works) == 2)
    assert agent.stop() == 0


def test_an_agent_whose_clock_is_an_hour_off_records_by_the_servers_time(tmp_path: Path, video: Path) -> None:
    ahead = timedelta(hours=1)
    with (
        ControlPlane(ahead=ahead).running() as plane,
        paired_agent(plane, tmp_path / "state", video) as agent,
    ):
        agent.start()
        agent.connect_cameras()
        order = agent.record()
        plane.wait(lambda: len(plane.committed) >= 3)
        agent.finish(order)
        for manifest in plane.committed.values():
            assert timedelta(seconds=-2) < manifest.clock.anchor_at - order.start_at < timedelta(seconds=30)
            assert abs(manifest.closed_at - order.start_at) < timedelta(seconds=60)
        assert 3590_000 < plane.statuses[-1].clock_offset_ms < 3610_000
        assert agent.stop() == 0
