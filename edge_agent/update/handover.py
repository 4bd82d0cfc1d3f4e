"""The files that the agent and the root-owned half exchange, and how root reads them safely.

A compromised agent can put links, pipes and endless files into its folder, and change them while they are read. So root
opens everything relative to an opened folder, follows no link, and bounds each read.
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
HOUR_S = 3600.0
RETRY_AFTER_S = (6 * HOUR_S, 24 * HOUR_S)
"""Wait before a rolled-back version is tried again: after the first and the second failure. Then it is blocked."""


@dataclass(frozen=True)
class RolledBack:
    """A version that was rolled back: how many times, and when last, in seconds since 1970."""

    version: str
    times: int
    at: float

    @property
    def retry_after_s(self) -> float | None:
        """Wait before the next attempt; None: blocked until an operator allows it."""
        return RETRY_AFTER_S[self.times - 1] if 0 < self.times <= len(RETRY_AFTER_S) else None

    def may_be_tried(self, now_s: float) -> bool:
        """Returns whether it may be tried again at `now_s`.

        A clock that was set back counts as having waited; the number of attempts bounds the cost.
        """
        wait_s = self.retry_after_s
        return wait_s is not None and not 0 <= now_s - self.at < wait_s


@dataclass(frozen=True)
class Outcome:
    """How the last update ended: `installed`, `rolled back`, `refused` or `superseded`; `at` in seconds since 1970."""

    version: str
    outcome: str
    reason: str
    at: float
    rolled_back: tuple[RolledBack, ...] = ()
    """Versions that were rolled back here, oldest first."""

    @property
    def summary(self) -> str:
        """One line for people."""
        said = f"{self.version or 'an update'}: {self.outcome}" + (f" ({self.reason})" if self.reason else "")
        failed = next((item for item in self.rolled_back if item.version == self.version), None)
        if self.outcome != "rolled back" or failed is None:
            return said
        if failed.retry_after_s is None:
            return f"{said}. It is not tried again; to allow it: sudo threedance-agent retry-update"
        return f"{said}. It is tried again in {failed.retry_after_s / HOUR_S:g} hours at the earliest"

    def may_be_tried(self, version: str, now_s: float) -> bool:
        """Returns whether a version may be tried at `now_s`, given its previous failures."""
        return all(item.may_be_tried(now_s) for item in self.rolled_back if item.version == version)


class UnsafePath(Exception):
    """A path of the agent that is not a plain file or folder; it is not used."""


class HandoverFolder:
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
                raise UnsafePath(f"{names[-1]} is no plain file")
            yield stack.enter_context(os.fdopen(descriptor, "rb"))

    def confirmed_version(self) -> str:
        """Returns the version whose heartbeat was answered; empty if none was or the file cannot be read."""
        try:
            with self.open(HEARD) as file:
                return file.read(HEARD_LIMIT_BYTES).decode("ascii", "replace").strip()
        except (OSError, UnsafePath):
            return ""

    def discard(self, name: str) -> None:
        """Removes the entry of that name, of any type; of a link only the link itself."""
        with contextlib.suppress(FileNotFoundError, UnsafePath), self._folder() as folder:
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
        raise UnsafePath(f"{name}: {error.strerror}") from error


def to_line(value: dict[str, Any]) -> bytes:
    """Returns what `edge_agent.checksummed_lines` reads, without the library that needs."""
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
    """Returns how the last update ended; None if there was none or it cannot be read."""
    try:
        said = from_line((folder / OUTCOME).read_bytes())
        tries = {str(version): (int(times), float(at)) for version, times, at in said.get("tries", ())}
        at = float(said["at"])
        return Outcome(
            version=str(said["version"]),
            outcome=str(said["outcome"]),
            reason=str(said["reason"]),
            at=at,
            # Older versions write and read names alone.
            rolled_back=tuple(RolledBack(str(name), *tries.get(str(name), (1, at))) for name in said["bad"]),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None
