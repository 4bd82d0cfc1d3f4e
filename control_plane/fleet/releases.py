"""The folder of signed releases of the agent: which of its files are given out, and in which parts.

Nothing here is a secret and nothing is trusted: boxes believe signatures that were made elsewhere. Agents alone are
answered, so that strangers cannot have large files sent.
"""

import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path

from control_plane.common.errors import BadRequest, NotFound

PART_BYTES = 1 << 20
"""The longest part in one answer: it is held in memory."""
NAME = re.compile(
    r"metadata/(?:timestamp|[0-9]{1,9}\.(?:root|snapshot|targets))\.json"
    r"|targets/[a-z0-9]+/python3\.[0-9]+/[0-9a-f]{64}\.threedance-agent\.deb"
)


@dataclass(frozen=True)
class Part:
    """Bytes of a file, and which they are."""

    data: bytes
    first: int
    total: int

    @property
    def content_range(self) -> str:
        """The header's value. Source: RFC 9110, section 14.4."""
        return f"bytes {self.first}-{self.first + len(self.data) - 1}/{self.total}"


def part_of(folder: Path | None, name: str, *, asked: str) -> Part:
    """Returns the part of file `name` that `asked`, a Range header, begins at; from its start where it asks for none.

    Raises:
        NotFound: nothing is released here, or there is no such file.
        BadRequest: the range is no single range from a byte of the file.
    """
    if folder is None or not NAME.fullmatch(name):
        raise NotFound("There is no such release.")
    said = re.fullmatch(r"bytes=([0-9]{1,12})-([0-9]{0,12})", asked or "bytes=0-")
    if said is None:
        raise BadRequest("The range has to be bytes=FIRST-LAST.")
    first = int(said[1])
    length = min(PART_BYTES, int(said[2]) - first + 1) if said[2] else PART_BYTES
    try:
        with (folder / name).open("rb") as file:
            found = os.fstat(file.fileno())
            if not stat.S_ISREG(found.st_mode):
                raise NotFound("There is no such release.")
            if length < 1 or first >= found.st_size:
                raise BadRequest(f"The file has {found.st_size} bytes.")
            file.seek(first)
            return Part(file.read(length), first, found.st_size)
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
        raise NotFound("There is no such release.") from error
