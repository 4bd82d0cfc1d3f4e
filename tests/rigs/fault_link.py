"""A line that does one thing to one request of the way of an upload: for trying every fault at every request."""

import asyncio
import contextlib
import ssl
from collections import Counter
from collections.abc import AsyncIterator, Callable
from enum import StrEnum

import httpx


class Fault(StrEnum):
    """Fate of a request."""

    LOST = "never arrives"
    CUT = "is cut in the middle of its body"
    ANSWER_LOST = "is done, and its answer is lost"
    DOUBLED = "arrives twice"
    AT_ONCE = "arrives twice at the same time"
    LATE = "is given up, and still being done while it is tried again"
    STALE = "is given up, and arrives when all is over"


class FaultLink(httpx.AsyncBaseTransport):
    """Does `fault` to the `number`-th request whose path ends with, or holds, `step`; carries all others.

    A request that is sent again by the line bears a token of its own from `sign`: that a token is good once would hide
    what is looked for here. Used from one event loop; `settle` waits for what is still under way.
    """

    def __init__(self, step: str, number: int, fault: Fault, sign: Callable[[], str]) -> None:
        # A bare context: loading the system's authorities is dear, and the line is a plain one.
        self._inner = httpx.AsyncHTTPTransport(verify=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
        self._step, self._number, self._fault, self._sign = step, number, fault, sign
        self._stale: list[httpx.Request] = []
        self._tasks: set[asyncio.Task[httpx.Response]] = set()
        self.seen: Counter[str] = Counter()
        self.done = False
        """Whether the fault has happened."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        step = next(s for s in ("intent", "commit", "gaps", "objects") if s in request.url.path)
        self.seen[step] += 1
        await request.aread()
        if (step, self.seen[step]) != (self._step, self._number):
            return await self._send(request)
        self.done = True
        match self._fault:
            case Fault.LOST:
                raise httpx.ConnectError("the line is down")
            case Fault.CUT:
                half = request.content[: len(request.content) // 2]
                cut = httpx.Request(request.method, request.url, headers=request.headers, content=_cut(half))
                with contextlib.suppress(_Cut):
                    await self._inner.handle_async_request(cut)
                raise httpx.WriteError("the line is cut")
            case Fault.ANSWER_LOST:
                await self._send(request)
                raise httpx.ReadError("the line is cut")
            case Fault.DOUBLED:
                await self._send(self._again(request))
                return await self._send(request)
            case Fault.AT_ONCE:
                _, answer = await asyncio.gather(self._send(self._again(request)), self._send(request))
                return answer
            case Fault.LATE:
                self._tasks.add(asyncio.create_task(self._send(request)))
                await asyncio.sleep(0)
                raise httpx.ReadTimeout("no answer in time")
            case Fault.STALE:
                self._stale.append(request)
                raise httpx.ReadTimeout("no answer in time")

    async def settle(self) -> None:
        """Delivers what is stale, and returns when nothing is under way any more."""
        await asyncio.gather(*self._tasks)
        for request in self._stale:
            await self._send(self._again(request))

    async def aclose(self) -> None:
        await self._inner.aclose()

    async def _send(self, request: httpx.Request) -> httpx.Response:
        answer = await self._inner.handle_async_request(request)
        # All of it, so that two of them never share a connection half read.
        content = await answer.aread()
        await answer.aclose()
        return httpx.Response(answer.status_code, headers=answer.headers, content=content)

    def _again(self, request: httpx.Request) -> httpx.Request:
        headers = httpx.Headers(request.headers)
        if "authorization" in headers:
            headers["authorization"] = f"Bearer {self._sign()}"
        return httpx.Request(request.method, request.url, headers=headers, content=request.content)


class _Cut(Exception):
    """The body ends here."""


async def _cut(half: bytes) -> AsyncIterator[bytes]:
    yield half
    raise _Cut
