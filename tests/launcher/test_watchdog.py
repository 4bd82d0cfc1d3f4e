"""Who is silent for too long hangs; who is merely busy, or on a machine that is, does not."""

import os
import socket
import subprocess
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from launcher.watchdog import BUSY_FACTOR, PulseSocket, Silence, cpu_s, family_of
from shared.kernel.service import ServiceManager

TICK_S = 0.5
LIMIT_S = 30.0
TICKS = round(LIMIT_S / TICK_S)


def hung_after(silence: Silence, cpu: list[float | None]) -> int | None:
    """Returns after how many silent ticks the process counts as hung, given its processor time at each."""
    return next((n for n, used in enumerate(cpu, 1) if silence.is_hung(TICK_S, used)), None)


def heard() -> Silence:
    silence = Silence(LIMIT_S, start_limit_s=300)
    silence.started()
    silence.heard()
    return silence


def test_a_process_that_uses_no_processor_time_hangs_when_the_limit_is_over() -> None:
    # At the first tick nobody knows yet whether time was used: two ticks more than the limit.
    assert hung_after(heard(), [7.0] * 1000) == TICKS + 2


def test_a_busy_process_gets_four_times_as_long() -> None:
    assert hung_after(heard(), [n / 100 for n in range(1000)]) == BUSY_FACTOR * TICKS + 1


def test_where_processor_time_cannot_be_told_a_process_counts_as_busy() -> None:
    assert hung_after(heard(), [None] * 1000) == BUSY_FACTOR * TICKS + 1


def test_a_process_has_longer_until_it_is_heard_for_the_first_time() -> None:
    silence = Silence(LIMIT_S, start_limit_s=300)
    silence.started()
    assert hung_after(silence, [1.0] * 1000) == 602


@given(st.lists(st.tuples(st.integers(1, TICKS), st.floats(0, 1)), max_size=20))
def test_a_process_that_is_heard_within_the_limit_never_hangs(turns: list[tuple[int, float]]) -> None:
    silence, used = heard(), 0.0
    for ticks, more in turns:
        for _ in range(ticks):
            assert not silence.is_hung(TICK_S, used)
        used += more
        silence.heard()


def test_a_new_process_does_not_inherit_the_silence_of_the_one_before() -> None:
    silence = heard()
    for _ in range(TICKS):
        silence.is_hung(TICK_S, 1.0)
    silence.started()
    assert not silence.was_heard
    assert not silence.is_hung(TICK_S, 1.0)


def test_a_process_is_heard_through_its_socket_and_not_for_what_is_no_sign_of_life(tmp_path: Path) -> None:
    pulse = PulseSocket(tmp_path / "pulse")
    variables = pulse.variables()
    manager = ServiceManager(variables["NOTIFY_SOCKET"])
    assert not pulse.heard()
    manager.tell("STATUS=still starting")
    assert not pulse.heard()
    for _ in range(1000):  # more than the queue holds: who tells is never held up
        manager.tell("WATCHDOG=1")
    assert pulse.heard()
    assert not pulse.heard()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as noise:
        noise.sendto(b"\xff\x00" * 1000, variables["NOTIFY_SOCKET"])
    assert not pulse.heard()
    pulse.close()
    assert not (tmp_path / "pulse").exists()
    manager.tell("WATCHDOG=1")


def test_what_the_system_says_of_processes_is_read_right() -> None:
    before = cpu_s(os.getpid())
    assert before is not None
    assert before > 0
    assert cpu_s(2**22 + 1) is None
    child = subprocess.Popen(["sleep", "60"])
    try:
        assert child.pid in family_of(os.getpid())
        assert family_of(child.pid) == [child.pid]
    finally:
        child.kill()
        child.wait()
