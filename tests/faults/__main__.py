"""`python -m tests.faults power [--cuts N] [--seed S] [--short LENGTH]`: faults in numbers, with their seeds."""

import argparse
import logging
import sys

from tests.faults import power


def main() -> None:
    """Runs and reports; exits with 1 where a promise was broken."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["power"])
    parser.add_argument("--cuts", type=int, default=20_000, help="how many power cuts to make")
    parser.add_argument("--seed", type=int, default=0, help="the first seed")
    parser.add_argument("--short", type=int, help="every sequence of so many actions instead of dice")
    given = parser.parse_args()
    logging.disable(logging.ERROR)
    tasks = power.all_short(given.short) if given.short else power.by_dice(given.seed)
    cuts = sys.maxsize if given.short else given.cuts
    sys.exit(1 if power.report(power.run(tasks, cuts=cuts), cuts=cuts) else 0)


if __name__ == "__main__":
    main()
