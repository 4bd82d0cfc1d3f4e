"""What ends or hangs is started again, for ever and with pauses, and nothing is left behind."""

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
from launcher.supervisor import Child, Keeper, State
from launcher.watchdog import PulseSocket


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


def kept(tmp_path: Path, code: str, **options: Any) -> Keeper:
    """Returns what keeps a Python program running; `options` are those of the program."""
    child = Child(
        "thing", [sys.executable, "-c", code], os.environ, tmp_path / "logs" / "thing.log", **options
    )
    return Keeper(child, hung_after_s=30)


def state_of(keeper: Keeper) -> State:
    """Returns where it stands now, which a call may have changed."""
    return keeper.state


def pid_of(keeper: Keeper) -> int:
    """Returns the id of the process that runs."""
    process = keeper._program.process
    assert process is not None
    return process.pid


def test_a_process_that_ends_is_started_again_after_a_pause(tmp_path: Path, clock: list[float]) -> None:
    keeper = kept(tmp_path, "import time; time.sleep(60)")
    keeper.start()
    first = pid_of(keeper)
    os.kill(first, signal.SIGKILL)
    until(keeper.ended)
    seen = [keeper.state]
    keeper.tick()
    seen.append(keeper.state)
    clock[0] += supervisor.LONGEST_WAIT_S
    keeper.tick()
    seen.append(keeper.state)
    second = pid_of(keeper)
    keeper.stop()
    assert [*seen, keeper.state] == [State.RUNNING, State.WAITING, State.RUNNING, State.STOPPED]
    assert second != first


