"""Turns the choreography into joint positions: where every part of the dancer is on every frame of the loop.

Flow: feet from the steps -> balance and height of the pelvis -> spine and head -> legs and arms by inverse kinematics
-> ponytail by a small simulation. Everything is computed for the whole loop at once and joins its own beginning.
"""

from dataclasses import dataclass

import numpy as np

from tools.demo_scene import choreography as dance
from tools.demo_scene.curves import (
    Floats,
    apply,
    beats,
    bend_limb,
    delayed,
    during,
    keyed,
    smooth,
    turn,
    unit,
)
from tools.demo_scene.loop import BEATS, FRAMES, FRAMES_PER_BEAT

THIGH_M = 0.425
SHIN_M = 0.415
UPPER_ARM_M = 0.285
FOREARM_M = 0.25
ANKLE_M = 0.085
GRAVITY = 9.81
SECONDS_PER_BEAT = 0.5

SIDES = {"left": 1.0, "right": -1.0}


@dataclass(frozen=True)
class Motion:
    """The dancer over one loop.

    Attributes:
        joints: World position of each joint by name, each `(FRAMES, 3)` float64, metres.
        chest: Axes of the chest as columns (the dancer's left, back, up), `(FRAMES, 3, 3)`.
        head: Axes of the head, likewise.
        feet: Axes of each foot, by side.
    """

    joints: dict[str, Floats]
    chest: Floats
    head: Floats
    feet: dict[str, Floats]


def compute_motion() -> Motion:
    """Returns the whole dance; takes some tens of milliseconds."""
    yaw = _yaw()
    hop = _hop()
    feet = {side: _Foot(side, yaw) for side in SIDES}
    hips = keyed(dance.HIPS)
    place = _balance(feet)
    place[:, 0] += hips[:, 0]
    place = smooth(place, 3.0)
    height = _pelvis_height(place, feet) + hop
    pelvis = np.column_stack([place, height])
    # Body axes at yaw 0: the dancer's left is +x, the back is +y (the dancer faces the cameras), up is +z.
    level = turn(2, yaw)
    pelvis_axes = level @ turn(1, -np.radians(smooth(hips[:, 1], 1.5)))
    bend, lean, twist = np.radians(smooth(keyed(dance.SPINE), 2.0)).T
    part = turn(2, twist / 2) @ turn(1, lean / 2) @ turn(0, bend / 2)
    waist_axes = level @ part
    chest_axes = waist_axes @ part
    joints: dict[str, Floats] = {"pelvis": pelvis}
    joints["waist"] = pelvis + apply(pelvis_axes @ _half(pelvis_axes, waist_axes), np.array([0, 0, 0.15]))
    joints["chest"] = joints["waist"] + apply(waist_axes, np.array([0, 0.0, 0.19]))
    joints["neck"] = joints["chest"] + apply(chest_axes, np.array([0, 0.01, 0.19]))
    nod, tilt, look = np.radians(delayed(smooth(keyed(dance.HEAD), 2.5), 1.5)).T
    head_axes = chest_axes @ turn(2, look) @ turn(1, tilt) @ turn(0, nod - 0.45 * bend)
    joints["skull"] = joints["neck"] + apply(head_axes, np.array([0, -0.015, 0.165]))
    foot_axes: dict[str, Floats] = {}
    for side, sign in SIDES.items():
        _place_leg(joints, foot_axes, feet[side], side, sign, hop, pelvis_axes, level)
        _place_arm(joints, side, sign, chest_axes)
    _swing_ponytail(joints, head_axes)
    return Motion(joints, chest_axes, head_axes, foot_axes)


def _half(first: Floats, second: Floats) -> Floats:
    """Returns a rotation about half-way from `first` to `second`, seen from `first` (small angles)."""
    between = np.swapaxes(first, -1, -2) @ second
    mean = (between + np.eye(3)) / 2
    u, _, vt = np.linalg.svd(mean)
    return np.asarray(u @ vt)


def _yaw() -> Floats:
    """Returns the heading in radians; the whole turn makes the last key continue at the first plus 360 degrees."""
    first_beat, first = dance.YAW[0]
    ramp = beats() / BEATS * 360.0
    # A periodic curve needs equal ends: take the steady part of the turn out, add it again afterwards.
    keys = [(beat, value - beat / BEATS * 360.0) for beat, value in dance.YAW]
    assert first_beat == 0  # noqa: S101
    del first
    return np.radians(smooth(keyed(keys), 1.5) + ramp)


