"""Serves files of the folder of signed agent releases, in parts.

The files are neither secret nor trusted: agents verify signatures that were made elsewhere. Only agents are served, so
that strangers cannot request large files.
"""

import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path

from control_plane.common.errors import BadRequest, NotFound

PART_BYTES = 1 << 20
"""Largest part in one answer; it is held in memory."""
NAME = re.compile(
    r"metadata/(?:timestamp|[0-9]{1,9}\.(?:root|snapshot|targets))\.json"
    r"|targets/[a-z0-9]+/python3\.[0-9]+/[0-9a-f]{64}\.threedance-agent\.deb"
)


@dataclass(frozen=True)
class Part:
    """A range of a file, with its bytes."""

    data: bytes
    first: int
    total: int

    @property
    def content_range(self) -> str:
        """The value of the `Content-Range` header. Source: RFC 9110, section 14.4."""
        return f"bytes {self.first}-{self.first + len(self.data) - 1}/{self.total}"


def part_of(folder: Path | None, name: str, *, range_header: str) -> Part:
    """Returns the part of file `name` that a Range header requests; without a header, the first part.

    Raises:
        NotFound: there are no releases, or the file does not exist.
        BadRequest: it is not a single range within the file.
    """
    if folder is None or not NAME.fullmatch(name):
        raise NotFound("The release does not exist.")
    match = re.fullmatch(r"bytes=([0-9]{1,12})-([0-9]{0,12})", range_header or "bytes=0-")
    if match is None:
        raise BadRequest("The range must be bytes=FIRST-LAST.")
    first = int(match[1])
    length = min(PART_BYTES, int(match[2]) - first + 1) if match[2] else PART_BYTES
    try:
        with (folder / name).open("rb") as file:
            found = os.fstat(file.fileno())
            if not stat.S_ISREG(found.st_mode):
                raise NotFound("The release does not exist.")
            if length < 1 or first >= found.st_size:
                raise BadRequest(f"The file has {found.st_size} bytes.")
            file.seek(first)
            return Part(file.read(length), first, found.st_size)
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
        raise NotFound("The release does not exist.") from error
