"""HTTP responses of stores, limited in size and time. The owner of a store must not control either.

Every response comes through `BoundedPool`. `read_whole` reads a complete body; `stream` reads an object of known size.
Both count the bytes on the wire and never decompress them.
"""

import time
from collections.abc import Iterator
from typing import Any

import urllib3

from control_plane.common.errors import ObjectMismatch, StoreRefused, StoreUnavailable

ANSWER_LIMIT_BYTES = 256 << 10
ANSWER_LIMIT_S = 30.0
"""From the first line of the response to its last byte. A socket timeout alone would allow one byte every 20 s."""
SLOWEST_BYTES_S = 20_000
"""An object that arrives more slowly than this, and not within `ANSWER_LIMIT_S`, is abandoned."""


class BoundedPool(urllib3.PoolManager):
    """A `PoolManager` that reads responses completely, within the limits.

    With `preload_content=False`, successful responses are left for `stream` to read.
    """

    def urlopen(  # type: ignore[override]
        self, method: str, url: str, redirect: bool = True, **options: Any
    ) -> urllib3.BaseHTTPResponse:
        """Sends a request.

        Raises:
            StoreRefused: the response is too large.
            StoreUnavailable: the response takes too long.
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
    """Reads the body of a response and returns its connection to the pool.

    Raises:
        StoreRefused: it is larger than `most_bytes`.
        StoreUnavailable: it takes longer than `most_s`.
    """
    body = bytearray()
    try:
        for chunk in _pieces(answer, most_bytes, time.monotonic() + most_s):
            body += chunk
            if len(body) > most_bytes:
                raise StoreRefused(f"the response is larger than {most_bytes} bytes")
    except BaseException:
        answer.close()
        raise
    answer.release_conn()
    return bytes(body)


def stream(answer: urllib3.BaseHTTPResponse, size_bytes: int, *, chunk_bytes: int) -> Iterator[bytes]:
    """Yields an object of `size_bytes` in chunks. The caller closes the response.

    Raises:
        ObjectMismatch: the object has more or fewer bytes.
        StoreUnavailable: they arrive too slowly.
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
        raise ObjectMismatch("the store returned a different number of bytes than requested")


def _pieces(answer: urllib3.BaseHTTPResponse, piece_bytes: int, until_s: float) -> Iterator[bytes]:
    # `read1` returns after one receive. A plain read waits for all bytes, and each byte restarts the socket's timeout.
    while piece := answer.read1(piece_bytes, decode_content=False):
        if time.monotonic() > until_s:
            raise StoreUnavailable("the store answers too slowly")
        yield piece
