"""The control plane as a service: what systemd thinks of the unit, and what it is told."""

import contextlib
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from launcher.privileges import COMMENT, NAME
from launcher.stack import HOUSEKEEPING_INTERVAL_S
from launcher.state_folder import ServiceUrls, control_plane_environment
from tests.launcher.test_up import PROGRAM, clean_environment, command
from tests.repo.tracked import ROOT

UNIT = ROOT / "deploy" / "server" / "threedance.service"
SYSUSERS = ROOT / "deploy" / "server" / "threedance.sysusers"
EXPOSURE_MOST = 15
"""In tenths of systemd's own scale, where 100 is a service without any wall."""


def _systemd(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["systemd-analyze", "--no-pager", *arguments], capture_output=True, text=True, timeout=60, check=False
    )


def setting(name: str) -> list[str]:
    """Returns the values that the unit gives to a setting."""
    return re.findall(rf"^{name}=(.*)$", UNIT.read_text(), re.MULTILINE)


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd-analyze; Debian: systemd")
def test_systemd_finds_no_fault_in_the_unit_and_walls_around_it(tmp_path: Path) -> None:
    unit = tmp_path / UNIT.name
    program = setting("ExecStart")[0].split()[0]
    unit.write_text(UNIT.read_text().replace(program, sys.executable))
    found = _systemd("verify", str(unit))
    assert (found.returncode, found.stderr) == (0, "")
    exposed = _systemd("security", "--offline=true", f"--threshold={EXPOSURE_MOST}", str(unit))
    assert exposed.returncode == 0, exposed.stdout[-300:]


def test_the_unit_runs_what_there_is_as_the_account_that_root_would_make() -> None:
    (start,) = setting("ExecStart")
    assert command(*start.split()[1:], "--help").returncode == 0
    assert setting("User") == setting("Group") == [NAME]
    kind, name, *_ = SYSUSERS.read_text().split()
    assert (kind, name) == ("u", NAME)
    assert f'"{COMMENT}"' in SYSUSERS.read_text()
    assert setting("Restart") == ["always"]
    assert float(setting("WatchdogSec")[0]) >= 10 * HOUSEKEEPING_INTERVAL_S


def test_the_processes_of_a_service_do_not_speak_to_its_manager(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"):
        monkeypatch.setenv(name, "1")
    environment = control_plane_environment(
        Path("/state"), ServiceUrls("postgresql://a@/d", "postgresql://o@/d", "unix:///v", "")
    )
    assert not {name for name in environment if name.startswith(("NOTIFY_", "WATCHDOG_"))}


@pytest.fixture
def folder() -> Iterator[Path]:
    """A place for a state folder that the account can enter, and for the manager's socket."""
    with TemporaryDirectory(prefix="3d-service-") as made:
        Path(made).chmod(0o711)
        yield Path(made)


@pytest.mark.e2e
@pytest.mark.timeout(400)
def test_the_manager_is_told_when_it_is_ready_that_it_lives_and_when_it_stops(folder: Path) -> None:
    address = folder / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(address))
        address.chmod(0o777)
        manager.settimeout(180)
        environment = {**clean_environment(), "NOTIFY_SOCKET": str(address), "WATCHDOG_USEC": "120000000"}
        log = (folder / "log").open("wb")
        up = subprocess.Popen(
            [*PROGRAM, "up", "--state", str(folder / "state"), "--port", "0"],
            env=environment,
            stdout=log,
            stderr=log,
        )
        try:
            assert manager.recv(100) == b"READY=1", (folder / "log").read_text()
            assert [manager.recv(100) for _ in range(3)] == [b"WATCHDOG=1"] * 3
            # One that hangs tells nothing more: systemd ends it.
            up.send_signal(signal.SIGSTOP)
            while Path(f"/proc/{up.pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "T":
                """The signal is on its way."""
            manager.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                while manager.recv(100):
                    """Drops the messages from before the stop."""
            manager.settimeout(3 * HOUSEKEEPING_INTERVAL_S)
            with pytest.raises(TimeoutError):
                manager.recv(100)
            up.send_signal(signal.SIGCONT)
            manager.settimeout(60)
            assert manager.recv(100) == b"WATCHDOG=1"
            up.send_signal(signal.SIGTERM)
            while (last := manager.recv(100)) == b"WATCHDOG=1":
                pass
            assert last == b"STOPPING=1"
            assert up.wait(60) == 0
        finally:
            up.kill()
            up.wait()
            log.close()
