"""What the root-owned half remembers: how far an update is, and how the last one ended."""

import dataclasses
import time
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from edge_agent.files import FILES, Files
from edge_agent.update.handover import OUTCOME, Outcome, from_line, read_outcome, to_line

BAD_LIMIT = 20
"""How many versions that failed are remembered; the oldest are forgotten first."""
FRESH_S = 120.0
"""What was asked for in a quiet time is done so soon after, or not at all: later a class may be running."""


class State(StrEnum):
    """How far an update is. INSTALLING -> TRYING -> (ended); from either of them -> ROLLING_BACK -> (ended)."""

    INSTALLING = "installing"
    TRYING = "trying"
    ROLLING_BACK = "rolling back"


@dataclass(frozen=True)
class Journal:
    """An update under way. `starts`: how often the state was entered, with power cuts between."""

    state: State
    version: str
    old: str
    starts: int = 0
    reason: str = ""


class Record:
    """One root-owned folder: `journal.json`, `outcome.json`, and the packages `new.deb` and `old.deb`."""

    def __init__(self, folder: Path, *, files: Files = FILES) -> None:
        self.folder = folder
        self.files = files
        self.new = folder / "new.deb"
        self.old = folder / "old.deb"
        self._path = folder / "journal.json"

    def journal(self) -> Journal | None:
        """Returns the update under way. One whose journal is damaged is taken back: that needs the least knowledge."""
        try:
            said = from_line(self._path.read_bytes())
            return Journal(
                State(said["state"]),
                str(said["version"]),
                str(said["old"]),
                int(said["starts"]),
                str(said["reason"]),
            )
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError):
            return Journal(State.ROLLING_BACK, "", "", reason="the record of the update was damaged")

    def is_fresh(self) -> bool:
        """Whether the journal of an update under way was written a moment ago."""
        return abs(time.time() - self._path.stat().st_mtime) <= FRESH_S

    def put(self, journal: Journal) -> Journal:
        """Writes it down, durably, and returns it."""
        self.files.write(self._path, to_line(dataclasses.asdict(journal)))
        return journal

    def bad(self) -> tuple[str, ...]:
        """Returns the versions that are not tried again."""
        last = read_outcome(self.folder)
        return last.bad if last else ()

    def tell(self, outcome: str, version: str, reason: str = "", *, bad: bool = False) -> None:
        """Writes how an update ended, for the agent to read."""
        worse = [v for v in self.bad() if v != version] + ([version] if bad and version else [])
        kept = worse if bad else list(self.bad())
        told = Outcome(version, outcome, reason[:500], time.time(), tuple(kept[-BAD_LIMIT:]))
        self.files.write(self.folder / OUTCOME, to_line(dataclasses.asdict(told)), mode=0o644)

    def end(self) -> None:
        """Forgets the update under way: first that there is one, then its packages."""
        self.files.discard(self._path)
        self.files.discard(self.new)
        self.files.discard(self.old)
