"""A server's disk that is filled to the last byte under a class that is being recorded, held so, and freed."""

import contextlib
import http.client
import itertools
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from urllib.parse import urlsplit

import psycopg

from edge_agent.control.identity import IdentityFolder
from launcher.postgres import EmbeddedPostgres
from shared.kernel.clock import SystemClock
from shared.kernel.disk import DiskSpace
from shared.kernel.loopback import http_status
from tests.e2e.installation import Installation, wait_for

CHUNK = b"\0" * (4 << 20)
DISK_MIB = 900
LOOK_S = 0.25
PATIENCE_S = 240.0
PAGE = "/accounts/login/"


@dataclass
class Seen:
    """Statuses that a browser saw, in order: `None` is a refused connection or no answer."""

    statuses: list[int | None] = field(default_factory=list)
    bodies: set[str] = field(default_factory=set)

    @property
    def last(self) -> int | None:
        """The status of the last look."""
        return self.statuses[-1] if self.statuses else None


@dataclass(frozen=True)
class Figures:
    """How the installation took it, in seconds.

    Attributes:
        refused_s: from the start of the filling until uploads were refused.
        page_s: from the full disk until every page said so.
        held_s: how long it was kept full after that.
        back_s: from the freed disk until pages were as ever.
        uploaded_s: from the freed disk until all that the agent had kept had arrived.
        kept_segments: how many segments the agent kept meanwhile.
        class_id: the class that was recorded.
        address: its page.
        seen: what a browser saw from the full disk until pages were as ever.
    """

    refused_s: float
    page_s: float
    held_s: float
    back_s: float
    uploaded_s: float
    kept_segments: int
    class_id: str
    address: str
    seen: Seen


class Kind(StrEnum):
    """The resource that a disk has run out of."""

    BYTES = "bytes"
    INODES = "inodes"


def fill_and_free(installed: Installation, *, held_s: float, kind: Kind = Kind.BYTES) -> Figures:
    """Records a class through a full disk of the server, and ends it."""
    class_id, address = installed.start_class()
    installed.until_segments(class_id, 3)
    began_s = time.monotonic()
    with contextlib.ExitStack() as stack:
        stack.enter_context((_filled if kind is Kind.BYTES else _crowded)(installed.state / "filler"))
        wait_for(lambda: _intent(installed) == 503, "uploads that are refused", PATIENCE_S)
        refused_s = time.monotonic() - began_s
        wait_for(lambda: _is_full(installed.state, kind), "a full disk", PATIENCE_S)
        full_s = time.monotonic()
        seen = stack.enter_context(_watched(installed.url))
        stack.enter_context(_written(installed.state))
        wait_for(lambda: seen.last == 503, "the page of a full disk", PATIENCE_S)
        page_s = time.monotonic() - full_s
        kept_s = time.monotonic()
        while time.monotonic() - kept_s < held_s:
            assert _status(installed, "/livez") == 200
            assert _status(installed, "/readyz") == 503
            assert _intent(installed) == 503
            time.sleep(LOOK_S)  # the disk stays full for `held_s`, while a class goes on
        kept = _count(installed.agent_state / "spool") - _count(installed.state / "objects")
    freed_s = time.monotonic()
    with _watched(installed.url) as after:
        wait_for(lambda: after.last == 200, "pages as ever", PATIENCE_S)
    back_s = time.monotonic() - freed_s
    seen.statuses += after.statuses
    installed.renew_console()
    installed.ask("stop", class_id=class_id)
    wait_for(
        lambda: installed.ask("progress", class_id=class_id)["has_ended"], "the end of the class", PATIENCE_S
    )
    uploaded_s = time.monotonic() - freed_s
    return Figures(refused_s, page_s, held_s, back_s, uploaded_s, kept, class_id, address, seen)


@contextlib.contextmanager
def _filled(path: Path) -> Iterator[None]:
    """Takes all space of a disk, and whatever becomes free, until the block ends; then it is all free again."""
    with path.open("wb", buffering=0) as file, _repeated(lambda: file.write(CHUNK), 0.0):
        yield
    path.unlink()


@contextlib.contextmanager
def _crowded(folder: Path) -> Iterator[None]:
    """Takes all inodes of a disk, as `_filled` takes its bytes."""
    folder.mkdir()
    names = itertools.count()
    with _repeated(lambda: (folder / str(next(names))).touch(), 0.0):
        yield
    shutil.rmtree(folder)


def _is_full(folder: Path, kind: Kind) -> bool:
    space = DiskSpace.of(folder)
    return (space.free_bytes if kind is Kind.BYTES else space.free_inodes) == 0


@contextlib.contextmanager
def _watched(url: str) -> Iterator[Seen]:
    """Looks at a page again and again, as a browser does, until the block ends."""
    seen = Seen()
    parts = urlsplit(url)

    def look() -> None:
        line = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=30)
        try:
            line.request("GET", PAGE, headers={"Accept": "text/html"})
            answer = line.getresponse()
            seen.bodies.add(answer.read().decode("utf-8", "replace"))
            seen.statuses.append(answer.status)
        except (OSError, http.client.HTTPException):
            seen.statuses.append(None)
        finally:
            line.close()

    with _repeated(look, LOOK_S):
        yield seen


@contextlib.contextmanager
def _written(state: Path) -> Iterator[None]:
    """Has the database need new files of its log, as a busy hour does, until the block ends."""
    superuser = EmbeddedPostgres(state).urls("postgres").superuser

    def write() -> None:
        with psycopg.connect(superuser, autocommit=True, connect_timeout=5) as connection:
            connection.execute("SELECT pg_logical_emit_message(false, 'filler', repeat('x', 1000000))")
            connection.execute("SELECT pg_switch_wal()")

    with _repeated(write, 0.1):
        yield


@contextlib.contextmanager
def _repeated(act: Callable[[], object], wait_s: float) -> Iterator[None]:
    """Does something again and again in a thread of its own until the block ends, whatever it fails at."""
    over = threading.Event()

    def work() -> None:
        while not over.wait(wait_s):
            try:
                act()
            except (OSError, psycopg.Error):
                over.wait(0.1)

    worker = threading.Thread(target=work, name="repeated", daemon=True)
    worker.start()
    try:
        yield
    finally:
        over.set()
        worker.join(60)


def _count(folder: Path) -> int:
    return sum(1 for path in folder.rglob("*.seg") if path.is_file())


def _status(installed: Installation, path: str) -> int | None:
    parts = urlsplit(installed.url)
    return http_status(parts.hostname or "", parts.port or 80, path, timeout_s=30)


def _intent(installed: Installation) -> int | None:
    """Returns what the agent is answered where it announces a segment; 400 where it may, since none is named here."""
    clock = SystemClock()
    token = IdentityFolder(installed.agent_state).load().token(clock)
    parts = urlsplit(installed.url)
    line = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=30)
    with contextlib.closing(line):
        try:
            line.request("POST", "/agent/v1/intent", b"{}", {"Authorization": f"Bearer {token}"})
            return line.getresponse().status
        except (OSError, http.client.HTTPException):
            return None
