"""The supervisor of one camera: it comes back for ever, says how it is, and never lets a subscriber hold it up."""

import asyncio
import itertools
import threading
from collections.abc import Callable, Iterator
from uuid import uuid4

import msgspec
import pytest

from edge_agent.capture import camera as camera_module
from edge_agent.capture.camera import Camera
from edge_agent.capture.feed import Feed, Item, RunEnded, RunStarted
from edge_agent.capture.reader import Reader
from edge_agent.capture.status_board import StatusBoard
from edge_agent.errors import CameraFailed, CredentialsUnreadable
from edge_agent.settings import Settings
from edge_agent.sources.packet import AudioTrack, MediaPacket, StreamInfo
from shared.kernel.clock import SystemClock
from shared.protocol.config import CameraConfig, Credentials, FileSource, Position
from shared.protocol.ids import CameraId, RoomId
from shared.protocol.status import CameraError, CameraState
from tests.edge_agent.sources.scripted import INFO, KEY, SETS, StillClock, packet

OTHER_SETS = bytes.fromhex(
    "0000000167640028acd100780227e5c044000003000400000300f03c60c65800000001 68ebe3cb22c0".replace(" ", "")
)


class ScriptedSource:
    """A camera at our own seam: gives packets, then does what the script says."""

    def __init__(
        self, packets: list[MediaPacket], then: BaseException | str | None = None, info: StreamInfo = INFO
    ) -> None:
        self._packets = packets
        self._then = then
        self._info = info
        self._aborted = threading.Event()
        self.closed = threading.Event()

    def open(self) -> StreamInfo:
        if isinstance(self._then, BaseException) and not self._packets:
            raise self._then
        return self._info

    def packets(self) -> Iterator[MediaPacket]:
        yield from self._packets
        if self._then == "hang":
            self._aborted.wait(30)
        elif isinstance(self._then, BaseException):
            raise self._then

    def close(self) -> None:
        self.closed.set()

    def abort(self) -> None:
        self._aborted.set()


@pytest.fixture
def board() -> StatusBoard:
    return StatusBoard()


@pytest.fixture(autouse=True)
def no_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.kernel.backoff.Backoff.next_wait_s", lambda self: 0.01)
    monkeypatch.setattr(camera_module, "LOOK_EVERY_S", 0.02)


def make(board: StatusBoard, *sources: ScriptedSource | BaseException) -> Camera:
    """Returns a camera whose connections are these, the last one over and over."""
    order = itertools.chain(sources, itertools.repeat(sources[-1]))

    def connect() -> ScriptedSource:
        source = next(order)
        if isinstance(source, BaseException):
            raise source
        return source

    config = CameraConfig(
        id=CameraId(uuid4()),
        room_id=RoomId(uuid4()),
        name="Left",
        position=Position.LEFT,
        source=FileSource(name="x"),
    )
    return Camera(
        config,
        unseal=lambda _: Credentials(username="", password=""),
        settings=Settings(),
        board=board,
        clock=SystemClock(),
        run_clock=StillClock,
        make_source=connect,
    )


async def until(board: StatusBoard, camera: Camera, wish: Callable[[], bool]) -> None:
    """Runs the camera until the wish is true."""
    task = asyncio.create_task(camera.run())
    try:
        async with asyncio.timeout(10):
            while not wish():  # noqa: ASYNC110  # what is waited for has no event of its own
                await asyncio.sleep(0.01)  # what is waited for has no event of its own
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_connected_camera_says_what_it_gives(board: StatusBoard) -> None:
    camera = make(board, ScriptedSource([packet(i) for i in range(60)], "hang"))

    def described() -> bool:
        status = board.camera(camera.config.id)
        video = status.video
        return (
            status.state is CameraState.CONNECTED
            and video is not None
            and video.codec_string == "avc1.42c00d"
        )

    await until(board, camera, described)


