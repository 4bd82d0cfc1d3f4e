"""Django under ASGI, each request whole in one thread of a few that stay.

Django's own handler goes to and fro between the event loop and a thread that it makes for each request, once for each
middleware that looks at the view and once for the view. All of ours is synchronous, so that buys nothing and costs
more than the work of a playlist: here the loop reads and writes, and one thread does everything between.

Threads are shared between callers (`common.turns`): a request waits in the loop for its turn, and whoever has used least
of the threads' time goes first.
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
from control_plane.config.callers import WHO, Callers, who
from shared.protocol.ids import new_id

log = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")
Message = Mapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

THREADS = 8
"""More only wait for each other: Python runs one at a time, and what they wait for meanwhile is PostgreSQL."""

TURN_WAIT_S = 30.0
"""How long a request waits for a thread, before it is answered with Retry-After."""
KEPT_THREADS = 3
"""Of all, so many go only to callers who have none at the moment."""
CROWDED_THREADS = 2
"""Of all, so many go to a clearly heavier caller while a lighter one is active: one computes while the other waits for the
database. Python runs one thread at a time: more would only take from the lighter caller's share."""
FILE_THREADS = 4
"""They read files that are sent, and end answers; these wait for no request that is still to be answered."""
BUSY_WAIT_S = 5.0
"""How long a request waits for what is in use, before it is answered with Retry-After."""


def _content_type(scope: Mapping[str, Any]) -> str:
    # As Django reads it.
    return ",".join(value.decode("latin-1") for name, value in scope["headers"] if name == b"content-type")


class Handler(ASGIHandler):
    """Answers HTTP. Requests beyond `THREADS`, and beyond what their callers may have, wait for their turns."""

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
                    response = await self._when_free(response, scope)
            except Busy as error:
                await send_refusal(send, scope, error, retry_after_s=error.retry_after_s)
                return
            except Exception as error:
                # Django answers what fails in its middleware and views; this failed around them.
                request_id = str(new_id())
                log.error(
                    "a request failed outside of Django", exc_info=error, extra={"request_id": request_id}
                )
                await send_refusal(send, scope, ControlPlaneError(), request_id=request_id)
                return
            try:
                await self._give(response, send)
            finally:
                if response.streaming:
                    await asyncio.shield(self._in_thread(self._files, response.close))

    async def _in_turn(self, scope: dict[str, Any], body: Any) -> HttpResponseBase:
        """Does all of a request in a thread, once its caller has a turn.

        Raises:
            Busy: it had none in time.
        """
        async with self._turns.taken(self._callers.parties(scope), within_s=TURN_WAIT_S) as turn:
            response = await self._in_thread(self._threads, self._work, turn, scope, body)
        self._callers.learn(scope)
        return response

    def _work(self, turn: Turn, scope: dict[str, Any], body: Any) -> HttpResponseBase:
        with self._turns.working(turn):
            return self._answer(scope, body)

    async def _when_free(self, response: HttpResponseBase, scope: dict[str, Any]) -> HttpResponseBase:
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
            response = await self._in_turn(scope, io.BytesIO())
        return response

    def _answer(self, scope: dict[str, Any], body: Any) -> HttpResponseBase:
        """Does all of a request; what is no stream is closed here, and gives its connection back here."""
        set_script_prefix(get_script_prefix(scope))
        signals.request_started.send(sender=self.__class__, scope=scope)
        request, refusal = self.create_request(scope, body)
        response = self._respond(request) if request is not None else cast(HttpResponseBase, refusal)
        if request is not None:
            scope[WHO] = who(request)
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
        while part := await self._in_thread(self._files, next, parts, b""):
            yield part

    @staticmethod
    async def _in_thread(
        threads: ThreadPoolExecutor, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        # A context for each call: what a request sets there must not be found by the next one in the same thread.
        context = contextvars.copy_context()
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(threads, lambda: context.run(call, *args, **kwargs))
