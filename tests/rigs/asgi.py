"""An ASGI application on a real port of this machine, in a thread of the test's process."""

import contextlib
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import uvicorn

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

STARTS_WITHIN_S = 30
STOPS_WITHIN_S = 20


@contextlib.contextmanager
def serving(app: Any, *, port: int = 0, host: str = "127.0.0.1", **options: Any) -> Iterator[str]:
    """Serves until the block ends; gives the address, without a trailing slash. `options` are uvicorn's.

    Raises:
        RuntimeError: it did not start, or does not stop.
    """
    config = uvicorn.Config(app, host=host, port=port, **{"ws": "websockets-sansio"} | options)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, name="served by a test", daemon=True)
    thread.start()
    try:
        deadline = time.monotonic() + STARTS_WITHIN_S
        while not server.started:
            if not thread.is_alive() or time.monotonic() > deadline:
                raise RuntimeError("the server did not start; its log says why")
            time.sleep(0.01)
        _, bound = server.servers[0].sockets[0].getsockname()
        yield f"{'https' if config.is_ssl else 'http'}://{host}:{bound}"
    finally:
        server.should_exit = True
        thread.join(STOPS_WITHIN_S)
        if thread.is_alive():
            raise RuntimeError(f"the server does not stop within {STOPS_WITHIN_S} s")


async def body_of(receive: Receive) -> bytes:
    """Returns the whole body of a request.

    Raises:
        ConnectionError: the client went away half-way.
    """
    body = b""
    while True:
        event = await receive()
        if event["type"] == "http.disconnect":
            raise ConnectionError("the client went away")
        body += bytes(event.get("body", b""))
        if not event.get("more_body"):
            return body
