"""Parses the parameter sets of a key frame: picture size, and the RFC 6381 codec string.

Source: ITU-T H.264 (7.3.2.1), H.265 (7.3.2.2, 7.3.3), RFC 6381, ISO/IEC 14496-15 annex E.
"""

from dataclasses import dataclass
from typing import Literal

Codec = Literal["h264", "h265"]

_H264_SETS = (7, 8)
_H265_SETS = (32, 33, 34)
_H264_SLICES = range(1, 6)
_CHROMA_PROFILES = frozenset({100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135})
LARGEST = 16_888
"""Pixels of a side: the longest that H.264 level 6.2 allows (sqrt of eight frames of 139,264 macroblocks)."""
MOST_ZEROS = 32
"""Before a number in Exp-Golomb code. Source: ITU-T H.264, 9.1."""


@dataclass(frozen=True)
class Picture:
    """The relevant content of a sequence parameter set."""

    codec_string: str
    width: int
    height: int


def parameter_sets(data: bytes | memoryview, codec: Codec) -> bytes:
    """Returns the parameter sets (VPS, SPS, PPS) before the first slice of an Annex B access unit.

    They are returned as Annex B, in order and without duplicates; empty if there are none.
    """
    found: dict[bytes, None] = {}
    for unit in _units_before_slice(bytes(data[:16384]), codec):
        kind = unit[0] & 0x1F if codec == "h264" else unit[0] >> 1 & 0x3F
        if kind in (_H264_SETS if codec == "h264" else _H265_SETS):
            found[unit] = None
    return b"".join(b"\x00\x00\x00\x01" + unit for unit in found)


def continues_picture(data: bytes | memoryview, codec: Codec) -> bool:
    """Returns whether an Annex B packet starts with a slice that is not the first of its picture."""
    for unit in _units(bytes(data)):
        if codec == "h264" and unit[0] & 0x1F in _H264_SLICES:
            return len(unit) > 1 and not unit[1] & 0x80
        if codec == "h265" and unit[0] >> 1 & 0x3F < 32:
            return len(unit) > 2 and not unit[2] & 0x80
    return False


def may_reorder(data: bytes | memoryview, sets: bytes, codec: Codec) -> bool:
    """Returns whether a picture may be shown before one that was decoded earlier.

    Args:
        data: the picture, as Annex B; its first 16 KiB are enough.
        sets: the parameter sets in force, as Annex B.
        codec: of both. H.264 is decided by the slice type, B or not; H.265 by what its parameter sets allow.
    """
    if codec == "h265":
        return _reordered_h265(sets) > 0
    for unit in _units(bytes(data[:16384])):
        if unit[0] & 0x1F in (1, 5):
            bits = _Bits(unit[1:17])
            try:
                bits.ue()
                return bits.ue() % 5 == 1
            except IndexError:
                return False
    return False


def describe(sets: bytes, codec: Codec) -> Picture | None:
    """Returns the content of the first sequence parameter set in `sets` (Annex B); None if there is no valid one."""
    wanted = 7 if codec == "h264" else 33
    for unit in _units(sets):
        kind = unit[0] & 0x1F if codec == "h264" else unit[0] >> 1 & 0x3F
        if kind == wanted:
            try:
                picture = _h264(unit) if codec == "h264" else _h265(unit)
            except IndexError:
                return None
            # Cropped to nothing, or larger than any level allows: it was misparsed.
            fits = 0 < picture.width <= LARGEST and 0 < picture.height <= LARGEST
            return picture if fits else None
    return None


def _units(data: bytes) -> list[bytes]:
    starts = []
    at = data.find(b"\x00\x00\x01")
    while at >= 0:
        starts.append(at + 3)
        at = data.find(b"\x00\x00\x01", at + 3)
    ends = [start - 3 for start in starts[1:]] + [len(data)] * bool(starts)
    return [
        unit for start, end in zip(starts, ends, strict=True) if (unit := data[start:end].rstrip(b"\x00"))
    ]


def _units_before_slice(data: bytes, codec: Codec) -> list[bytes]:
    units = []
    for unit in _units(data):
        if codec == "h264" and unit[0] & 0x1F in _H264_SLICES:
            break
        if codec == "h265" and unit[0] >> 1 & 0x3F < 32:
            break
        units.append(unit)
    return units


