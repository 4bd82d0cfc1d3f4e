"""The root-owned records: the state of the running update, and the outcome of the last one."""

import dataclasses
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from edge_agent.files import FILES, Files
from edge_agent.update.handover import (
    OUTCOME,
    RETRY_AFTER_S,
    Outcome,
    RolledBack,
    from_line,
    read_outcome,
    to_line,
)

ROLLED_BACK_LIMIT = 20
"""How many failed versions are remembered; the oldest are dropped first."""
FRESH_S = 120.0
"""A request is executed within this time or not at all: later a class may be running."""


class State(StrEnum):
    """State of an update: INSTALLING -> TRYING -> (ended); from either -> ROLLING_BACK -> (ended)."""

    INSTALLING = "installing"
    TRYING = "trying"
    ROLLING_BACK = "rolling back"


@dataclass(frozen=True)
class Journal:
    """A running update. `starts` counts how often the state was entered, with power cuts in between."""

    state: State
    version: str
    old: str
    starts: int = 0
    reason: str = ""
    final: bool = False
    """Whether the version is not to be tried again once it is rolled back."""
    failed_at: float = 0.0
    """When it failed, in seconds since 1970: tells one failure from the next, however often power cuts interrupt either."""


class Record:
    """One root-owned folder: `journal.json`, `outcome.json`, and the packages `new.deb` and `old.deb`."""

    def __init__(self, folder: Path, *, files: Files = FILES, now_s: Callable[[], float] = time.time) -> None:
        self.folder = folder
        self.files = files
        self.now_s = now_s
        self.new = folder / "new.deb"
        self.old = folder / "old.deb"
        self._path = folder / "journal.json"

    def journal(self) -> Journal | None:
        """Returns the running update. With a damaged journal it is rolled back, which needs the least knowledge."""
        try:
            said = from_line(self._path.read_bytes())
            return Journal(
                State(said["state"]),
                str(said["version"]),
                str(said["old"]),
                int(said["starts"]),
                str(said["reason"]),
                bool(said.get("final", False)),
                float(said.get("failed_at", 0.0)),
            )
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError):
            return Journal(State.ROLLING_BACK, "", "", reason="the record of the update was damaged")

    def is_fresh(self) -> bool:
        """Returns whether the journal was written within `FRESH_S`."""
        return abs(time.time() - self._path.stat().st_mtime) <= FRESH_S

    def put(self, journal: Journal) -> Journal:
        """Writes the journal durably and returns it."""
        self.files.write(self._path, to_line(dataclasses.asdict(journal)))
        return journal

    def rolled_back(self) -> tuple[RolledBack, ...]:
        """Returns the versions that were rolled back here, oldest first."""
        last = read_outcome(self.folder)
        return last.rolled_back if last else ()

    def may_be_tried(self, version: str) -> bool:
        """Returns whether a version may be tried now, given its previous failures."""
        last = read_outcome(self.folder)
        return last is None or last.may_be_tried(version, self.now_s())

    def record_outcome(self, outcome: str, version: str, reason: str = "") -> None:
        """Writes how an update ended, for the agent to read."""
        is_good = outcome == "installed"
        kept = tuple(item for item in self.rolled_back() if not (is_good and item.version == version))
        self._write(Outcome(version, outcome, reason[:500], self.now_s(), kept))

    def record_rollback(self, journal: Journal) -> None:
        """Writes that an update is rolled back, and counts that as a failure of its version. Idempotent."""
        before = {item.version: item for item in self.rolled_back()}
        known = before.pop(journal.version, RolledBack(journal.version, 0, 0.0))
        if journal.version:
            times = known.times if known.at == journal.failed_at else known.times + 1
            times = max(times, len(RETRY_AFTER_S) + 1) if journal.final else times
            before[journal.version] = RolledBack(journal.version, times, journal.failed_at)
        kept = tuple(before.values())
        self._write(Outcome(journal.version, "rolled back", journal.reason[:500], self.now_s(), kept))

    def clear_rollbacks(self) -> tuple[str, ...]:
        """Allows every rolled-back version again; returns them."""
        last = read_outcome(self.folder)
        if last is None or not last.rolled_back:
            return ()
        self._write(dataclasses.replace(last, rolled_back=()))
        return tuple(item.version for item in last.rolled_back)

    def _write(self, told: Outcome) -> None:
        kept = told.rolled_back[-ROLLED_BACK_LIMIT:]
        line = {
            "version": told.version,
            "outcome": told.outcome,
            "reason": told.reason,
            "at": told.at,
            # For older packages, which read names alone.
            "bad": [item.version for item in kept],
            "tries": [(item.version, item.times, item.at) for item in kept],
        }
        self.files.write(self.folder / OUTCOME, to_line(line), mode=0o644)

    def end(self) -> None:
        """Ends the running update: removes first its journal, then its packages."""
        self.files.discard(self._path)
        self.files.discard(self.new)
        self.files.discard(self.old)
