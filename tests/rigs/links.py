"""The open websockets of the agents, as one server of the tests holds them."""

import asyncio
import contextlib
from collections.abc import Callable, Iterable
from typing import Any

from uvicorn.protocols.utils import ClientDisconnected

from shared.protocol.codec import MESSAGE_LIMIT_BYTES, decode, encode
from shared.protocol.messages import FromAgent, Hello
from tests.rigs.asgi import Receive, Send

SENT_WITHIN_S = 10


class Links:
    """Serves links in the server's thread; `push` and `cut` are called from the test's.

    `heard` is told each message of an agent; `greet` is what an agent is answered after its hello. Only from then on it gets
    what is pushed.
    """

    def __init__(self, greet: Callable[[], Iterable[Any]], heard: Callable[[Any], None]) -> None:
        self._greet = greet
        self._heard = heard
        self.closes: list[int] = []
        """The close code of each link that has ended, in order."""
        self._open: set[Send] = set()
        self._loop: asyncio.AbstractEventLoop | None = None

    async def serve(self, receive: Receive, send: Send) -> None:
        """Accepts a link, and hears it until it ends."""
        self._loop = asyncio.get_running_loop()
        await send({"type": "websocket.accept"})
        try:
            while True:
                event = await receive()
                if event["type"] == "websocket.disconnect":
                    self.closes.append(event.get("code", 1005))
                    return
                text = event.get("text") or event.get("bytes") or ""
                assert len(text) <= MESSAGE_LIMIT_BYTES
                message: Any = decode(text, FromAgent)  # type: ignore[arg-type]
                if isinstance(message, Hello):
                    self._open.add(send)
                    for reply in self._greet():
                        await send(_text(encode(reply).decode()))
                self._heard(message)
        finally:
            self._open.discard(send)

    def push(self, text: str) -> None:
        """Sends a text to every open link."""
        self._to_all(_text(text))

    def cut(self) -> None:
        """Closes every open link."""
        self._to_all({"type": "websocket.close", "code": 1012})

    def forget(self) -> None:
        """Takes every link as ended: the server is gone."""
        self._open.clear()

    def _to_all(self, event: dict[str, Any]) -> None:
        for send in tuple(self._open):
            assert self._loop is not None
            sent = asyncio.run_coroutine_threadsafe(_sent(send, event), self._loop)
            with contextlib.suppress(RuntimeError, ClientDisconnected):
                sent.result(SENT_WITHIN_S)


def _text(text: str) -> dict[str, Any]:
    return {"type": "websocket.send", "text": text}


async def _sent(send: Send, event: dict[str, Any]) -> None:
    await send(event)
