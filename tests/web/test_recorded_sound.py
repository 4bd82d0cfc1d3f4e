"""Audio that the agent recorded plays in a real browser, whatever the camera did."""

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

import msgspec
import pytest
from playwright.sync_api import Browser

from edge_agent.recording.run_muxer import RunMuxer
from edge_agent.sources.packet import AudioTrack, Kind, MediaPacket, StreamInfo
from edge_agent.spool.track_progress import AudioDecision
from shared.kernel.timebase import TICKS_PER_S
from tests.edge_agent.recording.camera_audio import sound, timed, together
from tests.edge_agent.spool.recorded_class import read_media
from tests.media import make_video
from tests.web.browser import CHROMIUM, Watched
from tests.web.footage import FPS, Footage, Scene, seal
from tests.web.stage import DIST, Stage, serve

pytestmark = [
    pytest.mark.web,
    pytest.mark.skipif(
        CHROMIUM is None, reason="no Chromium on this machine (THREEDANCE_TEST_CHROMIUM names one)"
    ),
    pytest.mark.skipif(not (DIST / "replay.js").exists(), reason="web assets are not built (nox -s assets)"),
]

SECONDS = 6
Run = tuple[StreamInfo, list[MediaPacket]]
Maker = Callable[[Run], list[Run]]


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> tuple[StreamInfo, list[MediaPacket]]:
    """Returns six seconds of a camera with AAC, a key frame each second."""
    path = make_video(tmp_path_factory.mktemp("media") / "camera.mp4", seconds=SECONDS, audio="aac")
    return read_media(path, SECONDS)


def _footage(runs: list[Run]) -> Footage:
    """Records runs as one track of one class, in fragments of a second."""
    decision: AudioDecision | None = None
    fragments: list[bytes] = []
    inits: dict[int, bytes] = {}
    for info, packets in runs:
        cutter = RunMuxer(info, decision)
        begin = len(fragments)
        fragments += [fragment.data for packet in packets for fragment in cutter.push(packet)]
        fragments += [fragment.data for fragment in cutter.finish()]
        inits[begin], decision = cutter.init, cutter.decision
    assert len(fragments) == SECONDS
    first = inits.pop(0)
    return replace(seal(first, fragments), inits=inits)


def _pauses(recorded: Run) -> list[Run]:
    info, packets = recorded
    begin = packets[0].pts_90k
    quiet = range(begin + TICKS_PER_S * 2, begin + TICKS_PER_S * 5)
    return [(info, [p for p in packets if p.kind is Kind.VIDEO or p.pts_90k not in quiet])]


def _never_sends(recorded: Run) -> list[Run]:
    info, packets = recorded
    return [(info, [p for p in packets if p.kind is Kind.VIDEO])]


def _damaged(recorded: Run) -> list[Run]:
    info, packets = recorded
    noise = [
        msgspec.structs.replace(packet, data=os.urandom(packet.size_bytes))
        if packet.kind is Kind.AUDIO and index % 3
        else packet
        for index, packet in enumerate(packets)
    ]
    return [(info, noise)]


def _reconnects(recorded: Run) -> list[Run]:
    """With AAC, then with G.711, then without sound; two seconds each."""
    info, packets = recorded
    begin = packets[0].pts_90k
    parts = [
        [
            packet
            for packet in packets
            if 0 <= packet.pts_90k - begin - 2 * number * TICKS_PER_S < 2 * TICKS_PER_S
        ]
        for number in range(3)
    ]
    pictures = [[packet for packet in part if packet.kind is Kind.VIDEO] for part in parts]
    track, frames, size = sound("pcm_mulaw", 8000, seconds=2)
    telephone = timed(frames, begin_90k=begin + 2 * TICKS_PER_S, step_90k=size * TICKS_PER_S / 8000)
    return [
        (info, parts[0]),
        (msgspec.structs.replace(info, audio=track), list(together(pictures[1], telephone))),
        (msgspec.structs.replace(info, audio=None), pictures[2]),
    ]


def _other_codec(recorded: Run) -> list[Run]:
    info, packets = recorded
    pictures = [packet for packet in packets if packet.kind is Kind.VIDEO]
    track, frames, size = sound("libopus", 48_000, seconds=SECONDS, channels=2)
    opus = timed(frames, begin_90k=pictures[0].pts_90k, step_90k=size * TICKS_PER_S / 48_000)
    return [(msgspec.structs.replace(info, audio=track), list(together(pictures, opus)))]


def _misread(recorded: Run) -> list[Run]:
    info, packets = recorded
    wrong = AudioTrack(codec="aac", sample_rate_hz=16_000, channels=1, config=b"\x14\x08")
    return [(msgspec.structs.replace(info, audio=wrong), packets)]


@pytest.fixture
def viewer(browser: Browser) -> Iterator[Watched]:
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    yield Watched(context.new_page())
    context.close()


def _all_show(viewer: Watched, number: int) -> bool:
    return set(viewer.numbers().values()) == {number}


@pytest.mark.parametrize(
    "makers",
    [
        pytest.param((_pauses, _reconnects, _damaged), id="pauses, reconnects, damaged"),
        pytest.param((_never_sends, _other_codec, _misread), id="never sends, other codec, misread"),
    ],
)
def test_recorded_sound_never_stops_a_view(viewer: Watched, recorded: Run, makers: tuple[Maker, ...]) -> None:
    scenes = {
        position: Scene(position.capitalize(), position, _footage(make(recorded)))
        for position, make in zip(("left", "centre", "right"), makers, strict=True)
    }
    with serve(Stage(scenes, float(SECONDS))) as stage:
        page = viewer.page
        page.add_init_script(
            "window.noted = [];"
            "for (const name of ['lost', 'silenced']) addEventListener(`threedance:${name}`, () => noted.push(name), true);"
        )
        page.goto(stage.address)
        viewer.until_state("paused", timeout_s=30)
        page.evaluate("threedance.player.setRate(2)")
        page.keyboard.press("Space")
        viewer.until_state("ended", timeout_s=60)
        decoded = page.evaluate("threedance.player.tiles.map(({video}) => video.webkitAudioDecodedByteCount)")
        assert all(count > 0 for count in decoded), "each view has a track of sound"
        for second in (0, 3, 5, 2, 1, 4):
            number = second * FPS + 17
            viewer.seek((number + 0.5) / FPS)
            viewer.until(partial(_all_show, viewer, number), timeout_s=20)
        assert page.evaluate("noted") == []
        assert page.locator(".overlay:visible").count() == 0
