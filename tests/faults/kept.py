"""Findings of a long run so far, so that it resumes where it ended: one line for each finished round."""

import subprocess
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Generic, TypeVar

import msgspec

T = TypeVar("T")

ROOT = Path(__file__).resolve().parents[2]


def revision() -> str:
    """Returns which code runs: a round of other code says nothing of this."""
    commit, changed = _git("describe", "--always", "--abbrev=12"), _git("diff", "HEAD")
    return f"{commit}-{zlib.crc32(changed.encode()):08x}" if changed else commit or "no revision"


def _git(*arguments: str) -> str:
    told = subprocess.run(
        ["git", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=30, check=False
    )
    return told.stdout.strip()


class Kept(Generic[T]):
    """The rounds of one kind in one file, each named by its seed; only those of one revision count."""

    def __init__(self, path: Path, type_: type[T], *, of: str) -> None:
        self._path = path
        self._type = type_
        self._of = of

    def rounds(self) -> Iterator[tuple[int, T]]:
        """Yields the seed of each round that is done, and what it found. A line that was cut off is one not done."""
        if not self._path.exists():
            return
        for line in self._path.read_bytes().splitlines():
            try:
                of, seed, found = msgspec.json.decode(line, type=tuple[str, int, self._type])  # type: ignore[name-defined]
            except msgspec.DecodeError:
                continue
            if of == self._of:
                yield seed, found

    def add(self, seed: int, found: T) -> None:
        """Keeps a round."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("ab") as file:
            # A line before it that was cut off ends here.
            file.write(b"\n" + msgspec.json.encode((self._of, seed, found)) + b"\n")
