"""The camera server: what a client receives, and when."""

import asyncio
import io
import json
import time
from collections.abc import AsyncIterator
from itertools import pairwise
from pathlib import Path

import av
import httpx
import numpy as np
import pytest

from tests.demo_scene.conftest import STARTED_NS
from tools.demo_scene.camera_server import MAX_UNSENT_BYTES, Camera, CameraServer, SystemClock, make_cameras
from tools.demo_scene.frame_code import read_code
from tools.demo_scene.frame_schedule import SECOND_NS, picture_at
from tools.demo_scene.loop import CAMERAS, FPS, FRAMES, GOP_FRAMES, LOOP_S, SAMPLE_RATE
from tools.demo_scene.music import loop_audio

# Whichever test comes first waits for the cameras to be rendered.
pytestmark = pytest.mark.timeout(600)


class FakeClock:
    """A clock that is always right on time."""

    def __init__(self, utc_ns: int) -> None:
        self.now_ns = utc_ns

    def utc_ns(self) -> int:
        return self.now_ns

    async def wait_until(self, utc_ns: int) -> None:
        assert utc_ns >= self.now_ns, "a frame is sent late though the clock never is"
        self.now_ns = utc_ns
        await asyncio.sleep(0)


class EnoughError(Exception):
    """The test has what it wanted."""


async def record(camera: Camera, start_ns: int, seconds: float) -> tuple[bytes, list[tuple[int, int]]]:
    """Returns the stream of a camera, and for each piece the instant at which it was sent and its size."""
    clock = FakeClock(start_ns)
    stream, pieces = bytearray(), []

    async def send(data: bytes) -> None:
        if clock.now_ns > start_ns + seconds * SECOND_NS:
            raise EnoughError
        stream.extend(data)
        pieces.append((clock.now_ns, len(data)))

    with pytest.raises(EnoughError):
        await camera.play(clock, send)
    return bytes(stream), pieces


def shown(stream: bytes) -> list[tuple[str, int, int]]:
    """Returns camera, frame and pts of every decoded picture, as the pictures themselves say."""
    seen = []
    with av.open(io.BytesIO(stream), "r", format="mpegts") as container:
        for frame in container.decode(video=0):
            code = read_code(frame.to_ndarray(format="gray"))
            assert code is not None, f"the frame code at pts {frame.pts} cannot be read"
            assert frame.pts is not None
            seen.append((code.camera, code.frame, frame.pts))
    return seen


@pytest.mark.parametrize("name", CAMERAS)
async def test_every_picture_carries_its_frame_and_time_goes_on_through_the_join(
    cameras: dict[str, Camera], name: str
) -> None:
    stream, _ = await record(cameras[name], STARTED_NS, LOOP_S + 3)
    seen = shown(stream)
    first = picture_at(STARTED_NS) // GOP_FRAMES * GOP_FRAMES + GOP_FRAMES
    assert len(seen) >= (LOOP_S + 1) * FPS
    assert {camera for camera, _, _ in seen} == {name}
    assert [frame for _, frame, _ in seen] == [(first + index) % FRAMES for index in range(len(seen))]
    assert {later - earlier for (_, _, earlier), (_, _, later) in pairwise(seen)} == {3000}


async def test_pictures_leave_at_the_instant_they_show(cameras: dict[str, Camera]) -> None:
    # Start shortly before the loop joins.
    start_ns = STARTED_NS - STARTED_NS % (LOOP_S * SECOND_NS) + int((LOOP_S - 1.5) * SECOND_NS)
    camera = cameras["left"]
    stream, pieces = await record(camera, start_ns, 3)
    with av.open(io.BytesIO(stream), "r", format="mpegts") as container:
        times = [packet.pts for packet in container.demux(video=0) if packet.pts is not None]
    assert len(times) > 60
    sent_at = [at for at, _ in pieces]
    for pts_90k in times:
        captured_ns = (pts_90k + camera.clock_zero) * SECOND_NS / 90_000
        assert min(abs(captured_ns - at) for at in sent_at) < 1_000
    frames = [frame for _, frame, _ in shown(stream)]
    assert frames[:32] == [450 + index if index < 30 else index - 30 for index in range(32)]


async def test_sound_goes_on_through_the_join_without_a_seam(cameras: dict[str, Camera]) -> None:
    stream, _ = await record(cameras["centre"], STARTED_NS, 2 * LOOP_S + 2)
    with av.open(io.BytesIO(stream), "r", format="mpegts") as container:
        times = [packet.pts for packet in container.demux(audio=0) if packet.pts is not None]
    assert {later - earlier for earlier, later in pairwise(times)} == {1920}
    with av.open(io.BytesIO(stream), "r", format="mpegts") as container:
        heard = np.concatenate([frame.to_ndarray()[0] for frame in container.decode(audio=0)])
    start = times[0] + cameras["centre"].clock_zero
    wanted = np.resize(loop_audio(), 3 * LOOP_S * SAMPLE_RATE)
    offset = start * SAMPLE_RATE // 90_000 % (LOOP_S * SAMPLE_RATE)
    error = np.abs(heard - wanted[offset : offset + len(heard)])[4096:]
    # Coding costs a little everywhere; the join must not cost more than the rest.
    join = LOOP_S * SAMPLE_RATE - offset - 4096
    usual = np.sqrt(np.mean(error**2))
    assert usual < 0.03
    assert np.sqrt(np.mean(error[join - 1024 : join + 1024] ** 2)) < 3 * usual


async def test_the_cameras_show_one_instant_with_clocks_of_their_own(cameras: dict[str, Camera]) -> None:
    later_ns = STARTED_NS + 7_777_000_000
    streams = {name: (await record(camera, later_ns, 2.5))[0] for name, camera in cameras.items()}
    seen = {name: shown(stream) for name, stream in streams.items()}
    frames = {name: [frame for _, frame, _ in rows] for name, rows in seen.items()}
    assert frames["left"] == frames["centre"] == frames["right"]
    assert len({rows[0][2] for rows in seen.values()}) == len(CAMERAS)


