"""The coded frames of one camera's loop in memory."""

from dataclasses import dataclass
from pathlib import Path

import av
from av.bitstream import BitStreamFilterContext

from tools.demo_scene.loop import AAC_FRAMES, FRAMES, GOP_FRAMES


@dataclass(frozen=True)
class CodedLoop:
    """The coded frames of one loop.

    Attributes:
        pictures: FRAMES access units of H.264, Annex B, each key frame with its parameter sets.
        audio: AAC_FRAMES raw frames of AAC.
    """

    pictures: list[bytes]
    audio: list[bytes]


def load_coded_loop(path: Path) -> CodedLoop:
    """Reads a loop that `render` made.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is not a loop of the demo cameras.
    """
    try:
        with av.open(str(path)) as container:
            video_stream, audio_stream = container.streams.video[0], container.streams.audio[0]
            annex_b = BitStreamFilterContext("h264_mp4toannexb", video_stream)
            pictures: list[tuple[bytes, bool]] = []
            audio: list[bytes] = []
            for packet in container.demux(video_stream, audio_stream):
                if packet.stream is audio_stream:
                    if packet.size:
                        audio.append(bytes(packet))
                elif packet.size:
                    pictures += [(bytes(part), part.is_keyframe) for part in annex_b.filter(packet)]
    except (av.error.InvalidDataError, IndexError) as error:
        raise ValueError(f"{path} is no video of the demo cameras: {error}") from error
    keys = [place for place, (_, is_key) in enumerate(pictures) if is_key]
    if len(pictures) != FRAMES or len(audio) != AAC_FRAMES or keys != list(range(0, FRAMES, GOP_FRAMES)):
        raise ValueError(
            f"{path} is no loop of the demo cameras: {len(pictures)} pictures and {len(audio)} frames of audio"
        )
    return CodedLoop([data for data, _ in pictures], audio)