def test_a_process_that_always_ends_is_started_for_ever_with_pauses_that_grow_to_half_a_minute(
    tmp_path: Path, clock: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    keeper = kept(tmp_path, "raise SystemExit('no such table: studios')")
    keeper.start()
    pauses = []
    for _ in range(40):
        until(keeper.ended)
        keeper.tick()
        assert state_of(keeper) is State.WAITING
        pauses.append(keeper._again_s - clock[0])
        clock[0] = keeper._again_s
        keeper.tick()
        assert state_of(keeper) is State.RUNNING
    keeper.stop()
    assert max(pauses) <= supervisor.LONGEST_WAIT_S
    assert max(pauses[8:]) > 5 * supervisor.FIRST_WAIT_S
    # Said at once, and then rarely: forty starts within a second are one line.
    assert [r.message for r in caplog.records if r.levelname == "WARNING"] == ["thing does not run"]


def test_a_process_that_ran_for_a_while_is_told_to_have_recovered_and_its_pauses_begin_small_again(
    tmp_path: Path, clock: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    keeper = kept(tmp_path, "import time; time.sleep(60)")
    keeper.start()
    try:
        for _ in range(3):
            os.kill(pid_of(keeper), signal.SIGKILL)
            until(keeper.ended)
            keeper.tick()
            clock[0] += supervisor.LONGEST_WAIT_S
            keeper.tick()
        assert keeper.failures == 3
        clock[0] += supervisor.STEADY_AFTER_S + 1
        keeper.tick()
        assert keeper.failures == 0
        (recovered,) = [record for record in caplog.records if record.message == "recovered"]
        assert vars(recovered)["failures"] == 3
    finally:
        keeper.stop()


def test_a_process_that_cannot_be_started_is_tried_again(tmp_path: Path, clock: list[float]) -> None:
    keeper = kept(tmp_path, "import time; time.sleep(60)")
    keeper.start()
    program = tmp_path / "program"
    keeper._program._command = [str(program)]  # type: ignore[attr-defined]
    os.kill(pid_of(keeper), signal.SIGKILL)
    until(keeper.ended)
    raised = []
    for _ in range(3):
        try:
            keeper.tick()
        except OSError as error:
            raised.append(error)
        assert (keeper.state, raised) == (State.WAITING, [])
        clock[0] += supervisor.LONGEST_WAIT_S
    program.write_text("#!/bin/sh\nexec sleep 60\n")
    program.chmod(0o755)
    keeper.tick()
    assert keeper.state is State.RUNNING
    keeper.stop()


def test_with_a_reason_to_hope_the_pause_ends_at_once(tmp_path: Path, clock: list[float]) -> None:
    keeper = kept(tmp_path, "raise SystemExit(1)")
    keeper.start()
    until(keeper.ended)
    keeper.tick()
    keeper.tick()
    assert state_of(keeper) is State.WAITING
    keeper.hurry()
    keeper.tick()
    assert state_of(keeper) is State.RUNNING
    keeper.stop()


BEATS = """
import os, signal, socket, sys, time
line = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
while True:
    line.sendto(b"WATCHDOG=1", os.environ["NOTIFY_SOCKET"])
    time.sleep(0.01)
"""


@pytest.fixture
def pulse(tmp_path: Path) -> Iterator[PulseSocket]:
    """Where a program tells that it lives."""
    made = PulseSocket(tmp_path / "pulse")
    yield made
    made.close()


def test_a_process_that_was_stopped_is_ended_and_started_again(
    tmp_path: Path, pulse: PulseSocket, clock: list[float]
) -> None:
    keeper = kept(tmp_path, BEATS, pulse=pulse)
    keeper.start()
    try:

        def is_up() -> bool:
            keeper.tick()
            return keeper.is_up

        until(is_up)
        first = pid_of(keeper)
        os.kill(first, signal.SIGSTOP)
        until(lambda: Path(f"/proc/{first}/stat").read_text().rsplit(")", 1)[1].split()[0] == "T")
        for _ in range(round(30 / supervisor.TICK_S) + 3):
            assert keeper.state in (State.RUNNING, State.ENDING)
            keeper.tick()
        # It was asked to end and cannot hear it; after a while it is killed.
        assert keeper.state is State.ENDING
        assert not keeper.ended()
        clock[0] += supervisor.HUNG_STOP_TIMEOUT_S
        keeper.tick()
        until(keeper.ended)
        keeper.tick()
        clock[0] += supervisor.LONGEST_WAIT_S
        until(is_up)
        assert pid_of(keeper) != first
    finally:
        keeper.stop()


def test_a_silence_that_has_its_reason_elsewhere_costs_nothing(tmp_path: Path, pulse: PulseSocket) -> None:
    child = Child("thing", ["sleep", "60"], os.environ, tmp_path / "log", pulse=pulse)
    keeper = Keeper(child, hung_after_s=1, excused=lambda: True)
    keeper._silence._start_limit_s = 1
    keeper.start()
    for _ in range(1000):
        keeper.tick()
    assert keeper.state is State.RUNNING
    keeper.stop()


def test_what_a_killed_process_started_is_killed_with_it_also_in_a_group_of_its_own(tmp_path: Path) -> None:
    told = tmp_path / "inner"
    code = (
        "import pathlib, subprocess, time; inner = subprocess.Popen(['sleep', '60'], start_new_session=True);"
        f"part = pathlib.Path({str(told) + '.part'!r}); part.write_text(str(inner.pid)); part.rename({str(told)!r});"
        "time.sleep(60)"
    )
    outer = subprocess.Popen([sys.executable, "-c", code])
    until(told.is_file)
    inner = int(told.read_text())
    os.kill(inner, signal.SIGSTOP)
    supervisor.kill(outer.pid)
    outer.wait()
    until(lambda: not alive(inner))


def test_a_child_that_ignores_the_request_to_stop_is_ended_with_all_it_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "STOP_TIMEOUT_S", 0.3)
    told = tmp_path / "grandchild"
    keeper = kept(
        tmp_path,
        "import pathlib, signal, subprocess, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        "inner = subprocess.Popen(['sleep', '60']);"
        f"part = pathlib.Path({str(told) + '.part'!r}); part.write_text(str(inner.pid)); part.rename({str(told)!r});"
        "time.sleep(60)",
    )
    keeper.start()
    until(told.is_file)
    outer, inner = pid_of(keeper), int(told.read_text())
    keeper.stop()
    assert not alive(outer)
    until(lambda: not alive(inner))


def test_a_supervisor_that_is_killed_leaves_no_child_behind(tmp_path: Path) -> None:
    told = tmp_path / "pid"
    program = (
        "import os, pathlib, sys, time\n"
        "from launcher.supervisor import Child\n"
        "child = Child('thing', ['sleep', '60'], os.environ, pathlib.Path(sys.argv[1]).with_name('log'))\n"
        "child.spawn()\n"
        "part = pathlib.Path(sys.argv[1] + '.part'); part.write_text(str(child.process.pid)); part.rename(sys.argv[1])\n"
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
