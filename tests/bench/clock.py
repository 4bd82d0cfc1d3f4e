"""How far the agent's clock is off over three hours of delayed answers, in virtual time: now and as of another revision.

Both see the same answers at the same instants. The clock of the other revision is its own code, from the repository: it
takes the `Date` of each answer, which has whole seconds and is as old as the answer; what it claimed was the bound of
arrivals.
"""

import random
import subprocess
import types
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from shared.kernel.clock import FakeClock
from tests.bench.recording import ROOT
from tests.rigs.remote_clock import EPOCH, RemoteClock

BEFORE = "14cedd6"
"""The last revision that took the time from `Date`."""
LOOKS_S = {"1 min": 60, "7 min": 420, "30 min": 1800, "3 h": 10_800}
SEED = 8
DRIFT_PPM = 20.0
CLAIMED_BEFORE_MS = 40.0

Trip = tuple[float, float, float]
"""Seconds the question takes, seconds the answer takes, and how much older than the answer its `Date` is."""


def _quick(rng: random.Random) -> Trip:
    return rng.uniform(0.002, 0.04), rng.uniform(0.002, 0.04), 0.0


def load(at_s: float, rng: random.Random) -> Trip:
    """Many agents connect: 4.8 % of the answers are 2 to 6 s on their way."""
    there_s, back_s, _ = _quick(rng)
    return there_s, back_s + (rng.uniform(2, 6) if rng.random() < 0.048 else 0), 0.0


def pause(at_s: float, rng: random.Random) -> Trip:
    """The web process stands still for 30 s, a minute before the first look ends, and is quick otherwise.

    What is asked meanwhile is answered after it, with a `Date` that was written before it.
    """
    there_s, back_s, _ = _quick(rng)
    left_s = 50 - at_s
    return (left_s + there_s, back_s, 30.0) if 20 <= at_s < 50 else (there_s, back_s, 0.0)


def crawl(at_s: float, rng: random.Random) -> Trip:
    """After a good minute, every answer is 0.5 to 3 s on its way, for the rest of the three hours."""
    there_s, back_s, _ = _quick(rng)
    return there_s, back_s + (rng.uniform(0.5, 3) if at_s > 60 else 0), 0.0


SCENES: dict[str, Callable[[float, random.Random], Trip]] = {
    "4.8 % of the answers 2 to 6 s late": load,
    "web process paused for 30 s": pause,
    "every answer 0.5 to 3 s late": crawl,
}


class Before:
    """The clock of another revision, and what that revision does with an answer."""

    def __init__(self, machine: FakeClock, revision: str) -> None:
        self.clock = _module("shared/kernel/clock.py", revision).ServerClock(machine)
        self._take_date = _module("edge_agent/api.py", revision).take_date
        # The greeting of the link: it fits, and the clock that it fits is left alone.
        self.clock.confirm()

    def take(self, date_at: datetime) -> None:
        """Takes the `Date` of an answer."""
        self._take_date(self.clock, date_at.replace(microsecond=0))


def _module(path: str, revision: str) -> Any:
    source = subprocess.run(
        ["git", "show", f"{revision}:{path}"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    module = types.ModuleType(f"before_{Path(path).stem}")
    exec(compile(source, f"{revision}:{path}", "exec"), module.__dict__)  # noqa: S102  # our own code, of a revision
    return module


def measure(folder: Path, *, against: str = BEFORE) -> dict[str, Any]:
    """Returns for each scene the errors and the claims at each look, before and now."""
    return {
        "against": against,
        "scenes": {name: list(_played(trip, against)) for name, trip in SCENES.items()},
    }


def _played(trip: Callable[[float, random.Random], Trip], against: str) -> Iterator[dict[str, Any]]:
    rng = random.Random(SEED)  # the same answers in every run
    remote = RemoteClock(drift_ppm=DRIFT_PPM)
    before = Before(remote.machine, against)
    for name, look_s in LOOKS_S.items():
        while remote.moved_s < look_s:
            _ask(remote, before, trip(remote.moved_s, rng))
            remote.pass_by(min(rng.uniform(0.5, 1.5), max(0.001, look_s - remote.moved_s)))
        off_before = (before.clock.now() - EPOCH) / timedelta(microseconds=1) - remote.true_us
        yield {
            "after": name,
            "before_ms": off_before / 1000,
            "now_ms": remote.error_us() / 1000,
            "claimed_ms": remote.clock.error_bound_us() / 1000,
            "steps": remote.clock.steps,
        }


def _ask(remote: RemoteClock, before: Before, trip: Trip) -> None:
    """Sends one question. The same answer tells this revision the server's time, and the other one the `Date`."""
    there_s, back_s, older_s = trip
    remote.ask(there_s, back_s)

    def stamp() -> None:
        date_at = EPOCH + timedelta(microseconds=remote.true_us // 1) - timedelta(seconds=older_s)
        remote.after(back_s, lambda: before.take(date_at))

    remote.after(there_s, stamp)


def table(result: dict[str, Any]) -> str:
    """Returns the result as the Markdown of `docs/ref/measurements.md`."""
    lines = []
    for scene, looks in result["scenes"].items():
        lines += [
            "",
            f"| {scene} | {' | '.join(look['after'] for look in looks)} |",
            "|---|" + "---|" * len(looks),
            f"| {result['against']}: error, ms (claimed: {CLAIMED_BEFORE_MS:.0f}) | "
            + " | ".join(f"{look['before_ms']:.1f}" for look in looks)
            + " |",
            "| now: error, ms | " + " | ".join(f"{look['now_ms']:.1f}" for look in looks) + " |",
            "| now: claimed, ms | " + " | ".join(f"{look['claimed_ms']:.1f}" for look in looks) + " |",
        ]
    return "\n".join(lines).strip()
