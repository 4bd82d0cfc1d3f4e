"""Processes that exit or hang are restarted, without limit and with delays, and leave nothing behind."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from launcher import supervisor
from launcher.child_process import ChildProcess, kill_tree
from launcher.supervisor import ProcessState, Supervisor
from launcher.watchdog import WatchdogSocket


def until(true: Callable[[], bool], timeout_s: float = 10.0) -> None:
    """Waits until something of another process has happened."""
    deadline_s = time.monotonic() + timeout_s
    while not true():
        assert time.monotonic() < deadline_s, "it never happened"
        time.sleep(0.01)


def alive(pid: int) -> bool:
    """Says whether a process runs; one that has ended and was not yet collected does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The supervisor's clock, moved by hand."""
    now_s = [1000.0]

    class Clock:
        monotonic = staticmethod(lambda: now_s[0])

    monkeypatch.setattr(supervisor, "time", Clock)
    return now_s


def supervise(tmp_path: Path, code: str, **options: Any) -> Supervisor:
    """Returns what keeps a Python program running; `options` are those of the program."""
    child = ChildProcess(
        "thing", [sys.executable, "-c", code], os.environ, tmp_path / "logs" / "thing.log", **options
    )
    return Supervisor(child, hung_after_s=30)


def state_of(supervised: Supervisor) -> ProcessState:
    """Returns where it stands now, which a call may have changed."""
    return supervised.state


def pid_of(supervised: Supervisor) -> int:
    """Returns the id of the process that runs."""
    process = supervised._program.process
    assert process is not None
    return process.pid


def test_a_process_that_ends_is_started_again_after_a_pause(tmp_path: Path, clock: list[float]) -> None:
    supervised = supervise(tmp_path, "import time; time.sleep(60)")
    supervised.start()
    first = pid_of(supervised)
    os.kill(first, signal.SIGKILL)
    until(supervised.has_exited)
    seen = [supervised.state]
    supervised.tick()
    seen.append(supervised.state)
    clock[0] += supervisor.MAX_RESTART_DELAY_S
    supervised.tick()
    seen.append(supervised.state)
    second = pid_of(supervised)
    supervised.stop()
    assert [*seen, supervised.state] == [
        ProcessState.RUNNING,
        ProcessState.BACKING_OFF,
        ProcessState.RUNNING,
        ProcessState.STOPPED,
    ]
    assert second != first


