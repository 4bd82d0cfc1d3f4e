"""Django under ASGI, each request whole in one thread of a few that stay.

Requests of different addresses take turns (`lanes`).

Django's own handler goes to and fro between the event loop and a thread that it makes for each request, once for each
middleware that looks at the view and once for the view. All of ours is synchronous, so that buys nothing and costs
more than the work of a playlist: here the loop reads and writes, and one thread does everything between.
"""

import asyncio
import contextlib
import io
from collections.abc import Awaitable, Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

from django.core import signals
from django.core.exceptions import RequestAborted
from django.core.handlers.asgi import ASGIHandler, get_script_prefix
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import set_script_prefix

from control_plane.common.caller import address_of_scope, limit_key
from control_plane.common.errors import Unavailable
from control_plane.common.refusals import send_refusal
from control_plane.config.lanes import Lanes, LanesFull

Message = Mapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

THREADS = 8
"""More only wait for each other: Python runs one at a time, and what they wait for meanwhile is PostgreSQL."""
THREADS_OF_ONE = THREADS - 2
"""How many of them one address may have: the others are there at once for somebody else."""
FILE_THREADS = 4
RETRY_AFTER_S = 2

BUSY_WAIT_S = 5.0
"""How long a request waits for what is in use, before it is answered with Retry-After."""


class Handler(ASGIHandler):
    """Answers HTTP. Requests beyond `THREADS` wait, in a lane for each address."""

    def __init__(self, threads: int = THREADS) -> None:
        super().__init__()
        self.load_middleware(is_async=False)
        self._lanes = Lanes(threads, most_of_one=max(1, threads - THREADS + THREADS_OF_ONE))
        # Pieces of answers that have begun wait for nobody who is still to be answered.
        self._files = ThreadPoolExecutor(FILE_THREADS, thread_name_prefix="files")

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        """Answers one request.

        Raises:
            ValueError: the connection is not HTTP.
        """
        if scope["type"] != "http":
            raise ValueError(f"Django answers HTTP, not {scope['type']}")
        try:
            body = await self.read_body(receive)
        except RequestAborted:
            return
        lane = limit_key(address_of_scope(scope))
        with contextlib.closing(body):
            try:
                response = await self._lanes.run(lane, self._answer, scope, body)
                if scope["method"] in ("GET", "HEAD"):
                    response = await self._when_free(response, scope, lane)
            except LanesFull:
                refusal = Unavailable("Too many requests of your network wait.")
                await send_refusal(send, scope, refusal, retry_after_s=RETRY_AFTER_S)
                return
            try:
                await self._give(response, send)
            finally:
                if response.streaming:
                    loop = asyncio.get_running_loop()
                    await asyncio.shield(loop.run_in_executor(self._files, response.close))

    async def _when_free(
        self, response: HttpResponseBase, scope: dict[str, Any], lane: str
    ) -> HttpResponseBase:
        """Returns the answer to a request that found something in use (`common.errors.Busy`), asked again when it is free.

        It waits here, where that costs neither a thread nor a database connection, and for `BUSY_WAIT_S` at most; then
        the caller is told to come again. Everything is asked anew, the right to it included.
        """
        loop = asyncio.get_running_loop()
        until_s = loop.time() + BUSY_WAIT_S
        while (busy := getattr(response, "busy_until", None)) is not None:
            left_s = until_s - loop.time()
            if left_s <= 0 or not (await asyncio.wait({asyncio.wrap_future(busy)}, timeout=left_s))[0]:
                break
            # The body was closed with the first answer; none of these has one.
            response = await self._lanes.run(lane, self._answer, scope, io.BytesIO())
        return response

    def _answer(self, scope: dict[str, Any], body: Any) -> HttpResponseBase:
        """Does all of a request; what is no stream is closed here, and gives its connection back here."""
        set_script_prefix(get_script_prefix(scope))
        signals.request_started.send(sender=self.__class__, scope=scope)
        request, refusal = self.create_request(scope, body)
        response = self._respond(request) if request is not None else cast(HttpResponseBase, refusal)
        if not response.streaming:
            response.close()
        return response

    def _respond(self, request: HttpRequest) -> HttpResponseBase:
        response: HttpResponseBase = self.get_response(request)
        response._handler_class = self.__class__  # type: ignore[attr-defined]
        return response

    async def _give(self, response: HttpResponseBase, send: Send) -> None:
        if not response.streaming or response.is_async:  # type: ignore[attr-defined]
            await self.send_response(response, send)
            return
        # A file: read by a thread, piece by piece, not all of it before the first byte goes.
        response.streaming_content = self._read(iter(response))  # type: ignore[attr-defined]
        await self.send_response(response, send)

    async def _read(self, parts: Iterator[bytes]) -> Any:
        loop = asyncio.get_running_loop()
        while part := await loop.run_in_executor(self._files, next, parts, b""):
            yield part