class _Bits:
    """Reads a raw byte sequence payload bit by bit. Raises `IndexError` at its end, and for invalid codes."""

    def __init__(self, unit: bytes) -> None:
        self._bytes = unit.replace(b"\x00\x00\x03", b"\x00\x00")
        self._at = 0

    def take(self, count: int) -> int:
        value = 0
        for _ in range(count):
            value = value << 1 | self._bytes[self._at >> 3] >> (7 - (self._at & 7)) & 1
            self._at += 1
        return value

    def ue(self) -> int:
        zeros = 0
        while not self.take(1):
            zeros += 1
            if zeros > MOST_ZEROS:
                raise IndexError("a number of more than 32 bits")
        return (1 << zeros) - 1 + self.take(zeros)

    def se(self) -> int:
        value = self.ue()
        return (value + 1) // 2 if value & 1 else -(value // 2)


def _h264(unit: bytes) -> Picture:
    bits = _Bits(unit[1:])
    profile, constraints, level = bits.take(8), bits.take(8), bits.take(8)
    bits.ue()
    chroma = 1
    if profile in _CHROMA_PROFILES:
        chroma = bits.ue()
        if chroma == 3:
            bits.take(1)
        bits.ue(), bits.ue(), bits.take(1)
        if bits.take(1):
            for index in range(8 if chroma != 3 else 12):
                if bits.take(1):
                    _skip_scaling_list(bits, 16 if index < 6 else 64)
    bits.ue()
    order = bits.ue()
    if order == 0:
        bits.ue()
    elif order == 1:
        bits.take(1), bits.se(), bits.se()
        for _ in range(bits.ue()):
            bits.se()
    bits.ue(), bits.take(1)
    width, map_units = bits.ue() + 1, bits.ue() + 1
    frames_only = bits.take(1)
    if not frames_only:
        bits.take(1)
    bits.take(1)
    left = right = top = bottom = 0
    if bits.take(1):
        left, right, top, bottom = bits.ue(), bits.ue(), bits.ue(), bits.ue()
    unit_x = 1 if chroma in (0, 3) else 2
    unit_y = (2 if chroma == 1 else 1) * (2 - frames_only)
    return Picture(
        codec_string=f"avc1.{profile:02x}{constraints:02x}{level:02x}",
        width=width * 16 - unit_x * (left + right),
        height=map_units * 16 * (2 - frames_only) - unit_y * (top + bottom),
    )


def _skip_scaling_list(bits: _Bits, size: int) -> None:
    last = following = 8
    for _ in range(size):
        if following:
            following = (last + bits.se()) % 256
        last = following or last


def _reordered_h265(sets: bytes) -> int:
    """Returns `sps_max_num_reorder_pics` of the highest layer; 0 if it cannot be read."""
    for unit in _units(sets):
        if unit[0] >> 1 & 0x3F != 33:
            continue
        try:
            bits = _Bits(unit[2:])
            _h265_picture(bits)
            bits.ue(), bits.ue(), bits.ue()
            layers = (unit[2] >> 1 & 7) + 1 if bits.take(1) else 1
            numbers = [(bits.ue(), bits.ue(), bits.ue()) for _ in range(layers)]
            return numbers[-1][1]
        except IndexError:
            return 0
    return 0


def _h265(unit: bytes) -> Picture:
    return _h265_picture(_Bits(unit[2:]))


def _h265_picture(bits: _Bits) -> Picture:
    bits.take(4)
    layers = bits.take(3)
    bits.take(1)
    space, tier, profile = bits.take(2), bits.take(1), bits.take(5)
    compatibility = bits.take(32)
    constraints = [bits.take(8) for _ in range(6)]
    level = bits.take(8)
    present = [(bits.take(1), bits.take(1)) for _ in range(layers)]
    if layers:
        bits.take(2 * (8 - layers))
    for has_profile, has_level in present:
        bits.take(88 * has_profile + 8 * has_level)
    bits.ue()
    chroma = bits.ue()
    if chroma == 3:
        bits.take(1)
    width, height = bits.ue(), bits.ue()
    if bits.take(1):
        unit_x, unit_y = (2 if chroma in (1, 2) else 1), (2 if chroma == 1 else 1)
        width -= unit_x * (bits.ue() + bits.ue())
        height -= unit_y * (bits.ue() + bits.ue())
    reversed_flags = int(f"{compatibility:032b}"[::-1], 2)
    while constraints and not constraints[-1]:
        constraints.pop()
    name = f"hvc1.{('', 'A', 'B', 'C')[space]}{profile}.{reversed_flags:X}.{'LH'[tier]}{level}"
    return Picture(
        codec_string=".".join([name, *(f"{byte:X}" for byte in constraints)]), width=width, height=height
    )
