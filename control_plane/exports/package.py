"""Writes a package: a ZIP file (stored, ZIP64), front to back, as its bytes are asked for; pure.

The last file, `SHA256SUMS`, has the hash of each other one, in the form that `sha256sum --check` reads.
"""

import hashlib
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

SUMS = "SHA256SUMS"


@dataclass(frozen=True, slots=True)
class PackageFile:
    """One file. Its `parts` are asked for in order, once."""

    name: str
    parts: Iterable[bytes]


def package_bytes(files: Iterable[PackageFile], *, made_at: datetime) -> Iterator[bytes]:
    """Yields the bytes of a package. A file is asked for when the one before it is written.

    Args:
        made_at: the time of all files in it.
    """
    target: Any = _Target()
    sums: list[str] = []
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED, allowZip64=True) as package:
        for file in files:
            digest = hashlib.sha256()
            with package.open(_entry(file.name, made_at), "w", force_zip64=True) as entry:
                for part in file.parts:
                    digest.update(part)
                    entry.write(part)
                    yield from target.taken()
            sums.append(f"{digest.hexdigest()}  {file.name}\n")
        package.writestr(_entry(SUMS, made_at), "".join(sums))
    yield from target.taken()


class _Target:
    """A file object that cannot seek: `zipfile` then writes sizes after each file."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def write(self, data: bytes) -> int:
        self._parts.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        """Nothing waits here."""

    def taken(self) -> Iterator[bytes]:
        parts, self._parts = self._parts, []
        yield from parts


def _entry(name: str, made_at: datetime) -> zipfile.ZipInfo:
    # ZIP knows no dates before 1980.
    entry = zipfile.ZipInfo(name, max(made_at.timetuple()[:6], (1980, 1, 1, 0, 0, 0)))
    entry.external_attr = 0o644 << 16
    return entry
