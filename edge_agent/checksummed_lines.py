"""Small stored values, each with a checksum, so that damage by the disk is detected when they are read.

A value is one line: the CRC-32 of its JSON in eight hex digits, a space, the JSON, a line feed.
"""

import zlib
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")


class Damaged(ValueError):
    """The bytes differ from what was written."""


def to_line(value: Any) -> bytes:
    """Returns the line of a value."""
    text = msgspec.json.encode(value)
    return b"%08x %b\n" % (zlib.crc32(text), text)


def from_line(line: bytes, type_: type[T]) -> T:
    """Returns the value of a line; the line feed may be missing.

    Raises:
        Damaged: it is not a line of `to_line`, or not a `type_`.
    """
    text = line[9:].removesuffix(b"\n")
    if line[:9] != b"%08x " % zlib.crc32(text):
        raise Damaged("the checksum is wrong")
    try:
        return msgspec.json.decode(text, type=type_)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Damaged(str(error)) from error
