"""`nox -s quick`: checks and tests what a change touches, within a minute.

The change is everything that differs from the merge base with `main`, committed or not. A test file is touched when it
imports a changed module, directly or through others; a file without imports (a template, a document) touches the tests of
its folder. The tests nearest to the change come first, as many as fit into the budget by the durations of earlier runs.
The whole suite remains `python3 noxfile.py tests`.
"""

import argparse
import ast
import json
import re
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterable, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("shared", "edge_agent", "control_plane", "launcher", "deploy", "tools", "tests")
DURATIONS = ROOT / ".nox" / "quick.json"
BUDGET_S = 40.0
"""Test time in all, on both workers together twice as much. Servers and checks take the rest of the minute."""
WORKERS = 2
ASSUMED_S = 3.0
"""The duration of a test file that has not run yet."""
SLOW = ("tests/e2e/", "tests/web/", "tests/bench/", "tests/demo/", "tests/faults/", "tests/matrix/")
"""Tests of the whole product; they never fit into a minute."""
ALWAYS = (
    "tests/repo/test_code.py",
    "tests/repo/test_files.py",
    "tests/repo/test_limits.py",
    "tests/repo/test_words.py",
)
MODULE_NAME = re.compile(rf"(?:{'|'.join(PACKAGES)})(?:\.\w+)+")


def changed_files(base: str) -> list[str]:
    """Returns the files that differ from the merge base with `base`; untracked ones are among them, deleted ones too."""
    fork = _git("merge-base", base, "HEAD").strip()
    names = _git("diff", "--name-only", "-z", fork) + _git("ls-files", "-z", "--others", "--exclude-standard")
    return sorted(set(filter(None, names.split("\0"))))


def imports_of(path: str, source: str) -> set[str]:
    """Returns the modules of ours that a file imports; in tests and programs also those named in strings (`-m NAME`)."""
    names: set[str] = set()
    has_programs = path.startswith(("tests/", "launcher/", "deploy/"))
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif has_programs and isinstance(node, ast.Constant) and isinstance(node.value, str):
            names |= set(MODULE_NAME.findall(node.value))
    return {name for name in names if name.split(".")[0] in PACKAGES}


def touched_tests(sources: Mapping[str, str], changed: Iterable[str]) -> dict[str, int]:
    """Returns the test files that a change touches, with their distance from it in imports.

    Args:
        sources: the text of every Python file by its path.
        changed: paths; those that are not in `sources` touch the tests of their folder.
    """
    importers = _importers(sources)
    distances = {path: 0 for path in changed if path in sources}
    distances |= {test: 1 for path in changed if path not in sources for test in _tests_beside(path, sources)}
    queue = deque(sorted(distances, key=lambda path: distances[path]))
    while queue:
        path = queue.popleft()
        for importer in importers[path] - distances.keys():
            distances[importer] = distances[path] + 1
            queue.append(importer)
    return {path: distance for path, distance in distances.items() if is_test(path)}


def _importers(sources: Mapping[str, str]) -> dict[str, set[str]]:
    """Returns the files that import each file; a conftest counts as imported by every file of its folder."""
    importers: dict[str, set[str]] = {path: set() for path in sources}
    for path, source in sources.items():
        for name in imports_of(path, source):
            for imported in (f"{name.replace('.', '/')}.py", f"{name.replace('.', '/')}/__init__.py"):
                if imported in importers and imported != path:
                    importers[imported].add(path)
    for path in sources:
        if path.endswith("/conftest.py"):
            folder = path.removesuffix("conftest.py")
            importers[path] |= {one for one in sources if one.startswith(folder) and one != path}
    return importers


def chosen(distances: Mapping[str, int], durations: Mapping[str, float], budget_s: float) -> list[str]:
    """Returns the nearest test files that fit into the budget, changed ones first."""
    left_s = budget_s
    tests = []
    for path in sorted(distances, key=lambda path: (distances[path], durations.get(path, ASSUMED_S))):
        seconds = durations.get(path, ASSUMED_S)
        if seconds <= left_s and not path.startswith(SLOW):
            tests.append(path)
            left_s -= seconds
    return tests


def _tests_beside(path: str, sources: Mapping[str, str]) -> list[str]:
    """Returns the tests of the nearest folder of tests for a file that is no Python module."""
    if path.endswith(".md"):
        return ["tests/repo/test_documents.py"]
    for folder in Path(path).parents:
        tests = [one for one in sources if one.startswith(f"tests/{folder}/") and is_test(one)]
        if tests and str(folder) != ".":
            return tests
    return []


def is_test(path: str) -> bool:
    """Returns whether a path is a test file."""
    return path.startswith("tests/") and path.rpartition("/")[2].startswith("test_")


def python_sources() -> dict[str, str]:
    """Returns the text of each Python file of our packages by its path, untracked ones included."""
    names = _git("ls-files", "-z", "--cached", "--others", "--exclude-standard").split("\0")
    return {
        name: (ROOT / name).read_text()
        for name in names
        if name.endswith(".py") and name.startswith(PACKAGES) and (ROOT / name).is_file()
    }


def _git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True).stdout


def _durations() -> dict[str, float]:
    try:
        read: dict[str, float] = json.loads(DURATIONS.read_text())
    except (OSError, ValueError):
        return {}
    return read


class Recorder:
    """A pytest plugin that records the duration of each test file for the next run."""

    def __init__(self) -> None:
        self._seconds: dict[str, float] = {}

    def pytest_runtest_logreport(self, report: object) -> None:
        """Adds the duration of one phase of a test; workers report to the process that holds this plugin."""
        path = str(getattr(report, "nodeid", "")).partition("::")[0]
        self._seconds[path] = self._seconds.get(path, 0.0) + float(getattr(report, "duration", 0.0))

    def save(self) -> None:
        """Merges the durations of this run into those of earlier ones."""
        DURATIONS.parent.mkdir(exist_ok=True)
        rounded = {path: round(seconds, 2) for path, seconds in self._seconds.items()}
        DURATIONS.write_text(json.dumps(_durations() | rounded, indent=0) + "\n")


def main(arguments: list[str] | None = None) -> int:
    """Checks and tests the change; returns pytest's exit code, or that of the first check that failed."""
    parser = argparse.ArgumentParser(prog="nox -s quick --", description=__doc__)
    parser.add_argument("--base", default="main", help="compare with this revision (default: main)")
    parser.add_argument("--list", action="store_true", help="print the test files and run nothing")
    options = parser.parse_args(arguments)
    began_s = time.monotonic()
    changed = changed_files(options.base)
    sources = python_sources()
    distances = touched_tests(sources, changed)
    if any(path in sources for path in changed):
        distances |= dict.fromkeys(ALWAYS, 1)
    tests = chosen(distances, _durations(), BUDGET_S * WORKERS)
    print(
        f"{len(changed)} files changed; {len(tests)} of {len(distances)} touched test files fit into a minute"
    )
    if options.list:
        print("\n".join(tests))
        return 0
    python = [path for path in changed if path in sources]
    for check in (["ruff", "format", "--check", "--quiet"], ["ruff", "check", "--quiet"]):
        if python and (code := subprocess.run([*check, *python], cwd=ROOT, check=False).returncode):
            return code
    if not tests:
        return 0
    import pytest

    recorder = Recorder()
    code = int(pytest.main(["-q", "-n", str(WORKERS), "--dist", "loadgroup", *tests], plugins=[recorder]))
    recorder.save()
    print(f"in {time.monotonic() - began_s:.0f} s; the whole suite: python3 noxfile.py tests")
    return code


if __name__ == "__main__":
    sys.exit(main())
