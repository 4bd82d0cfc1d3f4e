"""The dance: what each part of the body does on which beat.

Stage directions are given as a spectator at the camera wall sees them: `sx` to the right, `sy` towards the cameras,
metres from the middle of the floor. Arms are given beside the chest: outwards, forwards, up, as parts of an arm's length.
"""

from dataclasses import dataclass
from typing import Final

STAGE_CENTRE: Final = (0.0, 3.95)


@dataclass(frozen=True)
class Step:
    """One foot travels: it leaves the floor before beat `lands` and stands at (sx, sy) from then on."""

    foot: str
    lands: float
    sx: float
    sy: float = 0.0
    yaw_deg: float = 0.0
    takes: float = 0.6
    lift: float = 0.10
    bears: float = 1.0  # the part of the weight it takes: a touch bears little


STEPS: Final = (
    # Bars 1 and 2: step and touch, side to side.
    Step("left", 0.0, 0.48, 0.04, 14),
    Step("right", 1.0, 0.22, 0.12, -6, bears=0.15),
    Step("right", 2.0, -0.48, 0.04, -14),
    Step("left", 3.0, -0.22, 0.12, 6, bears=0.15),
    Step("left", 4.0, 0.52, 0.04, 14),
    Step("right", 5.0, 0.20, 0.14, -6, bears=0.15),
    Step("right", 6.0, -0.52, 0.04, -14),
    Step("left", 7.0, -0.26, 0.10, 8),
    # Bars 3 and 4: a grapevine there, a wave through the arms, and back.
    Step("right", 8.0, -0.80, 0.0, -10),
    Step("left", 9.0, -0.98, -0.20, 2, lift=0.07),
    Step("right", 10.0, -1.22, 0.0, -10),
    Step("left", 11.0, -0.82, 0.02, 8),
    Step("left", 14.0, -0.40, 0.0, 12),
    Step("right", 14.7, -0.28, -0.22, -4, lift=0.07),
    Step("left", 15.4, 0.12, 0.0, 10),
    Step("right", 16.1, -0.16, 0.0, -8),
    # Bar 5: a turn on the left foot; the right one is drawn up (see PASSE).
    Step("left", 17.0, 0.14, 0.08, 30, lift=0.05),
    Step("right", 19.6, -0.16, 0.02, -8, takes=0.5, lift=0.0),
    # Bar 6: jumps, feet apart and together (see JUMPS).
    Step("left", 21.0, 0.36, 0.0, 16, takes=0.42, lift=0.0),
    Step("right", 21.0, -0.40, 0.0, -16, takes=0.42, lift=0.0),
    Step("left", 22.0, 0.10, 0.0, 6, takes=0.42, lift=0.0),
    Step("right", 22.0, -0.14, 0.0, -6, takes=0.42, lift=0.0),
    # Bar 7: lunges.
    Step("left", 25.0, 0.78, 0.06, 38, takes=0.7),
    Step("left", 26.5, 0.14, 0.0, 8, takes=0.6),
    Step("right", 27.5, -0.80, 0.06, -38, takes=0.7),
    Step("right", 28.9, -0.24, 0.02, -10, takes=0.6),
    # Bar 8: feet apart for the hips, then home.
    Step("left", 29.4, 0.24, 0.02, 10, takes=0.4, lift=0.05),
    Step("right", 31.0, -0.12, 0.08, -6, takes=0.5),
)

# (take-off, landing) in beats; the height follows from the time in the air.
JUMPS: Final = ((20.55, 21.0), (21.55, 22.0), (22.7, 23.5))

# While turning, the right foot rests at the left knee: (from, to).
PASSE: Final = (17.25, 19.45)

# Degrees about the vertical; a whole turn lies between beats 17 and 19.4.
YAW: Final = (
    (0, 8), (2, -8), (4, 10), (6, -10), (8, -16), (10, -20), (11.5, 0), (13.3, 0), (14.2, 22), (15.4, 12), (16.4, -14),
    (17.1, -10), (19.4, 360), (20, 360), (24, 360), (25, 384), (26.2, 376), (27.5, 336), (28.6, 352), (29.5, 360),
    (31, 364),
)  # fmt: skip

# Down by so many metres, before the bounce of each beat.
CROUCH: Final = (
    (0, 0.02), (8, 0.03), (12, 0.05), (16.6, 0.10), (17.3, 0.0), (19.2, 0.0), (19.8, 0.08), (20.35, 0.17), (20.6, 0.0),
    (20.95, 0.0), (21.25, 0.17), (21.6, 0.0), (21.95, 0.0), (22.4, 0.22), (22.75, 0.0), (23.45, 0.0), (23.8, 0.2),
    (24.4, 0.04), (25.2, 0.20), (25.8, 0.18), (26.6, 0.03), (27.7, 0.20), (28.2, 0.17), (29, 0.05), (31.4, 0.03),
)  # fmt: skip

BOUNCE: Final = (
    (0, 1.0), (11, 1.0), (12, 0.5), (16, 0.6), (17, 0.0), (19.5, 0.0), (24.5, 0.1), (28.5, 0.3), (29.5, 1.0),
)  # fmt: skip

