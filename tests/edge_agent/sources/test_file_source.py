"""File cameras: seamless loops, times that agree between files, and what each unusable file is called."""

import itertools
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from edge_agent.errors import CameraFailed
from edge_agent.settings import Settings
from edge_agent.sources.factory import build_source
from edge_agent.sources.file_source import FileSource
from edge_agent.sources.packet import Kind
from shared.kernel.clock import FakeClock, SystemClock
from shared.protocol import config
from shared.protocol.status import CameraError
from tests.edge_agent.sources.configured import camera, failure, opened, unseal

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


@pytest.mark.parametrize("name", ["clip.mp4", "clip.ts", "clip.mkv"])
def test_a_file_plays_over_and_over_without_a_seam(media: Path, name: str) -> None:
    clock = FakeClock(NOON)
    source = FileSource(media / name, with_audio=True, clock=clock, wait=clock.advance)
    source.open()
    packets = list(itertools.islice((p for p in source.packets() if p.kind is Kind.VIDEO), 500))
    shown = sorted(p.pts_90k for p in packets)[:-4]
    # Matroska counts milliseconds.
    assert all(abs(b - a - 3000) <= 60 for a, b in itertools.pairwise(shown))
    assert abs(shown[-1] - shown[0] - (len(shown) - 1) * 3000) <= 90
    assert all(a.dts_90k < b.dts_90k for a, b in itertools.pairwise(packets))
    assert packets[0].keyframe
    assert packets[-1].arrival_ns - packets[0].arrival_ns == pytest.approx(499 / 30 * 1e9, rel=0.02)
    source.close()


def test_files_of_one_length_show_one_instant_at_one_time(media: Path) -> None:
    """Views of one scene stay together whenever each was opened."""
    places = []
    for opened_s in (0.0, 1.3, 7.9, 1234.5):
        clock = FakeClock(NOON + timedelta(seconds=opened_s))
        source = FileSource(media / "clip.mp4", with_audio=False, clock=clock, wait=clock.advance)
        source.open()
        first = next(iter(source.packets()))
        utc_s = opened_s + (first.arrival_ns - 1_000_000_000) / 1e9
        places.append(utc_s % 1.0)
        # A key frame each second, the file four seconds long, and noon a multiple of that since 1970.
        assert first.keyframe
        source.close()
    assert all(min(place, 1 - place) < 1e-6 for place in places)


def test_a_file_that_is_not_on_the_list_is_refused(media: Path) -> None:
    error = failure(camera(config.FileSource(name="clip.mp4")))
    assert error.error is CameraError.NOT_ON_LIST
    assert "media" in error.hint
    gone = Settings(media={"clip": str(media / "gone.mp4")})
    assert failure(camera(config.FileSource(name="clip")), gone).error is CameraError.NOT_ON_LIST


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("vp9.mp4", CameraError.UNSUPPORTED_CODEC),
        ("text.txt", CameraError.BAD_FILE),
        ("empty.mp4", CameraError.BAD_FILE),
        ("cut.mp4", CameraError.BAD_FILE),
        ("sound.mp4", CameraError.BAD_FILE),
        ("list.m3u8", CameraError.BAD_FILE),
    ],
)
def test_a_file_that_cannot_be_carried_says_why(media: Path, name: str, error: CameraError) -> None:
    settings = Settings(media={"it": str(media / name)})
    failed = failure(camera(config.FileSource(name="it")), settings)
    assert failed.error is error
    assert "camera" not in failed.hint or error is CameraError.UNSUPPORTED_CODEC


def test_a_file_without_times_says_so(media: Path) -> None:
    settings = Settings(media={"it": str(media / "raw.h264")})
    source = opened(camera(config.FileSource(name="it")), settings)
    with pytest.raises(CameraFailed, match="no times"):
        next(iter(source.packets()))


def test_sound_is_left_out_where_it_is_not_wanted(media: Path) -> None:
    settings = Settings(media={"it": str(media / "clip.mp4")})
    configured = camera(config.FileSource(name="it"), record_audio=False)
    source = build_source(configured, unseal=unseal, settings=settings, clock=SystemClock())
    assert source.open().audio is None
    source.close()


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("pose2sim/single_head/videos/cam01.mp4", None),
        ("pose2sim/single_head/videos/cam02.mp4", CameraError.UNSUPPORTED_CODEC),
        ("pose2sim/single_head/videos/cam03.mp4", None),
        ("caliscope/charuco_calibration/calibration/extrinsic/cam_0.mp4", CameraError.UNSUPPORTED_CODEC),
    ],
)
def test_real_footage_plays(shared_data: Path, name: str, error: CameraError | None) -> None:
    settings = Settings(media={"it": str(shared_data / name)})
    configured = camera(config.FileSource(name="it"))
    if error is not None:
        assert failure(configured, settings).error is error
        return
    clock = FakeClock(NOON)
    source = FileSource(shared_data / name, with_audio=True, clock=clock, wait=clock.advance)
    source.open()
    packets = list(itertools.islice((p for p in source.packets() if p.kind is Kind.VIDEO), 300))
    assert packets[0].keyframe
    shown = sorted(p.pts_90k for p in packets)[:-4]
    assert all(0 < b - a < 90_000 for a, b in itertools.pairwise(shown))
    source.close()
