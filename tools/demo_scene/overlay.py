"""The readable strip at the bottom of each picture: camera, time within the loop and frame number."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from tools.demo_scene.frame_code import FrameCode, burn_code
from tools.demo_scene.loop import CAMERAS, FPS, HEIGHT, WIDTH

STRIP_PX = 44
GLYPHS = "0123456789:."
PAPER = (14, 17, 20)
INK = (238, 236, 230)
FAINT = (150, 156, 160)
ACCENTS = {"left": (240, 178, 84), "centre": (236, 98, 78), "right": (64, 186, 180)}


def loop_time(frame: int) -> str:
    """Returns when in the loop a frame begins, as mm:ss.mmm."""
    milliseconds = round(frame * 1000 / FPS)
    return f"{milliseconds // 60_000:02d}:{milliseconds // 1000 % 60:02d}.{milliseconds % 1000:03d}"


class Overlay:
    """The strip of one camera, with its letters drawn once."""

    def __init__(self, camera: str) -> None:
        self._camera = camera
        self._strip = self._draw_strip()
        self._large = _glyphs(25, INK)
        self._small = _glyphs(19, FAINT)

    def burn(self, picture: NDArray[np.uint8], frame: int) -> None:
        """Draws the strip of one frame into an RGB picture `(HEIGHT, WIDTH, 3)`."""
        strip = picture[HEIGHT - STRIP_PX :]
        strip[:] = self._strip
        _write(strip, 214, 9, loop_time(frame), self._large)
        _write(strip, 438, 12, f"{frame:04d}", self._small)
        burn_code(picture, FrameCode(self._camera, frame))

    def _draw_strip(self) -> NDArray[np.uint8]:
        scale = 4
        image = Image.new("RGB", (WIDTH * scale, STRIP_PX * scale), PAPER)
        draw = ImageDraw.Draw(image)
        middle = STRIP_PX * scale // 2
        accent = ACCENTS[self._camera]
        draw.rectangle((0, 0, WIDTH * scale, 2 * scale), fill=accent)
        draw.ellipse(
            (24 * scale, middle - 5 * scale, 34 * scale, middle + 7 * scale - 2 * scale), fill=accent
        )
        number = CAMERAS.index(self._camera) + 1
        name = f"CAM {number}  {self._camera.upper()}"
        draw.text(
            (46 * scale, middle + scale), name, fill=INK, font=ImageFont.load_default(19 * scale), anchor="lm"
        )
        draw.text(
            (378 * scale, middle + scale),
            "FRAME",
            fill=FAINT,
            font=ImageFont.load_default(14 * scale),
            anchor="lm",
        )
        return np.asarray(image.resize((WIDTH, STRIP_PX), Image.Resampling.LANCZOS))


def _glyphs(size_px: int, ink: tuple[int, int, int]) -> dict[str, NDArray[np.uint8]]:
    """Returns pictures of the digits and signs, all digits equally wide."""
    scale = 4
    font = ImageFont.load_default(size_px * scale)
    wide = max(font.getlength(digit) for digit in "0123456789")
    glyphs = {}
    for glyph in GLYPHS:
        width = wide if glyph.isdigit() else wide * 0.5
        size = (int(np.ceil(width / scale)), round(size_px * 1.15))
        image = Image.new("RGB", (size[0] * scale, size[1] * scale), PAPER)
        ImageDraw.Draw(image).text(
            (size[0] * scale / 2, size_px * scale * 0.95), glyph, fill=ink, font=font, anchor="ms"
        )
        glyphs[glyph] = np.asarray(image.resize(size, Image.Resampling.LANCZOS))
    return glyphs


def _write(
    strip: NDArray[np.uint8], left: int, top: int, text: str, glyphs: dict[str, NDArray[np.uint8]]
) -> None:
    for sign in text:
        picture = glyphs[sign]
        strip[top : top + picture.shape[0], left : left + picture.shape[1]] = picture
        left += picture.shape[1]
