"""Root's first step: verifies the requested release from scratch, prepares the rollback, and starts the installation.

Nothing from the agent is trusted. The request only says that there is one; version and content are those that `root.json`
of the installed package vouches for.
"""

import io
import logging
import os
import re
import sys
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

from tuf.api.exceptions import DownloadHTTPError
from tuf.ngclient import FetcherInterface

import edge_agent
from edge_agent.errors import ReleaseRefused
from edge_agent.update.handover import METADATA, PACKAGE, PIECE_BYTES, REQUEST, HandoverFolder, UnsafePath
from edge_agent.update.install import RUNNER, RUNNER_FILE
from edge_agent.update.journal import FRESH_S, Journal, Record, State
from edge_agent.update.packages import PackageFailed, Packages, is_newer
from edge_agent.update.release import METADATA_URL, Release, Releases
from edge_agent.update.trust import Trust

log = logging.getLogger(__name__)

ROOM = 12
"""Disk space that an update needs, in multiples of its package: both packages, and the unpacked new one."""


class HandoverFetcher(FetcherInterface):
    """Serves the files that the agent has downloaded, from the folders that its TUF client left."""

    def __init__(self, handed: HandoverFolder) -> None:
        self._handover = handed

    def _fetch(self, url: str) -> Iterator[bytes]:
        names: tuple[str, ...] = (PACKAGE,)
        if url.startswith(f"{METADATA_URL}/"):
            name = url.removeprefix(f"{METADATA_URL}/")
            # A TUF client keeps all roots, but of other metadata only the newest, without version number.
            is_root = re.fullmatch(r"\d+\.root\.json", name)
            names = (METADATA, "root_history", name) if is_root else (METADATA, re.sub(r"^\d+\.", "", name))
        try:
            with self._handover.open(*names) as file:
                while piece := file.read(PIECE_BYTES):
                    yield piece
        except FileNotFoundError as error:
            raise DownloadHTTPError(f"{'/'.join(names)} is not there", 404) from error


class UpdateStarter:
    """Turns a request into a running update. Used by one process at a time, which systemd ensures."""

    def __init__(self, record: Record, packages: Packages, handed: HandoverFolder, trust: Trust) -> None:
        self._record = record
        self._packages = packages
        self._handover = handed
        self._trust = trust

    def start(self) -> bool:
        """Returns whether an update is running now; a refusal is written for the agent to read."""
        if self._record.journal() is not None:
            return True
        try:
            asked = self._is_requested()
        except UnsafePath as error:
            self._record.record_outcome("refused", "", str(error))
            return False
        finally:
            self._handover.discard(REQUEST)
        if not asked:
            return False
        version = ""
        try:
            release, releases = self._newest_release()
            version = release.version
            self._begin(release, releases)
        except (ReleaseRefused, PackageFailed, UnsafePath, OSError) as error:
            log.error("an update is refused: %s", error)
            self._record.record_outcome("refused", version, str(error))
            self._record.end()
            return False
        return True

    def _is_requested(self) -> bool:
        try:
            with self._handover.open(REQUEST) as file:
                age_s = time.time() - os.fstat(file.fileno()).st_mtime
        except FileNotFoundError:
            return False
        # abs(): a file dated far in the future, by a clock that was set back, is no fresh request either.
        return abs(age_s) <= FRESH_S

    def _newest_release(self) -> tuple[Release, Releases]:
        metadata = self._record.folder / "metadata"
        self._record.files.ensure_folder(metadata)
        releases = Releases(self._trust, metadata, HandoverFetcher(self._handover))
        release = releases.newest()
        if release is None:
            raise ReleaseRefused("there is no release for this kind of machine")
        return release, releases

    def _begin(self, release: Release, releases: Releases) -> None:
        record, installed = self._record, self._packages.installed()
        if installed is None or not installed.is_complete:
            raise PackageFailed(f"{self._packages.name} is not installed as a package")
        if not is_newer(release.version, than=installed.version):
            raise ReleaseRefused(f"it is not newer than {installed.version}, which is installed")
        if not record.may_be_tried(release.version):
            raise ReleaseRefused("it was rolled back before and must not be tried again yet")
        if record.files.free_bytes(record.folder) < ROOM * release.size_bytes:
            raise ReleaseRefused("the disk has no space for the old and the new version at once")
        releases.fetch(release, record.new)
        said = self._packages.describe(record.new)
        if (said.name, said.architecture) != (self._packages.name, self._packages.architecture()):
            raise ReleaseRefused(f"it is {said.name} for {said.architecture}")
        if said.version != release.version:
            raise ReleaseRefused(f"the package says that it is version {said.version}")
        self._packages.repack(record.old)
        for package in (record.new, record.old):
            self._sync(package)
        self._keep_runner()
        record.put(Journal(State.INSTALLING, release.version, installed.version))

    def _keep_runner(self) -> None:
        source, packed = Path(edge_agent.__file__).parents[1], io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            for name in RUNNER:
                archive.write(source / name, name)
        self._record.files.write(runner_of(self._record.folder), packed.getvalue())

    def _sync(self, path: Path) -> None:
        descriptor = self._record.files.open_append(path)
        try:
            self._record.files.sync(descriptor)
        finally:
            self._record.files.close(descriptor)
        self._record.files.sync_folder(path.parent)


def runner_of(folder: Path) -> Path:
    """Returns the path of the copied installer."""
    return folder / RUNNER_FILE


def main() -> None:
    """Handles a pending request; then executes the installer from its copy."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    folder, state = Path(os.environ["THREEDANCE_AGENT_RECORD"]), Path(os.environ["THREEDANCE_AGENT_STATE"])
    record, trust = Record(folder), Trust.of_this_package()
    if trust is None:
        log.info("this package has no release keys: updates are off")
        HandoverFolder(state).discard(REQUEST)
        return
    if not UpdateStarter(record, Packages(), HandoverFolder(state), trust).start():
        return
    environment = {**os.environ, "PYTHONPATH": f"{runner_of(folder)}:{os.environ.get('PYTHONPATH', '')}"}
    program = [sys.executable, "-P", "-s", "-m", "edge_agent.update.install", str(folder), str(state)]
    os.execve(sys.executable, program, environment)  # noqa: S606  # no shell: the same interpreter, our arguments