@pytest.mark.parametrize(
    ("codec", "says"),
    [
        ("adpcm_g726", "its sound (adpcm_g726) cannot be recorded"),
        ("no_such_codec", "its sound (no_such_codec) cannot be recorded"),
        ("", "its sound (unknown) cannot be recorded"),
        ("pcm_mulaw", ""),
    ],
)
async def test_sound_that_cannot_be_recorded_is_named(board: StatusBoard, codec: str, says: str) -> None:
    audio = AudioTrack(codec=codec, sample_rate_hz=8000, channels=1)
    info = msgspec.structs.replace(INFO, audio=audio)
    camera = make(board, ScriptedSource([packet(i) for i in range(60)], "hang", info))

    def described() -> bool:
        status = board.camera(camera.config.id)
        return (
            status.state is CameraState.CONNECTED
            and status.error_detail == says
            and (status.audio is None) == bool(says)
        )

    await until(board, camera, described)


@pytest.mark.parametrize(
    "error",
    [CameraError.UNREACHABLE, CameraError.REFUSED, CameraError.NOT_FOUND, CameraError.UNSUPPORTED_CODEC],
)
async def test_a_camera_that_fails_says_why_and_is_tried_again(
    board: StatusBoard, error: CameraError
) -> None:
    camera = make(board, CameraFailed(error, "rtsp://user:hunter2@host says no"))
    heard: list[CameraState] = []
    board.on_change(lambda: heard.extend(c.state for c in board.cameras()))
    await until(board, camera, lambda: board.camera(camera.config.id).failures_in_row >= 12)
    assert CameraState.RETRYING in heard
    assert board.cameras() == ()


async def test_the_reason_is_kept_while_it_is_tried_again_and_holds_no_password(board: StatusBoard) -> None:
    camera = make(board, CameraFailed(CameraError.REFUSED, "rtsp://user:hunter2@host says no"))
    seen_details = set()

    def wish() -> bool:
        status = board.camera(camera.config.id)
        if status.error is not None:
            seen_details.add((status.error, status.error_detail))
        return status.failures_in_row >= 3

    await until(board, camera, wish)
    assert seen_details == {(CameraError.REFUSED, "rtsp://***@host says no")}


async def test_credentials_for_another_agent_are_a_state_of_the_camera(board: StatusBoard) -> None:
    camera = make(board, CredentialsUnreadable("they do not open"))
    await until(
        board, camera, lambda: board.camera(camera.config.id).error is CameraError.CREDENTIALS_UNREADABLE
    )


async def test_what_nobody_expected_is_bad_data_and_not_the_end(board: StatusBoard) -> None:
    camera = make(board, RuntimeError("a bug"), ScriptedSource([packet(i) for i in range(31)], "hang"))
    await until(board, camera, lambda: board.camera(camera.config.id).state is CameraState.CONNECTED)


async def test_a_connection_that_cannot_be_closed_is_over_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    source = ScriptedSource([packet(0)])

    def refuse() -> None:
        raise OSError("it does not answer")

    monkeypatch.setattr(source, "close", refuse)
    reader = Reader(lambda: source, Feed(), clock=SystemClock(), run_clock=StillClock)
    over = threading.Event()
    reader.start(over.set, name="camera")
    assert await asyncio.to_thread(over.wait, 5)
    assert reader.ended


async def test_a_first_picture_that_comes_late_does_not_count_as_a_slow_camera() -> None:
    begun_ns = SystemClock().monotonic_ns()
    late = [
        msgspec.structs.replace(packet(i), arrival_ns=begun_ns + 3 * 10**9 + i * 33_333_334)
        for i in range(32)
    ]
    shown: list[float] = []

    class Watching(ScriptedSource):
        def packets(self) -> Iterator[MediaPacket]:
            for item in super().packets():
                yield item
                shown.append(reader.rates.fps)

    source = Watching(late)
    reader = Reader(lambda: source, Feed(), clock=SystemClock(), run_clock=StillClock)
    over = threading.Event()
    reader.start(over.set, name="camera")
    assert await asyncio.to_thread(over.wait, 5)
    assert set(shown) == {0.0, 30.0}


