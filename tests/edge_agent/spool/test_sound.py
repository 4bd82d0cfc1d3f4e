"""The sound of a class: recorded as AAC beside the pictures, and never a reason to hold them back."""

import io
from pathlib import Path

import av
import msgspec
import numpy as np
import pytest

from edge_agent.capture.packet import Kind
from edge_agent.spool.cutter import Cutter
from tests.edge_agent.spool.take import LOOP, Studio, follow, read_media


@pytest.mark.parametrize(
    ("name", "rate", "channels", "transcoded_from"),
    [
        ("h264.mp4", 48_000, 2, ""),
        ("bframes.ts", 48_000, 2, ""),
        ("pcmu.mov", 8_000, 1, "pcm_mulaw"),
        ("opus.mkv", 48_000, 2, "opus"),
    ],
)
def test_sound_is_recorded_as_aac(
    studio: Studio, media: Path, name: str, rate: int, channels: int, transcoded_from: str
) -> None:
    info, packets = read_media(media / name, 14)
    spool = studio.record(info, packets)
    manifests = studio.manifests(spool)
    audio = manifests[0].audio
    assert audio is not None
    assert (audio.sample_rate_hz, audio.channels, audio.transcoded_from) == (rate, channels, transcoded_from)
    assert audio.codec_string == "mp4a.40.2"
    whole = studio.init(spool, manifests[0]) + b"".join(
        studio.opened(spool, m, f.blob) for m in manifests for f in m.fragments
    )
    with av.open(io.BytesIO(whole), "r") as playable:
        frames = list(playable.decode(playable.streams.audio[0]))
    first_s, last_s = frames[0].time or 0.0, frames[-1].time or 0.0
    assert first_s == pytest.approx(10, abs=0.15)
    assert last_s - first_s == pytest.approx(13.9, abs=0.3)
    loud = [float(np.abs(frame.to_ndarray()).max()) > 0.05 for frame in frames[4:-4]]
    assert sum(loud) > 0.95 * len(loud)


def test_a_silent_microphone_does_not_hold_the_pictures_back(studio: Studio, media: Path) -> None:
    info, packets = read_media(media / "h264.mp4", 24)
    quiet_from = packets[0].pts_90k + 8 * 90_000
    loud_from = packets[0].pts_90k + 16 * 90_000
    heard = [p for p in packets if p.kind is Kind.VIDEO or not quiet_from <= p.pts_90k < loud_from]
    spool = studio.record(info, heard)
    manifests = studio.manifests(spool)
    assert next(m.audio is not None for m in manifests if m.fragments[0].pts_90k < quiet_from)
    assert any(m.audio is None for m in manifests)
    assert manifests[-1].audio is not None
    assert sorted({m.run for m in manifests}) == [0, 1, 2]
    assert follow(studio.recorded_numbers(spool), LOOP)
    assert len(studio.recorded_numbers(spool)) == sum(p.kind is Kind.VIDEO for p in packets)
    assert not studio.gaps(spool)


def test_a_microphone_that_never_sends_is_not_promised(studio: Studio, media: Path) -> None:
    info, packets = read_media(media / "h264.mp4", 5)
    spool = studio.record(info, [p for p in packets if p.kind is Kind.VIDEO])
    assert {m.audio for m in studio.manifests(spool)} == {None}
    assert follow(studio.recorded_numbers(spool), LOOP)


@pytest.mark.parametrize("jump_s", [-3600, 60, 90_000])
def test_sound_with_another_clock_than_the_pictures_is_left_out(media: Path, jump_s: int) -> None:
    """A day of it made FFmpeg's muxer abort the whole agent."""
    info, packets = read_media(media / "h264.mp4", 4)
    cutter, made = Cutter(info), 0
    for number, packet in enumerate(packets):
        if packet.kind is Kind.AUDIO and number > len(packets) // 2:
            moved_90k = packet.pts_90k + jump_s * 90_000
            packet = msgspec.structs.replace(packet, pts_90k=moved_90k, dts_90k=moved_90k)
        made += sum(fragment.frames for fragment in cutter.push(packet))
    made += sum(fragment.frames for fragment in cutter.finish())
    assert made == sum(packet.kind is Kind.VIDEO for packet in packets)


@pytest.mark.parametrize("frame", [b"\xff", b"\xff\xf1", b"\xff\xf1\x4c\x40\x29\xbf\xfc" * 2, b""])
def test_a_frame_of_sound_that_is_none_does_not_stop_the_pictures(media: Path, frame: bytes) -> None:
    info, packets = read_media(media / "h264.mp4", 2)
    cutter, made = Cutter(info), 0
    for packet in packets:
        if packet.kind is Kind.AUDIO:
            packet = msgspec.structs.replace(packet, data=frame)
        made += sum(fragment.frames for fragment in cutter.push(packet))
    made += sum(fragment.frames for fragment in cutter.finish())
    assert made == sum(packet.kind is Kind.VIDEO for packet in packets)
