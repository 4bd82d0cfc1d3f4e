"""Django under ASGI, with each request handled completely in one thread of a small pool.

Django's own handler switches between the event loop and a new thread per request, for each middleware that sees the view
and for the view. All our code is synchronous, so that gains nothing and costs more than a playlist takes. Here the loop
reads and writes, and one thread does everything in between.

Threads are shared between callers (`common.turns`): a request waits in the event loop for its turn, and the caller who has
used the least thread time goes first.
"""

import asyncio
import contextlib
import contextvars
import io
import logging
from collections.abc import Awaitable, Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ParamSpec, TypeVar, cast

from django.core import signals
from django.core.exceptions import RequestAborted
from django.core.handlers.asgi import ASGIHandler, get_script_prefix
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import set_script_prefix

from control_plane.common.errors import BadRequest, Busy, ControlPlaneError
from control_plane.common.input_validation import require_utf8
from control_plane.common.refusals import send_refusal
from control_plane.common.request_cost import time_statements
from control_plane.common.turns import FairTurns, Turn
from control_plane.config.callers import CALLER, Callers, caller_of
from shared.protocol.ids import new_id

log = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")
Message = Mapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

THREADS = 8
"""More would only wait for each other: Python runs one at a time, and the others wait for PostgreSQL."""

TURN_WAIT_S = 30.0
"""How long a request waits for a thread before it is refused with Retry-After."""
KEPT_THREADS = 3
"""Threads reserved for callers who hold none at the moment."""
CROWDED_THREADS = 2
"""Threads of a clearly heavier caller while a lighter one is active: one computes while the other waits for the database.
Python runs one thread at a time, so more would only take from the lighter caller's share."""
FILE_THREADS = 4
"""They read files that are sent, and close responses, so these wait for no request."""
TOO_MANY_DELAY_S = 1.0
"""How late a 429 is sent: a client that repeats its request at once waits, without a thread, on each connection."""
BUSY_WAIT_S = 5.0
"""How long a request waits for a resource in use before it is refused with Retry-After."""


def _content_type(scope: Mapping[str, Any]) -> str:
    # Joined as Django does.
    return ",".join(value.decode("latin-1") for name, value in scope["headers"] if name == b"content-type")


class Handler(ASGIHandler):
    """Answers HTTP. Requests beyond `THREADS`, and beyond their callers' shares, wait for their turns."""

    def __init__(self, threads: int = THREADS) -> None:
        super().__init__()
        self.load_middleware(is_async=False)
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="web")
        self._files = ThreadPoolExecutor(FILE_THREADS, thread_name_prefix="files")
        self._turns = FairTurns(in_all=threads, kept=KEPT_THREADS, crowded=CROWDED_THREADS)
        self._callers = Callers()
        time_statements()

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        """Answers one request.

        Raises:
            ValueError: the connection is not HTTP.
        """
        if scope["type"] != "http":
            raise ValueError(f"Django answers HTTP, not {scope['type']}")
        try:
            require_utf8(_content_type(scope))
        except BadRequest as refused:
            await send_refusal(send, scope, refused)
            return
        try:
            body = await self.read_body(receive)
        except RequestAborted:
            return
        with contextlib.closing(body):
            try:
                response = await self._in_turn(scope, body)
                if scope["method"] in ("GET", "HEAD"):
                    response = await self._retry_when_free(response, scope)
            except Busy as error:
                await send_refusal(send, scope, error, retry_after_s=error.retry_after_s)
                return
            except Exception as error:
                # Django answers failures of its middleware and views; this one happened around them.
                request_id = str(new_id())
                log.error(
                    "request failed outside of Django", exc_info=error, extra={"request_id": request_id}
                )
                await send_refusal(send, scope, ControlPlaneError(), request_id=request_id)
                return
            try:
                await self._send(response, send)
            finally:
                if response.streaming:
                    await asyncio.shield(self._in_thread(self._files, response.close))

    async def _in_turn(self, scope: dict[str, Any], body: Any) -> HttpResponseBase:
        """Handles a request completely in a thread, once its caller has a turn.

        Raises:
            Busy: no turn was free in time.
        """
        async with self._turns.taken(self._callers.parties(scope), within_s=TURN_WAIT_S) as turn:
            response = await self._in_thread(self._threads, self._work, turn, scope, body)
        self._callers.learn(scope)
        return response

    def _work(self, turn: Turn, scope: dict[str, Any], body: Any) -> HttpResponseBase:
        with self._turns.working(turn):
            return self._answer(scope, body)

    async def _retry_when_free(self, response: HttpResponseBase, scope: dict[str, Any]) -> HttpResponseBase:
        """Repeats a request that met a resource in use (`common.errors.Busy`) when it is free; returns the response.

        It waits here, without a thread or a database connection, for at most `BUSY_WAIT_S`. After that the caller is told
        to retry. The repeated request checks everything again, permissions included.
        """
        loop = asyncio.get_running_loop()
        until_s = loop.time() + BUSY_WAIT_S
        while (busy := getattr(response, "busy_until", None)) is not None:
            left_s = until_s - loop.time()
            if left_s <= 0 or not (await asyncio.wait({asyncio.wrap_future(busy)}, timeout=left_s))[0]:
                break
            # The body was closed with the first response; these requests have none.
            response = await self._in_turn(scope, io.BytesIO())
        return response

    def _answer(self, scope: dict[str, Any], body: Any) -> HttpResponseBase:
        """Handles a request completely. Closes a response that is not streamed, which releases its database connection."""
        set_script_prefix(get_script_prefix(scope))
        signals.request_started.send(sender=self.__class__, scope=scope)
        request, refusal = self.create_request(scope, body)
        response = self._respond(request) if request is not None else cast(HttpResponseBase, refusal)
        if request is not None:
            scope[CALLER] = caller_of(request)
        if not response.streaming:
            response.close()
        return response

    def _respond(self, request: HttpRequest) -> HttpResponseBase:
        response: HttpResponseBase = self.get_response(request)
        response._handler_class = self.__class__  # type: ignore[attr-defined]
        return response

    async def _send(self, response: HttpResponseBase, send: Send) -> None:
        if response.status_code == 429:
            await asyncio.sleep(TOO_MANY_DELAY_S)
        if not response.streaming or response.is_async:  # type: ignore[attr-defined]
            await self.send_response(response, send)
            return
        # A file: a thread reads it in parts while it is sent, so that the first byte does not wait for the last.
        response.streaming_content = self._read(iter(response))  # type: ignore[attr-defined]
        await self.send_response(response, send)

    async def _read(self, parts: Iterator[bytes]) -> Any:
        while part := await self._in_thread(self._files, next, parts, b""):
            yield part

    @staticmethod
    async def _in_thread(
        threads: ThreadPoolExecutor, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        # A new context per call, so that a request's context variables are not visible to the next one in the thread.
        context = contextvars.copy_context()
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(threads, lambda: context.run(call, *args, **kwargs))
