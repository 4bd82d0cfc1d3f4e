"""From nothing to a replay: the demo with an empty state and an empty cache, step by step; then button and upload times."""

import time
from pathlib import Path
from typing import Any

from tests.bench.installation import demo


def measure(folder: Path) -> dict[str, Any]:
    """Returns the seconds of each step, of the button until recording, and of the last fragment until replayable."""
    began_s = time.monotonic()
    with demo(folder / "state", "--seconds", "30") as report:
        return {
            "replay_s": time.monotonic() - began_s,
            "steps": report["steps"],
            "first_page_s": report["first_page_s"],
            "record_to_recording_s": report["record_to_recording_s"],
            "stop_to_replayable_s": report["stop_to_replayable_s"],
        }


def table(result: dict[str, Any]) -> str:
    """Returns the result as the Markdown of `docs/ref/measurements.md`."""
    rows = [f"| {step['name']} | {step['seconds']:.1f} |" for step in result["steps"]]
    return "\n".join(
        [
            "| the demo, environment installed, state and cache empty | seconds |",
            "|---|---|",
            *rows,
            f"| **until the first page** | {result['first_page_s']:.1f} |",
            f"| **until the replay of a 30 s class** | {result['replay_s']:.1f} |",
            f"| Record until all cameras record | {result['record_to_recording_s']:.2f} |",
            f"| last fragment until replayable | {result['stop_to_replayable_s']:.2f} |",
        ]
    )
