"""Cameras with odd times, odd pictures and wrong set-up data, read through FFmpeg: each costs what it must, and no more."""

import random
import threading
from base64 import b64encode
from collections.abc import Callable, Iterable
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import pytest

from edge_agent.capture.feed import Feed, Item, RunEnded, RunStarted
from edge_agent.capture.reader import Reader
from edge_agent.recording.run_muxer import RunMuxer
from edge_agent.sources.av_source import AvSource
from edge_agent.sources.packet import Kind, MediaPacket
from edge_agent.sources.rtsp.rtsp_source import RtspSource
from shared.kernel.clock import SystemClock
from tests.edge_agent.sources.scripted import LOCAL, StillClock
from tests.media import make_video, numbers_in, stamped_numbers
from tests.rigs import scripted_rtsp
from tests.rigs.scripted_rtsp import Picture, ScriptedCamera, pictures_of, units_of

FRAME = 3000
BEGIN = 900_000
WAIT_S = 30
PICTURES = 90


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Picture]]:
    folder = tmp_path_factory.mktemp("odd")
    return {
        "plain": pictures_of(make_video(folder / "plain.mp4", seconds=3)),
        "b2": pictures_of(make_video(folder / "b2.mp4", seconds=3, b_frames=2)),
        "b1": pictures_of(make_video(folder / "b1.mp4", seconds=3, b_frames=1)),
        "small": pictures_of(make_video(folder / "small.mp4", seconds=2, size=(160, 90))),
    }


def odd(pictures: list[Picture], **bent: Any) -> ScriptedCamera:
    """Returns a camera that is three times as fast as it says, for tests to be short."""
    return ScriptedCamera(pictures, pace=0.3, **bent)


def read(camera: ScriptedCamera) -> list[Item]:
    """Returns all that one connection to a camera gives, until the camera has sent everything and a little after."""
    feed, over = Feed(), threading.Event()
    subscription = feed.subscribe()

    def source() -> RtspSource:
        return RtspSource(camera.url(), None, settings=LOCAL, with_audio=True, clock=SystemClock())

    reader = Reader(source, feed, clock=SystemClock(), run_clock=StillClock)
    with camera:
        reader.start(over.set, name="camera")
        assert camera.finished.wait(WAIT_S) or over.is_set()
    assert over.wait(WAIT_S)
    return subscription.take(0)


def packets_of_run(items: Iterable[Item]) -> list[list[MediaPacket]]:
    """Returns the pictures of each run."""
    runs: list[list[MediaPacket]] = []
    for item in items:
        if isinstance(item, RunStarted):
            runs.append([])
        elif isinstance(item, MediaPacket) and item.kind is Kind.VIDEO:
            runs[-1].append(item)
    return runs


def one_run(items: Iterable[Item]) -> list[MediaPacket]:
    runs = packets_of_run(items)
    assert len(runs) == 1
    return runs[0]


def recorded(items: list[Item]) -> list[tuple[int, int]]:
    """Returns (time, number) of each picture of the first run as it is recorded, in the order of showing."""
    started = next(item for item in items if isinstance(item, RunStarted))
    cutter = RunMuxer(started.info)
    fragments = [f for packet in one_run(items) for f in cutter.push(packet)] + list(cutter.finish())
    return list(stamped_numbers(cutter.init + b"".join(fragment.data for fragment in fragments)))


def places(packets: list[MediaPacket]) -> list[float]:
    return [(packet.pts_90k - BEGIN) / FRAME for packet in packets]


# Times.


@pytest.mark.parametrize("clip", ["plain", "b1", "b2"])
@pytest.mark.parametrize("begin", [1000, (1 << 32) - 30 * FRAME, (1 << 31) - 5 * FRAME])
def test_every_picture_has_its_place_from_the_first_one_on(
    clips: dict[str, list[Picture]], clip: str, begin: int
) -> None:
    """Also where RTP time begins close to where it goes round."""
    camera = odd(clips[clip], stamp=lambda _, picture: begin + picture.shown * FRAME)
    items = read(camera)
    packets = one_run(items)
    # FFmpeg's parser keeps the last one until another comes.
    assert places(packets) == [picture.shown for picture in clips[clip]][: len(packets)]
    assert len(packets) >= PICTURES - 1
    assert all(a.dts_90k < b.dts_90k for a, b in pairwise(packets))
    assert all(packet.dts_90k <= packet.pts_90k for packet in packets)
    shown = recorded(items)
    assert [number for _, number in shown][:60] == list(range(60))
    assert {b - a for (a, _), (b, _) in pairwise(shown[:60])} == {FRAME}


