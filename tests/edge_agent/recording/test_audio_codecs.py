"""Codecs and set-ups of camera audio: each that FFmpeg decodes is recorded, and noise touches no picture."""

import os

import pytest

from edge_agent.sources.audio_format import setup_of
from edge_agent.sources.packet import AudioTrack, MediaPacket, StreamInfo
from shared.kernel.timebase import TICKS_PER_S
from tests.edge_agent.recording.camera_audio import sound, timed, together
from tests.edge_agent.recording.muxed import check, cut, loud, with_sound

RECORDED = [
    ("aac", 48_000, 2),
    ("aac", 8_000, 1),
    ("aac", 7_350, 1),
    ("aac", 96_000, 2),
    ("aac", 44_100, 6),
    ("pcm_mulaw", 8_000, 1),
    ("pcm_alaw", 8_000, 1),
    ("pcm_s16be", 44_100, 2),
    ("pcm_s24be", 48_000, 2),
    ("pcm_u8", 8_000, 1),
    ("adpcm_g722", 16_000, 1),
    ("g723_1", 8_000, 1),
    ("libopencore_amrnb", 8_000, 1),
    ("mp2", 44_100, 2),
    ("mp3", 32_000, 1),
    ("ac3", 48_000, 2),
    ("eac3", 48_000, 6),
    ("libopus", 48_000, 2),
]


@pytest.mark.parametrize(("codec", "rate_hz", "channels"), RECORDED)
def test_sound_that_ffmpeg_decodes_is_recorded(
    quiet: tuple[StreamInfo, list[MediaPacket]], codec: str, rate_hz: int, channels: int
) -> None:
    info, pictures = quiet
    track, frames, size = sound(codec, rate_hz, seconds=4, channels=channels)
    packets = timed(frames, begin_90k=pictures[0].pts_90k, step_90k=size * TICKS_PER_S / rate_hz)
    made = cut(with_sound(info, track), together(pictures, packets))
    heard = check(made, pictures)
    assert loud(heard[8:-8], 0, 99) > 0.9
    assert made.decision is not None
    assert made.decision.plan is not None
    assert made.decision.plan.channels == min(2, channels)


KNOWN_BY_SDP = [
    "aac",
    "aac_latm",
    "ac3",
    "adpcm_g722",
    "adpcm_g726",
    "adpcm_g726le",
    "adpcm_ima_wav",
    "amrnb",
    "amrwb",
    "eac3",
    "g723_1",
    "g729",
    "gsm",
    "gsm_ms",
    "ilbc",
    "mp2",
    "mp3",
    "mp3adu",
    "opus",
    "pcm_alaw",
    "pcm_mulaw",
    "pcm_s16be",
    "pcm_s24be",
    "pcm_u8",
    "qcelp",
    "qdm2",
    "speex",
    "vorbis",
]


@pytest.mark.parametrize("codec", [*KNOWN_BY_SDP, "no_such_codec", "h264", ""])
@pytest.mark.parametrize("config", [b"", b"\xff" * 24], ids=["bare", "wrong"])
def test_sound_that_is_noise_touches_no_picture(
    quiet: tuple[StreamInfo, list[MediaPacket]], codec: str, config: bytes
) -> None:
    info, pictures = quiet
    track = AudioTrack(codec=codec, sample_rate_hz=8000, channels=1, config=config)
    noise = timed(
        (os.urandom(1 + index % 400) for index in range(150)),
        begin_90k=pictures[0].pts_90k,
        step_90k=1800,
    )
    check(cut(with_sound(info, track), together(pictures, noise)), pictures)


@pytest.mark.parametrize(
    "config", ["", "00", "ff", "1190", "0000", "f8ff", "1200", "1180ff", "5780", "2b92", "e1ff"]
)
@pytest.mark.parametrize(("rate_hz", "channels"), [(0, 0), (48_000, 0), (1, 99), (2**31, 2), (16_000, 1)])
def test_a_set_up_of_sound_that_is_wrong_touches_no_picture(
    quiet: tuple[StreamInfo, list[MediaPacket]], config: str, rate_hz: int, channels: int
) -> None:
    info, pictures = quiet
    _, frames, size = sound("aac", 16_000, seconds=4)
    track = AudioTrack(codec="aac", sample_rate_hz=rate_hz, channels=channels, config=bytes.fromhex(config))
    packets = timed(frames, begin_90k=pictures[0].pts_90k, step_90k=size * TICKS_PER_S / 16_000)
    check(cut(with_sound(info, track), together(pictures, packets)), pictures)


def test_aac_that_browsers_do_not_play_is_encoded_anew(quiet: tuple[StreamInfo, list[MediaPacket]]) -> None:
    """AAC Main (object type 1), and frames of 960 samples."""
    info, pictures = quiet
    for config in ("0988", "1190"):
        setup = setup_of(bytes.fromhex(config))
        assert setup is not None
    assert not setup_of(bytes.fromhex("0988")).copied  # type: ignore[union-attr]
    assert setup_of(bytes.fromhex("1190")).copied  # type: ignore[union-attr]
    assert not setup_of(bytes.fromhex("1194")).copied  # type: ignore[union-attr]
    _, frames, size = sound("aac", 48_000, seconds=4)
    main = AudioTrack(codec="aac", sample_rate_hz=48_000, channels=1, config=bytes.fromhex("0988"))
    packets = timed(frames, begin_90k=pictures[0].pts_90k, step_90k=size * TICKS_PER_S / 48_000)
    made = cut(with_sound(info, main), together(pictures, packets))
    check(made, pictures)
    assert made.decision is not None
    assert made.decision.plan is not None
    assert made.decision.plan.codec_string == "mp4a.40.2"
