"""Draws the time of day into pictures."""

from datetime import timedelta
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from control_plane.exports.media.fragment_reader import EPOCH

_WHITE, _BLACK = 235, 16


class TimeStamp:
    """Writes UTC, to the millisecond, into the top left corner of pictures (yuv420p)."""

    def __init__(self, cell_height: int) -> None:
        """Args:
        cell_height: pixels; the text is a sixteenth of it, and never smaller than can be read.
        """
        self._size = max(14, cell_height // 16)

    def draw(self, frame: Any, at_us: int) -> None:
        """Writes an instant (microseconds since 1970) into the luma of a frame."""
        text = f"{EPOCH + timedelta(microseconds=at_us):%H:%M:%S.%f}"[:-3] + " UTC"
        plane = frame.planes[0]
        luma = np.frombuffer(plane, dtype=np.uint8).reshape(plane.height, plane.line_size)
        x = 0
        for character in text:
            drawn = _glyph(character, self._size)
            height, width = drawn.shape
            luma[:height, x : x + width] = drawn[: luma.shape[0], : max(0, luma.shape[1] - x)]
            x += width


@lru_cache(maxsize=256)
def _glyph(character: str, size: int) -> NDArray[np.uint8]:
    """Returns one character, white on black, all of the same size."""
    font = ImageFont.load_default(size)
    width, height = round(size * 0.62), round(size * 1.3)
    image = Image.new("L", (width, height), _BLACK)
    ImageDraw.Draw(image).text((width / 2, height / 2), character, font=font, fill=_WHITE, anchor="mm")
    return np.asarray(image)