WILD = (-9800 * 90_000, 9800 * 90_000, 1 << 31, -5 * 90_000, 3 * 90_000, 45_000, -45_000, -FRAME)


@pytest.mark.parametrize("clip", ["plain", "b2"])
@pytest.mark.parametrize("seed", range(3))
def test_strays_cost_at_most_their_own_picture(clips: dict[str, list[Picture]], clip: str, seed: int) -> None:
    dice = random.Random(f"{clip}-{seed}")
    wild = [by for by in WILD if clip == "plain" or abs(by) > 90_000]
    off = {number: dice.choice(wild) for number in range(dice.randrange(8, 12), PICTURES - 4, 7)}
    camera = odd(clips[clip], stamp=lambda number, picture: 1000 + picture.shown * FRAME + off.get(number, 0))
    packets = one_run(read(camera))
    assert len(packets) >= PICTURES - 1
    for number, place in enumerate(places(packets)):
        true = clips[clip][number].shown
        assert place == true or (number in off and abs(place - true) <= 3), (number, place, true)


def test_a_first_key_frame_of_another_day_costs_the_time_until_the_next(
    clips: dict[str, list[Picture]],
) -> None:
    camera = odd(clips["plain"], stamp=lambda n, p: 1000 + p.shown * FRAME - 80_000_000 * (n == 0))
    runs = packets_of_run(read(camera))
    assert sum(len(run) for run in runs) >= PICTURES - 31


@pytest.mark.parametrize("by", [3600 * 90_000, -90_000 * 20, -45_000])
def test_a_clock_that_is_set_begins_another_run(clips: dict[str, list[Picture]], by: int) -> None:
    camera = odd(clips["plain"], stamp=lambda n, p: 1000 + p.shown * FRAME + by * (n >= 45))
    items = read(camera)
    runs = packets_of_run(items)
    assert [item.because for item in items if isinstance(item, RunStarted)] == ["connected", "clock_step"]
    assert places(runs[0]) == list(range(45))
    assert runs[1][0].keyframe
    assert {b.pts_90k - a.pts_90k for a, b in pairwise(runs[1])} == {FRAME}
    assert len(runs[1]) >= 29


def test_a_time_for_two_pictures_does_not_make_them_one(clips: dict[str, list[Picture]]) -> None:
    camera = odd(clips["plain"], stamp=lambda n, p: 1000 + (p.shown - (n % 10 == 5)) * FRAME)
    items = read(camera)
    packets = one_run(items)
    assert len(packets) >= PICTURES - 1
    assert all(a.pts_90k < b.pts_90k for a, b in pairwise(packets))
    assert [number for _, number in recorded(items)][: PICTURES - 1] == list(range(PICTURES - 1))


# Pictures.


def changed(pictures: list[Picture], change: Callable[[int, list[bytes]], list[bytes]]) -> list[Picture]:
    """Returns the pictures with other NAL units."""
    found = []
    for number, picture in enumerate(pictures):
        units = change(number, units_of(picture.data))
        found.append(Picture(b"".join(b"\0\0\0\1" + unit for unit in units), picture.shown, picture.keyframe))
    return found


def test_empty_units_and_empty_pictures_cost_nothing_else(clips: dict[str, list[Picture]]) -> None:
    def change(number: int, units: list[bytes]) -> list[bytes]:
        match number % 10:
            case 3:
                return [b"\x09\xf0", *units]  # an access unit delimiter
            case 5:
                return [*units, b"\x06"]  # a message without content
            case 7:
                return []  # nothing at all: the camera sends no packet for it
            case _:
                return units

    pictures = changed(clips["plain"], change)
    packets = one_run(read(odd(pictures)))
    sent = [picture.shown for picture in pictures if picture.data]
    # FFmpeg gives a picture after a message at the end of another one that picture's time: half a frame off.
    moved = [abs(a - b) for a, b in zip(places(packets)[: len(sent) - 1], sent, strict=False)]
    assert [by for place, by in zip(sent, moved, strict=False) if place % 10 != 6] == [0] * (
        len(sent) - 1 - 9
    )
    assert max(moved) <= 0.5


