"""The agent as a service: what systemd thinks of the unit, what it is told, and an agent that pairs itself."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from edge_agent.cli.pairing import pairing_credential
from shared.kernel.service import ServiceManager
from tests.rigs.agent_process import AGENT, ROOT, agent_command
from tests.rigs.control_plane import ControlPlane

UNIT = ROOT / "deploy" / "agent" / "threedance-agent.service"
EXPOSURE_MOST = 15
"""In tenths of systemd's own scale, where 100 is a service without any wall."""


def _systemd(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["systemd-analyze", "--no-pager", *arguments], capture_output=True, text=True, timeout=60, check=False
    )


@pytest.fixture
def manager(tmp_path: Path) -> socket.socket:
    line = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    line.bind(str(tmp_path / "notify"))
    line.settimeout(30)
    return line


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd-analyze; Debian: systemd")
def test_systemd_finds_no_fault_in_the_unit_and_walls_around_it(tmp_path: Path) -> None:
    unit = tmp_path / UNIT.name
    unit.write_text(UNIT.read_text().replace("/usr/bin/threedance-agent", sys.executable))
    assert "ExecStart=" + sys.executable in unit.read_text()
    found = _systemd("verify", str(unit))
    assert (found.returncode, found.stderr) == (0, "")
    exposed = _systemd("security", "--offline=true", f"--threshold={EXPOSURE_MOST}", str(unit))
    assert exposed.returncode == 0, exposed.stdout[-300:]


def test_the_unit_starts_the_command_with_the_options_it_has() -> None:
    (command,) = re.findall(r"^ExecStart=/usr/bin/threedance-agent (.*)$", UNIT.read_text(), re.MULTILINE)
    help_text = agent_command(Path("/nowhere"), command.split()[0], "--help").stdout
    assert all(option in help_text for option in command.split()[1:])


def test_an_agent_that_was_never_paired_is_not_started_over_and_over(tmp_path: Path) -> None:
    done = agent_command(tmp_path / "state", "run")
    assert "threedance-agent pair" in done.stderr
    assert f"RestartPreventExitStatus=3 {done.returncode}\n" in UNIT.read_text()


def test_an_agent_pairs_itself_with_what_its_service_was_handed_and_says_that_it_lives(
    tmp_path: Path, manager: socket.socket
) -> None:
    with ControlPlane().running() as plane:
        (tmp_path / "pairing").write_text(f"{plane.url} BCDF-GHJK\n")
        environment = {
            **os.environ,
            "CREDENTIALS_DIRECTORY": str(tmp_path),
            "NOTIFY_SOCKET": str(tmp_path / "notify"),
            "WATCHDOG_USEC": "600000",
        }
        command = [*AGENT, "run", "--state", str(tmp_path / "state")]
        with subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.DEVNULL) as agent:
            try:
                assert [manager.recv(100) for _ in range(3)] == [b"READY=1", b"WATCHDOG=1", b"WATCHDOG=1"]
                plane.wait(lambda: plane.statuses)
                agent.send_signal(signal.SIGTERM)
                while (told := manager.recv(100)) == b"WATCHDOG=1":
                    pass
                assert told == b"STOPPING=1"
                assert agent.wait(30) == 0
            finally:
                agent.kill()


def test_a_pulse_meant_for_another_process_is_not_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", "600000")
    monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()))
    assert ServiceManager.of_this_process()._watchdog_s == pytest.approx(0.6)
    monkeypatch.setenv("WATCHDOG_PID", "1")
    assert ServiceManager.of_this_process()._watchdog_s is None


def test_a_manager_that_went_away_costs_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    ServiceManager(str(tmp_path / "gone")).tell("WATCHDOG=1")
    assert "cannot notify" in caplog.text
    ServiceManager().tell("WATCHDOG=1")


@pytest.mark.parametrize("text", ["", "http://studio.example", "http://studio.example BCDF-GHJK again"])
def test_a_credential_that_is_no_address_and_code_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    (tmp_path / "pairing").write_text(text)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    with pytest.raises(ValueError, match="must hold ADDRESS CODE"):
        pairing_credential()
    done = agent_command(tmp_path / "state", "run")
    assert done.returncode == 1
    assert "must hold ADDRESS CODE" in done.stderr
