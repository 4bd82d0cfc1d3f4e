"""Output and exit codes of the commands, run as processes on a real state folder; each error is one line and a hint."""

import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from shared.protocol.version import PROTOCOL_VERSION
from tests.rigs.agent_process import AGENT, ROOT, agent_command
from tests.rigs.control_plane import ControlPlane

HINT = "what to do:"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("pair", "studio.example", "BCDF-GHJK"), "'studio.example' is not an address"),
        (("pair", "http://127.0.0.1:9", "BCDF-GHJK"), "cannot reach 127.0.0.1:9"),
        (("pair", "http://127.0.0.1:9", "BCDF"), "a pairing code has 8 letters"),
        (("run",), "not paired"),
        (("media", "add", "a.mp4", "/no/such/file"), "there is no file /no/such/file"),
        (("media", "remove", "a.mp4"), "no media file 'a.mp4'"),
    ],
)
def test_an_error_is_one_line_and_a_hint_and_no_trace(
    tmp_path: Path, arguments: tuple[str, ...], says: str
) -> None:
    done = agent_command(tmp_path, *arguments)
    assert done.returncode == (4 if says == "not paired" else 1)
    assert says in done.stderr
    assert HINT in done.stderr
    assert "Traceback" not in done.stderr


HOMELESS = """
import os, pwd, sys
def nobody(uid): raise KeyError(uid)
pwd.getpwuid = nobody
for name in ("HOME", "XDG_STATE_HOME", "THREEDANCE_AGENT_STATE"): os.environ.pop(name, None)
from edge_agent.cli import main
sys.argv = ["threedance-agent", *sys.argv[1:]]
main()
"""


def homeless(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs the program as a user without a home and without a line in /etc/passwd."""
    return subprocess.run(
        [sys.executable, "-c", HOMELESS, *arguments],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
        timeout=60,
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ("status", "--once"),
        ("check",),
        ("run",),
        ("spool-check",),
        ("pair", "http://127.0.0.1:9", "BCDF-GHJK"),
        ("media", "list"),
        ("media", "add", "a", "/no/such/file"),
    ],
)
def test_a_home_is_missed_only_where_no_state_folder_is_named(
    tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    without = homeless(*arguments)
    assert (without.returncode, without.stdout) == (1, "")
    assert without.stderr.startswith("error: this user has no home folder")
    assert "what to do: Give one: --state DIR" in without.stderr
    named = homeless(*arguments, "--state", str(tmp_path))
    assert "Traceback" not in named.stderr
    assert "no home" not in named.stderr


def test_help_and_version_need_no_home_and_no_folder() -> None:
    for arguments in (("-h",), ("run", "-h"), ("media", "-h"), ("media", "add", "-h"), ("--help",)):
        done = homeless(*arguments)
        assert done.returncode == 0, done.stderr
        assert "Usage: threedance-agent" in done.stdout
    assert homeless("--version").stdout == homeless("version").stdout != ""


@pytest.mark.parametrize(
    "env",
    [
        {"PYTHONIOENCODING": "ascii"},
        {"PYTHONIOENCODING": "latin-1"},
        {"LC_ALL": "POSIX", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"},
        {"TERM": "dumb", "COLUMNS": "5"},
        {"COLUMNS": "0"},
        {"COLUMNS": "x"},
    ],
)
def test_the_commands_work_on_every_terminal(tmp_path: Path, env: dict[str, str]) -> None:
    state = tmp_path / "Grün"
    checked = agent_command(state, "check", env=env)
    assert checked.returncode == 1
    assert "checks failed" in checked.stdout
    assert "Traceback" not in checked.stderr
    if "TERM" not in env and "COLUMNS" not in env:
        assert "BAD pairing" in checked.stdout
    for arguments in (("status", "--once"), ("media", "list"), ("media", "-h")):
        done = agent_command(state, *arguments, env=env)
        assert "Traceback" not in done.stderr


def test_the_commands_work_where_nobody_listens(tmp_path: Path) -> None:
    command = f"exec {shlex.join([*AGENT, 'check', '--state', str(tmp_path)])} >&-"
    done = subprocess.run(
        ["/bin/sh", "-c", command], capture_output=True, text=True, cwd=ROOT, check=False, timeout=60
    )
    assert (done.returncode, done.stderr) == (1, "")


def test_debug_shows_the_trace(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "edge_agent", "--debug", "run", "--state", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False, timeout=60)
    assert "Traceback" in done.stderr


def test_pairing_says_with_whom_and_what_to_do_next(tmp_path: Path) -> None:
    with ControlPlane().running() as plane:
        done = agent_command(tmp_path, "pair", plane.url, "bcdf-ghjk")
        assert done.returncode == 0, done.stderr
        assert "Paired with Demo Dance" in done.stdout
        assert f"threedance-agent run --state {tmp_path}" in done.stdout
        again = agent_command(tmp_path, "pair", plane.url, "BCDF-GHJK")
    assert again.returncode == 1
    assert "--replace" in again.stderr


def test_a_broken_settings_file_names_the_key(tmp_path: Path) -> None:
    (tmp_path / "settings.toml").write_text('colour = "red"\n')
    done = agent_command(tmp_path, "media", "list")
    assert done.returncode == 1
    assert "colour" in done.stderr
    assert "settings.toml" in done.stderr


@pytest.mark.parametrize("command", [("check",), ("run",), ("status", "--once"), ("media", "list")])
def test_a_state_folder_that_is_none_is_refused_without_a_trace(
    tmp_path: Path, command: tuple[str, ...]
) -> None:
    file = tmp_path / "file"
    file.touch()
    for state in (file, file / "below", tmp_path / ("a" * 300)):
        done = agent_command(state, *command)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.startswith(f"error: cannot write to {state}: ")
        assert done.stderr.count("\n") == 2


def test_version_says_what_it_speaks(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "edge_agent", "version"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
        timeout=60,
    )
    assert done.stdout.startswith(f"threedance-agent 0.1.0, protocol {PROTOCOL_VERSION}, Python 3.")
