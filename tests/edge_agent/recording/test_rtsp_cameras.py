"""Real cameras: GStreamer's RTSP server, with numbered pictures, recorded end to end."""

import asyncio
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import msgspec
import pytest

from edge_agent.capture.camera import Camera
from edge_agent.capture.status_board import StatusBoard
from edge_agent.errors import CameraFailed
from edge_agent.recording.recording import Recording
from edge_agent.sources.factory import build_source
from edge_agent.spool.spool import Spool
from edge_agent.sync.clock_map import ClockMap
from edge_agent.sync.utc_reference import UtcReference
from shared.kernel.clock import SystemClock
from shared.protocol.config import CameraConfig, Credentials, Position, RecordingOrder, RtspSource
from shared.protocol.ids import CameraId, RoomId
from shared.protocol.manifest import GapReason
from shared.protocol.media import ClockMethod
from shared.protocol.status import CameraError, CameraState, RecordingState
from tests.edge_agent.sources.scripted import LOCAL
from tests.edge_agent.spool.recorded_class import Studio, follow
from tests.media import make_video, split_frames
from tests.rigs import rtsp
from tests.rigs.remote_clock import synchronised

pytestmark = pytest.mark.rtsp
LOOP = 240


@pytest.fixture(scope="module")
def frames(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    if reason := rtsp.missing():
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("frames")
    made = {}
    for codec in ("h264", "h265"):
        video = make_video(folder / f"clip.{codec}", codec=codec, seconds=LOOP / 30)
        made[codec] = str(split_frames(video, folder / codec))
    sliced = make_video(folder / "sliced.h264", seconds=LOOP / 30, slices=4)
    made["sliced"] = str(split_frames(sliced, folder / "sliced"))
    return made


@pytest.fixture(scope="module")
def server(frames: dict[str, str]) -> Iterator[rtsp.RtspServer]:
    mounts: dict[str, dict[str, Any]] = {
        "/left": {"frames": frames["h264"]},
        "/centre": {"frames": frames["h264"], "audio": "aac"},
        "/right": {"frames": frames["h264"], "audio": "pcmu"},
        "/h265": {"frames": frames["h265"]},
        "/sliced": {"frames": frames["sliced"], "config_interval": -1},
        "/stock": {"frames": frames["h264"], "honest": False, "config_interval": -1},
    }
    with rtsp.RtspServer(mounts) as running:
        yield running


class Room:
    """Cameras, a spool and a class, in the running loop."""

    def __init__(self, tmp_path: Path, urls: list[str]) -> None:
        self.studio = Studio(tmp_path / "state")
        self.clock = SystemClock()
        self.board = StatusBoard()
        self.spool = Spool.open(tmp_path / "state", clock=self.clock)
        self.room_id = RoomId(uuid4())
        reference = UtcReference(synchronised(self.clock))
        self.cameras = {}
        for url in urls:
            config = CameraConfig(
                id=CameraId(uuid4()),
                room_id=self.room_id,
                name="x",
                position=Position.LEFT,
                source=RtspSource(url=url),
            )
            self.cameras[config.id] = Camera(
                config,
                unseal=lambda _: Credentials(username="", password=""),
                settings=LOCAL,
                board=self.board,
                clock=self.clock,
                run_clock=partial(ClockMap, reference),
            )
        self.order = RecordingOrder(
            class_session_id=self.studio.class_id, room_id=self.room_id, start_at=self.clock.now()
        )
        self.recording = Recording(
            self.order,
            spool=self.spool,
            recipient=self.studio.recipient,
            board=self.board,
            cameras=self.cameras,
        )
        self._tasks: list[asyncio.Task[None]] = []

    def start_cameras(self) -> None:
        self._tasks += [asyncio.create_task(camera.run()) for camera in self.cameras.values()]

    def start_class(self) -> "asyncio.Task[None]":
        self.order = msgspec.structs.replace(self.order, start_at=self.clock.now())
        self.recording.set_order(self.order)
        return asyncio.create_task(self.recording.run())

    async def stop_class(self, task: "asyncio.Task[None]") -> None:
        self.recording.set_order(msgspec.structs.replace(self.order, stop_at=self.clock.now()))
        await asyncio.wait_for(task, 10)

    async def until(self, wish: Callable[[], bool], timeout_s: float = 25) -> None:
        changed = asyncio.Event()
        loop = asyncio.get_running_loop()

        def tell() -> None:
            loop.call_soon_threadsafe(changed.set)

        self.board.on_change(tell)
        self.spool.on_change(tell)
        async with asyncio.timeout(timeout_s):
            while not wish():
                changed.clear()
                try:
                    await asyncio.wait_for(changed.wait(), 0.2)
                except TimeoutError:
                    continue

    def connected(self) -> bool:
        return all(
            c.state is CameraState.CONNECTED and c.video is not None for c in self.board.cameras()
        ) and len(self.board.cameras()) == len(self.cameras)

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


async def test_six_cameras_are_recorded_whole(server: rtsp.RtspServer, tmp_path: Path) -> None:
    room = Room(
        tmp_path, [server.url(p) for p in ("/left", "/centre", "/right", "/h265", "/sliced", "/stock")]
    )
    room.start_cameras()
    await room.until(room.connected)
    task = room.start_class()
    await room.until(lambda: room.recording.status().cameras_recording == 6, 3)
    status = room.recording.status()
    assert status.state is RecordingState.RECORDING
    assert status.first_picture_at is not None
    assert status.first_picture_at <= room.order.start_at + timedelta(seconds=0.1)
    await room.until(lambda: all(c.segments_closed >= 2 for c in room.board.cameras()))
    stopped_at = room.clock.now()
    await room.stop_class(task)
    assert room.recording.status().state is RecordingState.FINISHED
    assert not room.spool.gaps_pending(10)
    sounds = set()
    for camera_id, camera in room.cameras.items():
        room.studio.camera_id = camera_id
        numbers = room.studio.recorded_numbers(room.spool)
        assert follow(numbers, LOOP), camera.config.source
        manifests = room.studio.manifests(room.spool)
        assert sum(f.frames for m in manifests for f in m.fragments) == len(numbers)
        assert {f.frames for m in manifests[:-1] for f in m.fragments} == {30}
        assert {m.run for m in manifests} == {0}
        sounds.add(
            (manifests[0].video.codec, manifests[0].audio.transcoded_from if manifests[0].audio else None)
        )
        last = manifests[-1]
        assert last.clock.error_bound_us < 200_000
        ends_at = last.clock.anchor_at + timedelta(
            seconds=(last.fragments[-1].pts_90k + last.fragments[-1].duration_90k - last.clock.anchor_pts_90k)
            / 90_000
        )
        assert abs(ends_at - stopped_at) < timedelta(seconds=0.7)
    assert sounds == {("h264", None), ("h264", ""), ("h264", "pcm_mulaw"), ("h265", None)}
    assert ClockMethod.RTCP_SR in {s.manifest.clock.method for s in room.spool.pending(100)}
    await room.close()


async def test_a_killed_server_is_a_gap_and_recording_goes_on_when_it_is_back(
    frames: dict[str, str], tmp_path: Path
) -> None:
    with rtsp.RtspServer({"/left": {"frames": frames["h264"]}}) as server:
        room = Room(tmp_path, [server.url("/left")])
        (room.studio.camera_id,) = room.cameras
        room.start_cameras()
        await room.until(room.connected)
        task = room.start_class()
        await room.until(lambda: room.board.cameras()[0].segments_closed >= 1)
        server.kill()
        await room.until(lambda: room.board.cameras()[0].state is CameraState.RETRYING)
        assert room.board.cameras()[0].error in (CameraError.ENDED, CameraError.UNREACHABLE)
        server.start()
        await room.until(room.connected, 40)
        closed = room.board.cameras()[0].segments_closed
        await room.until(lambda: room.board.cameras()[0].segments_closed > closed)
        await room.stop_class(task)
        gaps = room.studio.gaps(room.spool)
        assert [g.reason for g in gaps] == [GapReason.CAMERA_OFFLINE]
        manifests = room.studio.manifests(room.spool)
        runs = sorted({m.run for m in manifests})
        assert runs == [0, 1]
        assert [m.sequence for m in manifests] == list(range(1, len(manifests) + 1))
        await room.close()


def test_faults_have_their_names(frames: dict[str, str]) -> None:
    shown: list[str] = []
    mounts: dict[str, dict[str, Any]] = {"/left": {"frames": frames["h264"]}}
    for digest in (True, False):
        with rtsp.RtspServer(mounts, user="alice", password="s3cret/@", digest=digest) as server:

            def attempt(
                path: str, login: tuple[str, str] | None, at: rtsp.RtspServer = server
            ) -> CameraError | None:
                config = CameraConfig(
                    id=CameraId(uuid4()),
                    room_id=RoomId(uuid4()),
                    name="x",
                    position=Position.LEFT,
                    source=RtspSource(url=at.url(path)),
                    sealed_credentials=b"sealed" if login else None,
                )
                source = build_source(
                    config,
                    unseal=lambda _: Credentials(username=login[0], password=login[1]),  # type: ignore[index]
                    settings=LOCAL,
                    clock=SystemClock(),
                )
                try:
                    source.open()
                except CameraFailed as error:
                    shown.append(str(error))
                    return error.error
                finally:
                    source.close()
                return None

            assert attempt("/left", ("alice", "s3cret/@")) is None
            assert attempt("/left", ("alice", "wrong")) is CameraError.REFUSED
            assert attempt("/left", None) is CameraError.REFUSED
            assert attempt("/nowhere", ("alice", "s3cret/@")) is CameraError.NOT_FOUND
    assert not any("s3cret" in text for text in shown)