async def test_each_connection_is_a_run_of_its_own_that_begins_with_a_key_frame(board: StatusBoard) -> None:
    first = ScriptedSource([packet(i) for i in range(10, 70)])
    camera = make(board, first, ScriptedSource([packet(i) for i in range(40)], "hang"))
    subscription = camera.feed.subscribe()
    items: list[Item] = []

    def wish() -> bool:
        items.extend(subscription.take(0))
        return sum(isinstance(i, RunStarted) for i in items) == 2 and isinstance(items[-1], MediaPacket)

    await until(board, camera, wish)
    assert first.closed.is_set()
    kinds = [type(i) for i in items if not isinstance(i, MediaPacket)]
    assert kinds[:3] == [RunStarted, RunEnded, RunStarted]
    ended = next(i for i in items if isinstance(i, RunEnded))
    assert ended.error is CameraError.ENDED
    begun = [b for a, b in itertools.pairwise(items) if isinstance(a, RunStarted)]
    assert all(isinstance(i, MediaPacket) and i.keyframe for i in begun)


async def test_a_frozen_camera_is_given_up_and_tried_again(
    board: StatusBoard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(camera_module, "SILENCE_S", 0.1)
    frozen = ScriptedSource([packet(i) for i in range(31)], "hang")
    camera = make(board, frozen, ScriptedSource([packet(i) for i in range(31)], "hang"))
    subscription = camera.feed.subscribe()
    items: list[Item] = []

    def wish() -> bool:
        items.extend(subscription.take(0))
        return sum(isinstance(i, RunStarted) for i in items) >= 2

    await until(board, camera, wish)
    ended = next(i for i in items if isinstance(i, RunEnded))
    assert ended.error is CameraError.TIMED_OUT


@pytest.mark.parametrize("what", ["size", "jump_forward", "jump_back"])
async def test_a_change_in_the_stream_begins_another_run(board: StatusBoard, what: str) -> None:
    begin = [packet(i) for i in range(45)]
    if what == "size":
        rest = [packet(i, data=OTHER_SETS + KEY[len(SETS) :] if i % 30 == 0 else None) for i in range(60, 95)]
    else:
        shift = 90_000 * (3600 if what == "jump_forward" else -8)
        rest = [packet(i, shift_90k=shift) for i in range(50, 95)]
    camera = make(board, ScriptedSource([*begin, *rest], "hang"))
    subscription = camera.feed.subscribe()
    items: list[Item] = []

    def wish() -> bool:
        items.extend(subscription.take(0))
        return sum(isinstance(i, RunStarted) for i in items) == 2 and isinstance(items[-1], MediaPacket)

    await until(board, camera, wish)
    second = [i for i in items if isinstance(i, RunStarted)][1]
    assert second.because == ("format_change" if what == "size" else "clock_step")
    if what == "size":
        assert (second.info.video.width, second.info.video.height) == (1920, 1080)
    after = items[items.index(second) + 1]
    assert isinstance(after, MediaPacket)
    assert after.keyframe
    # Nothing of the new timeline is in the old run.
    old = [i.pts_90k for i in items[: items.index(second)] if isinstance(i, MediaPacket)]
    assert old == [p.pts_90k for p in begin]


async def test_a_stepped_clock_begins_another_run_at_the_next_key_frame(board: StatusBoard) -> None:
    clocks = [StillClock(), StillClock()]
    clocks[0].step = True
    made = iter(clocks)
    camera = make(board, ScriptedSource([packet(i) for i in range(45)], "hang"))
    camera._run_clock = lambda: next(made)
    subscription = camera.feed.subscribe()
    items: list[Item] = []

    def wish() -> bool:
        items.extend(subscription.take(0))
        return sum(isinstance(i, MediaPacket) for i in items) == 45

    await until(board, camera, wish)
    starts = [n for n, i in enumerate(items) if isinstance(i, RunStarted)]
    assert len(starts) == 2
    assert starts[1] - starts[0] == 32