def _hop() -> Floats:
    """Returns the height of the jumps in metres: free fall between take-off and landing."""
    now = beats()
    height = np.zeros(FRAMES)
    for start, end in dance.JUMPS:
        t = np.clip((now - start) / (end - start), 0, 1)
        air_s = (end - start) * SECONDS_PER_BEAT
        height += GRAVITY / 2 * air_s**2 * t * (1 - t)
    return height


class _Foot:
    """Where one foot stands or travels.

    Attributes:
        ground: Its point on the floor, `(FRAMES, 2)`.
        lift: Height of the sole above the floor, before jumps, `(FRAMES,)`.
        pitch: Toes down, radians.
        yaw: Heading of the toes, radians.
        bears: Weight it carries, 0 to 1.
        passe: How far the foot is drawn up at the other knee, 0 to 1.
    """

    def __init__(self, side: str, body_yaw: Floats) -> None:
        steps = [step for step in dance.STEPS if step.foot == side]
        now = beats()
        self.ground = np.zeros((FRAMES, 2))
        self.lift = np.zeros(FRAMES)
        self.pitch = np.zeros(FRAMES)
        self.bears = np.zeros(FRAMES)
        outward = np.zeros(FRAMES)
        for index, step in enumerate(steps):
            previous = steps[index - 1]
            following = steps[(index + 1) % len(steps)]
            # Times are taken modulo the loop so that a step may straddle its join.
            since = (now - (step.lands - step.takes)) % BEATS
            until_next = (following.lands - following.takes - (step.lands - step.takes)) % BEATS
            mine = since < until_next
            s = np.clip(since / step.takes, 0, 1)
            eased = s * s * (3 - 2 * s)
            start, end = _on_stage(previous), _on_stage(step)
            self.ground[mine] = (start + (end - start) * eased[:, None])[mine]
            self.lift[mine] = (step.lift * np.sin(np.pi * s) ** 2)[mine]
            swing = np.radians(30) * np.sin(np.pi * np.clip(s * 1.15, 0, 1)) * min(1.0, step.lift / 0.1)
            rest = np.radians(24 if step.bears < 0.5 else 0) * eased
            self.pitch[mine] = np.maximum(swing, rest)[mine]
            self.bears[mine] = np.where(s < 1, 0.0, step.bears)[mine]
            outward[mine] = np.radians(previous.yaw_deg + (step.yaw_deg - previous.yaw_deg) * eased)[mine]
        self.passe = during(*dance.PASSE, ramp=0.55) if side == "right" else np.zeros(FRAMES)
        self.bears *= 1 - (self.passe > 0)
        self.bears = np.maximum(self.bears, 0.02)
        turning = during(16.8, 19.8, ramp=0.5)
        follow = np.where((beats() > 16.6) & (beats() < 20.0), turning, 0.0)
        body = np.where(follow > 0, body_yaw - 2 * np.pi * (beats() > 18.25), 0.0)
        full = np.where(beats() > 18.25, 2 * np.pi, 0.0) * (follow > 0)
        self.yaw = outward * (1 - follow) + (body + np.radians(12) * SIDES[side]) * follow + full
        self.pitch = smooth(self.pitch, 0.8)
        self.lift = smooth(self.lift, 0.6)


def _on_stage(step: dance.Step) -> Floats:
    return np.array([dance.STAGE_CENTRE[0] + step.sx, dance.STAGE_CENTRE[1] - step.sy])


def _balance(feet: dict[str, _Foot]) -> Floats:
    """Returns the point on the floor over which the body balances: the feet, weighted by what they bear."""
    weights = {side: smooth(foot.bears, 5.0).clip(0.02) for side, foot in feet.items()}
    total = sum(weights.values())
    grounds = {side: smooth(foot.ground, 3.0) for side, foot in feet.items()}
    share = {side: weights[side] / total for side in feet}
    # Between the feet, the body leans to the one that bears, but not all the way.
    middle = (grounds["left"] + grounds["right"]) / 2
    borne = sum(grounds[side] * share[side][:, None] for side in feet)
    single = np.abs(share["left"] - share["right"])[:, None]
    return np.asarray(middle + (borne - middle) * (0.72 + 0.2 * single))


