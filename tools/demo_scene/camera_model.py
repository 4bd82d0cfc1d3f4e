"""Pinhole cameras of the demo studio, with their calibration.

World frame: metres, right-handed; x to the right as seen from the camera wall, y away from that wall, z up, the origin
on the floor below the centre camera. Camera frame (as in OpenCV): x right, y down, z forward. A world point X is seen
at `K (R X + t)`, divided by its third coordinate, in pixels with (0, 0) at the centre of the top left pixel.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from tools.demo_scene.loop import HEIGHT, WIDTH

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class CameraModel:
    """One wall camera.

    Attributes:
        name: Its position on the wall: left, centre or right, as seen when looking into the room.
        centre: Where it hangs, world metres.
        target: The point it looks at, world metres.
        focal_px: Focal length in pixels, the same in x and y.
    """

    name: str
    centre: tuple[float, float, float]
    target: tuple[float, float, float]
    focal_px: float

    @cached_property
    def intrinsics(self) -> Floats:
        """K, `(3, 3)`, pixels."""
        return np.array(
            [[self.focal_px, 0.0, (WIDTH - 1) / 2], [0.0, self.focal_px, (HEIGHT - 1) / 2], [0.0, 0.0, 1.0]]
        )

    @cached_property
    def rotation(self) -> Floats:
        """R, `(3, 3)`: turns world axes into camera axes."""
        forward = np.subtract(self.target, self.centre)
        forward = forward / np.linalg.norm(forward)
        right = np.cross(forward, (0.0, 0.0, 1.0))
        right /= np.linalg.norm(right)
        return np.stack([right, np.cross(forward, right), forward])

    @cached_property
    def translation(self) -> Floats:
        """t, `(3,)`, metres."""
        return np.asarray(-self.rotation @ np.asarray(self.centre))

    def project(self, points: Floats) -> Floats:
        """Returns where world points are seen.

        Args:
            points: `(..., 3)`, metres.

        Returns:
            `(..., 3)`: x and y in pixels, and the depth in metres.
        """
        seen = points @ self.rotation.T + self.translation
        depth = seen[..., 2:]
        pixels = seen[..., :2] / depth * self.focal_px + self.intrinsics[:2, 2]
        return np.concatenate([pixels, depth], axis=-1)

    def rays(self, pixels: Floats) -> Floats:
        """Returns the direction in the world in which each pixel `(..., 2)` looks, not normalised: `(..., 3)`."""
        ahead = np.concatenate(
            [(pixels - self.intrinsics[:2, 2]) / self.focal_px, np.ones_like(pixels[..., :1])], axis=-1
        )
        return np.asarray(ahead @ self.rotation)

    def as_calibration(self) -> dict[str, object]:
        """Returns the entry of this camera in `calibration.json`."""
        return {
            "name": self.name,
            "size_px": [WIDTH, HEIGHT],
            "K": self.intrinsics.tolist(),
            "R": self.rotation.tolist(),
            "t": self.translation.tolist(),
            "distortion": [0.0, 0.0, 0.0, 0.0, 0.0],
        }


CAMERA_MODELS = (
    CameraModel("left", (-3.15, 0.15, 2.05), (0.0, 3.95, 0.97), 985.0),
    CameraModel("centre", (0.0, 0.05, 1.75), (0.0, 4.0, 0.97), 850.0),
    CameraModel("right", (3.15, 0.15, 2.05), (0.0, 3.95, 0.97), 985.0),
)

CALIBRATION_NOTES = {
    "units": "metres and pixels",
    "world": "x right as seen from the camera wall, y away from it, z up; origin on the floor below the centre camera",
    "camera": "x right, y down, z forward; x = K (R X + t), over its third coordinate; (0, 0) is the centre of a pixel",
}


def calibration() -> dict[str, object]:
    """Returns what `calibration.json` holds."""
    return {**CALIBRATION_NOTES, "cameras": [model.as_calibration() for model in CAMERA_MODELS]}