@pytest.mark.parametrize(
    "empty", [b"", b"\x00", b"\x1c", b"\x1c\x85", b"\x18", b"\x18\x00\x00", b"\x18\xff\xff\x65"]
)
def test_packets_without_a_picture_in_them_are_passed_over(
    clips: dict[str, list[Picture]], empty: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Payloads of zero length, parts of nothing (FU-A), and packets of packets (STAP-A) whose lengths are wrong."""
    real = scripted_rtsp.packets_of

    def packets(data: bytes) -> Iterable[tuple[bytes, bool]]:
        yield empty, False
        yield from real(data)

    monkeypatch.setattr(scripted_rtsp, "packets_of", packets)
    items = read(odd(clips["plain"]))
    found = one_run(items)
    assert places(found)[: PICTURES - 2] == list(range(PICTURES - 2))


# Set-up data.


@pytest.mark.parametrize(
    "sprop",
    ["", "AAAA", "Z0LAHtkDxWhAAAADAEAAAAwDxYuS,aMuMsg==", "!!!!,????", "Zw==,aA==", ",", "Z" * 3000],
)
def test_wrong_parameter_sets_in_the_description_give_way_to_those_in_the_stream(
    clips: dict[str, list[Picture]], sprop: str
) -> None:
    items = read(odd(clips["plain"], sprop=sprop))
    packets = one_run(items)
    assert len(packets) >= PICTURES - 1
    assert [number for _, number in recorded(items)][:60] == list(range(60))


def test_parameter_sets_that_stand_in_the_description_alone_are_used(clips: dict[str, list[Picture]]) -> None:
    bare = changed(clips["plain"], lambda _, units: [unit for unit in units if unit[0] & 31 not in (7, 8)])
    sets = [unit for unit in units_of(clips["plain"][0].data) if unit[0] & 31 in (7, 8)]
    sprop = ",".join(b64encode(unit).decode() for unit in sets)
    items = read(odd(bare, sprop=sprop))
    assert [number for _, number in recorded(items)][:60] == list(range(60))


def test_a_stream_without_any_parameter_sets_ends_with_a_reason(clips: dict[str, list[Picture]]) -> None:
    bare = changed(clips["plain"], lambda _, units: [unit for unit in units if unit[0] & 31 not in (7, 8)])
    items = read(odd(bare, sprop=""))
    started = [item for item in items if isinstance(item, RunStarted)]
    if started:
        # FFmpeg believes that it is a video; nothing of it can be recorded, and nothing breaks.
        cutter = RunMuxer(started[0].info)
        for packet in one_run(items):
            assert not list(cutter.push(packet))
        assert not list(cutter.finish())
        assert cutter.bad_key_frames
    assert isinstance(items[-1], RunEnded) or not items


def test_another_size_in_the_midst_of_a_stream_begins_another_run(clips: dict[str, list[Picture]]) -> None:
    second = [Picture(p.data, p.shown + 30, p.keyframe) for p in clips["small"]]
    items = read(odd([*clips["plain"][:30], *second]))
    started = [item for item in items if isinstance(item, RunStarted)]
    assert [item.because for item in started] == ["connected", "format_change"]
    assert [(item.info.video.width, item.info.video.height) for item in started] == [(320, 180), (160, 90)]
    runs = packets_of_run(items)
    assert len(runs[0]) == 30
    cutter = RunMuxer(started[1].info)
    fragments = [f for packet in runs[1] for f in cutter.push(packet)] + list(cutter.finish())
    media = cutter.init + b"".join(fragment.data for fragment in fragments)
    with av.open(BytesIO(media)) as file:
        assert file.streams.video[0].codec_context.width == 160
    assert numbers_in(media)[:50] == list(range(50))


def test_files_with_b_frames_keep_their_times(tmp_path: Path) -> None:
    """The order of decoding is FFmpeg's where a container tells it."""
    path = make_video(tmp_path / "b.mp4", seconds=2, b_frames=2)

    class Source(AvSource):
        def _open_container(self) -> object:
            return av.open(str(path))

    source = Source({}, with_audio=False, clock=SystemClock())
    source.open()
    packets = list(source.packets())
    source.close()
    assert sorted(places(packets)) == list(range(60))
    assert {b.dts_90k - a.dts_90k for a, b in pairwise(packets)} == {FRAME}
    assert packets[0].pts_90k - packets[0].dts_90k == 2 * FRAME
