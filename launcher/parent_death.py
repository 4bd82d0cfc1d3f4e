"""Ties a child to its parent's life: a supervisor that is killed leaves no servers behind."""

import ctypes
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_PR_SET_PDEATHSIG, _PR_GET_PDEATHSIG = 1, 2
_PRCTL = ctypes.CDLL(None, use_errno=True).prctl if sys.platform == "linux" else None


def dies_with_parent(number: signal.Signals) -> Callable[[], None]:
    """Returns what `subprocess.Popen` runs in the child so that it gets `number` when the parent ends, however it ends.

    The bond is to the parent's *thread*: start children from one that lives as long as they should. Elsewhere than on
    Linux the child is not bound, and only an orderly end stops it. Source: prctl(2).
    """
    parent = os.getpid()

    def bind() -> None:
        if _PRCTL is None:
            return
        _PRCTL(_PR_SET_PDEATHSIG, int(number))
        if os.getppid() != parent:  # it ended before the bond was made
            os.kill(os.getpid(), number)

    return bind


@contextmanager
def kept_bond() -> Iterator[None]:
    """Keeps this process's own bond to its parent through a change of its account, which the system ends it with."""
    number = ctypes.c_int(0)
    parent = os.getppid()
    if _PRCTL is not None:
        _PRCTL(_PR_GET_PDEATHSIG, ctypes.byref(number))
    yield
    if _PRCTL is not None and number.value:
        _PRCTL(_PR_SET_PDEATHSIG, number.value)
        if os.getppid() != parent:  # it ended in between
            os.kill(os.getpid(), number.value)
