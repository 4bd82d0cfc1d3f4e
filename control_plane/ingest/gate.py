"""Looks at a request before Django reads its body: Django keeps all of a body aside before any view is asked.

Without this anybody could fill the disk with what no view would take. A PUT of a segment is checked by its signed
address, everything else by its length alone.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from django.http import QueryDict

from control_plane.common.errors import ControlPlaneError
from control_plane.ingest.targets import allowed_by
from shared.protocol.codec import MESSAGE_LIMIT_BYTES, encode
from shared.protocol.errors import PROBLEM_CONTENT_TYPE, Code

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[Mapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

OBJECTS = "/agent/v1/objects/"
AGENT = "/agent/v1/"
FORM_LIMIT_BYTES = 8 << 20
"""The largest body of a page's form."""


def gated(app: App) -> App:
    """Returns an ASGI application that hands on to `app` what may be read, and answers the rest itself."""

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            limit = _limit(scope)
            if _announced(scope) > limit:
                raise ControlPlaneError(f"The body is over {limit} bytes.", code=Code.TOO_LARGE)
        except ControlPlaneError as error:
            await _refuse(send, error)
            return
        await app(scope, _counted(receive, limit), send)

    return application


def _limit(scope: Scope) -> int:
    path: str = scope["path"]
    if path.startswith(OBJECTS) and scope["method"] == "PUT":
        query = QueryDict(scope["query_string"])
        return allowed_by(path.removeprefix(OBJECTS), query).size_bytes
    # One byte more, so that the view can say which limit was passed.
    return MESSAGE_LIMIT_BYTES + 1 if path.startswith(AGENT) else FORM_LIMIT_BYTES


def _announced(scope: Scope) -> int:
    text = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
    return int(text) if text.isdigit() else 0


def _counted(receive: Receive, limit: int) -> Receive:
    read = 0

    async def counted() -> Mapping[str, Any]:
        nonlocal read
        message = await receive()
        read += len(message.get("body", b""))
        # A body of unknown length that goes on for ever is a caller that we do not listen to any more.
        return message if read <= limit else {"type": "http.disconnect"}

    return counted


async def _refuse(send: Send, error: ControlPlaneError) -> None:
    body = encode(error.problem())
    headers = [
        (b"content-type", PROBLEM_CONTENT_TYPE.encode()),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
        (b"connection", b"close"),
    ]
    await send({"type": "http.response.start", "status": error.problem().status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
