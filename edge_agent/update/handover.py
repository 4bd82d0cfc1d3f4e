"""What the agent hands to the root-owned half and what it hears back: names, and reading without being tricked.

The agent's folder is its own: whoever took the agent over can put links, pipes and endless files there, and change them
while they are read. So everything is opened relative to the opened folder, follows no link, and is bounded.
"""

import contextlib
import json
import os
import shutil
import stat
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

FOLDER = "update"
"""Beneath the agent's state folder."""
METADATA, PACKAGE, REQUEST, HEARD = "metadata", "package.deb", "request", "heard"
OUTCOME = "outcome.json"
"""In the root-owned folder; any user may read it."""
HEARD_LIMIT_BYTES = 200
PIECE_BYTES = 1024 * 1024


@dataclass(frozen=True)
class Outcome:
    """How the last update ended: `installed`, `rolled back`, `refused` or `superseded`; `at` in seconds since 1970."""

    version: str
    outcome: str
    reason: str
    at: float
    bad: tuple[str, ...] = ()
    """Versions that are not tried again."""

    @property
    def said(self) -> str:
        """One line for people."""
        return f"{self.version or 'an update'}: {self.outcome}" + (f" ({self.reason})" if self.reason else "")


class Tricked(Exception):
    """Something lies where a plain file or folder of the agent should: it is not used."""


class Handed:
    """The folder of the agent, as root reads it."""

    def __init__(self, state: Path) -> None:
        self._state = state

    @contextlib.contextmanager
    def open(self, *names: str) -> Iterator[IO[bytes]]:
        """Opens a plain file for reading, through plain folders only.

        Raises:
            FileNotFoundError: it is not there.
            Tricked: it, or a folder on the way to it, is something else.
        """
        with contextlib.ExitStack() as stack:
            folder = stack.enter_context(self._folder())
            for name in names[:-1]:
                folder = stack.enter_context(_opened(name, folder))
            # O_NONBLOCK: a pipe without a writer must not hold us.
            descriptor = _open(names[-1], os.O_RDONLY | os.O_NONBLOCK, folder)
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                os.close(descriptor)
                raise Tricked(f"{names[-1]} is no plain file")
            yield stack.enter_context(os.fdopen(descriptor, "rb"))

    def heard(self) -> str:
        """Returns the version whose heartbeat was answered; empty where none was, or where it cannot be told."""
        try:
            with self.open(HEARD) as file:
                return file.read(HEARD_LIMIT_BYTES).decode("ascii", "replace").strip()
        except (OSError, Tricked):
            return ""

    def discard(self, name: str) -> None:
        """Removes what has that name, whatever it is; a link goes, never what it points to."""
        with contextlib.suppress(FileNotFoundError, Tricked), self._folder() as folder:
            try:
                os.unlink(name, dir_fd=folder)
            except (IsADirectoryError, PermissionError):
                shutil.rmtree(name, dir_fd=folder)

    @contextlib.contextmanager
    def _folder(self) -> Iterator[int]:
        with _opened(os.fspath(self._state), None) as state, _opened(FOLDER, state) as folder:
            yield folder


@contextlib.contextmanager
def _opened(name: str, within: int | None) -> Iterator[int]:
    descriptor = _open(name, os.O_RDONLY | os.O_DIRECTORY, within)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _open(name: str, flags: int, within: int | None) -> int:
    try:
        return os.open(name, flags | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=within)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise Tricked(f"{name}: {error.strerror}") from error


def to_line(value: dict[str, Any]) -> bytes:
    """Returns what `edge_agent.checked` reads, without the library that needs."""
    text = json.dumps(value).encode()
    return b"%08x %b\n" % (zlib.crc32(text), text)


def from_line(line: bytes) -> dict[str, Any]:
    """Returns the value of a line.

    Raises:
        ValueError: it is not what was written.
    """
    text = line[9:].removesuffix(b"\n")
    if line[:9] != b"%08x " % zlib.crc32(text):
        raise ValueError("the checksum is wrong")
    value = json.loads(text)
    if not isinstance(value, dict):
        raise ValueError("it is no record")
    return value


def read_outcome(folder: Path) -> Outcome | None:
    """Returns how the last update ended; None where there was none, or where it cannot be read."""
    try:
        said = from_line((folder / OUTCOME).read_bytes())
        return Outcome(
            version=str(said["version"]),
            outcome=str(said["outcome"]),
            reason=str(said["reason"]),
            at=float(said["at"]),
            bad=tuple(str(version) for version in said["bad"]),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None
