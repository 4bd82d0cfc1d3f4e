"""A fuzzing target: a function of bytes that raises only where a promise is broken, and examples to begin with."""

import atexit
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

from tests.shared.examples import EXAMPLES
from tests.shared.test_wire import VECTORS

MEMORY = Path("/dev/shm")
SCRATCH = "FUZZ_SCRATCH"
"""The variable that names the folder of a worker's files."""


@dataclass(frozen=True)
class Target:
    """One decoder.

    `one` takes bytes, lets the errors that the decoder declares pass, checks what else it promises, and raises whatever
    is no declared error. `seeds` are bytes that it takes.
    """

    one: Callable[[bytes], None]
    seeds: Callable[[], Sequence[bytes]]
    most_bytes: int = 4096


class Pieces:
    """Cuts bytes into what a function of several values needs; whatever is missing is zero or empty."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def number(self, size_bytes: int = 1, *, signed: bool = False) -> int:
        """Takes a number."""
        taken, self._data = self._data[:size_bytes], self._data[size_bytes:]
        return int.from_bytes(taken, "big", signed=signed)

    def line(self) -> bytes:
        """Takes what stands before the next line feed."""
        taken, _, self._data = self._data.partition(b"\n")
        return taken

    def text(self) -> str:
        """Takes a line as text, byte for byte."""
        return self.line().decode("latin-1")

    @property
    def left(self) -> bytes:
        """The bytes that are left."""
        return self._data

    def __bool__(self) -> bool:
        return bool(self._data)


def vectors(*names: str) -> Callable[[], Sequence[bytes]]:
    """Returns the golden vectors of these names, as seeds."""
    assert set(names) <= set(EXAMPLES)
    return lambda: [(VECTORS / f"{name}.json").read_bytes() for name in names]


@cache
def folder(name: str) -> Path:
    """Returns a folder in memory for one target: in `SCRATCH`, which its owner removes, or in one that goes at the end."""
    within = os.environ.get(SCRATCH)
    made = Path(mkdtemp(prefix=f"fuzz-{name}-", dir=within or (MEMORY if MEMORY.is_dir() else None)))
    if not within:
        atexit.register(shutil.rmtree, made, ignore_errors=True)
    return made


def expect(kept: bool, otherwise: str) -> None:
    """Raises where a promise is broken."""
    if not kept:
        raise AssertionError(otherwise)