def _pelvis_height(place: Floats, feet: dict[str, _Foot]) -> Floats:
    """Returns how high the legs let the pelvis be, less the crouch and the bounce on the beat."""
    reach = THIGH_M + SHIN_M
    allowed = []
    for foot in feet.values():
        aside = np.linalg.norm(foot.ground - place, axis=-1) - 0.085
        bearing = np.clip(smooth(foot.bears, 2.0), 0, 1)
        give = 0.10 * (1 - bearing)  # a foot without weight may rise on its toes
        height = np.sqrt(np.maximum(reach**2 - np.maximum(aside, 0) ** 2, 0.3)) + ANKLE_M + 0.03 + give
        allowed.append(height)
    sharpness = 40.0
    lowest = -np.log(sum(np.exp(-sharpness * height) for height in allowed)) / sharpness
    beat = np.abs(np.sin(np.pi * (beats() - 0.12))) ** 1.4
    bounce = 0.045 * keyed(dance.BOUNCE) * (1 - beat)
    return np.asarray(smooth(lowest, 3.5) - 0.02 - smooth(keyed(dance.CROUCH), 0.7) - smooth(bounce, 1.0))


def _place_leg(
    joints: dict[str, Floats],
    foot_axes: dict[str, Floats],
    foot: _Foot,
    side: str,
    sign: float,
    hop: Floats,
    pelvis_axes: Floats,
    level: Floats,
) -> None:
    hip = joints["pelvis"] + apply(pelvis_axes, np.array([sign * 0.088, 0, -0.04]))
    heading = turn(2, foot.yaw)
    pitch = foot.pitch.copy()
    pitch += np.clip(smooth(hop, 1.0) * 9, 0, np.radians(50))
    ball = np.column_stack([foot.ground, foot.lift + hop])
    # The foot turns about its ball: a raised heel is what lets a short leg reach.
    for _ in range(6):
        axes = heading @ turn(0, pitch)
        ankle = ball + apply(axes, np.array([0, 0.13, ANKLE_M])) - apply(heading, np.array([0, 0.06, 0]))
        short = np.linalg.norm(ankle - hip, axis=-1) - (THIGH_M + SHIN_M) * 0.99
        pitch = np.clip(pitch + np.clip(short, 0, None) * 5.0, 0, np.radians(70))
    knee_pole = apply(heading, np.array([sign * 0.18, -1.0, 0.15]))
    if np.any(foot.passe > 0):
        drawn = joints["pelvis"] + apply(level, np.array([sign * 0.03, -0.10, -0.44]))
        weight = foot.passe[:, None]
        arc = np.sin(np.pi * foot.passe)[:, None] * apply(level, np.array([sign * 0.08, -0.1, 0.0]))
        ankle = ankle * (1 - weight) + drawn * weight + arc
        knee_pole = knee_pole * (1 - weight) + apply(level, np.array([sign * 1.0, -0.45, 0.2])) * weight
        pitch = pitch * (1 - foot.passe) + np.radians(62) * foot.passe
        heading = turn(2, foot.yaw + sign * -0.9 * foot.passe)
        axes = heading @ turn(0, pitch)
    knee, ankle = bend_limb(hip, ankle, THIGH_M, SHIN_M, smooth(knee_pole, 1.5))
    joints[f"{side}_hip"], joints[f"{side}_knee"], joints[f"{side}_ankle"] = hip, knee, ankle
    joints[f"{side}_heel"] = ankle + apply(axes, np.array([0, 0.035, -ANKLE_M + 0.035]))
    joints[f"{side}_ball"] = ankle + apply(axes, np.array([0, -0.12, -ANKLE_M + 0.032]))
    toe_axes = heading @ turn(0, pitch * 0.35)
    joints[f"{side}_toe"] = joints[f"{side}_ball"] + apply(toe_axes, np.array([0, -0.065, -0.004]))
    foot_axes[side] = axes


