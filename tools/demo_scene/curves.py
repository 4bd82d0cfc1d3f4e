"""Periodic curves and small vector algebra over whole loops at once.

Every curve is an array with the frames of the loop first; the frame after the last is the first.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tools.demo_scene.loop import BEATS, FRAMES, FRAMES_PER_BEAT

Floats = NDArray[np.float64]


def beats() -> Floats:
    """Returns the time of each frame in beats: `(FRAMES,)`."""
    return np.arange(FRAMES) / FRAMES_PER_BEAT


def keyed(keys: Sequence[tuple[float, ArrayLike]]) -> Floats:
    """Returns a smooth periodic curve through keys, without overshoot between equal neighbours.

    Args:
        keys: (beat, value), beats rising within [0, BEATS); values are numbers or vectors of one length.

    Returns:
        `(FRAMES,)` or `(FRAMES, n)`.
    """
    at = np.array([beat for beat, _ in keys])
    values = np.array([np.asarray(value, dtype=float) for _, value in keys])
    span = np.append(np.diff(at), at[0] + BEATS - at[-1])
    following = np.roll(values, -1, axis=0)
    shape = (-1,) + (1,) * (values.ndim - 1)
    slope = (following - values) / span.reshape(shape)
    before, before_span = np.roll(slope, 1, axis=0), np.roll(span, 1).reshape(shape)
    # Fritsch and Butland's tangents: monotone between keys, zero where the curve turns.
    product = before * slope
    weight_1, weight_2 = 2 * span.reshape(shape) + before_span, span.reshape(shape) + 2 * before_span
    safe = np.where(product > 0, product, 1.0)
    tangent = np.where(
        product > 0,
        (weight_1 + weight_2) * safe / (weight_1 * slope + weight_2 * before + (product <= 0)),
        0.0,
    )
    now = beats()
    index = (np.searchsorted(at, now, side="right") - 1) % len(at)
    length = span[index]
    s = (((now - at[index]) % BEATS) / length).reshape(shape)
    length = length.reshape(shape)
    follow = (index + 1) % len(at)
    return np.asarray(
        values[index] * (2 * s**3 - 3 * s**2 + 1)
        + tangent[index] * length * (s**3 - 2 * s**2 + s)
        + values[follow] * (3 * s**2 - 2 * s**3)
        + tangent[follow] * length * (s**3 - s**2)
    )


def smooth(curve: Floats, sigma_frames: float) -> Floats:
    """Returns the curve blurred around the loop by a Gaussian."""
    frequency = np.fft.rfftfreq(FRAMES)
    gain = np.exp(-2 * (np.pi * frequency * sigma_frames) ** 2)
    spectrum = np.fft.rfft(curve, axis=0) * gain.reshape((-1,) + (1,) * (curve.ndim - 1))
    return np.asarray(np.fft.irfft(spectrum, FRAMES, axis=0))


def delayed(curve: Floats, frames: float) -> Floats:
    """Returns the curve, later by a number of frames that need not be whole."""
    whole = int(np.floor(frames))
    part = frames - whole
    return np.asarray((1 - part) * np.roll(curve, whole, axis=0) + part * np.roll(curve, whole + 1, axis=0))


def during(start: float, end: float, ramp: float = 0.5) -> Floats:
    """Returns a weight that rises to one after beat `start` and is back at zero at beat `end`: `(FRAMES,)`."""
    now = beats()
    rise = np.clip((now - start) / ramp, 0, 1)
    fall = np.clip((end - now) / ramp, 0, 1)
    s = np.minimum(rise, fall)
    return np.asarray(s * s * (3 - 2 * s))


def unit(vectors: Floats) -> Floats:
    """Returns the vectors at length one."""
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-9))


def turn(axis: int, angle: Floats) -> Floats:
    """Returns rotation matrices `(FRAMES, 3, 3)` about axis 0, 1 or 2 by `angle` in radians, right-handed."""
    cosine, sine = np.cos(angle), np.sin(angle)
    matrix = np.zeros((*angle.shape, 3, 3))
    first, second = (axis + 1) % 3, (axis + 2) % 3
    matrix[..., axis, axis] = 1
    matrix[..., first, first] = cosine
    matrix[..., second, second] = cosine
    matrix[..., first, second] = -sine
    matrix[..., second, first] = sine
    return matrix


def apply(matrix: Floats, vectors: Floats) -> Floats:
    """Returns each frame's matrix applied to each frame's vector: `(FRAMES, 3)`."""
    return np.asarray(np.einsum("fij,fj->fi", matrix, np.broadcast_to(vectors, (len(matrix), 3))))


def bend_limb(root: Floats, tip: Floats, upper: float, lower: float, pole: Floats) -> tuple[Floats, Floats]:
    """Places the middle joint of a limb of two bones, drawing the tip nearer where it is out of reach.

    Args:
        root: Where the limb begins, `(FRAMES, 3)`.
        tip: Where it should end.
        upper: Length of the first bone in metres.
        lower: Length of the second bone.
        pole: The direction in which the joint points.

    Returns:
        The middle joint and the tip reached.
    """
    reach = tip - root
    distance = np.linalg.norm(reach, axis=-1, keepdims=True)
    length = np.clip(distance, abs(upper - lower) + 0.02, (upper + lower) * 0.995)
    along = reach / np.maximum(distance, 1e-9)
    cosine = (upper**2 + length**2 - lower**2) / (2 * upper * length)
    sine = np.sqrt(np.maximum(1 - cosine**2, 0))
    aside = unit(pole - np.sum(pole * along, axis=-1, keepdims=True) * along)
    # Where limb and pole are nearly in line, the joint would jump from one side to the other: ease it over.
    aside = smooth(aside, 2.0)
    aside = unit(aside - np.sum(aside * along, axis=-1, keepdims=True) * along)
    middle = root + upper * (cosine * along + sine * aside)
    return middle, root + along * length