# Hips beside the point of balance: metres along sx, and roll in degrees (up on the spectator's right).
HIPS: Final = (
    (0, (0.04, 5)), (1, (0.05, 7)), (2, (-0.04, -5)), (3, (-0.05, -7)), (4, (0.04, 5)), (5, (0.05, 7)),
    (6, (-0.04, -5)), (7, (-0.04, -6)), (8, (-0.02, -3)), (11, (0, 0)), (12, (0.07, 6)), (13, (-0.07, -6)),
    (14, (0.03, 3)), (16.5, (0, 0)), (17.2, (0.02, 0)), (19.4, (0.02, 0)), (20, (0, 0)), (24, (0, 0)), (25.3, (0.06, 3)),
    (26.5, (0, 0)), (27.8, (-0.06, -3)), (28.8, (0, 0)), (29.5, (0.11, 11)), (30, (-0.11, -11)), (30.5, (0.11, 11)),
    (31, (-0.08, -9)),
)  # fmt: skip

# Spine in degrees: bend (forwards), lean (to the spectator's right), twist (as yaw).
SPINE: Final = (
    (0, (4, -6, 10)), (1, (2, -9, 14)), (2, (4, 6, -10)), (3, (2, 9, -14)), (4, (4, -7, 12)), (5, (0, -11, 16)),
    (6, (4, 7, -12)), (7, (0, 10, -14)), (8, (4, -4, 16)), (9, (6, 2, -14)), (10, (4, -4, 16)), (11, (0, 0, 0)),
    (11.7, (-4, -10, 0)), (12.5, (-4, 10, 0)), (13.3, (-4, -10, 0)), (14, (2, 2, -14)), (15, (4, 2, 12)),
    (16.5, (10, 0, -22)),
    (17.2, (-4, 0, 4)), (19, (-4, 0, 6)), (19.8, (6, 0, 0)), (20.4, (14, 0, 0)), (20.8, (-4, 0, 0)), (21.3, (14, 0, 0)),
    (21.8, (-2, 0, 0)), (22.5, (20, 0, 0)), (23.1, (-12, 0, 0)), (23.8, (16, 0, 0)), (24.4, (2, 0, 0)), (25.2, (10, 16, 10)),
    (25.9, (4, 20, 14)), (26.7, (0, 0, 0)), (27.7, (10, -16, -10)), (28.3, (4, -20, -14)), (29, (0, 0, 0)),
    (29.5, (-4, -9, 0)),
    (30, (-4, 9, 0)), (30.5, (-4, -9, 0)), (31, (0, 6, 0)),
)  # fmt: skip

# Head in degrees beside the chest: nod (down), tilt (to the spectator's right), turn (as yaw).
HEAD: Final = (
    (0, (2, 5, -6)), (2, (2, -5, 6)), (4, (-2, 6, -8)), (6, (-2, -6, 8)), (8, (0, 0, -10)), (10, (0, 0, -8)),
    (12, (-4, 6, 18)), (13, (-4, -6, -18)), (14, (0, 0, 12)), (16.4, (8, 0, 12)), (17.2, (-8, 0, 0)), (19.2, (-8, 0, 0)),
    (20.4, (8, 0, 0)), (20.9, (-4, 0, 0)), (21.3, (8, 0, 0)), (22.5, (14, 0, 0)), (23.1, (-18, 0, 0)), (23.8, (10, 0, 0)),
    (25.4, (-14, 8, 22)), (26.7, (0, 0, 0)), (27.9, (-14, -8, -22)), (29, (-6, 0, 0)), (30, (-10, -5, 0)),
    (31, (-2, 4, 0)),
)  # fmt: skip

DOWN: Final = (0.22, 0.12, -0.90)
LOW: Final = (0.62, 0.16, -0.66)
SIDE: Final = (0.97, 0.14, 0.02)
HIGH: Final = (0.64, 0.12, 0.74)
UP: Final = (0.16, 0.10, 0.97)
FRONT: Final = (0.02, 0.93, -0.08)
CURL: Final = (0.02, 0.52, -0.12)
ACROSS: Final = (-0.52, 0.62, -0.02)
ACROSS_LOW: Final = (-0.30, 0.55, -0.58)
CROWN: Final = (-0.18, 0.26, 0.86)
HIP: Final = (0.30, -0.02, -0.66)
BACK: Final = (0.42, -0.50, -0.66)

# (beat, left arm, right arm)
ARMS: Final = (
    (0.0, SIDE, ACROSS), (1.0, HIGH, ACROSS_LOW), (2.0, ACROSS, SIDE), (3.0, ACROSS_LOW, HIGH),
    (4.0, SIDE, ACROSS), (5.0, UP, LOW), (6.0, ACROSS, SIDE), (7.0, LOW, UP),
    (8.0, CURL, CURL), (9.0, SIDE, SIDE), (10.0, CURL, CURL), (11.0, SIDE, SIDE), (13.4, SIDE, SIDE),
    (14.2, LOW, CURL), (15.2, CURL, LOW), (16.4, ACROSS, SIDE), (17.1, SIDE, SIDE), (17.6, CROWN, CROWN),
    (18.9, CROWN, CROWN), (19.7, LOW, LOW), (20.4, BACK, BACK), (20.85, SIDE, SIDE), (21.3, LOW, LOW), (21.85, UP, UP),
    (22.5, BACK, BACK), (23.05, HIGH, HIGH), (23.8, LOW, LOW), (24.3, CURL, CURL), (25.2, HIGH, BACK),
    (25.9, HIGH, LOW), (26.8, CURL, CURL), (27.7, BACK, HIGH), (28.3, LOW, HIGH), (29.1, UP, HIP), (29.6, UP, UP),
    (30.2, CROWN, CROWN), (30.7, UP, UP), (31.3, LOW, LOW),
)  # fmt: skip

# A wave runs through the outstretched arms, from the right hand to the left: (from, to) and its height in metres.
WAVE: Final = (11.2, 13.7)
WAVE_HEIGHT: Final = 0.17
