"""The dancer's body: round cones strung between the joints, with a colour each.

A cone is a sphere swept along a line while its radius changes. Where cones lie close to each other the rasterizer blends
them, so a few dozen of them read as one body.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tools.demo_scene.curves import Floats, apply
from tools.demo_scene.loop import FRAMES
from tools.demo_scene.motion import Motion

Colour = tuple[float, float, float]

# Reflectance in linear light.
SKIN: Colour = (0.62, 0.33, 0.205)
HAIR: Colour = (0.075, 0.038, 0.028)
TOP: Colour = (0.80, 0.10, 0.085)
TROUSERS: Colour = (0.055, 0.075, 0.145)
GOLD: Colour = (0.85, 0.62, 0.20)
SHOE: Colour = (0.55, 0.54, 0.53)
SOLE: Colour = (0.80, 0.12, 0.10)
BAND: Colour = (0.05, 0.52, 0.50)


@dataclass(frozen=True)
class BodyMesh:
    """All cones of the body over the loop.

    Attributes:
        ends: World positions of both ends, `(FRAMES, cones, 2, 3)` float32, metres.
        radii: Radius at both ends, `(cones, 2)` float32, metres.
        colours: Reflectance at both ends, `(cones, 2, 3)` float32, linear.
        gloss: Strength of the highlight, `(cones,)` float32.
        shades: Which cones throw a shadow, `(cones,)` bool; small ones inside others need not.
        plain: Which cones suffice from afar, as in the mirror.
        low: Which cones are near enough to the floor to shine in its varnish.
    """

    ends: NDArray[np.float32]
    radii: NDArray[np.float32]
    colours: NDArray[np.float32]
    gloss: NDArray[np.float32]
    shades: NDArray[np.bool_]
    plain: NDArray[np.bool_]
    low: NDArray[np.bool_]


class _Builder:
    def __init__(self, motion: Motion) -> None:
        self.motion = motion
        self.ends: list[Floats] = []
        self.radii: list[tuple[float, float]] = []
        self.colours: list[tuple[Colour, Colour]] = []
        self.gloss: list[float] = []
        self.shades: list[bool] = []
        self.plain: list[bool] = []
        self.low: list[bool] = []

    def add(
        self,
        start: Floats,
        end: Floats,
        radii: tuple[float, float],
        colour: Colour,
        to: Colour | None = None,
        gloss: float = 0.12,
        shades: bool = True,
        plain: bool | None = None,
        low: bool = False,
    ) -> None:
        self.ends.append(np.stack([start, end], axis=1))
        self.radii.append(radii)
        self.colours.append((colour, to or colour))
        self.gloss.append(gloss)
        self.shades.append(shades)
        self.plain.append(shades if plain is None else plain)
        self.low.append(low)

    def near(self, joint: str, axes: Floats, offset: tuple[float, float, float]) -> Floats:
        return np.asarray(self.motion.joints[joint] + apply(axes, np.array(offset)))


def build_body_mesh(motion: Motion) -> BodyMesh:
    """Returns the body that the motion moves."""
    body = _Builder(motion)
    _add_trunk(body)
    _add_head(body)
    for side, sign in (("left", 1.0), ("right", -1.0)):
        _add_leg(body, side)
        _add_arm(body, side, sign)
    return BodyMesh(
        np.stack(body.ends, axis=1).astype(np.float32).reshape(FRAMES, -1, 2, 3),
        np.array(body.radii, dtype=np.float32),
        np.array(body.colours, dtype=np.float32),
        np.array(body.gloss, dtype=np.float32),
        np.array(body.shades),
        np.array(body.plain),
        np.array(body.low),
    )


def _add_trunk(body: _Builder) -> None:
    joints, chest = body.motion.joints, body.motion.chest
    left_hip, right_hip = joints["left_hip"], joints["right_hip"]
    pelvis = joints["pelvis"]
    for hip in (left_hip, right_hip):
        inner = pelvis + (hip - pelvis) * 0.62
        body.add(
            inner + (pelvis - joints["waist"]) * 0.12,
            joints["waist"] + (hip - pelvis) * 0.42,
            (0.108, 0.082),
            TROUSERS,
        )
    body.add(left_hip, right_hip, (0.098, 0.098), TROUSERS)
    # Lying cones, a little thicker than the body, make straight hems.
    middle_hip = (left_hip - pelvis) * 0.45
    waistband = pelvis + (joints["waist"] - pelvis) * 0.72
    body.add(
        waistband - middle_hip, waistband + middle_hip, (0.0885, 0.0885), TROUSERS, shades=False, plain=True
    )
    hem = [body.near("chest", chest, (sign * 0.053, -0.001, -0.058)) for sign in (1.0, -1.0)]
    body.add(hem[0], hem[1], (0.0955, 0.0955), TOP, shades=False, plain=True)
    for sign in (1.0, -1.0):
        low = joints["waist"] + apply(chest, np.array([sign * 0.040, 0.0, -0.015]))
        middle = joints["waist"] + apply(chest, np.array([sign * 0.047, -0.002, 0.085]))
        body.add(low, middle, (0.080, 0.084), SKIN, gloss=0.2)
        rib = body.near("chest", chest, (sign * 0.055, 0.002, -0.085))
        breast = body.near("chest", chest, (sign * 0.060, -0.014, 0.035))
        top = body.near("chest", chest, (sign * 0.085, 0.008, 0.120))
        body.add(rib, breast, (0.088, 0.092), TOP)
        body.add(breast, top, (0.092, 0.062), TOP)
        side = "left" if sign > 0 else "right"
        body.add(top, joints[f"{side}_shoulder"], (0.058, 0.055), TOP, SKIN, shades=False, plain=True)
        trapeze = body.near("neck", chest, (sign * 0.03, 0.015, 0.0))
        body.add(trapeze, joints[f"{side}_shoulder"], (0.046, 0.040), SKIN, shades=False, plain=True)
    body.add(
        body.near("chest", chest, (0, 0.006, -0.05)),
        body.near("chest", chest, (0, 0.012, 0.12)),
        (0.0875, 0.085),
        TOP,
        shades=False,
        plain=True,
    )


def _add_head(body: _Builder) -> None:
    joints, chest, head = body.motion.joints, body.motion.chest, body.motion.head
    body.add(
        body.near("neck", chest, (0, 0.012, -0.03)),
        body.near("skull", head, (0, 0.02, -0.07)),
        (0.054, 0.050),
        SKIN,
        gloss=0.2,
    )
    body.add(
        body.near("skull", head, (0, -0.008, 0.025)),
        body.near("skull", head, (0, -0.030, -0.055)),
        (0.094, 0.066),
        SKIN,
        gloss=0.22,
    )
    body.add(
        body.near("skull", head, (0, -0.045, -0.075)),
        body.near("skull", head, (0, -0.052, -0.078)),
        (0.047, 0.044),
        SKIN,
        gloss=0.2,
        shades=False,
    )
    body.add(
        body.near("skull", head, (0, -0.094, -0.002)),
        body.near("skull", head, (0, -0.104, -0.028)),
        (0.010, 0.013),
        SKIN,
        gloss=0.3,
        shades=False,
    )
    for sign in (1.0, -1.0):
        body.add(
            body.near("skull", head, (sign * 0.034, -0.0915, 0.012)),
            body.near("skull", head, (sign * 0.042, -0.0885, 0.012)),
            (0.0125, 0.011), HAIR, gloss=0.6, shades=False,
        )  # fmt: skip
        body.add(
            body.near("skull", head, (sign * 0.093, 0.01, -0.01)), body.near("skull", head, (sign * 0.092, 0.012, -0.03)),
            (0.016, 0.013), SKIN, shades=False,
        )  # fmt: skip
        body.add(
            body.near("skull", head, (sign * 0.030, -0.040, 0.082)), body.near("skull", head, (sign * 0.072, 0.025, 0.020)),
            (0.050, 0.042), HAIR, gloss=0.5, shades=False,
        )  # fmt: skip
    body.add(
        body.near("skull", head, (0, 0.010, 0.048)),
        body.near("skull", head, (0, 0.035, -0.03)),
        (0.096, 0.082),
        HAIR,
        gloss=0.5,
    )
    body.add(
        joints["tail_0"],
        joints["tail_0"] + (joints["tail_1"] - joints["tail_0"]) * 0.3,
        (0.034, 0.032),
        BAND,
        shades=False,
        plain=True,
    )
    widths = (0.030, 0.042, 0.040, 0.030, 0.012)
    for link in range(4):
        body.add(
            joints[f"tail_{link}"],
            joints[f"tail_{link + 1}"],
            (widths[link], widths[link + 1]),
            HAIR,
            gloss=0.5,
            shades=link in (1, 2),
            plain=True,
        )


def _add_leg(body: _Builder, side: str) -> None:
    joints = body.motion.joints
    hip, knee, ankle = joints[f"{side}_hip"], joints[f"{side}_knee"], joints[f"{side}_ankle"]
    body.add(hip, knee, (0.094, 0.062), TROUSERS, low=True)
    calf = knee + (ankle - knee) * 0.35
    body.add(knee, calf, (0.062, 0.060), TROUSERS, low=True)
    hem = knee + (ankle - knee) * 0.86
    body.add(calf, hem, (0.060, 0.070), TROUSERS, low=True)
    body.add(hem, ankle, (0.040, 0.038), SKIN, gloss=0.2, shades=False)
    heel, ball, toe = joints[f"{side}_heel"], joints[f"{side}_ball"], joints[f"{side}_toe"]
    body.add(ankle, heel, (0.045, 0.036), SHOE, gloss=0.3, low=True)
    body.add(heel, ball, (0.036, 0.042), SHOE, gloss=0.3, low=True)
    body.add(ankle, ball, (0.042, 0.036), SHOE, gloss=0.3, shades=False)
    body.add(ball, toe, (0.042, 0.032), SHOE, gloss=0.3, low=True)
    down = np.array([0, 0, -0.016])
    body.add(heel + down, ball + down, (0.026, 0.030), SOLE, shades=False)
    body.add(ball + down, toe + down, (0.030, 0.020), SOLE, shades=False)


def _add_arm(body: _Builder, side: str, sign: float) -> None:
    joints = body.motion.joints
    shoulder, elbow, wrist = joints[f"{side}_shoulder"], joints[f"{side}_elbow"], joints[f"{side}_wrist"]
    biceps = shoulder + (elbow - shoulder) * 0.45
    body.add(shoulder, biceps, (0.055, 0.047), SKIN, gloss=0.2)
    body.add(biceps, elbow, (0.047, 0.038), SKIN, gloss=0.2)
    muscle = elbow + (wrist - elbow) * 0.3
    body.add(elbow, muscle, (0.038, 0.040), SKIN, gloss=0.2)
    body.add(muscle, wrist, (0.040, 0.027), SKIN, gloss=0.2)
    # The sides are told apart by the bands: teal on the left wrist, gold on the right.
    near_wrist = elbow + (wrist - elbow) * 0.86
    body.add(near_wrist, wrist, (0.0345, 0.032), BAND if sign > 0 else GOLD, shades=False, plain=True)
    palm, fingers = joints[f"{side}_palm"], joints[f"{side}_fingers"]
    body.add(wrist, palm, (0.028, 0.034), SKIN, gloss=0.2)
    body.add(palm, fingers, (0.032, 0.014), SKIN, gloss=0.2)
    across = np.cross(palm - wrist, fingers - wrist)
    aside = np.cross(across, palm - wrist)
    thumb = palm + 0.035 * aside / np.maximum(np.linalg.norm(aside, axis=-1, keepdims=True), 1e-5)
    body.add(wrist + (palm - wrist) * 0.45, thumb, (0.018, 0.012), SKIN, shades=False)
