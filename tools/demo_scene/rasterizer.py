"""Rasterizes the dancer: draws each cone as a shaded sweep of discs on the screen, blended by depth.

A cone seen by a pinhole camera is nearly the sweep of a circle along a line on the screen, so distance, normal and
depth come in closed form, and one pass of a few array operations per cone over its own bounding box draws it. What
several cones cover is a weighted mean in which the nearest weighs e times more for every MELT_M that it is nearer:
seams between the parts of a limb vanish, an arm before the chest stays sharp. Colours melt over a few millimetres only,
so that the hem of a garment stays a hem.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tools.demo_scene.body_mesh import BodyMesh
from tools.demo_scene.camera_model import CameraModel
from tools.demo_scene.lighting import Lighting

Image = NDArray[np.float32]

MELT_M = 0.013
EDGE_M = 0.005
CHANNELS = 9  # weight, normal (3), colour (3), gloss, depth of what gave the colour
UNSEEN_M = np.float32(1e4)


@dataclass(frozen=True)
class View:
    """How cones reach the screen: a camera, perhaps behind a mirror and at a lower resolution.

    Attributes:
        rotation: World to camera, `(3, 3)`; a reflection makes it left-handed.
        translation: `(3,)`.
        focal_px: In pixels of the drawn image.
        principal_px: Where the axis meets it.
        size: Width and height of the drawn image.
    """

    rotation: Image
    translation: Image
    focal_px: float
    principal_px: tuple[float, float]
    size: tuple[int, int]

    @classmethod
    def of(
        cls,
        camera: CameraModel,
        size: tuple[int, int],
        mirror: tuple[int, float] | None = None,
        coarser: int = 1,
    ) -> "View":
        """Returns the view of a camera.

        Args:
            camera: The camera.
            size: Its width and height in pixels.
            mirror: (axis, place): the world is first reflected in the plane where that axis has that value, metres.
            coarser: Draw at one part in so many of the resolution.
        """
        rotation, translation = camera.rotation, camera.translation
        if mirror is not None:
            axis, place = mirror
            flip = np.eye(3)
            flip[axis, axis] = -1
            shift = np.zeros(3)
            shift[axis] = 2 * place
            rotation, translation = rotation @ flip, rotation @ shift + translation
        principal = camera.intrinsics[:2, 2]
        return cls(
            rotation.astype(np.float32),
            translation.astype(np.float32),
            camera.focal_px / coarser,
            ((principal[0] + 0.5) / coarser - 0.5, (principal[1] + 0.5) / coarser - 0.5),
            (size[0] // coarser, size[1] // coarser),
        )


@dataclass(frozen=True)
class Patch:
    """A piece of a picture with its opacity.

    Attributes:
        left: Column of its first pixel.
        top: Row of its first pixel.
        colour: `(height, width, 3)` float32, linear light.
        cover: `(height, width)` float32, 0 to 1.
    """

    left: int
    top: int
    colour: Image
    cover: Image


def rasterize(
    body: BodyMesh, frame: int, view: View, lighting: Lighting, chosen: NDArray[np.bool_]
) -> Patch | None:
    """Draws the chosen cones of the dancer of one frame; None where nothing of them is in the picture."""
    radii_m = body.radii[chosen]
    seen = body.ends[frame][chosen] @ view.rotation.T + view.translation
    depth = seen[..., 2]
    x = seen[..., 0] / depth * view.focal_px + view.principal_px[0]
    y = seen[..., 1] / depth * view.focal_px + view.principal_px[1]
    radii = radii_m * view.focal_px / depth
    boxes = np.stack(
        [
            np.floor((x - radii).min(axis=1) - 1), np.floor((y - radii).min(axis=1) - 1),
            np.ceil((x + radii).max(axis=1) + 2), np.ceil((y + radii).max(axis=1) + 2),
        ], axis=1,
    )  # fmt: skip
    boxes = np.clip(boxes, 0, [view.size[0], view.size[1], view.size[0], view.size[1]]).astype(int)
    left, top = boxes[:, :2].min(axis=0)
    right, bottom = boxes[:, 2:].max(axis=0)
    if right <= left or bottom <= top:
        return None
    layers = np.zeros((CHANNELS, bottom - top, right - left), dtype=np.float32)
    layers[8] = UNSEEN_M
    cover = np.zeros(layers.shape[1:], dtype=np.float32)
    nearest = float((depth - radii_m).min())
    gloss = np.repeat(body.gloss[chosen][:, None, None], 2, axis=1)
    surfaces = np.concatenate([body.colours[chosen], gloss], axis=2)
    axes = seen[:, 1] - seen[:, 0]
    tilts = axes[:, 2] / np.maximum(np.linalg.norm(axes, axis=1), 1e-6)
    for cone, (x0, y0, x1, y1) in enumerate(boxes):
        if x1 <= x0 or y1 <= y0:
            continue
        _sweep(
            layers[:, y0 - top : y1 - top, x0 - left : x1 - left],
            cover[y0 - top : y1 - top, x0 - left : x1 - left],
            np.arange(x0, x1, dtype=np.float32)[None, :],
            np.arange(y0, y1, dtype=np.float32)[:, None],
            (float(x[cone, 0]), float(y[cone, 0]), float(x[cone, 1]), float(y[cone, 1])),
            (float(radii[cone, 0]), float(radii[cone, 1])),
            (float(depth[cone, 0]) - nearest, float(depth[cone, 1]) - nearest),
            (float(radii_m[cone, 0]), float(radii_m[cone, 1])),
            float(tilts[cone]),
            surfaces[cone],
        )
    rows, columns = np.nonzero(cover)
    if not len(rows):
        return None
    values = layers[:, rows, columns]
    colour = np.zeros((*cover.shape, 3), dtype=np.float32)
    colour[rows, columns] = lighting.shade(values[1:4] / values[0], values[4:7], values[7], view.rotation)
    return Patch(int(left), int(top), colour, cover)


def _sweep(
    layers: Image,
    cover: Image,
    columns: Image,
    rows: Image,
    line: tuple[float, float, float, float],
    radii: tuple[float, float],
    depths: tuple[float, float],
    radii_m: tuple[float, float],
    tilt: float,
    colours: Image,
) -> None:
    """Adds one cone to the layers of its box; `tilt` is the sine of the angle at which it points into the picture."""
    ax, ay, bx, by = line
    dx, dy = bx - ax, by - ay
    length_2 = max(dx * dx + dy * dy, 1e-6)
    zero, one = np.float32(0), np.float32(1)
    widening = np.float32(radii[1] - radii[0])
    from_x, from_y = columns - np.float32(ax), rows - np.float32(ay)
    along = from_x * np.float32(dx / length_2) + from_y * np.float32(dy / length_2)
    if abs(tilt) > 0.03:
        # The near side of a cone that points away from the camera lies further along its axis than the axis behind it.
        per_radius = length_2**-0.5 / ((radii[0] + radii[1]) / 2)
        aside = from_x * np.float32(dy * per_radius) - from_y * np.float32(dx * per_radius)
        np.multiply(aside, aside, out=aside)
        np.subtract(one, aside, out=aside)
        np.maximum(aside, zero, out=aside)
        np.sqrt(aside, out=aside)
        aside *= np.float32(tilt * (radii[0] + radii[1]) / 2 * length_2**-0.5)
        along -= aside
    np.maximum(along, zero, out=along)
    np.minimum(along, one, out=along)
    across_x = from_x - along * np.float32(dx)
    across_y = from_y - along * np.float32(dy)
    radius = along * widening
    radius += np.float32(radii[0])
    distance = across_x * across_x
    distance += across_y * across_y
    np.sqrt(distance, out=distance)
    covered = radius - distance
    covered += np.float32(0.5)
    np.maximum(covered, zero, out=covered)
    np.minimum(covered, one, out=covered)
    np.divide(one, radius, out=radius)
    across_x *= radius
    across_y *= radius
    distance *= radius
    np.multiply(distance, distance, out=distance)
    facing = np.subtract(one, distance, out=distance)
    np.maximum(facing, zero, out=facing)
    np.sqrt(facing, out=facing)
    radius = along * np.float32(radii_m[1] - radii_m[0])
    radius += np.float32(radii_m[0])
    radius *= facing
    depth = along * np.float32(depths[1] - depths[0])
    depth += np.float32(depths[0])
    depth -= radius
    weight = depth * np.float32(-1 / MELT_M)
    np.maximum(weight, np.float32(-75.0), out=weight)
    np.exp(weight, out=weight)
    weight *= covered
    layers[0] += weight
    across_x *= weight
    layers[1] += across_x
    across_y *= weight
    layers[2] += across_y
    facing *= weight
    layers[3] -= facing
    # A pixel that is only touched counts as far away: whatever covers it fully goes before.
    far = np.subtract(one, covered, out=radius)
    far *= np.float32(4.0)
    depth += far
    depth[covered <= zero] = UNSEEN_M
    before = layers[8]
    share = before - depth
    share *= np.float32(1 / EDGE_M)
    share += np.float32(0.5)
    np.maximum(share, zero, out=share)
    np.minimum(share, one, out=share)
    np.minimum(before, depth, out=before)
    surface = layers[4:8]
    own = colours[0][:, None, None]
    if np.any(colours[0] != colours[1]):
        own = own + along * (colours[1] - colours[0])[:, None, None]
    surface += share * (own - surface)
    np.maximum(cover, covered, out=cover)
