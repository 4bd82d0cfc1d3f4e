"""Composes a picture: room, shadow, the dancer with reflections in mirror and floor, and the overlay strip."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow

from tools.demo_scene.backdrop import DEPTH_M, MIRROR_TINT, Backdrop
from tools.demo_scene.body_mesh import BodyMesh
from tools.demo_scene.camera_model import CameraModel
from tools.demo_scene.lighting import Lighting
from tools.demo_scene.loop import HEIGHT, WIDTH
from tools.demo_scene.overlay import STRIP_PX, Overlay
from tools.demo_scene.rasterizer import Patch, View, rasterize

Image = NDArray[np.float32]

# The part of the floor that can be in shadow, world metres: x and y from, and how many points to a metre.
SHADOW_FROM_M = (-2.9, 2.3)
SHADOW_SIZE_M = (5.8, 3.6)
SHADOW_PER_M = 36
SHADOW_DEPTH = 0.62
CONTACT_DEPTH = 0.50
VARNISH = 0.17
COARSER = 2
LEAST_STRENGTH = 0.3
LEAST_SHADOW = 2

# The brightness that remains for a shadow of 0 to 255: the screen's curve is near enough a power law for a
# factor on light to be a factor on the picture.
KEPT = ((1 - np.arange(256) * (0.78 / 255)) ** (1 / 2.2)).astype(np.float32)


def tone(light: Image) -> Image:
    """Returns how linear light looks on a screen, 0 to 255: a soft shoulder, then the usual curve."""
    mapped = light * (1 + light * np.float32(0.10)) / (1 + light * np.float32(0.32)) * np.float32(1.16)
    np.clip(mapped, 0, 1, out=mapped)
    return np.asarray(np.power(mapped, np.float32(1 / 2.2)) * np.float32(255), dtype=np.float32)


class FloorShadow:
    """The dancer's shadow of one frame as a map of the floor; the same for every camera."""

    def __init__(self, body: BodyMesh, lighting: Lighting) -> None:
        self._body = body
        self._slope = np.array(lighting.key[:2], dtype=np.float32) / np.float32(lighting.key[2])
        self._radii = body.radii[body.shades]

    def draw(self, frame: int) -> NDArray[np.uint8]:
        """Returns the light that is missing, `(rows along y, columns along x)` uint8: 255 is all."""
        shape = (round(SHADOW_SIZE_M[1] * SHADOW_PER_M), round(SHADOW_SIZE_M[0] * SHADOW_PER_M))
        passed = np.ones(shape, dtype=np.float32)
        ends = self._body.ends[frame][self._body.shades]
        height = np.maximum(ends[..., 2], 0)
        flat = ends[..., :2] - np.array(SHADOW_FROM_M, dtype=np.float32)
        thrown = (flat - self._slope * height[..., None]) * SHADOW_PER_M
        self._darken(passed, thrown, height, softness=(0.025, 0.15), depth=(SHADOW_DEPTH, 0.05))
        contact = np.ones(shape, dtype=np.float32)
        self._darken(contact, flat * SHADOW_PER_M, height, softness=(0.05, 0.75), depth=(CONTACT_DEPTH, 1.5))
        passed = (1 - SHADOW_DEPTH) + SHADOW_DEPTH * passed
        contact = (1 - CONTACT_DEPTH) + CONTACT_DEPTH * contact
        return ((1 - passed * contact) * 255).astype(np.uint8)

    def _darken(
        self,
        light: Image,
        ends: Image,
        height: Image,
        softness: tuple[float, float],
        depth: tuple[float, float],
    ) -> None:
        """Takes from `light` what each cone keeps from the floor; higher parts keep less, over more of it."""
        radii = self._radii * SHADOW_PER_M
        soft = (softness[0] + softness[1] * height) * SHADOW_PER_M
        strength = 1 / (1 + depth[1] * height * 2)
        for cone in range(len(ends)):
            if strength[cone].max() < LEAST_STRENGTH:
                continue
            reach = float((radii[cone] + soft[cone]).max()) + 1
            low = np.floor(ends[cone].min(axis=0) - reach).astype(int)
            high = np.ceil(ends[cone].max(axis=0) + reach).astype(int) + 1
            x0, y0 = max(low[0], 0), max(low[1], 0)
            x1, y1 = min(high[0], light.shape[1]), min(high[1], light.shape[0])
            if x1 <= x0 or y1 <= y0:
                continue
            (ax, ay), (bx, by) = ends[cone]
            dx, dy = bx - ax, by - ay
            px = np.arange(x0, x1, dtype=np.float32)[None, :] - ax
            py = np.arange(y0, y1, dtype=np.float32)[:, None] - ay
            along = np.clip((px * dx + py * dy) / max(float(dx * dx + dy * dy), 1e-4), 0, 1)
            distance = np.sqrt((px - along * dx) ** 2 + (py - along * dy) ** 2)
            radius = radii[cone, 0] + along * (radii[cone, 1] - radii[cone, 0])
            blur = soft[cone, 0] + along * (soft[cone, 1] - soft[cone, 0])
            inside = np.clip((radius + blur - distance) / (2 * blur), 0, 1)
            inside *= inside * (3 - 2 * inside)
            # A thin limb far above a wide blur hides only part of the source.
            inside *= np.minimum(1, radius / blur * 1.3) * (
                strength[cone, 0] + along * (strength[cone, 1] - strength[cone, 0])
            )
            light[y0:y1, x0:x1] *= 1 - inside


