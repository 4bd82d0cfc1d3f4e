"""The light of the studio: daylight from the windows on the left, a warm bounce from the floor, cool fill, a rim."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.float32]


def _towards(x: float, y: float, z: float) -> tuple[float, float, float]:
    length = float(np.sqrt(x * x + y * y + z * z))
    return (x / length, y / length, z / length)


@dataclass(frozen=True)
class Lighting:
    """Directions are towards the light, in the world; colours are linear."""

    key: tuple[float, float, float] = _towards(-0.62, -0.42, 0.78)
    key_colour: tuple[float, float, float] = (1.55, 1.38, 1.16)
    fill: tuple[float, float, float] = _towards(0.75, -0.55, 0.25)
    fill_colour: tuple[float, float, float] = (0.20, 0.25, 0.33)
    sky_colour: tuple[float, float, float] = (0.42, 0.44, 0.48)
    floor_colour: tuple[float, float, float] = (0.30, 0.205, 0.13)
    rim_colour: tuple[float, float, float] = (0.55, 0.60, 0.70)

    def shade(self, normals: Image, colours: Image, gloss: Image, rotation: Image) -> Image:
        """Returns the light that leaves a surface towards the camera.

        Args:
            normals: In camera axes, `(3, n)`, not quite of length one.
            colours: Reflectance, `(3, n)`.
            gloss: `(n,)`.
            rotation: World to camera, `(3, 3)`.

        Returns:
            `(n, 3)` float32, linear light.
        """
        normals = normals / np.maximum(np.sqrt((normals * normals).sum(axis=0)), np.float32(1e-4))
        key = rotation @ np.array(self.key, dtype=np.float32)
        up = rotation @ np.array((0, 0, 1), dtype=np.float32)
        fill = rotation @ np.array(self.fill, dtype=np.float32)
        towards_key = key @ normals
        # Wrapped a little round the body: the windows are large.
        direct = np.clip((towards_key + 0.22) / 1.22, 0, 1) ** 1.25
        upward = (up @ normals) * 0.5 + 0.5
        filled = np.clip(fill @ normals, 0, 1)
        grazing = 1 - np.clip(-normals[2], 0, 1)
        rim = grazing**4 * np.clip(upward * 1.4 - 0.2, 0, 1)
        halfway = key + np.array((0, 0, -1), dtype=np.float32)
        halfway = halfway / np.linalg.norm(halfway)
        highlight = np.clip(halfway @ normals, 0, 1) ** 28 * gloss
        light = np.empty((normals.shape[1], 3), dtype=np.float32)
        for channel in range(3):
            received = direct * np.float32(self.key_colour[channel])
            received += filled * np.float32(self.fill_colour[channel])
            received += upward * np.float32(self.sky_colour[channel]) + (1 - upward) * np.float32(
                self.floor_colour[channel]
            )
            light[:, channel] = colours[channel] * received
            light[:, channel] += highlight * np.float32(self.key_colour[channel] * 0.8)
            light[:, channel] += rim * np.float32(self.rim_colour[channel] * 0.35)
        return light
