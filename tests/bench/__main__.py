"""`python -m tests.bench [NAME ...]`: the benchmarks named, or the short ones, and prints their tables."""

import argparse
import json
import os
import platform
import sys
import tempfile
from pathlib import Path

from tests.bench import (
    audit,
    clock,
    cost,
    export,
    footprint,
    fsck,
    gateway,
    hostile,
    playback,
    recording,
    replay,
    restart,
    revocation,
    soak,
    start,
    upkeep,
)

BENCHES = {
    "recording": recording,
    "replay": replay,
    "start": start,
    "footprint": footprint,
    "audit": audit,
    "playback": playback,
    "cost": cost,
    "clock": clock,
    "revocation": revocation,
    "gateway": gateway,
    "fsck": fsck,
    "hostile": hostile,
    "soak": soak,
    "upkeep": upkeep,
    "restart": restart,
    "export": export,
}
AGAINST = {"upkeep": upkeep.BEFORE, "restart": upkeep.BEFORE, "clock": clock.BEFORE}
UNNAMED = ("recording", "replay", "start")
"""The default runs: minutes, not the twenty of the soak."""


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("benches", nargs="*", choices=[*BENCHES, []], default=[])
    parser.add_argument("--json", type=Path, help="also write every figure here")
    parser.add_argument("--against", help="upkeep, restart, clock: the revision to compare with")
    arguments = parser.parse_args()
    figures: dict[str, object] = {
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, {platform.system()}"
    }
    with tempfile.TemporaryDirectory(prefix="threedance-bench-") as folder:
        Path(folder).chmod(0o711)
        for name in arguments.benches or UNNAMED:
            print(f"measuring {name} ...", file=sys.stderr, flush=True)
            wishes = {"against": arguments.against or AGAINST[name]} if name in AGAINST else {}
            result = BENCHES[name].measure(Path(folder) / name, **wishes)
            figures[name] = result
            print(BENCHES[name].table(result), "\n", flush=True)
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
