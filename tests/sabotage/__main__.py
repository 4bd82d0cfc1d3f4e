"""`python -m tests.sabotage [WORDS]`: puts each sabotage into a scratch copy and expects the named tests to fail.

WORDS: only those whose name, area or file holds one of them. At most two copies work at a time. Exits with 1 where a
sabotage was not caught, or where the tests failed for another reason than an assertion.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import Queue

from tests import servers
from tests.sabotage.list import SABOTAGES
from tests.sabotage.sabotage import ROOT, DoesNotFit, Sabotage

COPIES = 2
TIMEOUT_S = 600
SCHEMA = ("/migrations/", "/rls.py")
"""A fault in one of these is a fault of the database itself: its tests start servers of their own. All others share two."""
WEB = Path("control_plane/portal/web")
UNWANTED = ("THREEDANCE_", "PYTEST_", "PYTHONPATH")
CAUGHT = "caught"


@dataclass(frozen=True)
class Outcome:
    """Outcome of one sabotage."""

    sabotage: Sabotage
    said: str
    seconds: float


def main(words: list[str]) -> int:
    """Tries the chosen sabotages and prints the table."""
    chosen = [
        one
        for one in SABOTAGES
        if not words or any(word in f"{one.name} {one.area} {one.file}" for word in words)
    ]
    if not chosen:
        print(f"no sabotage is about {' or '.join(words)}")
        return 2
    began_s = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="sabotage-") as folder:
        copies: Queue[Path] = Queue()
        for number in range(min(COPIES, len(chosen))):
            copies.put(copy_of_the_tree(Path(folder) / f"gw{number}"))
        try:
            servers.start()
            with ThreadPoolExecutor(COPIES) as threads:
                outcomes = list(threads.map(lambda one: _tried(one, copies), chosen))
        finally:
            servers.stop()
    print("\n| area | sabotage | caught by | |")
    print("|---|---|---|---|")
    for outcome in outcomes:
        tests = ", ".join(f"`{node.rpartition('::')[2] or node}`" for node in outcome.sabotage.tests)
        print(f"| {outcome.sabotage.area} | {outcome.sabotage.name} | {tests} | {outcome.said} |")
    print(f"\nin {(time.monotonic() - began_s) / 60:.0f} minutes")
    missed = [outcome for outcome in outcomes if outcome.said != CAUGHT]
    print(f"\n{len(outcomes) - len(missed)} of {len(outcomes)} sabotages caught")
    return 1 if missed else 0


def copy_of_the_tree(target: Path) -> Path:
    """Copies every file that git tracks or would track, and the built assets."""
    names = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True, timeout=60,
    ).stdout.split("\0")  # fmt: skip
    for name in filter(None, names):
        if (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name)
    dist = Path("control_plane/portal/static/portal/dist")
    if (ROOT / dist).is_dir():
        shutil.copytree(ROOT / dist, target / dist, dirs_exist_ok=True)
    if (ROOT / WEB / "node_modules").is_dir():
        (target / WEB / "node_modules").symlink_to(ROOT / WEB / "node_modules")
    return target


def _tried(sabotage: Sabotage, copies: "Queue[Path]") -> Outcome:
    copy, began_s = copies.get(), time.monotonic()
    try:
        said = attempt(sabotage, copy)
    finally:
        copies.put(copy)
    seconds = time.monotonic() - began_s
    said = " ".join(said.split())[:300]
    print(f"sabotage: {said:<7} {sabotage.name} ({seconds:.0f} s)", flush=True)
    return Outcome(sabotage, said, seconds)


def attempt(sabotage: Sabotage, copy: Path) -> str:
    """Returns `caught`, or in words why not."""
    try:
        with applied(sabotage, copy):
            return _run(sabotage.tests, copy, shares=not any(part in sabotage.file for part in SCHEMA))
    except DoesNotFit as error:
        return str(error)


@contextmanager
def applied(sabotage: Sabotage, copy: Path) -> Iterator[None]:
    """Has the fault in the copy while the block lasts.

    Raises:
        DoesNotFit: the code has moved on.
    """
    path = copy / sabotage.file
    text = path.read_text(encoding="utf-8")
    path.write_text(sabotage.applied(text), encoding="utf-8")
    is_script = path.suffix == ".ts"
    try:
        if is_script:
            _build(copy)
        yield
    finally:
        path.write_text(text, encoding="utf-8")
        if is_script:
            _build(copy)


def _build(copy: Path) -> None:
    """Bundles the scripts of the portal anew: what a browser loads is not what stands in the sources."""
    subprocess.run(["node", "build.mjs"], cwd=copy / WEB, check=True, timeout=120)


def _run(tests: tuple[str, ...], copy: Path, *, shares: bool) -> str:
    report = copy / "sabotage-report.xml"
    report.unlink(missing_ok=True)
    clean = {name: value for name, value in os.environ.items() if not name.startswith(UNWANTED)}
    clean["PYTHONDONTWRITEBYTECODE"] = "1"
    if shares:
        # Under the name of a worker, each copy has a database of its own there.
        clean |= {servers.STATE_VARIABLE: str(servers.STATE), "PYTEST_XDIST_WORKER": copy.name}
    try:
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junitxml={report}", *tests],
            cwd=copy, env=clean, capture_output=True, text=True,
            timeout=TIMEOUT_S, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return f"no answer in {TIMEOUT_S} s"
    if done.returncode == 0:
        return "NOT CAUGHT"
    if done.returncode != 1 or not report.is_file():
        return f"the tests did not run: {done.stdout[-300:]}{done.stderr[-300:]}"
    return judged(report)


def judged(report: Path) -> str:
    """Returns `caught` where a test failed at an assertion; an error on the way there is no catch."""
    cases = list(ElementTree.parse(report).getroot().iter("testcase"))  # noqa: S314  # our own report
    failures = [case.find("failure") for case in cases]
    texts = [f"{failure.get('message')}\n{failure.text}" for failure in failures if failure is not None]
    if any("AssertionError" in text or "DID NOT RAISE" in text or "Failed:" in text for text in texts):
        return CAUGHT
    errors = [error.get("message") or "" for case in cases if (error := case.find("error")) is not None]
    return f"failed without an assertion: {' '.join(texts + errors)[:300]}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
