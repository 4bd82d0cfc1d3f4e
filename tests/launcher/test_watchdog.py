"""A process that is silent for too long hangs; one that is busy, or on a busy machine, does not."""

import os
import socket
import subprocess
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from launcher.child_process import process_tree
from launcher.watchdog import BUSY_FACTOR, HangDetector, WatchdogSocket, process_cpu_s
from shared.kernel.service import ServiceManager

TICK_S = 0.5
LIMIT_S = 30.0
TICKS = round(LIMIT_S / TICK_S)


def hung_after(detector: HangDetector, cpu: list[float | None]) -> int | None:
    """Returns after how many silent ticks the process counts as hung, given its processor time at each."""
    return next((n for n, used in enumerate(cpu, 1) if detector.is_hung(TICK_S, used)), None)


def heard() -> HangDetector:
    detector = HangDetector(LIMIT_S, start_limit_s=300)
    detector.mark_started()
    detector.mark_alive()
    return detector


def test_a_process_that_uses_no_processor_time_hangs_when_the_limit_is_over() -> None:
    # At the first tick nobody knows yet whether time was used: two ticks more than the limit.
    assert hung_after(heard(), [7.0] * 1000) == TICKS + 2


def test_a_busy_process_gets_four_times_as_long() -> None:
    assert hung_after(heard(), [n / 100 for n in range(1000)]) == BUSY_FACTOR * TICKS + 1


def test_where_processor_time_cannot_be_told_a_process_counts_as_busy() -> None:
    assert hung_after(heard(), [None] * 1000) == BUSY_FACTOR * TICKS + 1


def test_a_process_has_longer_until_it_is_heard_for_the_first_time() -> None:
    detector = HangDetector(LIMIT_S, start_limit_s=300)
    detector.mark_started()
    assert hung_after(detector, [1.0] * 1000) == 602


@given(st.lists(st.tuples(st.integers(1, TICKS), st.floats(0, 1)), max_size=20))
def test_a_process_that_is_heard_within_the_limit_never_hangs(turns: list[tuple[int, float]]) -> None:
    detector, used = heard(), 0.0
    for ticks, more in turns:
        for _ in range(ticks):
            assert not detector.is_hung(TICK_S, used)
        used += more
        detector.mark_alive()


def test_a_new_process_does_not_inherit_the_silence_of_the_one_before() -> None:
    detector = heard()
    for _ in range(TICKS):
        detector.is_hung(TICK_S, 1.0)
    detector.mark_started()
    assert not detector.has_reported
    assert not detector.is_hung(TICK_S, 1.0)


def test_a_process_is_heard_through_its_socket_and_not_for_what_is_no_sign_of_life(tmp_path: Path) -> None:
    watchdog = WatchdogSocket(tmp_path / "watchdog")
    variables = watchdog.environment()
    manager = ServiceManager(variables["NOTIFY_SOCKET"])
    assert not watchdog.poll_alive()
    manager.tell("STATUS=still starting")
    assert not watchdog.poll_alive()
    for _ in range(1000):  # more than the queue holds: who tells is never held up
        manager.tell("WATCHDOG=1")
    assert watchdog.poll_alive()
    assert not watchdog.poll_alive()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as noise:
        noise.sendto(b"\xff\x00" * 1000, variables["NOTIFY_SOCKET"])
    assert not watchdog.poll_alive()
    watchdog.close()
    assert not (tmp_path / "watchdog").exists()
    manager.tell("WATCHDOG=1")


def test_what_the_system_says_of_processes_is_read_right() -> None:
    before = process_cpu_s(os.getpid())
    assert before is not None
    assert before > 0
    assert process_cpu_s(2**22 + 1) is None
    child = subprocess.Popen(["sleep", "60"])
    try:
        assert child.pid in process_tree(os.getpid())
        assert process_tree(child.pid) == [child.pid]
    finally:
        child.kill()
        child.wait()
