"""Whether a configuration that is being tried is good: pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto

from shared.protocol.ids import CameraId
from shared.protocol.status import CameraState, CameraStatus

GRACE_S = 10.0
"""Longer than a frozen camera takes to be noticed."""
PROBATION_S = 60.0


class Verdict(Enum):
    """What is known of a candidate so far."""

    WAIT = auto()
    GOOD = auto()
    BAD = auto()


@dataclass(frozen=True)
class Probation:
    """One candidate under watch since `started_ns`.

    `witnesses` are the cameras it does not touch and that gave pictures before it. If none of them does any more, the
    candidate has broken what it should not have touched. Where there is no witness it is good once it has run a while.
    """

    started_ns: int
    witnesses: frozenset[CameraId]

    def verdict(self, now_ns: int, cameras: Mapping[CameraId, CameraStatus]) -> Verdict:
        """Returns what is known at `now_ns` (monotonic)."""
        elapsed_s = (now_ns - self.started_ns) / 1e9
        if elapsed_s < GRACE_S:
            return Verdict.WAIT
        if not self.witnesses or self.witnesses & connected(cameras):
            return Verdict.GOOD
        return Verdict.BAD if elapsed_s >= PROBATION_S else Verdict.WAIT


def connected(cameras: Mapping[CameraId, CameraStatus]) -> frozenset[CameraId]:
    """Returns the cameras that give pictures."""
    return frozenset(i for i, status in cameras.items() if status.state is CameraState.CONNECTED)
