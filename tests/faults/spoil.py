"""One damage that disks and lines do to bytes."""

import random

SECTOR_BYTES = 512


def spoil(data: bytes, dice: random.Random) -> bytes:
    """Returns `data` with one damage; never `data` itself unless it is empty."""
    if not data:
        return data
    place = dice.randrange(len(data))
    end = min(len(data), place + dice.choice((1, 4, 64, SECTOR_BYTES)))
    spoilt = dice.choice(
        (
            data[:place] + bytes([data[place] ^ 1 << dice.randrange(8)]) + data[place + 1 :],
            data[:place],
            data[:place] + bytes(end - place) + data[end:],
            data[:end] + data[place:],
            data[:place] + dice.randbytes(end - place) + data[end:],
            data[:place] + data[end:],
        )
    )
    return spoilt if spoilt != data else data[:-1]


def told(whole: bytes, spoilt: bytes) -> str:
    """Returns where a damage begins and how the size changed, for the reader of a failure."""
    begin = next((n for n, (a, b) in enumerate(zip(whole, spoilt, strict=False)) if a != b), len(spoilt))
    return f"from byte {begin} of {len(whole)}, {len(spoilt) - len(whole):+d} bytes: {spoilt[begin : begin + 24]!r}"
