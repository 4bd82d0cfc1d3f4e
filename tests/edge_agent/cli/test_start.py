"""The start of the program: old Pythons and missing packages are named, and a plain `run` loads little."""

import ast
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

import pytest

from edge_agent.cli import main
from edge_agent.cli.run import make_server_clock, parse_run
from shared.kernel.clock import SystemClock
from tests.rigs.agent_process import ROOT


def test_the_agents_clock_counts_the_time_in_which_the_machine_sleeps(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    machine, slept_ns = SystemClock(), 0
    real_ns = time.clock_gettime_ns
    monkeypatch.setattr(time, "clock_gettime_ns", lambda clock_id: real_ns(clock_id) + slept_ns)
    clock = make_server_clock(machine)
    for _ in range(2):
        asked_ns = clock.mark()
        clock.take(machine.now() + timedelta(days=1), asked_ns)
    before_at = clock.now()
    slept_ns = 3_600_000_000_000
    assert clock.now() - before_at == pytest.approx(timedelta(hours=1), abs=timedelta(seconds=30))


def test_an_old_python_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 9, 2))
    with pytest.raises(SystemExit) as caught:
        main()
    assert "needs Python 3.11 or newer; this is Python 3.9" in str(caught.value)


def test_the_door_of_the_program_opens_on_an_old_python() -> None:
    """The code that reports an old Python must itself be readable by one."""
    for path in ("__init__.py", "cli/__init__.py", "__main__.py"):
        ast.parse((ROOT / "edge_agent" / path).read_text(), feature_version=(3, 6))


def test_a_missing_package_is_named_with_the_extra_that_brings_it() -> None:
    code = "import sys; sys.modules['typer'] = None; from edge_agent.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False, timeout=60
    )
    assert done.returncode == 1
    assert "typer is missing" in done.stderr
    assert "threedance[agent]" in done.stderr


def test_a_plain_run_loads_neither_typer_nor_pydantic(tmp_path: Path) -> None:
    """An agent that comes back after a power cut records sooner without them."""
    code = (
        "import sys; from edge_agent.cli import main\n"
        "try: main()\n"
        "except SystemExit as end: print(end.code, [name for name in ('typer', 'pydantic') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "run", "--state", str(tmp_path)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
        timeout=60,
    )
    assert done.stdout == "4 []\n"
    assert "is not paired" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "environment", "expected"),
    [
        (["run", "--state", "/s"], {}, (Path("/s"), None)),
        (["run", "--state=/s", "--json-logs"], {}, (Path("/s"), True)),
        (["run", "--text-logs"], {"THREEDANCE_AGENT_STATE": "/s"}, (Path("/s"), False)),
        (["run", "--state", "/t"], {"THREEDANCE_AGENT_STATE": "/s"}, (Path("/t"), None)),
        (["run", "--state"], {}, None),
        (["run", "--state", "--json-logs"], {}, None),
        (["run", "--help"], {}, None),
        (["run", "now"], {}, None),
        (["status", "--state", "/s"], {}, None),
        ([], {}, None),
    ],
)
def test_a_plain_run_is_read_as_the_full_command_line_reads_it(
    arguments: list[str], environment: dict[str, str], expected: tuple[Path, bool | None] | None
) -> None:
    assert parse_run(arguments, environment) == expected