@dataclass(frozen=True)
class _Warp:
    """How the shadow's map reaches the screen, directly or in the mirror.

    Attributes:
        to_screen: Takes points of the map (column, row, 1) to pixels, `(3, 3)`.
        mask: Where on the screen the floor can be seen this way, `(HEIGHT, WIDTH)` float32.
    """

    to_screen: NDArray[np.float64]
    mask: Image

    @classmethod
    def of(cls, camera: CameraModel, mask: Image, mirrored: bool) -> "_Warp":
        to_world = np.array(
            [
                [1 / SHADOW_PER_M, 0, SHADOW_FROM_M[0] + 0.5 / SHADOW_PER_M],
                [0, 1 / SHADOW_PER_M, SHADOW_FROM_M[1] + 0.5 / SHADOW_PER_M],
                [0, 0, 1],
            ]
        )
        if mirrored:
            to_world = np.array([[1, 0, 0], [0, -1, 2 * DEPTH_M], [0, 0, 1.0]]) @ to_world
        plane = np.column_stack([camera.rotation[:, 0], camera.rotation[:, 1], camera.translation])
        return cls(camera.intrinsics @ plane @ to_world, mask)

    def apply(self, shadow: NDArray[np.uint8]) -> tuple[tuple[slice, slice], NDArray[np.uint8]] | None:
        """Returns the part of the screen that is in shadow, and the shadow there; None where there is none."""
        shown = shadow > LEAST_SHADOW
        rows, columns = np.flatnonzero(shown.any(axis=1)), np.flatnonzero(shown.any(axis=0))
        if not len(rows):
            return None
        x0, x1, y0, y1 = columns[0] - 1, columns[-1] + 1, rows[0] - 1, rows[-1] + 1
        corners = self.to_screen @ np.array([[x0, x1, x1, x0], [y0, y0, y1, y1], [1, 1, 1, 1]])
        seen = corners[:2] / corners[2]
        edge = (WIDTH, HEIGHT - STRIP_PX)
        left, top = np.clip(np.floor(seen.min(axis=1)), 0, edge).astype(int)
        right, bottom = np.clip(np.ceil(seen.max(axis=1)), 0, edge).astype(int)
        if right <= left or bottom <= top:
            return None
        # Pillow counts from the corner of a pixel: x + 0.5 on both sides.
        half = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1]])
        place = np.array([[1, 0, left], [0, 1, top], [0, 0, 1.0]])
        back = half @ np.linalg.inv(self.to_screen) @ place @ np.linalg.inv(half)
        coefficients = tuple((back / back[2, 2]).flatten()[:8].tolist())
        warped = Pillow.fromarray(shadow).transform(
            (int(right - left), int(bottom - top)),
            Pillow.Transform.PERSPECTIVE,
            coefficients,
            Pillow.Resampling.BILINEAR,
        )
        return (slice(int(top), int(bottom)), slice(int(left), int(right))), np.asarray(warped)


