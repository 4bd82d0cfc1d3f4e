"""Parameter sets of a key frame, compared with the settings of the encoder."""

import itertools
from pathlib import Path

import av
import pytest

from edge_agent.sources.parameter_sets import describe, may_reorder, parameter_sets
from tests.media import make_video
from tests.rigs.scripted_rtsp import pictures_of


@pytest.mark.parametrize("codec", ["h264", "h265"])
@pytest.mark.parametrize("size", [(320, 180), (1280, 720), (1920, 1080), (642, 362)])
def test_size_and_codec_string_are_read_from_the_key_frame(
    tmp_path: Path, codec: str, size: tuple[int, int]
) -> None:
    path = make_video(tmp_path / f"clip.{codec}", codec=codec, size=size, seconds=0.1)
    with av.open(str(path)) as media:
        key = bytes(next(p for p in media.demux(video=0) if p.size))
        context = media.streams.video[0].codec_context
        level = context.level if hasattr(context, "level") else None
    sets = parameter_sets(key, codec)  # type: ignore[arg-type]
    picture = describe(sets, codec)  # type: ignore[arg-type]
    assert picture is not None
    assert (picture.width, picture.height) == size
    if codec == "h264":
        assert picture.codec_string == f"avc1.42c0{level:02x}"
    else:
        assert picture.codec_string.startswith("hvc1.1.6.L")


def test_high_profile_with_scaling_and_cropping_is_read() -> None:
    sps = bytes.fromhex("0000000167640028acd100780227e5c04400000300040000 0300f03c60c658".replace(" ", ""))
    picture = describe(sps, "h264")
    assert picture is not None
    assert (picture.codec_string, picture.width, picture.height) == ("avc1.640028", 1920, 1080)


@pytest.mark.parametrize("codec", ["h264", "h265"])
def test_damaged_sets_are_nothing_and_no_error(tmp_path: Path, codec: str) -> None:
    path = make_video(tmp_path / f"clip.{codec}", codec=codec, seconds=0.1)
    with av.open(str(path)) as media:
        key = bytes(next(p for p in media.demux(video=0) if p.size))
    sets = parameter_sets(key, codec)  # type: ignore[arg-type]
    for cut in range(len(sets)):
        describe(sets[:cut], codec)  # type: ignore[arg-type]
    for at, bit in itertools.product(range(5, min(len(sets), 60)), range(0, 8, 3)):
        broken = bytearray(sets)
        broken[at] ^= 1 << bit
        describe(bytes(broken), codec)  # type: ignore[arg-type]
    assert describe(b"", codec) is None  # type: ignore[arg-type]
    assert parameter_sets(b"", codec) == b""  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "sps",
    [
        "42010101600000030090000003000003003ca00a082cd820d923eeef783236342d20636f7265",
        "42010101600000030090000003000003003c3820286329204d756c4b7469636f726577617265",
        "420101016000000300900000030000216f2d74736b69702d66617374206e6f2d63752d6c6f73",
        "42010101600000030090000003000003003c" + "00" * 40 + "01" + "ff" * 60,
    ],
    ids=["cropped away", "no width", "cropped from nothing", "a number of 300 bits"],
)
def test_a_size_that_no_picture_has_is_nothing(sps: str) -> None:
    """It would have entered manifests that neither the control plane nor the agent's own index accepts."""
    assert describe(b"\0\0\0\1" + bytes.fromhex(sps), "h265") is None


def test_each_set_is_named_once() -> None:
    sps, pps, slice_ = b"\x67\x42\x00\x0d", b"\x68\xce\x04", b"\x65\x88\x80"
    start = b"\x00\x00\x00\x01"
    unit = start + sps + start + pps + start + sps + start + pps + start + slice_ + start + pps
    assert parameter_sets(unit, "h264") == start + sps + start + pps


@pytest.mark.parametrize("b_frames", [0, 2])
def test_pictures_that_are_shown_before_others_decoded_earlier_are_known(
    tmp_path: Path, b_frames: int
) -> None:
    pictures = pictures_of(make_video(tmp_path / "clip.mp4", seconds=1, b_frames=b_frames))
    early = [a.shown > b.shown for a, b in itertools.pairwise(pictures)]
    assert any(early) == bool(b_frames)
    for picture, is_early in zip(pictures[1:], early, strict=True):
        assert may_reorder(picture.data, b"", "h264") or not is_early
    assert not may_reorder(pictures[0].data, b"", "h264")
    key = make_video(tmp_path / "clip.h265", codec="h265", seconds=0.5, b_frames=b_frames).read_bytes()
    assert may_reorder(key, parameter_sets(key, "h265"), "h265") == bool(b_frames)
    for damaged in (b"", b"\0\0\1", b"\0\0\1\x41", b"\0\0\1\x42\1", key[:30]):
        assert not may_reorder(damaged, damaged, "h264")
        assert not may_reorder(damaged, damaged, "h265")
