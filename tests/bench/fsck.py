"""How fast footage is held against its store: an hour of three cameras in the local store, at each depth."""

import json
import os
import sys
import time
from io import StringIO
from pathlib import Path
from typing import Any

from tests.bench.plane import measured

LENGTH_S = 3600
BYTES_PER_S = 100_000


def measure(folder: Path) -> dict[str, Any]:
    """Returns segments/s and MB/s at each depth."""
    return measured("tests.bench.fsck", folder)


def main() -> None:
    """Prints the figures as JSON, inside a control plane."""
    import django

    django.setup()
    from django.core.management import call_command

    from control_plane.integrity.models import ScanDepth
    from tests.bench.stage import make_class, make_stage

    stage = make_stage()
    made = make_class(stage, length_s=LENGTH_S, stored_s=LENGTH_S, bytes_per_s=BYTES_PER_S)
    segments = sum(len(of) for of in made.segments.values())
    depths = {}
    for depth in ScanDepth.values:
        began_s, began_cpu_s = time.perf_counter(), time.process_time()
        call_command("fsck", "--depth", depth, stdout=StringIO(), stderr=StringIO())
        took_s, cpu_s = time.perf_counter() - began_s, time.process_time() - began_cpu_s
        depths[depth] = {"per_s": segments / took_s, "cpu_ms": cpu_s / segments * 1000}
    size_bytes = LENGTH_S * BYTES_PER_S * len(made.segments)
    print(
        json.dumps(
            {
                "segments": segments,
                "each_bytes": size_bytes / segments,
                "load": os.getloadavg()[0],
                "depths": depths,
            }
        )
    )


def table(result: dict[str, Any]) -> str:
    """Returns the result as the Markdown of `docs/ref/measurements.md`."""
    each_mb = result["each_bytes"] / 1e6
    rows = [
        f"| {depth} | {row['per_s']:.0f} | {row['cpu_ms']:.2f} |" for depth, row in result["depths"].items()
    ]
    return "\n".join(
        [
            f"| {result['segments']} segments of {each_mb:.1f} MB, load {result['load']:.0f}"
            " | segments/s | CPU for each, ms |",
            "|---|---|---|",
            *rows,
        ]
    )


if __name__ == "__main__":
    main() if len(sys.argv) > 1 else sys.exit("an address")