class Scene:
    """One camera's view of the dance."""

    def __init__(self, camera: CameraModel, backdrop: Backdrop, body: BodyMesh, lighting: Lighting) -> None:
        self._body = body
        self._lighting = lighting
        self._all = np.ones(len(body.plain), dtype=bool)
        size = (WIDTH, HEIGHT)
        self._view = View.of(camera, size)
        self._behind = View.of(camera, size, mirror=(1, DEPTH_M))
        self._below = View.of(camera, size, mirror=(2, 0.0), coarser=COARSER)
        self._mirror, self._floor = backdrop.mirror, backdrop.floor
        self._plain = tone(backdrop.picture)
        self._still = np.ascontiguousarray(self._plain.round().astype(np.uint8))
        self._overlay = Overlay(camera.name)
        self._warps = [
            _Warp.of(camera, backdrop.floor, mirrored=False),
            _Warp.of(camera, backdrop.mirror, mirrored=True),
        ]

    def draw(self, frame: int, shadow: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Returns the picture of one frame, `(HEIGHT, WIDTH, 3)` uint8 RGB."""
        picture = self._still.copy()
        for warp in self._warps:
            self._cast(picture, shadow, warp)
        reflected = rasterize(self._body, frame, self._below, self._lighting, self._body.low)
        if reflected:
            self._blend(picture, _enlarged(reflected), self._floor, VARNISH)
        behind = rasterize(self._body, frame, self._behind, self._lighting, self._body.plain)
        if behind:
            self._blend(picture, behind, self._mirror, 1.0, MIRROR_TINT)
        dancer = rasterize(self._body, frame, self._view, self._lighting, self._all)
        if dancer:
            self._blend(picture, dancer, None, 1.0)
        self._overlay.burn(picture, frame)
        return picture

    def _cast(self, picture: NDArray[np.uint8], shadow: NDArray[np.uint8], warp: _Warp) -> None:
        warped = warp.apply(shadow)
        if warped is None:
            return
        place, dark = warped
        picture[place] = (self._plain[place] * (1 - (1 - KEPT[dark]) * warp.mask[place])[..., None]).astype(
            np.uint8
        )

    def _blend(
        self,
        picture: NDArray[np.uint8],
        patch: Patch,
        mask: Image | None,
        strength: float,
        tint: Image | None = None,
    ) -> None:
        height, width = patch.cover.shape
        outer = (slice(patch.top, patch.top + height), slice(patch.left, patch.left + width))
        cover = patch.cover * np.float32(strength)
        if mask is not None:
            cover *= mask[outer]
        rows, columns = np.nonzero(cover > np.float32(0.004))
        colour = patch.colour[rows, columns]
        if tint is not None:
            colour = colour * tint
        part = cover[rows, columns][:, None]
        target = picture[outer]
        old = target[rows, columns].astype(np.float32)
        target[rows, columns] = (old + (tone(colour) - old) * part).astype(np.uint8)


def _enlarged(patch: Patch) -> Patch:
    """Returns a patch drawn at half the resolution at the full one."""
    colour = patch.colour.repeat(COARSER, axis=0).repeat(COARSER, axis=1)
    cover = patch.cover.repeat(COARSER, axis=0).repeat(COARSER, axis=1)
    return Patch(patch.left * COARSER, patch.top * COARSER, colour, cover)
