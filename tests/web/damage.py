"""Damage to a recorded fragment: each function takes one in plain, moof and mdat, and returns what is left of it."""

import random
import struct
from collections.abc import Iterator

VIDEO, AUDIO = 1, 2


def undecodable_picture(fragment: bytes, number: int = 14) -> bytes:
    """Makes one picture unreadable, as a lost packet does: its NAL unit claims more bytes than there are."""
    at, size = samples(fragment, VIDEO)[number]
    return fragment[:at] + struct.pack(">I", size * 1000) + fragment[at + 4 :]


def undecodable_key_frame(fragment: bytes) -> bytes:
    """Makes the first picture unreadable."""
    return undecodable_picture(fragment, 0)


def undecodable_last_picture(fragment: bytes) -> bytes:
    """Makes the last picture unreadable."""
    return undecodable_picture(fragment, -1)


def noisy_pictures(fragment: bytes) -> bytes:
    """Fills all pictures with noise, behind the lengths of their NAL units."""
    found = bytearray(fragment)
    for at, size in samples(fragment, VIDEO):
        found[at + 5 : at + size] = _noise(size - 5)
    return bytes(found)


def noisy_sound(fragment: bytes) -> bytes:
    """Fills all frames of sound with noise."""
    found = bytearray(fragment)
    for at, size in samples(fragment, AUDIO):
        found[at : at + size] = _noise(size)
    return bytes(found)


def without_sound(fragment: bytes) -> bytes:
    """Keeps the pictures alone, as where a microphone falls silent that was promised."""
    traf = [
        at for kind, at, _ in _parts(fragment, 8, struct.unpack_from(">I", fragment)[0]) if kind == b"traf"
    ][1]
    return fragment[: traf - 4] + b"free" + fragment[traf:]


def truncated(fragment: bytes) -> bytes:
    """Keeps the first half."""
    return fragment[: len(fragment) // 2]


def without_some_bytes(fragment: bytes) -> bytes:
    """Takes 40 bytes out of the middle; the sizes in the headers still claim them."""
    middle = len(fragment) // 2
    return fragment[:middle] + fragment[middle + 40 :]


def random_bytes(fragment: bytes) -> bytes:
    """Keeps nothing but the length."""
    return _noise(len(fragment))


def empty(fragment: bytes) -> bytes:
    """Keeps nothing at all."""
    return fragment[:0]


def without_media(fragment: bytes) -> bytes:
    """Keeps the moof alone."""
    return fragment[: struct.unpack_from(">I", fragment)[0]]


def misread_sound(init: bytes) -> bytes:
    """Takes the sound's set-up (AudioSpecificConfig) out of an init section."""
    at = init.index(b"esds") + 26
    return init[:at] + b"\xff" * 12 + init[at + 12 :]


def samples(fragment: bytes, track: int) -> list[tuple[int, int]]:
    """Returns offset and size of each sample of a track. Source: ISO/IEC 14496-12, 8.8."""
    found: list[tuple[int, int]] = []
    moof_size = struct.unpack_from(">I", fragment)[0]
    for kind, at, end in _parts(fragment, 8, moof_size):
        if kind == b"traf":
            found += _of_traf(fragment, at, end, track)
    return found


def _of_traf(fragment: bytes, at: int, end: int, track: int) -> Iterator[tuple[int, int]]:
    default_size = 0
    for kind, inner, _ in _parts(fragment, at, end):
        if kind == b"tfhd":
            flags, this = struct.unpack_from(">II", fragment, inner)
            if this != track:
                return
            skip = 8 * bool(flags & 1) + 4 * bool(flags & 2) + 4 * bool(flags & 8)
            if flags & 0x10:
                default_size = struct.unpack_from(">I", fragment, inner + 8 + skip)[0]
        elif kind == b"trun":
            yield from _of_trun(fragment, inner, default_size)


def _of_trun(fragment: bytes, at: int, default_size: int) -> Iterator[tuple[int, int]]:
    flags, count = struct.unpack_from(">II", fragment, at)
    place = struct.unpack_from(">i", fragment, at + 8)[0] if flags & 1 else 0
    at += 8 + 4 * bool(flags & 1) + 4 * bool(flags & 4)
    for _ in range(count):
        size_at = at + 4 * bool(flags & 0x100)
        size = struct.unpack_from(">I", fragment, size_at)[0] if flags & 0x200 else default_size
        yield place, size
        place += size
        at += 4 * (flags >> 8 & 0xF).bit_count()


def _parts(data: bytes, at: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    while at + 8 <= end:
        size, kind = struct.unpack_from(">I4s", data, at)
        yield kind, at + 8, at + size
        at += size


def _noise(size: int) -> bytes:
    return random.Random(size).randbytes(max(0, size))  # the same in each run
