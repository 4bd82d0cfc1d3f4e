"""A machine-readable number in every picture: the camera and the frame of the loop.

Twenty squares in a row on a dark strip at the bottom: white, black (the measure of both), sixteen bits with the highest
first, a parity bit that makes the number of white bits even, and a closing white. The bits are the camera (0 left, 1
centre, 2 right) in the upper four and the frame of the loop (0 to 479) in the lower twelve. The row is placed as parts
of the picture's width and height, so a picture can be read at any size; from 200 pixels of width on it survives
compression.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tools.demo_scene.loop import CAMERAS, FRAMES, HEIGHT, WIDTH

CELLS = 20
CELL_WIDTH_PX = 24
CELL_HEIGHT_PX = 26
LEFT_PX = WIDTH - 24 - CELLS * CELL_WIDTH_PX
TOP_PX = HEIGHT - 35
WHITE, BLACK = 236, 14
LEAST_CONTRAST = 60.0


@dataclass(frozen=True)
class FrameCode:
    """The content of a code: the camera's name and the frame of the loop, 0 to 479."""

    camera: str
    frame: int


def cells_of(code: FrameCode) -> NDArray[np.bool_]:
    """Returns the row of squares, `(CELLS,)`: true is white."""
    value = CAMERAS.index(code.camera) << 12 | code.frame
    bits = [bool(value >> shift & 1) for shift in range(15, -1, -1)]
    return np.array([True, False, *bits, sum(bits) % 2 == 1, True])


def burn_code(picture: NDArray[np.uint8], code: FrameCode) -> None:
    """Draws the code into an RGB picture `(HEIGHT, WIDTH, 3)`."""
    row = np.repeat(np.where(cells_of(code), WHITE, BLACK).astype(np.uint8), CELL_WIDTH_PX)
    picture[TOP_PX : TOP_PX + CELL_HEIGHT_PX, LEFT_PX : LEFT_PX + len(row)] = row[None, :, None]


def read_code(picture: NDArray[np.generic]) -> FrameCode | None:
    """Reads the code of a picture.

    Args:
        picture: Luma `(height, width)` or RGB `(height, width, 3)`, of any size with the shape of the original.

    Returns:
        The code; None if there is no valid one: no contrast, wrong parity, or no such frame.
    """
    luma = picture.astype(np.float64)
    if luma.ndim == 3:
        luma = luma @ np.array([0.299, 0.587, 0.114])
    across, down = luma.shape[1] / WIDTH, luma.shape[0] / HEIGHT
    rows = _middle(TOP_PX, CELL_HEIGHT_PX, down)
    means = np.array(
        [
            luma[rows, _middle(LEFT_PX + cell * CELL_WIDTH_PX, CELL_WIDTH_PX, across)].mean()
            for cell in range(CELLS)
        ]
    )
    if means[0] - means[1] < LEAST_CONTRAST:
        return None
    white = means > (means[0] + means[1]) / 2
    bits = white[2:18]
    value = int(sum(1 << (15 - place) for place in range(16) if bits[place]))
    camera, frame = value >> 12, value & 0xFFF
    even = (int(bits.sum()) + int(white[18])) % 2 == 0
    if not (even and white[19] and camera < len(CAMERAS) and frame < FRAMES):
        return None
    return FrameCode(CAMERAS[camera], frame)


def _middle(start_px: int, length_px: int, scale: float) -> slice:
    """Returns the middle half of a stretch, in a picture scaled by `scale`; at least one pixel."""
    first = int(np.floor((start_px + length_px * 0.3) * scale))
    last = int(np.ceil((start_px + length_px * 0.7) * scale))
    return slice(first, max(last, first + 1))
