"""What a store may send us: so many bytes, in so much time. Whoever runs a store decides neither of the two.

Every answer of a store comes through `BoundedPool`: a whole one is read by `read_whole`, and an object by `stream`,
which knows how many bytes it has asked for. Both count what arrives on the line, unpacked or not: what says of itself
that it is packed is never unpacked here.
"""

import time
from collections.abc import Iterator
from typing import Any

import urllib3

from control_plane.common.errors import ObjectMismatch, StoreRefused, StoreUnavailable

ANSWER_LIMIT_BYTES = 256 << 10
ANSWER_LIMIT_S = 30.0
"""From the answer's first line to its last byte; the time-out of a socket alone lets one byte come every 20 s."""
SLOWEST_BYTES_S = 20_000
"""An object that comes slower than this, and not within `ANSWER_LIMIT_S`, is given up."""


class BoundedPool(urllib3.PoolManager):
    """A `PoolManager` whose answers are read whole within the limits; with `preload_content=False`, those that succeed
    are left to be read by `stream`.
    """

    def urlopen(  # type: ignore[override]
        self, method: str, url: str, redirect: bool = True, **options: Any
    ) -> urllib3.BaseHTTPResponse:
        """Sends a request.

        Raises:
            StoreRefused: the answer is too large.
            StoreUnavailable: it takes too long.
        """
        is_object = options.pop("preload_content", True) is False
        answer = super().urlopen(method, url, redirect, preload_content=False, **options)
        if is_object and answer.status in (200, 206):
            return answer
        body = read_whole(answer, most_bytes=ANSWER_LIMIT_BYTES, most_s=ANSWER_LIMIT_S)
        return urllib3.HTTPResponse(
            body=body,
            headers=answer.headers,
            status=answer.status,
            reason=answer.reason,
            decode_content=False,
            request_method=method,
            request_url=url,
        )


def read_whole(answer: urllib3.BaseHTTPResponse, *, most_bytes: int, most_s: float) -> bytes:
    """Returns the body of an answer, and gives its connection back.

    Raises:
        StoreRefused: it is larger than `most_bytes`.
        StoreUnavailable: it takes longer than `most_s`.
    """
    body = bytearray()
    try:
        for chunk in _pieces(answer, most_bytes, time.monotonic() + most_s):
            body += chunk
            if len(body) > most_bytes:
                raise StoreRefused(f"the answer is larger than {most_bytes} bytes")
    except BaseException:
        answer.close()
        raise
    answer.release_conn()
    return bytes(body)


def stream(answer: urllib3.BaseHTTPResponse, size_bytes: int, *, chunk_bytes: int) -> Iterator[bytes]:
    """Yields the `size_bytes` of an object that were asked for, in chunks; the caller closes the answer.

    Raises:
        ObjectMismatch: there are more, or fewer.
        StoreUnavailable: they come too slowly.
    """
    left = size_bytes
    for chunk in _pieces(
        answer, chunk_bytes, time.monotonic() + ANSWER_LIMIT_S + size_bytes / SLOWEST_BYTES_S
    ):
        left -= len(chunk)
        if left < 0:
            break
        yield chunk
    if left:
        raise ObjectMismatch("the store gave another number of bytes than was asked for")


def _pieces(answer: urllib3.BaseHTTPResponse, piece_bytes: int, until_s: float) -> Iterator[bytes]:
    # One receive each: a plain read waits until all has come, and each byte begins the time-out anew.
    while piece := answer.read1(piece_bytes, decode_content=False):
        if time.monotonic() > until_s:
            raise StoreUnavailable("the store answers too slowly")
        yield piece
