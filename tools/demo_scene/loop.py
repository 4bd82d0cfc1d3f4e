"""The constants of the loop: its length, its rates and its cameras."""

from typing import Final

WIDTH: Final = 1280
HEIGHT: Final = 720
FPS: Final = 30
BEATS_PER_MINUTE: Final = 120
BEATS: Final = 32
FRAMES_PER_BEAT: Final = FPS * 60 // BEATS_PER_MINUTE
FRAMES: Final = BEATS * FRAMES_PER_BEAT
LOOP_S: Final = FRAMES // FPS
GOP_FRAMES: Final = 30

SAMPLE_RATE: Final = 48_000
AAC_FRAME_SAMPLES: Final = 1024
AAC_FRAMES: Final = LOOP_S * SAMPLE_RATE // AAC_FRAME_SAMPLES

CAMERAS: Final = ("left", "centre", "right")

# The loop joins without a seam only if whole frames of both kinds fill it.
assert FRAMES == LOOP_S * FPS  # noqa: S101
assert AAC_FRAMES * AAC_FRAME_SAMPLES == LOOP_S * SAMPLE_RATE  # noqa: S101
assert FRAMES % GOP_FRAMES == 0  # noqa: S101
