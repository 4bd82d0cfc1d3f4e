"""`nox -s coverage`: branch coverage of pure modules by the tests that import them; fails if too many are below the floor.

A module declares itself pure by the word "Pure" in its docstring: no I/O, values in and values out. Such a module needs no
rig, so tests that import it and need no database have to reach its branches. A branch that only a test of the whole product
reaches is not specified anywhere.
"""

import argparse
import ast
import json
import re
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import coverage
import pytest

from tools.quick import ROOT, SLOW, imports_of, is_test, python_sources

FLOOR_PERCENT = 90.0
MOST_BELOW = 6
"""How many modules may be below the floor today; only ever lowered. A count survives the renames that a list would not."""
PURE = re.compile(r"(?<!\")\bPure\b(?! Python)")
DATABASE_FIXTURES = {"db", "transactional_db", "django_db_setup", "django_db_serialized_rollback"}


def pure_modules(sources: Mapping[str, str]) -> list[str]:
    """Returns the paths of the modules whose docstring declares them pure; packages are not meant."""
    return [
        path
        for path, source in sources.items()
        if not path.startswith("tests/") and not path.endswith("__init__.py")
        if PURE.search(ast.get_docstring(ast.parse(source)) or "")
    ]


def direct_tests(sources: Mapping[str, str], modules: list[str]) -> list[str]:
    """Returns the test files that import one of the modules themselves, without the tests of the whole product."""
    names = {path.removesuffix(".py").replace("/", ".") for path in modules}
    return [
        path
        for path, source in sources.items()
        if is_test(path) and not path.startswith(SLOW) and imports_of(path, source) & names
    ]


def _report(measured: coverage.Coverage, modules: list[str]) -> dict[str, dict[str, Any]]:
    """Returns coverage's figures of each module by its path; all of it is missing where no test imports the module."""
    with tempfile.NamedTemporaryFile("r", suffix=".json") as file:
        measured.json_report(outfile=file.name)
        files: dict[str, dict[str, Any]] = json.load(file)["files"]
    by_path = {str(Path(path).resolve().relative_to(ROOT)): figures for path, figures in files.items()}
    unseen = {"summary": {"percent_covered": 0.0}, "missing_lines": "all", "missing_branches": "all"}
    return {path: by_path.get(path, unseen) for path in modules}


class PureTestsOnly:
    """A pytest plugin that leaves out tests with a database: a pure module needs none."""

    @staticmethod
    def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
        """Keeps the tests that neither ask for a database nor are marked for one."""
        items[:] = [
            item
            for item in items
            if item.get_closest_marker("django_db") is None
            and not DATABASE_FIXTURES & set(getattr(item, "fixturenames", ()))
        ]


def main(arguments: list[str] | None = None) -> int:
    """Runs the tests and prints a line for each module; returns 1 if too many are below the floor."""
    parser = argparse.ArgumentParser(prog="nox -s coverage --", description=__doc__)
    parser.add_argument(
        "--missing", action="store_true", help="also print the lines and branches that no test reaches"
    )
    options = parser.parse_args(arguments)
    sources = python_sources()
    modules = pure_modules(sources)
    tests = direct_tests(sources, modules)
    measured = coverage.Coverage(
        branch=True, data_file=None, include=[str(ROOT / path) for path in modules], config_file=False
    )
    measured.start()
    code = pytest.main(["-q", "-p", "no:cacheprovider", *tests], plugins=[PureTestsOnly()])
    measured.stop()
    below = 0
    for path, summary in _report(measured, modules).items():
        percent = summary["summary"]["percent_covered"]
        below += percent < FLOOR_PERCENT
        print(f"{'BELOW' if percent < FLOOR_PERCENT else 'ok   '} {percent:5.1f} %  {path}")
        if options.missing:
            print(f"      lines {summary['missing_lines']}, branches {summary['missing_branches']}")
    print(f"{below} of {len(modules)} are below {FLOOR_PERCENT:.0f} %; {MOST_BELOW} may be")
    # A failure of a test is the business of the whole suite, which runs it too; other codes mean that nothing was measured.
    return int(code) if code not in (0, 1) else int(below > MOST_BELOW)


if __name__ == "__main__":
    sys.exit(main())
