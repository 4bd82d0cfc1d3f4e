"""`python -m tests.matrix`: the matrix three times, and a table of what it found.

As it is; with the application's filters off, so that row security holds alone; with row security off, so that the
filters hold alone. Everybody asks for everything; with `--usual`, for what the usual tests ask. Other arguments go to
pytest. Exits with 1 where any cell is not as it should be.
"""

import os
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from pathlib import Path

RUNS = {"": "as it is", "filters": "without the application's filters", "rows": "without row security"}
TIMEOUT_S = 3600


@dataclass
class Figures:
    """Findings of one run."""

    cells: int = 0
    leaks: int = 0
    addresses: int = 0
    models: int = 0
    jobs: int = 0
    failed: int = 0
    seconds: float = 0.0


def main(arguments: list[str]) -> int:
    """Runs the matrix three times and prints the table."""
    asks = "usual" if "--usual" in arguments else "all"
    arguments = [argument for argument in arguments if argument != "--usual"]
    found = {wall: run(wall, asks, arguments) for wall in RUNS}
    print(
        "\n| run | cells | addresses | admin models | tasks, commands | other than expected | leaks | seconds |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for wall, figures in found.items():
        print(
            f"| {RUNS[wall]} | {figures.cells:,} | {figures.addresses} | {figures.models} | {figures.jobs} |"
            f" {figures.failed} |"
            f" {figures.leaks} | {figures.seconds:.0f} |"
        )
    return 1 if any(figures.failed or figures.leaks for figures in found.values()) else 0


def run(wall: str, asks: str, arguments: list[str]) -> Figures:
    """Runs it once, with one wall taken down; `asks` is `all` or `usual`."""
    print(f"matrix: {RUNS[wall]} ...", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        began_s = time.monotonic()
        subprocess.run(
            # Input that is wrong has nothing to do with who may do what.
            [sys.executable, "-m", "pytest", "tests/matrix", "--ignore=tests/matrix/test_hostile.py", "-q", "-n", "2",
             "--dist", "loadgroup", f"--junitxml={report}", *arguments],
            env=os.environ | {"THREEDANCE_TEST_MATRIX": wall, "THREEDANCE_TEST_MATRIX_ASKS": asks},
            timeout=TIMEOUT_S, check=False,
        )  # fmt: skip
        figures = read(report)
        figures.seconds = time.monotonic() - began_s
        return figures


def read(report: Path) -> Figures:
    """Returns the figures of a report; one that is not there counts as a failure."""
    figures = Figures()
    if not report.is_file():
        return Figures(failed=1)
    for case in ElementTree.parse(report).getroot().iter("testcase"):  # noqa: S314  # our own report
        values = {item.get("name"): item.get("value") for item in case.iter("property")}
        figures.cells += int(values.get("cells") or 0)
        figures.leaks += int(values.get("leaks") or 0)
        figures.failed += case.find("failure") is not None or case.find("error") is not None
        figures.addresses += "test_an_address_answers" in (case.get("name") or "")
        figures.jobs += "test_a_task_" in (case.get("name") or "") or "test_a_command_" in (
            case.get("name") or ""
        )
        figures.models += "test_the_pages_of_a_model" in (case.get("name") or "")
    return figures


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
