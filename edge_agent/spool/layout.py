"""Paths of the spool. Names consist of ids and numbers, never of the name of a person, class or camera.

```
STATE/
  index.sqlite                         what is here and how far its upload is; can be rebuilt from the files below
  spool/
    lock                               held by the one agent process that uses this state
    gaps/<gap id>.json                 a gap until the control plane has it
    tracks/<class id>-<camera id>.json how far the account of one track reaches
    <camera id>/
      <sequence>-<segment id>.part     a segment being written: ciphertext
      <sequence>-<segment id>.journal  what of it is durable
      <sequence>-<segment id>.seg      a closed segment: ciphertext, immutable
      <sequence>-<segment id>.json     its manifest
```

Each `.json` and each line of a journal is a line of `edge_agent.checksummed_lines`.
"""

import fcntl
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import IO, NamedTuple
from uuid import UUID

from edge_agent.errors import SpoolBusy
from edge_agent.files import BESIDE, Files
from shared.protocol.ids import CameraId, ClassSessionId, GapId, SegmentId

OPEN, JOURNAL, CLOSED, MANIFEST = ".part", ".journal", ".seg", ".json"

_SEGMENT_NAME = re.compile(
    r"(\d{10})-([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})(\.[a-z]+)", re.ASCII
)


class SegmentFile(NamedTuple):
    """One file of a segment, parsed from its name.

    A start may list 50,000 of them before it records, so path and id are only built on demand.
    """

    folder: Path
    name: str
    camera_id: CameraId
    sequence: int
    segment: str
    """The segment's id as text."""
    suffix: str

    @property
    def path(self) -> Path:
        """Where it lies."""
        return self.folder / self.name

    @property
    def segment_id(self) -> SegmentId:
        """The segment's id."""
        return SegmentId(UUID(self.segment))


@dataclass(frozen=True)
class Layout:
    """The paths under one state folder."""

    state: Path

    @property
    def spool(self) -> Path:
        """The folder of all segments."""
        return self.state / "spool"

    @property
    def index(self) -> Path:
        """The SQLite index."""
        return self.state / "index.sqlite"

    @property
    def lock(self) -> Path:
        """The file that one agent process locks."""
        return self.spool / "lock"

    @property
    def gaps(self) -> Path:
        """The folder of unsent gaps."""
        return self.spool / "gaps"

    @property
    def tracks(self) -> Path:
        """The folder of the accounts of tracks."""
        return self.spool / "tracks"

    def camera(self, camera_id: CameraId) -> Path:
        """Returns the folder of one camera's segments."""
        return self.spool / str(camera_id)

    def segment(self, camera_id: CameraId, sequence: int, segment_id: SegmentId, suffix: str) -> Path:
        """Returns the path of one file of a segment."""
        return self.camera(camera_id) / f"{sequence:010d}-{segment_id}{suffix}"

    def gap(self, gap_id: GapId) -> Path:
        """Returns the path of one unsent gap."""
        return self.gaps / f"{gap_id}.json"

    def track(self, class_session_id: ClassSessionId, camera_id: CameraId) -> Path:
        """Returns the path of one track's account."""
        return self.tracks / f"{class_session_id}-{camera_id}.json"

    def make_folders(self, files: Files) -> None:
        """Makes the folders that every spool has, readable by this user only."""
        for folder in (self.state, self.spool, self.gaps, self.tracks):
            files.ensure_folder(folder)

    def unfinished_files(self) -> list[Path]:
        """Returns temporary files that a crash left behind; none was ever read."""
        return [
            Path(folder, name)
            for folder, _, names in os.walk(self.spool)
            for name in names
            if name.startswith(".") and name.endswith(BESIDE)
        ]

    def segment_files(self) -> list[SegmentFile]:
        """Returns every segment file, by camera and sequence. Files with other names are ignored."""
        found = []
        for folder in sorted(self.spool.iterdir()):
            if not (folder.is_dir() and (camera := _uuid(folder.name))):
                continue
            for name in sorted(os.listdir(folder)):
                if match := _SEGMENT_NAME.fullmatch(name):
                    number, segment, suffix = match.groups()
                    found.append(SegmentFile(folder, name, CameraId(camera), int(number), segment, suffix))
        return found


def lock_state(path: Path) -> IO[str]:
    """Locks the state folder for this process and returns the open lock file. The kernel releases it if the process dies.

    Raises:
        SpoolBusy: another process has it.
        OSError: the file cannot be made.
    """
    file = open(path, "w", encoding="ascii")  # noqa: SIM115  # held open for the life of the spool
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        raise SpoolBusy("another agent runs on this state folder") from None
    os.fchmod(file.fileno(), 0o600)
    return file


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
