"""Children are started again with pauses, given up in the end, and never left behind."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from control_plane.supervisor import process
from control_plane.supervisor.errors import ServerFailed
from control_plane.supervisor.process import LONGEST_LOG_BYTES, Child, ServerWatch, State, open_log


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

    monkeypatch.setattr(process, "time", Clock)
    return now_s


def child_of(tmp_path: Path, code: str) -> Child:
    return Child("thing", [sys.executable, "-c", code], os.environ, tmp_path / "logs" / "thing.log")


def test_a_child_that_ends_is_started_again_after_a_pause(tmp_path: Path, clock: list[float]) -> None:
    child = child_of(tmp_path, "import time; time.sleep(60)")
    child.start()
    first = child.pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    until(child.ended)
    seen = [child.state]
    child.tick()
    seen.append(child.state)
    clock[0] += 31
    child.tick()
    seen.append(child.state)
    second = child.pid
    child.stop()
    assert [*seen, child.state] == [State.RUNNING, State.WAITING, State.RUNNING, State.STOPPED]
    assert second not in (None, first)


def test_a_child_that_always_ends_is_given_up_and_its_log_is_shown(
    tmp_path: Path, clock: list[float]
) -> None:
    child = child_of(tmp_path, "raise SystemExit('no such table: studios')")
    child.start()
    for _ in range(process.MOST_FAILURES_IN_ROW):
        until(child.ended)
        child.tick()
        clock[0] += 31
        child.tick()
    until(child.ended)
    with pytest.raises(ServerFailed, match="no such table: studios"):
        child.tick()
    assert child.state is State.GIVEN_UP
    child.stop()


def test_a_child_that_ran_for_a_minute_is_forgiven_its_past(tmp_path: Path, clock: list[float]) -> None:
    child = child_of(tmp_path, "import time; time.sleep(60)")
    child.start()
    try:
        for _ in range(3 * process.MOST_FAILURES_IN_ROW):
            clock[0] += process.STEADY_AFTER_S + 1
            child.tick()
            pid = child.pid
            assert pid is not None
            os.kill(pid, signal.SIGKILL)
            until(child.ended)
            child.tick()
            clock[0] += 31
            child.tick()
        assert child.state is State.RUNNING
    finally:
        child.stop()


def test_a_child_that_ignores_the_request_to_stop_is_ended_with_all_it_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "STOP_TIMEOUT_S", 0.3)
    told = tmp_path / "grandchild"
    child = child_of(
        tmp_path,
        "import pathlib, signal, subprocess, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        "inner = subprocess.Popen(['sleep', '60']);"
        f"part = pathlib.Path({str(told) + '.part'!r}); part.write_text(str(inner.pid)); part.rename({str(told)!r});"
        "time.sleep(60)",
    )
    child.start()
    until(told.is_file)
    outer, inner = child.pid, int(told.read_text())
    child.stop()
    assert outer is not None
    assert not alive(outer)
    until(lambda: not alive(inner))


def test_a_supervisor_that_is_killed_leaves_no_child_behind(tmp_path: Path) -> None:
    told = tmp_path / "pid"
    program = (
        "import os, pathlib, sys, time\n"
        "from control_plane.supervisor.process import Child\n"
        "child = Child('thing', ['sleep', '60'], os.environ, pathlib.Path(sys.argv[1]).with_name('log'))\n"
        "child.start()\n"
        "part = pathlib.Path(sys.argv[1] + '.part'); part.write_text(str(child.pid)); part.rename(sys.argv[1])\n"
        "time.sleep(60)\n"
    )
    supervisor = subprocess.Popen([sys.executable, "-c", program, str(told)])
    try:
        until(told.is_file)
        pid = int(told.read_text())
        assert alive(pid)
    finally:
        supervisor.kill()
        supervisor.wait()
    until(lambda: not alive(pid))


class Flaky:
    """A server that ends at once, each time."""

    def __init__(self, log: Path) -> None:
        self.log = log
        self.starts = 0
        self.process: Any = None

    def start(self) -> None:
        """Starts it, and it ends."""
        self.starts += 1
        self.process = subprocess.Popen(["true"])
        self.process.wait()


def test_a_server_that_keeps_ending_is_given_up(tmp_path: Path) -> None:
    server = Flaky(tmp_path / "log")
    server.start()
    watch = ServerWatch("thing", server)
    for _ in range(ServerWatch.MOST_RESTARTS):
        watch.tick()
    with pytest.raises(ServerFailed, match="times in ten minutes"):
        watch.tick()
    assert server.starts == 1 + ServerWatch.MOST_RESTARTS


def test_a_log_that_has_grown_long_is_set_aside(tmp_path: Path) -> None:
    path = tmp_path / "web.log"
    with path.open("wb") as file:
        file.truncate(LONGEST_LOG_BYTES + 1)
    open_log(path).close()
    assert path.stat().st_size == 0
    assert path.with_name("web.log.1").stat().st_size == LONGEST_LOG_BYTES + 1
