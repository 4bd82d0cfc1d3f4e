"""Binds a child process to the life of its parent: a launcher that is killed leaves no servers behind. Source: prctl(2)."""

import ctypes
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_PR_SET_PDEATHSIG, _PR_GET_PDEATHSIG = 1, 2
_PRCTL = ctypes.CDLL(None, use_errno=True).prctl if sys.platform == "linux" else None


def signal_on_parent_death(number: signal.Signals) -> Callable[[], None]:
    """Returns a `preexec_fn` for `subprocess.Popen`: the child gets `number` when its parent ends, however it ends.

    The kernel watches the parent's *thread*, not its process: start children from a thread that lives as long as they
    should. On other systems than Linux the child is not bound, and only an orderly end of the parent stops it.
    """
    parent = os.getpid()

    def bind() -> None:
        if _PRCTL is None:
            return
        _PRCTL(_PR_SET_PDEATHSIG, int(number))
        if os.getppid() != parent:  # the parent ended before the call
            os.kill(os.getpid(), number)

    return bind


@contextmanager
def preserved_parent_death_signal() -> Iterator[None]:
    """Keeps this process bound to its own parent while the block changes its account, which clears the binding."""
    number = ctypes.c_int(0)
    parent = os.getppid()
    if _PRCTL is not None:
        _PRCTL(_PR_GET_PDEATHSIG, ctypes.byref(number))
    yield
    if _PRCTL is not None and number.value:
        _PRCTL(_PR_SET_PDEATHSIG, number.value)
        if os.getppid() != parent:  # the parent ended in between
            os.kill(os.getpid(), number.value)
