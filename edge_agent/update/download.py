"""Downloads releases from the control plane in ranges, through the agent's own HTTP client."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterator

from tuf.api.exceptions import DownloadHTTPError
from tuf.ngclient import FetcherInterface

from edge_agent.api import ControlPlaneApi
from edge_agent.errors import NotThreeDance, RequestRefused, Retryable

RELEASES_PATH = "/agent/v1/releases"
PART_BYTES = 1024 * 1024
TRIES = 4
"""Attempts per range; earlier ranges are kept."""
LONGEST_WAIT_S = 60.0
PACE_BYTES = 16 * 1024
"""Step in which a range passes the bandwidth limit. Taken at once, it would block the uploads that share the limit for so
long that a store closes their connections."""
PART_TIMEOUT_S = 600.0
"""Enough for one range at the lowest reasonable bandwidth."""


class RangeFetcher(FetcherInterface):
    """Downloads release files for a thread (the TUF client), with the requests made by an event loop."""

    def __init__(
        self,
        api: ControlPlaneApi,
        loop: asyncio.AbstractEventLoop,
        *,
        throttle: Callable[[int], Awaitable[None]],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Args:
        api: the control plane.
        loop: the event loop of `api`.
        throttle: returns when so many bytes may have passed.
        sleep: waits so many seconds.
        """
        self._api = api
        self._loop = loop
        self._throttle = throttle
        self._sleep = sleep

    def _fetch(self, url: str) -> Iterator[bytes]:
        first, total = 0, 1
        while first < total:
            asked = asyncio.run_coroutine_threadsafe(self._part(url, first), self._loop)
            try:
                part, total = asked.result(PART_TIMEOUT_S)
            except BaseException:
                asked.cancel()
                raise
            first += len(part)
            yield part

    async def _part(self, url: str, first: int) -> tuple[bytes, int]:
        for left in reversed(range(TRIES)):
            try:
                return await self._part_once(url, first)
            except Retryable as error:
                if not left:
                    raise
                await self._sleep(min(error.retry_after_s or 2.0 ** (TRIES - left), LONGEST_WAIT_S))
        raise AssertionError("unreachable: the last try returns or raises")

    async def _part_once(self, url: str, first: int) -> tuple[bytes, int]:
        last = first + PART_BYTES - 1
        try:
            answer = await self._api.send(
                "GET", f"{RELEASES_PATH}/{url}", headers={"range": f"bytes={first}-{last}"}
            )
        except RequestRefused as refusal:
            raise DownloadHTTPError(str(refusal), refusal.problem.status) from refusal
        said = re.fullmatch(r"bytes (\d+)-\d+/(\d+)", answer.headers.get("content-range", ""))
        if answer.status != 206 or said is None or int(said[1]) != first or not answer.body:
            raise NotThreeDance(self._api.address, "it sends another part of a release than was requested")
        for taken in range(0, len(answer.body), PACE_BYTES):
            await self._throttle(min(PACE_BYTES, len(answer.body) - taken))
        return answer.body, int(said[2])
