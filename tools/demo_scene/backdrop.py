"""The room: oak boards, a wall of mirrors with a barre, windows on the left, a mural on the right.

The still picture of each camera is traced once, ray by ray, with reflections in the mirrors and on the varnish of the
floor. The room is a box whose planes are hit in closed form; what a hit point looks like is a function of its place.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow
from PIL import ImageDraw, ImageFont

from tools.demo_scene.camera_model import CameraModel
from tools.demo_scene.loop import HEIGHT, WIDTH

# Intermediate results may be float64; what leaves this module is float32.
Image = NDArray[np.float32]
Any32 = NDArray[np.float32] | NDArray[np.float64]

HALF_WIDTH_M = 4.1
DEPTH_M = 7.0
CEILING_M = 3.45
MIRROR_X_M = 3.72
MIRROR_Z_M = (0.16, 2.42)
MIRROR_PANELS = 6
MIRROR_TINT = np.array((0.80, 0.85, 0.84), dtype=np.float32)
BARRES_M = ((1.06, 0.024), (0.80, 0.020))
BARRE_Y_M = DEPTH_M - 0.20
WINDOWS_Y_M = ((0.9, 2.5), (3.1, 4.7), (5.3, 6.6))
WINDOW_Z_M = (0.75, 2.95)
SUN = np.array((-0.70, -0.28, 0.66))  # towards it, through the windows on the left

OAK = np.array((0.50, 0.305, 0.165), dtype=np.float32)
PLASTER = np.array((0.60, 0.555, 0.50), dtype=np.float32)
PETROL = np.array((0.050, 0.135, 0.160), dtype=np.float32)
CORAL = np.array((0.72, 0.165, 0.115), dtype=np.float32)
SAND = np.array((0.78, 0.50, 0.24), dtype=np.float32)


@dataclass(frozen=True)
class Backdrop:
    """A camera's view of the empty room.

    Attributes:
        picture: `(HEIGHT, WIDTH, 3)` float32, linear light.
        mirror: Part of each pixel that is clear mirror, `(HEIGHT, WIDTH)` float32.
        floor: Part of each pixel that is floor, seen directly.
    """

    picture: Image
    mirror: Image
    floor: Image


def trace_backdrop(camera: CameraModel) -> Backdrop:
    """Traces the empty room for one camera, with more rays where the picture has edges; takes 1 to 2 s."""
    rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float64)
    pixels = np.stack([columns, rows], axis=-1).reshape(-1, 2)
    picture, mirror, floor = _trace_pixels(camera, pixels)
    luma = (picture @ np.array((0.3, 0.6, 0.1), dtype=np.float32)).reshape(HEIGHT, WIDTH) + mirror.reshape(
        HEIGHT, WIDTH
    )
    finer = np.flatnonzero(_edges(luma))
    total = [np.zeros((len(finer), *part.shape[1:]), dtype=np.float32) for part in (picture, mirror, floor)]
    corners = [(-0.375, -0.125), (0.125, -0.375), (0.375, 0.125), (-0.125, 0.375)]
    for corner in corners:
        for sum_of, part in zip(total, _trace_pixels(camera, pixels[finer] + corner), strict=True):
            sum_of += part
    for part, sum_of in zip((picture, mirror, floor), total, strict=True):
        part[finer] = sum_of / len(corners)
    picture = picture.reshape(HEIGHT, WIDTH, 3) * _vignette()[..., None]
    grain = np.random.default_rng(3).normal(0, 0.0022, (HEIGHT, WIDTH, 1)).astype(np.float32)
    picture += grain * np.sqrt(np.maximum(picture, 0.01))
    return Backdrop(np.maximum(picture, 0), mirror.reshape(HEIGHT, WIDTH), floor.reshape(HEIGHT, WIDTH))


def _trace_pixels(camera: CameraModel, pixels: NDArray[np.float64]) -> tuple[Image, Image, Image]:
    """Returns light `(n, 3)`, mirror and floor `(n,)` where one ray through each of `pixels` ends."""
    rays = camera.rays(pixels).astype(np.float32)
    rays /= np.linalg.norm(rays, axis=-1, keepdims=True)
    origin = np.broadcast_to(np.asarray(camera.centre, dtype=np.float32), rays.shape)
    light, mirror, floor = _trace(origin, rays, bounces=2)
    # Bright samples are bounded before the mean, or the edges of windows would be jagged.
    return np.minimum(light, 1.6), mirror, floor


def _edges(luma: Image) -> NDArray[np.bool_]:
    """Returns the pixels whose neighbours differ enough for a jagged edge to show."""
    rough = np.zeros(luma.shape, dtype=bool)
    for axis in (0, 1):
        ahead = (
            np.abs(np.diff(luma, axis=axis)) > 0.02 * np.maximum(np.delete(luma, -1, axis=axis), 0.05) / 0.4
        )
        part = [slice(None), slice(None)]
        for shift in (slice(None, -1), slice(1, None)):
            part[axis] = shift
            rough[tuple(part)] |= ahead
    return rough


def _vignette() -> Image:
    rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float32)
    distance = ((columns / WIDTH - 0.5) ** 2 + ((rows / HEIGHT - 0.52) * 0.8) ** 2) / 0.41
    return np.asarray(1 - 0.30 * np.clip(distance, 0, 1), dtype=np.float32)


def _trace(origins: Image, rays: Image, bounces: int) -> tuple[Image, Image, Image]:
    """Returns the light along each ray, whether it first meets a mirror, and whether it first meets the floor."""
    safe = np.where(np.abs(rays) < 1e-6, np.float32(1e-6), rays)
    low = np.array((-HALF_WIDTH_M, 0.0, 0.0), dtype=np.float32)
    high = np.array((HALF_WIDTH_M, DEPTH_M, CEILING_M), dtype=np.float32)
    to_planes = (np.where(safe > 0, high, low) - origins) / safe
    axis = np.argmin(to_planes, axis=1)
    distance = np.take_along_axis(to_planes, axis[:, None], axis=1)
    place = origins + rays * distance
    positive = np.take_along_axis(safe, axis[:, None], axis=1)[:, 0] > 0
    light = np.zeros_like(rays)
    on_floor = (axis == 2) & ~positive
    ceiling = (axis == 2) & positive
    back = (axis == 1) & positive
    front = (axis == 1) & ~positive
    left = (axis == 0) & ~positive
    right = (axis == 0) & positive
    light[ceiling] = _ceiling(place[ceiling])
    light[front] = _front_wall(place[front])
    light[left] = _left_wall(place[left])
    light[right] = _right_wall(place[right])
    mirror = np.zeros(len(rays), dtype=np.float32)
    if back.any():
        glass = _mirror_part(place[back])
        wall = _back_wall(place[back])
        if bounces > 0:
            reflected = rays[back] * np.array((1, -1, 1), dtype=np.float32)
            start = place[back] - np.array((0, 1e-3, 0), dtype=np.float32)
            seen, _, _ = _trace(start, reflected, bounces - 1)
            light[back] = wall * (1 - glass[:, None]) + seen * MIRROR_TINT * glass[:, None]
        else:
            light[back] = wall * (1 - glass[:, None]) + 0.25 * glass[:, None]
        mirror[back] = glass
    if on_floor.any():
        light[on_floor] = _floor(place[on_floor], rays[on_floor], bounces)
    covered, barre = _barres(origins, rays, distance[:, 0])
    light += (barre - light) * covered[:, None]
    mirror *= 1 - covered
    return light, mirror, on_floor.astype(np.float32)


def _mirror_part(place: Image) -> Image:
    """Returns 1 on clear glass, 0 on the wall, the frame and the seams between panels."""
    x, z = place[:, 0], place[:, 2]
    inside = (np.abs(x) < MIRROR_X_M) & (z > MIRROR_Z_M[0]) & (z < MIRROR_Z_M[1])
    panel = (x + MIRROR_X_M) / (2 * MIRROR_X_M) * MIRROR_PANELS
    seam = np.abs(panel - np.round(panel)) * 2 * MIRROR_X_M / MIRROR_PANELS < 0.006
    return np.asarray(inside & ~seam, dtype=np.float32)


def _corner_shade(*distances: Any32) -> Any32:
    """Returns how light reaches places near corners: less, the nearer."""
    shade: Any32 = np.ones_like(distances[0])
    for distance in distances:
        shade = shade * (1 - 0.42 * np.exp(-np.maximum(distance, 0) / 0.38))
    return shade


def _daylight(place: Image) -> Image:
    """Returns how bright the windows on the left make a place, without shadows."""
    return np.asarray(0.55 + 0.75 * np.exp(-(place[:, 0] + HALF_WIDTH_M) / 4.2), dtype=np.float32)


def _sun_patch(place: Image) -> Image:
    """Returns where the sun falls through the windows, with soft edges: 0 to 1."""
    to_window = (place[:, 0] + HALF_WIDTH_M) / -SUN[0]
    y = place[:, 1] + SUN[1] * to_window
    z = place[:, 2] + SUN[2] * to_window
    soft = 0.025 + 0.018 * to_window
    across = np.zeros_like(y)
    for start, end in WINDOWS_Y_M:
        pane = _within(y, start, end, soft)
        middle = (start + end) / 2
        across += pane * (1 - _within(y, middle - 0.035, middle + 0.035, soft * 0.8))
    bars = _within(z, 2.05, 2.11, soft * 0.8)
    return np.asarray(across * _within(z, WINDOW_Z_M[0], WINDOW_Z_M[1], soft) * (1 - bars), dtype=np.float32)


def _within(value: Any32, low: float, high: float, soft: Any32 | float) -> Image:
    rise = np.clip((value - low) / (2 * soft) + 0.5, 0, 1)
    fall = np.clip((high - value) / (2 * soft) + 0.5, 0, 1)
    return np.asarray(rise * fall, dtype=np.float32)


def _noise(*keys: NDArray[np.int64]) -> Image:
    """Returns a repeatable number from 0 to 1 for each combination of whole numbers."""
    mixed = np.zeros_like(keys[0]) + 0x9E3779B1
    for key in keys:
        mixed = (mixed ^ (key + 0x7F4A7C15)) * 0x2545F491 & 0xFFFFFFFF
        mixed ^= mixed >> 13
    return ((mixed & 0xFFFF) / 65535.0).astype(np.float32)


def _floor(place: Image, rays: Image, bounces: int) -> Image:
    x, y = place[:, 0], place[:, 1]
    board_m = 0.118
    row = np.floor(x / board_m).astype(np.int64)
    length = 1.45
    offset = _noise(row, row * 7 + 3) * length
    plank = np.floor((y + offset) / length).astype(np.int64)
    tone = 0.80 + 0.36 * _noise(row, plank)
    warm = _noise(plank + 91, row)
    # The grain runs along the board.
    streak = np.sin((x + 0.02 * np.sin(y * 2.3 + row)) * 210 + _noise(row, plank + 5) * 40) * np.sin(
        x * 95 + y * 0.9 + row
    )
    away = np.abs(y - 1.0) / DEPTH_M
    tone *= 1 + 0.045 * streak * np.clip(1.2 - away, 0.2, 1)
    colour = OAK * tone[:, None] * np.column_stack([1 + 0.05 * warm, np.ones_like(warm), 1 - 0.14 * warm])
    across = np.abs(x / board_m - np.round(x / board_m)) * board_m
    along = np.abs((y + offset) / length - np.round((y + offset) / length)) * length
    joint = np.maximum(np.clip(1.3 - across / 0.0022, 0, 1), np.clip(1.3 - along / 0.003, 0, 1))
    colour *= (1 - 0.55 * joint)[:, None]
    shade = _corner_shade(HALF_WIDTH_M - np.abs(x), DEPTH_M - y)
    received = _daylight(place) * shade * 0.62
    sun = _sun_patch(place)
    light = colour * (
        received[:, None] * np.array((0.98, 1.0, 1.04)) + sun[:, None] * np.array((0.62, 0.53, 0.40))
    )
    if bounces > 0:
        up = rays * np.array((1, 1, -1), dtype=np.float32)
        # Varnish scatters a little: tilt each board and each spot by a hair.
        wobble = (_noise(row, plank + 17) - 0.5) * 0.012 + (
            _noise((x * 700).astype(np.int64), (y * 700).astype(np.int64)) - 0.5
        ) * 0.022
        up[:, 2] += wobble * 0.5
        up[:, 0] += wobble
        seen, _, _ = _trace(place + np.array((0, 0, 1e-3), dtype=np.float32), up, bounces - 1)
        grazing = 1 - np.clip(-rays[:, 2], 0, 1)
        fresnel = 0.045 + 0.50 * grazing**5
        light += (np.minimum(seen, 1.4) - light * 0.6) * fresnel[:, None]
    return np.asarray(light, dtype=np.float32)


def _ceiling(place: Image) -> Image:
    x, y = place[:, 0], place[:, 1]
    edge = np.minimum(HALF_WIDTH_M - np.abs(x), np.minimum(DEPTH_M - y, y))
    light = np.array((0.30, 0.29, 0.28)) * _daylight(place)[:, None] * (0.85 + 0.0 * edge[:, None])
    cove = np.exp(-edge / 0.22)[:, None] * np.array((0.75, 0.56, 0.34))
    for lamp_y in (2.2, 4.8):
        lamp = _within(y, lamp_y - 0.06, lamp_y + 0.06, 0.01) * _within(x, -2.6, 2.6, 0.01)
        light = light * (1 - lamp[:, None]) + lamp[:, None] * np.array((1.5, 1.4, 1.25))
    return np.asarray(light + cove, dtype=np.float32)


def _cove(place: Image) -> Image:
    """Returns the warm light of the strip below the ceiling."""
    return np.asarray(
        np.exp(-(CEILING_M - place[:, 2]) / 0.34)[:, None] * np.array((0.62, 0.43, 0.24)), dtype=np.float32
    )


def _painted(place: Image, upper: Image, side: Any32) -> Image:
    """Returns a wall with a dark dado, a rail and a plain field above."""
    z = place[:, 2]
    dado = _within(z, -1.0, 0.11, 0.004)
    colour = upper * (1 - dado[:, None]) + np.array((0.60, 0.58, 0.55), dtype=np.float32) * dado[:, None]
    shade = _corner_shade(side, z) * _daylight(place)
    return np.asarray(colour * shade[:, None], dtype=np.float32)


def _back_wall(place: Image) -> Image:
    x, z = place[:, 0], place[:, 2]
    light = _painted(place, np.broadcast_to(PETROL, place.shape), HALF_WIDTH_M - np.abs(x)) + 0.65 * _cove(
        place
    )
    ink = _lettering(x, z)
    light = light * (1 - ink[:, None]) + ink[:, None] * np.array((0.95, 0.80, 0.58), dtype=np.float32)
    frame = (np.abs(x) < MIRROR_X_M + 0.035) & (z > MIRROR_Z_M[0] - 0.035) & (z < MIRROR_Z_M[1] + 0.035)
    light[frame] = np.array((0.11, 0.085, 0.06), dtype=np.float32)
    return np.asarray(light, dtype=np.float32)


@cache
def _letters() -> Image:
    """Returns the name of the studio as a mask, 1 where there is paint."""
    font = ImageFont.load_default(200)
    words = "D E M O   D A N C E"
    canvas = Pillow.new("L", (2400, 300), 0)
    draw = ImageDraw.Draw(canvas)
    draw.text((1200, 150), words, fill=255, font=font, anchor="mm")
    box = canvas.getbbox()
    assert box is not None  # noqa: S101
    return np.asarray(canvas.crop(box), dtype=np.float32) / np.float32(255)


def _lettering(x: Image, z: Image) -> Image:
    mask = _letters()
    height_m, middle_m = 0.21, 2.78
    width_m = height_m * mask.shape[1] / mask.shape[0]
    column = ((x + width_m / 2) / width_m * mask.shape[1]).astype(np.int64)
    row = ((middle_m + height_m / 2 - z) / height_m * mask.shape[0]).astype(np.int64)
    inside = (column >= 0) & (column < mask.shape[1]) & (row >= 0) & (row < mask.shape[0])
    return np.where(
        inside, mask[np.clip(row, 0, mask.shape[0] - 1), np.clip(column, 0, mask.shape[1] - 1)], 0.0
    ).astype(np.float32)


def _front_wall(place: Image) -> Image:
    x, z = place[:, 0], place[:, 2]
    light = _painted(place, np.broadcast_to(PLASTER * 0.8, place.shape), HALF_WIDTH_M - np.abs(x)) + _cove(
        place
    )
    door = _within(x, 1.3, 2.3, 0.01) * _within(z, 0.0, 2.1, 0.01)
    light = light * (1 - door[:, None]) + door[:, None] * np.array((0.16, 0.10, 0.06))
    for camera_x, camera_z in ((-3.15, 2.05), (0.0, 1.75), (3.15, 2.05)):
        near = np.hypot(x - camera_x, z - camera_z)
        body = np.clip((0.085 - near) / 0.01, 0, 1)[:, None]
        lens = np.clip((0.04 - near) / 0.01, 0, 1)[:, None]
        light = light * (1 - body) + body * 0.55
        light = light * (1 - lens) + lens * 0.02
    return np.asarray(light, dtype=np.float32)


def _left_wall(place: Image) -> Image:
    y, z = place[:, 1], place[:, 2]
    light = _painted(place, np.broadcast_to(PLASTER * 0.62, place.shape), DEPTH_M - y) + _cove(place)
    frame = np.zeros_like(y)
    glass = np.zeros_like(y)
    for start, end in WINDOWS_Y_M:
        frame = np.maximum(
            frame,
            _within(y, start - 0.06, end + 0.06, 0.004)
            * _within(z, WINDOW_Z_M[0] - 0.06, WINDOW_Z_M[1] + 0.06, 0.004),
        )
        middle = (start + end) / 2
        pane = _within(y, start, end, 0.004) * _within(z, WINDOW_Z_M[0], WINDOW_Z_M[1], 0.004)
        pane *= (1 - _within(y, middle - 0.022, middle + 0.022, 0.004)) * (1 - _within(z, 2.06, 2.10, 0.004))
        glass = np.maximum(glass, pane)
    light = light * (1 - frame[:, None]) + frame[:, None] * np.array((0.62, 0.62, 0.60)) * 0.8
    height = np.clip((z[:, None] - 1.2) / 1.8, 0, 1)
    sky = np.array((0.97, 0.95, 0.90)) * (1 - height) + np.array((0.50, 0.70, 0.98)) * height
    hills = np.clip((1.32 + 0.12 * np.sin(y * 1.7) + 0.06 * np.sin(y * 4.1 + 1) - z) / 0.03, 0, 1)[:, None]
    outside = sky * (1 - hills) + hills * np.array((0.36, 0.50, 0.42))
    light = light * (1 - glass[:, None]) + glass[:, None] * outside
    return np.asarray(light, dtype=np.float32)


def _right_wall(place: Image) -> Image:
    y, z = place[:, 1], place[:, 2]
    colour = np.broadcast_to(PLASTER, place.shape).copy()
    # The mural: three discs that overlap, as three views of one thing.
    for centre_y, centre_z, radius, paint in (
        (3.05, 1.62, 0.98, PETROL * 1.5),
        (4.35, 1.95, 0.92, CORAL),
        (5.45, 1.40, 0.86, SAND),
    ):
        inside = np.clip((radius - np.hypot(y - centre_y, z - centre_z)) / 0.008 + 0.5, 0, 1)[:, None]
        colour = colour * (1 - 0.86 * inside) + 0.86 * inside * paint * (0.55 + 0.45 * colour / PLASTER)
    light = _painted(place, colour, np.minimum(DEPTH_M - y, y)) * 1.12 + _cove(place)
    sun = _sun_patch(place)[:, None] * colour * np.array((0.50, 0.42, 0.30))
    return np.asarray(light + sun, dtype=np.float32)


def _barres(origins: Image, rays: Image, limit: Any32) -> tuple[Image, Image]:
    """Returns which rays meet a barre before `limit`, and its light."""
    covered = np.zeros(len(rays), dtype=np.float32)
    light = np.zeros_like(rays)
    across = rays[:, 1] ** 2 + rays[:, 2] ** 2
    for height_m, radius_m in BARRES_M:
        to_y, to_z = origins[:, 1] - BARRE_Y_M, origins[:, 2] - height_m
        half = rays[:, 1] * to_y + rays[:, 2] * to_z
        inside = half**2 - across * (to_y**2 + to_z**2 - radius_m**2)
        reach = (-half - np.sqrt(np.maximum(inside, 0))) / np.maximum(across, 1e-9)
        x = origins[:, 0] + rays[:, 0] * reach
        met = (inside > 0) & (reach > 1e-3) & (reach < limit) & (np.abs(x) < 3.55)
        normal_y = (to_y + rays[:, 1] * reach) / radius_m
        normal_z = (to_z + rays[:, 2] * reach) / radius_m
        lit = (
            0.35
            + 0.45 * np.clip(normal_z, 0, 1)
            + 0.2 * np.clip(-normal_y, 0, 1)
            + 0.9 * np.clip(normal_z * 0.8 - normal_y * 0.6, 0, 1) ** 24
        )
        wood = np.array((0.52, 0.27, 0.12)) * (lit * (0.6 + 0.5 * np.exp(-(x + HALF_WIDTH_M) / 4.2)))[:, None]
        light[met] = wood[met]
        covered[met] = 1
    for post_x in (-3.3, -1.65, 0.0, 1.65, 3.3):
        # Slim posts from the floor: boxes seen from the front only.
        reach = (BARRE_Y_M + 0.02 - origins[:, 1]) / np.where(np.abs(rays[:, 1]) < 1e-6, 1e-6, rays[:, 1])
        x = origins[:, 0] + rays[:, 0] * reach
        z = origins[:, 2] + rays[:, 2] * reach
        met = (
            (reach > 1e-3)
            & (reach < limit)
            & (np.abs(x - post_x) < 0.016)
            & ((z > 0) & (z < BARRES_M[0][0]))
            & (covered == 0)
        )
        light[met] = np.array((0.07, 0.065, 0.06), dtype=np.float32)
        covered[met] = 1
    return covered, light
