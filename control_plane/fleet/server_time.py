"""States the server's time in every answer to an agent, as the last thing before it is sent.

It stands outside of Django, so that nothing which delays an answer comes between the reading and the socket; what comes
after, a paused process included, only makes the agent's question take longer, which the agent measures.
"""

import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from shared.protocol.timing import NONCE_HEADER, TIME_HEADER, TIME_PATH, stated_time

AGENT = "/agent/v1/"
_BEGINNINGS = frozenset({"http.response.start", "websocket.accept", "websocket.http.response.start"})

Message = Mapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Any, Any, Any], Awaitable[None]]


def with_server_time(app: App, *, now_ns: Callable[[], int] = time.time_ns) -> App:
    """Returns an ASGI application that states the time in what `app` answers to agents, and answers `TIME_PATH` itself.

    Args:
        app: serves HTTP, or the websocket of agents: accepting and refusing one are answers too.
        now_ns: the server's clock, in nanoseconds since 1970.
    """

    async def application(scope: dict[str, Any], receive: Receive, send: Send) -> None:
        if not scope["path"].startswith(AGENT):
            await app(scope, receive, send)
            return
        asked = NONCE_HEADER.encode()
        nonce = next((value.decode("latin-1") for name, value in scope["headers"] if name == asked), "")

        async def send_timed(message: Message) -> None:
            if message["type"] in _BEGINNINGS and (stated := stated_time(now_ns(), nonce)) is not None:
                headers = [*message.get("headers", ()), (TIME_HEADER.encode(), stated.encode())]
                message = {**message, "headers": headers}
            await send(message)

        if scope["type"] == "http" and scope["path"] == TIME_PATH:
            await _tell_time(scope["method"], send_timed)
        else:
            await app(scope, receive, send_timed)

    return application


async def _tell_time(method: str, send: Send) -> None:
    is_get = method in ("GET", "HEAD")
    headers = [(b"cache-control", b"no-store")] + ([] if is_get else [(b"allow", b"GET, HEAD")])
    await send({"type": "http.response.start", "status": 204 if is_get else 405, "headers": headers})
    await send({"type": "http.response.body", "body": b""})
