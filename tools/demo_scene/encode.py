"""Encodes pictures to H.264 and audio to AAC in runs that join without a seam, and writes one file for each camera."""

import os
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from tools.demo_scene.loop import (
    AAC_FRAME_SAMPLES,
    AAC_FRAMES,
    FPS,
    FRAMES,
    GOP_FRAMES,
    HEIGHT,
    SAMPLE_RATE,
    WIDTH,
)

TICKS = 90_000
TICKS_PER_FRAME = TICKS // FPS
AUDIO_BITS_PER_S = 96_000
PEAK_KBITS_PER_S = 4_500
X264 = {
    "preset": "veryfast",
    "crf": "18",
    "maxrate": f"{PEAK_KBITS_PER_S}k",
    "bufsize": f"{PEAK_KBITS_PER_S}k",
    # As a wall camera sends: closed GOPs of one length, no B-frames, one slice for each picture.
    "x264-params": f"keyint={GOP_FRAMES}:min-keyint={GOP_FRAMES}:scenecut=0:open-gop=0:bframes=0:sliced-threads=0:slices=1:"
    "colorprim=bt709:transfer=bt709:colormatrix=bt709:range=tv",
}


def encode_pictures(pictures: Iterable[NDArray[np.uint8]]) -> list[tuple[bytes, bool]]:
    """Encodes a run of whole groups of pictures.

    Args:
        pictures: `(HEIGHT, WIDTH, 3)` uint8 RGB each; their number is a multiple of GOP_FRAMES.

    Returns:
        For each picture its coded bytes (Annex B, parameter sets in every key frame) and whether it is a key frame.
        Runs that were encoded separately can be joined, because each starts a new group of pictures.
    """
    context = av.CodecContext.create("libx264", "w")
    context.width, context.height = WIDTH, HEIGHT
    context.pix_fmt = "yuv420p"
    context.framerate = Fraction(FPS)
    context.time_base = Fraction(1, FPS)
    context.thread_count = 1
    context.options = X264
    coded = []
    for index, picture in enumerate(pictures):
        frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(
            format="yuv420p", dst_colorspace="ITU709", dst_color_range="MPEG"
        )
        frame.pts = index
        frame.time_base = Fraction(1, FPS)
        frame.colorspace, frame.color_range = 1, 1
        coded += [(bytes(packet), packet.is_keyframe) for packet in context.encode(frame)]
    coded += [(bytes(packet), packet.is_keyframe) for packet in context.encode(None)]
    return coded


def encode_audio(loop: NDArray[np.float32]) -> list[bytes]:
    """Encodes a loop of audio so that it can be played endlessly.

    AAC frames overlap: each needs the one before it. The loop is therefore encoded three times in a row and the middle
    is kept; its first frame then continues its own last one.

    Args:
        loop: `(AAC_FRAMES * AAC_FRAME_SAMPLES,)` float32.

    Returns:
        The AAC_FRAMES coded frames, raw.
    """
    context = av.CodecContext.create("aac", "w")
    context.sample_rate = SAMPLE_RATE
    context.layout = "mono"
    context.format = "fltp"
    context.bit_rate = AUDIO_BITS_PER_S
    context.time_base = Fraction(1, SAMPLE_RATE)
    context.open()
    thrice = np.tile(loop, 3).reshape(-1, 1, AAC_FRAME_SAMPLES)
    packets = []
    for index, samples in enumerate(thrice):
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples), format="fltp", layout="mono")
        frame.sample_rate = SAMPLE_RATE
        frame.pts = index * AAC_FRAME_SAMPLES
        frame.time_base = Fraction(1, SAMPLE_RATE)
        packets += context.encode(frame)
    packets += context.encode(None)
    start = AAC_FRAMES * AAC_FRAME_SAMPLES
    kept = [bytes(packet) for packet in packets if packet.pts is not None and start <= packet.pts < 2 * start]
    if len(kept) != AAC_FRAMES:
        raise RuntimeError(f"the AAC encoder gave {len(kept)} frames for a loop of {AAC_FRAMES}")
    return kept


def write_loop(path: Path, pictures: list[tuple[bytes, bool]], audio_frames: list[bytes]) -> None:
    """Writes one loop of a camera as MP4.

    Args:
        path: The file; it appears under its name only when it is complete.
        pictures: FRAMES coded pictures.
        audio_frames: AAC_FRAMES coded frames.

    Raises:
        ValueError: the number of pictures is not that of a loop.
    """
    if len(pictures) != FRAMES:
        raise ValueError(f"{len(pictures)} pictures for a loop of {FRAMES}")
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    with av.open(str(unfinished), "w", format="mp4", options={"movflags": "faststart"}) as container:
        video = container.add_mux_stream(
            "h264", FPS, width=WIDTH, height=HEIGHT, time_base=Fraction(1, TICKS)
        )
        # This encoder only describes the stream; it encodes nothing.
        audio = container.add_stream("aac", SAMPLE_RATE, layout="mono", bit_rate=AUDIO_BITS_PER_S)
        packets = []
        for index, (data, is_key) in enumerate(pictures):
            packet = av.Packet(data)
            packet.pts = packet.dts = index * TICKS_PER_FRAME
            packet.duration, packet.time_base, packet.stream, packet.is_keyframe = (
                TICKS_PER_FRAME,
                Fraction(1, TICKS),
                video,
                is_key,
            )
            packets.append((index / FPS, packet))
        for index, data in enumerate(audio_frames):
            packet = av.Packet(data)
            packet.pts = packet.dts = index * AAC_FRAME_SAMPLES
            packet.duration, packet.time_base, packet.stream, packet.is_keyframe = (
                AAC_FRAME_SAMPLES,
                Fraction(1, SAMPLE_RATE),
                audio,
                True,
            )
            packets.append((index * AAC_FRAME_SAMPLES / SAMPLE_RATE, packet))
        for _, packet in sorted(packets, key=lambda entry: entry[0]):
            container.mux(packet)
    unfinished.replace(path)
