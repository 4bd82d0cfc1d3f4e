"""Parses `Range` headers; pure.

Source: RFC 9110, sections 14.1.2 and 14.2: invalid ranges, multiple ranges and unknown units are ignored; a range beyond
the end is refused.
"""

import re
from dataclasses import dataclass

_RANGE = re.compile(r"bytes\s*=\s*(\d{0,18})-(\d{0,18})", re.IGNORECASE)


class Unsatisfiable(Exception):
    """The range starts after the last byte."""


@dataclass(frozen=True, slots=True)
class ByteRange:
    """Bytes `first` to `last`, inclusive, of `whole_bytes`."""

    first: int
    last: int
    whole_bytes: int

    @property
    def size_bytes(self) -> int:
        """The number of bytes in the range."""
        return self.last - self.first + 1

    def __str__(self) -> str:
        return f"bytes {self.first}-{self.last}/{self.whole_bytes}"


def parse_range(header: str, whole_bytes: int) -> ByteRange | None:
    """Returns the byte range of a `Range` header; None: all bytes.

    Raises:
        Unsatisfiable: the object has no such bytes.
    """
    match = _RANGE.fullmatch(header.strip())
    if match is None or match.groups() == ("", ""):
        return None
    first, last = match.groups()
    if not first:
        if not int(last) or not whole_bytes:
            raise Unsatisfiable
        return ByteRange(max(0, whole_bytes - int(last)), whole_bytes - 1, whole_bytes)
    if last and int(last) < int(first):
        return None
    if int(first) >= whole_bytes:
        raise Unsatisfiable
    return ByteRange(int(first), min(int(last), whole_bytes - 1) if last else whole_bytes - 1, whole_bytes)
