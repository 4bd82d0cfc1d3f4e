"""Test media made with PyAV that carry their own truth: each picture holds its number, as a row of black and white bars.

The number survives any encoder, so a test can count what was recorded: every frame, once, in order.
"""

from collections.abc import Iterator
from fractions import Fraction
from io import BytesIO
from pathlib import Path
from typing import Any

import av
import numpy as np

BITS = 16
ENCODERS = {"h264": "libx264", "h265": "libx265", "vp9": "libvpx-vp9", "mjpeg": "mjpeg"}
X265_OPTIONS = "log-level=none:pools=1:frame-threads=1:repeat-headers=1"


def picture(number: int, width: int = 320, height: int = 180) -> av.VideoFrame:
    """Returns a grey picture that says `number` (0 to 65535) in 16 bars across, over a slowly moving texture."""
    image = np.full((height, width), 96, dtype=np.uint8)
    image[height // 2 :, :] = (np.arange(width, dtype=np.uint16)[None, :] + number * 3) % 64 + 64
    bar = width // BITS
    for bit in range(BITS):
        image[: height // 2, bit * bar : (bit + 1) * bar] = 235 if number >> bit & 1 else 16
    grey = av.VideoFrame.from_ndarray(image, format="gray")
    return grey.reformat(format="yuv420p")


def number_of(frame: av.VideoFrame) -> int:
    """Returns the number that a decoded picture says."""
    luma = frame.to_ndarray(format="gray")
    bar = luma.shape[1] // BITS
    middle = luma[luma.shape[0] // 8 : luma.shape[0] // 4, : bar * BITS].mean(axis=0)
    return sum(
        1 << bit
        for bit in range(BITS)
        if middle[bit * bar + bar // 4 : (bit + 1) * bar - bar // 4].mean() > 128
    )


def make_video(
    path: Path,
    *,
    seconds: float = 4.0,
    codec: str = "h264",
    fps: int = 30,
    gop: int = 30,
    size: tuple[int, int] = (320, 180),
    b_frames: int = 0,
    audio: str | None = None,
    sample_rate_hz: int = 48_000,
    first: int = 0,
    options: dict[str, str] | None = None,
    audio_seconds: float | None = None,
    slices: int = 1,
) -> Path:
    """Writes a video of numbered pictures; the container follows from the suffix of `path`, `audio` is FFmpeg's encoder."""
    with av.open(str(path), "w", options=options or {}) as out:
        video: Any = out.add_stream(ENCODERS[codec], rate=fps)
        video.width, video.height = size
        video.pix_fmt = "yuv420p"
        video.codec_context.thread_count = 1
        if codec == "h264":
            video.options = {
                "preset": "ultrafast",
                "crf": "30",
                "tune": "zerolatency" if not b_frames else "psnr",
                "g": str(gop),
                "keyint_min": str(gop),
                "sc_threshold": "0",
                "bf": str(b_frames),
                "x264-params": f"sliced-threads=0:repeat-headers=1:slices={slices}",
            }
        elif codec == "h265":
            video.options = {
                "preset": "ultrafast",
                "crf": "32",
                "x265-params": f"{X265_OPTIONS}:keyint={gop}:min-keyint={gop}:scenecut=0:bframes={b_frames}:open-gop=0",
            }
        else:
            video.options = {"g": str(gop)}
        sound = _add_sound(out, audio, sample_rate_hz) if audio else None
        samples_done = 0
        for index in range(round(seconds * fps)):
            frame = picture((first + index) % (1 << BITS), *size)
            frame.pts, frame.time_base = index, Fraction(1, fps)
            out.mux(video.encode(frame))
            if sound and (index + 1) / fps <= (audio_seconds or seconds):
                samples_done = _mux_sound(out, sound, samples_done, (index + 1) * sample_rate_hz // fps)
        out.mux(video.encode(None))
        if sound:
            out.mux(sound.encode(None))
    return path


def _add_sound(out: av.container.OutputContainer, audio: str, sample_rate_hz: int) -> av.AudioStream:
    layout = "mono" if audio in ("pcm_mulaw", "pcm_alaw") else "stereo"
    sound = out.add_stream(audio, rate=sample_rate_hz, layout=layout)
    assert isinstance(sound, av.AudioStream)
    return sound


def _mux_sound(out: av.container.OutputContainer, sound: av.AudioStream, done: int, until: int) -> int:
    context = sound.codec_context
    rate, layout = context.sample_rate, context.layout.name
    if not context.is_open:
        context.open()
    size = context.frame_size or rate // 50
    while done + size <= until:
        wave = (np.sin(2 * np.pi * 440 * np.arange(done, done + size) / rate) * 8000).astype(np.int16)
        interleaved = np.repeat(wave, len(context.layout.channels))[None, :]
        frame = av.AudioFrame.from_ndarray(interleaved, format="s16", layout=layout)
        frame.sample_rate, frame.pts, frame.time_base = rate, done, Fraction(1, rate)
        for converted in av.AudioResampler(format=context.format, layout=layout, rate=rate).resample(frame):
            converted.pts = done
            out.mux(sound.encode(converted))
        done += size
    return done


def numbers_in(data: bytes | Path) -> list[int]:
    """Returns the numbers of all pictures of a media file, in the order they are shown."""
    return [number for _, number in stamped_numbers(data)]


def stamped_numbers(data: bytes | Path) -> Iterator[tuple[int, int]]:
    """Yields (pts in 90 kHz ticks, number) of each picture, in the order they are shown."""
    with av.open(str(data) if isinstance(data, Path) else BytesIO(data), "r") as media:
        stream = media.streams.video[0]
        for frame in media.decode(stream):
            assert frame.pts is not None
            yield round(frame.pts * (stream.time_base or 0) * 90_000), number_of(frame)


def split_frames(source: Path, folder: Path) -> Path:
    """Writes each access unit of an elementary stream (`.h264`, `.h265`) to a file of its own, for the RTSP rig."""
    folder.mkdir(parents=True)
    with av.open(str(source)) as media:
        for index, packet in enumerate(p for p in media.demux(video=0) if p.size):
            (folder / f"{index:06d}{source.suffix}").write_bytes(bytes(packet))
    return folder
