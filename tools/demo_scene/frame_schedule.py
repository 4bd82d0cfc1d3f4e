"""The send time of each picture and each frame of audio: pure arithmetic between UTC and frame numbers.

Pictures and audio frames are numbered from the UNIX epoch on; the loop repeats below them. As the loop's length
divides the epoch into whole loops, the picture shown at the instant T is number floor(T * 30), which is frame
floor((T mod loop) * 30) of the loop, on every camera.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from tools.demo_scene.loop import AAC_FRAME_SAMPLES, AAC_FRAMES, FPS, FRAMES, GOP_FRAMES, SAMPLE_RATE

SECOND_NS = 1_000_000_000
TICKS_PER_S = 90_000
TICKS_PER_PICTURE = TICKS_PER_S // FPS
TICKS_PER_AUDIO_FRAME = AAC_FRAME_SAMPLES * TICKS_PER_S // SAMPLE_RATE


@dataclass(frozen=True)
class Event:
    """The sending of one frame.

    Attributes:
        due_ns: When, as UTC nanoseconds since the epoch.
        is_picture: Whether it is a picture; otherwise it is audio.
        number: Its number, counted from the epoch.
    """

    due_ns: int
    is_picture: bool
    number: int

    @property
    def place(self) -> int:
        """Its frame number within the loop."""
        return self.number % (FRAMES if self.is_picture else AAC_FRAMES)

    @property
    def ticks(self) -> int:
        """When it was captured, in 90 kHz ticks since the epoch: the instant it leaves for a picture, its first
        sample for audio."""
        return self.number * (TICKS_PER_PICTURE if self.is_picture else TICKS_PER_AUDIO_FRAME)


def picture_at(utc_ns: int) -> int:
    """Returns the number of the picture that is shown at an instant."""
    return utc_ns * FPS // SECOND_NS


def picture_due_ns(number: int) -> int:
    """Returns the first nanosecond at which a picture is shown."""
    return -(-number * SECOND_NS // FPS)


def audio_due_ns(number: int) -> int:
    """Returns when the last sample of an audio frame is captured; a real camera could not send it earlier."""
    return -(-(number + 1) * AAC_FRAME_SAMPLES * SECOND_NS // SAMPLE_RATE)


def next_key_picture(utc_ns: int) -> int:
    """Returns the first key picture at or after an instant."""
    number = -(-utc_ns * FPS // SECOND_NS)
    return -(-number // GOP_FRAMES) * GOP_FRAMES


def events(first_picture: int) -> Iterator[Event]:
    """Yields all frames that a camera sends, in order of time and without end, from one picture on."""
    picture = first_picture
    audio = -(-first_picture * SAMPLE_RATE // (FPS * AAC_FRAME_SAMPLES))
    while True:
        picture_ns, audio_ns = picture_due_ns(picture), audio_due_ns(audio)
        if picture_ns <= audio_ns:
            yield Event(picture_ns, True, picture)
            picture += 1
        else:
            yield Event(audio_ns, False, audio)
            audio += 1
