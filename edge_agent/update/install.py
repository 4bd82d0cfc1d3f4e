"""Installs the new package, waits for its first answered heartbeat, and otherwise restores the old one.

Every step is written to the journal first and is idempotent: after a power cut the next start resumes, and the update ends
with an old or a new agent that runs. The package's own scripts restart the agent. Run as a program, with the folders as
arguments, it resumes what the journal says.
"""

import argparse
import dataclasses
import logging
import sys
import time
from collections.abc import Callable
from pathlib import Path

from edge_agent.update.handover import HEARD, HandoverFolder
from edge_agent.update.journal import Journal, Record, State
from edge_agent.update.packages import Installed, PackageFailed, Packages, PackagesBusy

log = logging.getLogger(__name__)

HEARD_WITHIN_S = 300.0
LOOK_S = 1.0
MOST_STARTS = {State.INSTALLING: 3, State.TRYING: 3}
"""Entered this often, a state was not interrupted by chance: the new version brings the machine down."""
BUSY_S, BUSY_TRIES = 10.0, 60
RUNNER_FILE = "runner.zip"
RUNNER = (
    "edge_agent/__init__.py",
    "edge_agent/files.py",
    "edge_agent/update/__init__.py",
    "edge_agent/update/handover.py",
    "edge_agent/update/journal.py",
    "edge_agent/update/packages.py",
    "edge_agent/update/install.py",
)
"""The files of this program, copied aside from the package that it changes."""


class Installer:
    """One update, from its journal to its end. Used by one process at a time, which systemd ensures."""

    def __init__(
        self,
        record: Record,
        packages: Packages,
        handed: HandoverFolder,
        *,
        heard_within_s: float = HEARD_WITHIN_S,
        sleep: Callable[[float], None] = time.sleep,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._record = record
        self._packages = packages
        self._handover = handed
        self._confirm_within_s = heard_within_s
        self._sleep = sleep
        self._monotonic_s = monotonic_s

    def run(self) -> None:
        """Runs until the update has ended; returns at once if there is none.

        Raises:
            PackageFailed: no package could be installed yet; the journal stays, for the next run.
        """
        while (journal := self._record.journal()) is not None:
            log.info("update to %s: %s", journal.version, journal.state)
            if self._is_superseded(journal):
                self._end(journal, "superseded", "another version was installed by hand")
                return
            if (
                journal.state is State.INSTALLING
                and self._is_untouched(journal)
                and not self._record.is_fresh()
            ):
                # The machine was off and a class may be running now; the agent requests again when none is near.
                self._end(journal, "refused", "the machine was off before anything was changed")
                return
            most = MOST_STARTS.get(journal.state)
            if most is not None and journal.starts >= most:
                reason = f"the machine stopped {journal.starts} times while {journal.state} it"
                self._begin_rollback(journal, reason, final=True)
                continue
            journal = self._record.put(dataclasses.replace(journal, starts=journal.starts + 1))
            match journal.state:
                case State.INSTALLING:
                    self._install(journal)
                case State.TRYING:
                    self._try(journal)
                case State.ROLLING_BACK:
                    self._roll_back(journal)

    def _install(self, journal: Journal) -> None:
        self._handover.discard(HEARD)
        try:
            self._install_package(self._record.new)
        except PackagesBusy as error:
            if not self._is_untouched(journal):
                raise  # a power cut left it half installed: dropping the old package now would lose both
            # Nothing was changed: this is not a failure of the version.
            self._end(journal, "refused", f"other packages were being installed all the time: {error}")
        except PackageFailed as error:
            self._begin_rollback(journal, f"it could not be installed: {error}")
        else:
            self._record.put(Journal(State.TRYING, journal.version, journal.old))

    def _try(self, journal: Journal) -> None:
        until_s = self._monotonic_s() + self._confirm_within_s
        while self._handover.confirmed_version() != journal.version:
            if self._monotonic_s() >= until_s:
                minutes = f"{self._confirm_within_s / 60:g} minutes"
                self._begin_rollback(journal, f"the control plane did not hear from it within {minutes}")
                return
            self._sleep(LOOK_S)
        self._end(journal, "installed")

    def _roll_back(self, journal: Journal) -> None:
        # Before the old agent starts: it must not request the same version again at once.
        self._record.record_rollback(journal)
        if self._record.old.is_file():  # else the record is damaged, and only the installed package exists
            self._install_package(self._record.old)
        self._record.end()
        log.error("update to %s rolled back: %s", journal.version, journal.reason)

    def _begin_rollback(self, journal: Journal, reason: str, *, final: bool = False) -> None:
        self._record.put(
            Journal(
                State.ROLLING_BACK,
                journal.version,
                journal.old,
                reason=reason,
                final=final,
                failed_at=self._record.now_s(),
            )
        )

    def _end(self, journal: Journal, outcome: str, reason: str = "") -> None:
        self._record.record_outcome(outcome, journal.version, reason)
        self._record.end()
        log.info("update to %s: %s %s", journal.version, outcome, reason)

    def _is_untouched(self, journal: Journal) -> bool:
        return self._packages.installed() == Installed(journal.old, is_complete=True)

    def _is_superseded(self, journal: Journal) -> bool:
        installed = self._packages.installed()
        if installed is None or not installed.is_complete or not journal.version:
            return False
        by_hand = {journal.version, journal.old} if journal.state is not State.TRYING else {journal.version}
        return installed.version not in by_hand

    def _install_package(self, package: Path) -> None:
        for _ in range(BUSY_TRIES):
            try:
                self._packages.install(package)
            except PackagesBusy:
                self._sleep(BUSY_S)
            else:
                return
        self._packages.install(package)


def main() -> int:
    """Resumes the running update; returns the exit status, 1 to be run again."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("record", type=Path, help="the root-owned folder")
    parser.add_argument("state", type=Path, help="the agent's state folder")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        Installer(Record(arguments.record), Packages(), HandoverFolder(arguments.state)).run()
    except (PackageFailed, OSError) as error:
        log.error("the update has not ended and is resumed in a minute: %s", error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