def _place_arm(joints: dict[str, Floats], side: str, sign: float, chest_axes: Floats) -> None:
    keys = [(beat, left if side == "left" else right) for beat, left, right in dance.ARMS]
    # Arms are late by a frame or two and the hands later still: that is what makes them look loose.
    target = delayed(smooth(keyed(keys), 2.2), 1.0)
    outward, forward, up = target.T
    wave = during(*dance.WAVE, ramp=0.5)
    travel = {"right": (0.0, 0.55), "left": (2.0, 1.45)}[side]
    phase = (beats() - dance.WAVE[0]) * 2 * np.pi / 1.25
    hand_rise = dance.WAVE_HEIGHT * wave * np.sin(phase - travel[0] * np.pi / 1.0 * 0.6)
    elbow_rise = wave * np.sin(phase - travel[1] * np.pi / 1.0 * 0.6)
    lift = np.clip(up, -0.2, 1.0)
    raised = np.column_stack([0.02 * lift * sign, np.zeros(FRAMES), 0.05 * np.clip(lift + 0.2, 0, 1)])
    shoulder = joints["neck"] + apply(
        chest_axes,
        np.column_stack([np.full(FRAMES, sign * 0.165), np.zeros(FRAMES), np.full(FRAMES, -0.055)]) + raised,
    )
    length = UPPER_ARM_M + FOREARM_M
    reach = np.column_stack([sign * outward, -forward, up]) * length
    reach[:, 2] += hand_rise
    reach[:, 0] -= sign * 0.05 * wave
    wrist = shoulder + apply(chest_axes, reach)
    pole = np.column_stack(
        [
            sign * (0.55 + 0.25 * np.clip(up, -1, 1)),
            0.75 - 0.35 * np.abs(up),
            -0.55 + 0.4 * np.clip(up, 0, 1) + 1.6 * elbow_rise,
        ]
    )
    elbow, wrist = bend_limb(shoulder, wrist, UPPER_ARM_M, FOREARM_M, apply(chest_axes, pole))
    speed = (np.roll(wrist, -1, axis=0) - np.roll(wrist, 1, axis=0)) / 2
    hand = unit(unit(wrist - elbow) - 3.2 * smooth(speed, 1.5))
    joints[f"{side}_shoulder"], joints[f"{side}_elbow"], joints[f"{side}_wrist"] = shoulder, elbow, wrist
    joints[f"{side}_palm"] = wrist + 0.085 * hand
    curl = unit(hand - 1.6 * smooth(delayed(speed, 1.5), 1.5))
    joints[f"{side}_fingers"] = joints[f"{side}_palm"] + 0.075 * curl


def _swing_ponytail(joints: dict[str, Floats], head_axes: Floats) -> None:
    """Simulates a chain of four links behind the head; the second time round has forgotten how the first began."""
    root = joints["skull"] + apply(head_axes, np.array([0, 0.125, 0.055]))
    rest = apply(head_axes, np.array([0, 0.75, -0.65]))
    link_m, links, substeps = 0.078, 4, 4
    dt = SECONDS_PER_BEAT / FRAMES_PER_BEAT / substeps
    points = root[0] + np.arange(1, links + 1)[:, None] * link_m * rest[0]
    last = points.copy()
    track = np.zeros((FRAMES, links, 3))
    following = np.roll(root, -1, axis=0)
    for round_trip in range(2):
        for frame in range(FRAMES):
            if round_trip:
                track[frame] = points
            for sub in range(substeps):
                hold = root[frame] + (following[frame] - root[frame]) * ((sub + 1) / substeps)
                pull = np.array([0.0, 0.0, -7.0]) + rest[frame] * np.linspace(9.0, 2.0, links)[:, None]
                points, last = points + (points - last) * 0.965 + pull * dt * dt, points
                for _ in range(3):
                    anchor = hold
                    for link in range(links):
                        away = points[link] - anchor
                        points[link] = anchor + away * (link_m / max(float(np.sqrt(away @ away)), 1e-6))
                        anchor = points[link]
                    away = points - joints["skull"][frame]
                    far = np.sqrt(np.einsum("ij,ij->i", away, away))[:, None]
                    points = np.where(far < 0.16, joints["skull"][frame] + away / far * 0.16, points)
    joints["tail_0"] = root
    for link in range(links):
        joints[f"tail_{link + 1}"] = track[:, link]
