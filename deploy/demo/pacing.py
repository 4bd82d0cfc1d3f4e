"""When each picture and each frame of sound leaves a camera: pure arithmetic between UTC and numbers of frames.

Pictures and sound are numbered from the UNIX epoch on, without an end; the loop repeats below them. As the loop's length
divides the epoch into whole loops, the picture shown at the instant T is number floor(T * 30), which is frame
floor((T mod loop) * 30) of the loop, on every camera.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from deploy.demo.loop import AAC_FRAME_SAMPLES, AAC_FRAMES, FPS, FRAMES, GOP_FRAMES, SAMPLE_RATE

SECOND_NS = 1_000_000_000
TICKS_PER_S = 90_000
TICKS_PER_PICTURE = TICKS_PER_S // FPS
TICKS_PER_SOUND = AAC_FRAME_SAMPLES * TICKS_PER_S // SAMPLE_RATE


@dataclass(frozen=True)
class Event:
    """One frame leaves the camera.

    Attributes:
        due_ns: When, as UTC nanoseconds since the epoch.
        is_picture: Whether it is a picture; else it is sound.
        number: Which one, counted from the epoch.
    """

    due_ns: int
    is_picture: bool
    number: int

    @property
    def place(self) -> int:
        """Which frame of the loop it is."""
        return self.number % (FRAMES if self.is_picture else AAC_FRAMES)

    @property
    def ticks(self) -> int:
        """When it was captured, in 90 kHz ticks since the epoch: the instant it leaves for a picture, its first
        sample for sound."""
        return self.number * (TICKS_PER_PICTURE if self.is_picture else TICKS_PER_SOUND)


def picture_at(utc_ns: int) -> int:
    """Returns the number of the picture that is shown at an instant."""
    return utc_ns * FPS // SECOND_NS


def picture_due_ns(number: int) -> int:
    """Returns the first nanosecond at which a picture is shown."""
    return -(-number * SECOND_NS // FPS)


def sound_due_ns(number: int) -> int:
    """Returns when the last sample of a frame of sound has been heard; earlier no camera could send it."""
    return -(-(number + 1) * AAC_FRAME_SAMPLES * SECOND_NS // SAMPLE_RATE)


def next_key_picture(utc_ns: int) -> int:
    """Returns the first key picture that is still to come, or due at this very nanosecond."""
    number = -(-utc_ns * FPS // SECOND_NS)
    return -(-number // GOP_FRAMES) * GOP_FRAMES


def events(first_picture: int) -> Iterator[Event]:
    """Yields everything that leaves a camera, in the order of time and without end, from one picture on."""
    picture = first_picture
    sound = -(-first_picture * SAMPLE_RATE // (FPS * AAC_FRAME_SAMPLES))
    while True:
        picture_ns, sound_ns = picture_due_ns(picture), sound_due_ns(sound)
        if picture_ns <= sound_ns:
            yield Event(picture_ns, True, picture)
            picture += 1
        else:
            yield Event(sound_ns, False, sound)
            sound += 1
