"""`python -m tests.faults power|kill|start|corrupt|away|flapping|packets|update|disk [--count N] [--seed S] [--short LENGTH]
[--kind KIND] [--notes FILE]`: faults in numbers, with seeds."""

import argparse
import logging
import sys
from pathlib import Path

from tests.faults import corrupt, disk, kill, line, packets, power, start, update
from tests.faults.kept import Kept, revision

COUNTS = {
    "power": 20_000,
    "kill": 500,
    "start": 26_000,
    "corrupt": 10_000,
    "away": 24,
    "flapping": 1,
    "packets": 10,
    "update": 1,
    "disk": 120,
}
SEGMENT_S = {"away": 60.0, "flapping": 6.0}
"""A day of segments of six seconds would take most of an hour to play through."""
KILLS_EACH = 50
AGENTS = 3


def main() -> None:
    """Runs and reports; exits with 1 where a promise was broken."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", nargs="*", choices=sorted(COUNTS), default=sorted(COUNTS))
    parser.add_argument(
        "--count",
        type=int,
        help="how many faults to make: 20,000 cuts, 500 kills, 10,000 damages of each kind, 24 and 1 hours of the line,"
        " 10 minutes of a real one, 120 seconds of a full disk",
    )
    parser.add_argument("--seed", type=int, default=0, help="the first seed")
    parser.add_argument("--short", type=int, help="power: every sequence of so many actions instead of dice")
    parser.add_argument(
        "--notes", type=Path, help="corrupt: keep the tallies in this file, and go on where it ends"
    )
    parser.add_argument(
        "--keep", type=Path, help="kill: a folder; a run that was ended goes on from what is there"
    )
    parser.add_argument(
        "--kind", action="append", choices=corrupt.KINDS, help="corrupt: this kind alone, or these"
    )
    given = parser.parse_args()
    broken = 0
    for what in given.what:
        count = given.count or COUNTS[what]
        # These runs judge whether the agent reports the damage.
        logging.disable(logging.NOTSET if what == "corrupt" else logging.ERROR)
        if what in SEGMENT_S:
            broken += line.run(what, hours=count, segment_s=SEGMENT_S[what], seed=given.seed)
        elif what == "corrupt":
            broken += corrupt.report(count, given.seed, tuple(given.kind or corrupt.KINDS), given.notes)
        elif what == "packets":
            broken += packets.run(count, given.seed)
        elif what == "start":
            broken += start.run(count)
        elif what == "update":
            broken += update.run()
        elif what == "disk":
            broken += disk.run(count)
        elif what == "kill":
            kept = Kept(given.keep / "kill.jsonl", kill.Found, of=revision()) if given.keep else None
            broken += kill.report(kill.rounds(count, given.seed, each=KILLS_EACH, at_once=AGENTS, kept=kept))
        else:
            tasks = power.all_short(given.short) if given.short else power.by_dice(given.seed)
            cuts = sys.maxsize if given.short else count
            broken += power.report(power.run(tasks, cuts=cuts), cuts=cuts)
    sys.exit(1 if broken else 0)


if __name__ == "__main__":
    main()