def test_a_process_that_always_ends_is_started_for_ever_with_pauses_that_grow_to_half_a_minute(
    tmp_path: Path, clock: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    supervised = supervise(tmp_path, "raise SystemExit('no such table: studios')")
    supervised.start()
    pauses = []
    for _ in range(40):
        until(supervised.has_exited)
        supervised.tick()
        assert state_of(supervised) is ProcessState.BACKING_OFF
        pauses.append(supervised._restart_at_s - clock[0])
        clock[0] = supervised._restart_at_s
        supervised.tick()
        assert state_of(supervised) is ProcessState.RUNNING
    supervised.stop()
    assert max(pauses) <= supervisor.MAX_RESTART_DELAY_S
    assert max(pauses[8:]) > 5 * supervisor.MIN_RESTART_DELAY_S
    # Said at once, and then rarely: forty starts within a second are one line.
    assert [r.message for r in caplog.records if r.levelname == "WARNING"] == ["thing does not run"]


def test_a_process_that_ran_for_a_while_is_told_to_have_recovered_and_its_pauses_begin_small_again(
    tmp_path: Path, clock: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    supervised = supervise(tmp_path, "import time; time.sleep(60)")
    supervised.start()
    try:
        for _ in range(3):
            os.kill(pid_of(supervised), signal.SIGKILL)
            until(supervised.has_exited)
            supervised.tick()
            clock[0] += supervisor.MAX_RESTART_DELAY_S
            supervised.tick()
        assert supervised.failures == 3
        clock[0] += supervisor.STABLE_AFTER_S + 1
        supervised.tick()
        assert supervised.failures == 0
        (recovered,) = [record for record in caplog.records if record.message == "recovered"]
        assert vars(recovered)["failures"] == 3
    finally:
        supervised.stop()


def test_a_process_that_cannot_be_started_is_tried_again(tmp_path: Path, clock: list[float]) -> None:
    supervised = supervise(tmp_path, "import time; time.sleep(60)")
    supervised.start()
    program = tmp_path / "program"
    supervised._program._command = [str(program)]  # type: ignore[attr-defined]
    os.kill(pid_of(supervised), signal.SIGKILL)
    until(supervised.has_exited)
    raised = []
    for _ in range(3):
        try:
            supervised.tick()
        except OSError as error:
            raised.append(error)
        assert (supervised.state, raised) == (ProcessState.BACKING_OFF, [])
        clock[0] += supervisor.MAX_RESTART_DELAY_S
    program.write_text("#!/bin/sh\nexec sleep 60\n")
    program.chmod(0o755)
    supervised.tick()
    assert supervised.state is ProcessState.RUNNING
    supervised.stop()


def test_with_a_reason_to_hope_the_pause_ends_at_once(tmp_path: Path, clock: list[float]) -> None:
    supervised = supervise(tmp_path, "raise SystemExit(1)")
    supervised.start()
    until(supervised.has_exited)
    supervised.tick()
    supervised.tick()
    assert state_of(supervised) is ProcessState.BACKING_OFF
    supervised.retry_now()
    supervised.tick()
    assert state_of(supervised) is ProcessState.RUNNING
    supervised.stop()


BEATS = """
import os, signal, socket, sys, time
line = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
while True:
    line.sendto(b"WATCHDOG=1", os.environ["NOTIFY_SOCKET"])
    time.sleep(0.01)
"""


@pytest.fixture
def watchdog(tmp_path: Path) -> Iterator[WatchdogSocket]:
    """Where a program tells that it lives."""
    made = WatchdogSocket(tmp_path / "watchdog")
    yield made
    made.close()


def test_a_process_that_was_stopped_is_ended_and_started_again(
    tmp_path: Path, watchdog: WatchdogSocket, clock: list[float]
) -> None:
    supervised = supervise(tmp_path, BEATS, watchdog=watchdog)
    supervised.start()
    try:

        def is_up() -> bool:
            supervised.tick()
            return supervised.is_up

        until(is_up)
        first = pid_of(supervised)
        os.kill(first, signal.SIGSTOP)
        until(lambda: Path(f"/proc/{first}/stat").read_text().rsplit(")", 1)[1].split()[0] == "T")
        for _ in range(round(30 / supervisor.TICK_S) + 3):
            assert supervised.state in (ProcessState.RUNNING, ProcessState.TERMINATING)
            supervised.tick()
        # It was asked to end and cannot hear it; after a while it is killed.
        assert supervised.state is ProcessState.TERMINATING
        assert not supervised.has_exited()
        clock[0] += supervisor.HUNG_STOP_TIMEOUT_S
        supervised.tick()
        until(supervised.has_exited)
        supervised.tick()
        clock[0] += supervisor.MAX_RESTART_DELAY_S
        until(is_up)
        assert pid_of(supervised) != first
    finally:
        supervised.stop()


def test_a_silence_that_has_its_reason_elsewhere_costs_nothing(
    tmp_path: Path, watchdog: WatchdogSocket
) -> None:
    child = ChildProcess("thing", ["sleep", "60"], os.environ, tmp_path / "log", watchdog=watchdog)
    supervised = Supervisor(child, hung_after_s=1, is_excused=lambda: True)
    supervised._hang_detector._start_limit_s = 1
    supervised.start()
    for _ in range(1000):
        supervised.tick()
    assert supervised.state is ProcessState.RUNNING
    supervised.stop()


def test_what_a_killed_process_started_is_killed_with_it_also_in_a_group_of_its_own(tmp_path: Path) -> None:
    pid_file = tmp_path / "inner"
    code = (
        "import pathlib, subprocess, time; inner = subprocess.Popen(['sleep', '60'], start_new_session=True);"
        f"part = pathlib.Path({str(pid_file) + '.part'!r}); part.write_text(str(inner.pid)); part.rename({str(pid_file)!r});"
        "time.sleep(60)"
    )
    outer = subprocess.Popen([sys.executable, "-c", code])
    until(pid_file.is_file)
    inner = int(pid_file.read_text())
    os.kill(inner, signal.SIGSTOP)
    kill_tree(outer.pid)
    outer.wait()
    until(lambda: not alive(inner))


def test_a_child_that_ignores_the_request_to_stop_is_ended_with_all_it_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "STOP_TIMEOUT_S", 0.3)
    pid_file = tmp_path / "grandchild"
    supervised = supervise(
        tmp_path,
        "import pathlib, signal, subprocess, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        "inner = subprocess.Popen(['sleep', '60']);"
        f"part = pathlib.Path({str(pid_file) + '.part'!r}); part.write_text(str(inner.pid)); part.rename({str(pid_file)!r});"
        "time.sleep(60)",
    )
    supervised.start()
    until(pid_file.is_file)
    outer, inner = pid_of(supervised), int(pid_file.read_text())
    supervised.stop()
    assert not alive(outer)
    until(lambda: not alive(inner))


def test_a_supervisor_that_is_killed_leaves_no_child_behind(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    program = (
        "import os, pathlib, sys, time\n"
        "from launcher.child_process import ChildProcess\n"
        "child = ChildProcess('thing', ['sleep', '60'], os.environ, pathlib.Path(sys.argv[1]).with_name('log'))\n"
        "child.spawn()\n"
        "part = pathlib.Path(sys.argv[1] + '.part'); part.write_text(str(child.process.pid)); part.rename(sys.argv[1])\n"
        "time.sleep(60)\n"
    )
    supervisor = subprocess.Popen([sys.executable, "-c", program, str(pid_file)])
    try:
        until(pid_file.is_file)
        pid = int(pid_file.read_text())
        assert alive(pid)
    finally:
        supervisor.kill()
        supervisor.wait()
    until(lambda: not alive(pid))
