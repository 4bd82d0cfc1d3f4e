"""The stored form of a fragment, the unit of seeking and of encryption; pure."""

import msgspec


class FragmentRow(msgspec.Struct, frozen=True, array_like=True):
    """One fragment inside `Segment.fragments_json`, as a JSON array: place of its ciphertext, media time and duration."""

    offset_bytes: int
    size_bytes: int
    iv: str
    """Hex, 16 bytes."""
    sha256: str
    """Hex, of the ciphertext."""
    pts_90k: int
    duration_90k: int
    frames: int


def decode_fragments(text: str) -> tuple[FragmentRow, ...]:
    """Returns the fragments of `Segment.fragments_json`."""
    return _DECODER.decode(text)


_DECODER = msgspec.json.Decoder(tuple[FragmentRow, ...])
