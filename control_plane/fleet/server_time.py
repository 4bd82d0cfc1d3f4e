"""Adds the server's time to every answer to an agent, immediately before it is sent.

This wraps the Django application, so that no delay in Django comes between the reading and the socket. A later delay,
such as a paused process, only makes the request take longer, which the agent measures.
"""

import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from shared.protocol.timing import NONCE_HEADER, TIME_HEADER, TIME_PATH, stated_time

AGENT = "/agent/v1/"
_ANSWER_STARTS = frozenset({"http.response.start", "websocket.accept", "websocket.http.response.start"})

Message = Mapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Any, Any, Any], Awaitable[None]]


def with_server_time(app: App, *, now_ns: Callable[[], int] = time.time_ns) -> App:
    """Returns an ASGI application that adds the time to the answers of `app` to agents, and answers `TIME_PATH` itself.

    Args:
        app: serves HTTP, or the websocket of agents; accepting or refusing a websocket counts as an answer.
        now_ns: the server's clock, in nanoseconds since 1970.
    """

    async def application(scope: dict[str, Any], receive: Receive, send: Send) -> None:
        if not scope["path"].startswith(AGENT):
            await app(scope, receive, send)
            return
        header = NONCE_HEADER.encode()
        nonce = next((value.decode("latin-1") for name, value in scope["headers"] if name == header), "")

        async def send_with_time(message: Message) -> None:
            if message["type"] in _ANSWER_STARTS and (stated := stated_time(now_ns(), nonce)) is not None:
                headers = [*message.get("headers", ()), (TIME_HEADER.encode(), stated.encode())]
                message = {**message, "headers": headers}
            await send(message)

        if scope["type"] == "http" and scope["path"] == TIME_PATH:
            await _answer_time(scope["method"], send_with_time)
        else:
            await app(scope, receive, send_with_time)

    return application


async def _answer_time(method: str, send: Send) -> None:
    is_get = method in ("GET", "HEAD")
    headers = [(b"cache-control", b"no-store")] + ([] if is_get else [(b"allow", b"GET, HEAD")])
    await send({"type": "http.response.start", "status": 204 if is_get else 405, "headers": headers})
    await send({"type": "http.response.body", "body": b""})