async def test_two_clients_of_a_camera_see_the_same_times(cameras: dict[str, Camera]) -> None:
    early, _ = await record(cameras["left"], STARTED_NS, 4)
    late, _ = await record(cameras["left"], STARTED_NS + 2 * SECOND_NS, 2)
    times = {frame: pts for _, frame, pts in shown(early)}
    common = [(times[frame], pts) for _, frame, pts in shown(late) if frame in times]
    assert common
    assert all(first == second for first, second in common)


@pytest.fixture
async def server(cameras: dict[str, Camera]) -> AsyncIterator[CameraServer]:
    loops = {name: camera.loop for name, camera in cameras.items()}
    clock = SystemClock()
    made = make_cameras(loops, {"right": "studio:secret"}, clock.utc_ns())
    async with CameraServer(made, clock) as running:
        yield running


def watch(address: str, pictures: int) -> list[tuple[float, int]]:
    """Opens an address as any client would and returns when each picture came, and which frame it is."""
    seen = []
    with av.open(address, timeout=20) as container:
        for packet in container.demux(video=0):
            arrived = time.time()
            for frame in packet.decode():
                code = read_code(frame.to_ndarray(format="gray"))
                assert code is not None
                seen.append((arrived, code.frame))
            if len(seen) >= pictures:
                return seen
    return seen


async def test_a_client_on_the_network_is_locked_to_utc(server: CameraServer) -> None:
    addresses = server.addresses()
    seen = await asyncio.gather(
        *(asyncio.to_thread(watch, addresses[name], 75) for name in ("left", "centre"))
    )
    for rows in seen:
        # Pictures that were buffered while the client probed the stream are late; later ones are current.
        lags = [(arrived * FPS - frame) % FRAMES for arrived, frame in rows[45:]]
        assert min(lags) >= 0
        assert np.median(lags) < 6
    assert {frame for _, frame in seen[0]} & {frame for _, frame in seen[1]}


async def test_a_camera_with_a_password_lets_in_only_those_who_know_it(server: CameraServer) -> None:
    address = server.addresses()["right"]
    async with httpx.AsyncClient() as client:
        assert (await client.head(address)).status_code == 401
        wrong = await client.get(address, auth=("studio", "guess"))
        assert wrong.status_code == 401
        assert wrong.headers["www-authenticate"].startswith("Basic ")
        assert (await client.head(address, auth=("studio", "secret"))).status_code == 200
    with pytest.raises(av.error.HTTPUnauthorizedError):
        await asyncio.to_thread(watch, address.replace("://", "://studio:guess@"), 1)
    assert len(await asyncio.to_thread(watch, address.replace("://", "://studio:secret@"), 1)) == 1


async def test_other_requests_get_an_answer_that_says_what_there_is(server: CameraServer) -> None:
    address = server.addresses()["left"]
    root = address.removesuffix("left.ts")
    async with httpx.AsyncClient() as client:
        missing = await client.get(root + "middle.ts")
        assert missing.status_code == 404
        assert "/centre.ts" in missing.text
        assert (await client.post(address)).status_code == 405
        assert (await client.get(root)).json() == server.addresses()


async def test_a_client_that_does_not_read_is_cut_off(cameras: dict[str, Camera]) -> None:
    camera = cameras["left"]
    async with CameraServer([camera], FakeClock(STARTED_NS)) as server:
        host, port = server.addresses()["left"].removeprefix("http://").removesuffix("/left.ts").split(":")
        reader, writer = await asyncio.open_connection(host, int(port), limit=1024)
        writer.write(b"GET /left.ts HTTP/1.1\r\nHost: camera\r\n\r\n")
        # The fake clock lets an hour pass at once: far more than a client may leave unread.
        received = 0

        async def read_late() -> None:
            nonlocal received
            await reader.readline()
            deadline_s = time.monotonic() + 10
            while server._clients and time.monotonic() < deadline_s:  # noqa: ASYNC110  # the server has no event for it
                await asyncio.sleep(0.01)
            while True:
                received += len(await reader.readexactly(65_536))

        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await asyncio.wait_for(read_late(), 30)
        assert received < 8 * MAX_UNSENT_BYTES
        writer.close()


def test_the_calibration_fits_the_pictures(media: Path) -> None:
    """The teal band of the left wrist is where the calibration says that the left wrist is."""
    cameras = {
        entry["name"]: entry for entry in json.loads((media / "calibration.json").read_text())["cameras"]
    }
    with np.load(media / "truth.npz") as truth:
        wrist = truth["joints_m"][:, list(truth["names"]).index("left_wrist")]
    for name in CAMERAS:
        entry = cameras[name]
        found = 0
        with av.open(str(media / f"{name}.mp4")) as container:
            for index, frame in enumerate(container.decode(video=0)):
                if index % 60 != 30:
                    continue
                picture = frame.to_ndarray(format="rgb24").astype(int)
                seen = np.array(entry["K"]) @ (np.array(entry["R"]) @ wrist[index] + np.array(entry["t"]))
                x, y = (seen[:2] / seen[2]).round().astype(int)
                around = picture[max(y - 12, 0) : y + 13, max(x - 12, 0) : x + 13].reshape(-1, 3)
                teal = (around[:, 1] - around[:, 0] > 40) & (around[:, 2] - around[:, 0] > 25)
                found += bool(teal.sum() > 8)
        # Now and then the body hides the wrist.
        assert found >= 5, f"camera {name}: the wrist was found in {found} of 8 pictures"
