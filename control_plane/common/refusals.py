"""Responses to requests that never reach Django: problem+json for API clients and agents, a page for browsers."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec
from django.template.loader import render_to_string

from control_plane.common.errors import ControlPlaneError
from shared.protocol.codec import encode
from shared.protocol.errors import PROBLEM_CONTENT_TYPE, Code
from shared.protocol.ids import new_id

Send = Callable[[Mapping[str, Any]], Awaitable[None]]

PROGRAMS = ("/agent/", "/api/")
"""Below these paths every response is for a program, whatever the Accept header says."""


async def send_refusal(
    send: Send,
    scope: Mapping[str, Any],
    error: ControlPlaneError,
    *,
    status: int | None = None,
    retry_after_s: int | None = None,
    request_id: str = "",
) -> None:
    """Answers an ASGI request with `error` and makes the server close the connection, because the body is not read.

    Args:
        status: overrides the status of the error code.
        retry_after_s: value of the Retry-After header.
        request_id: the id under which the reason was logged; empty: a new one.
    """
    request_id = request_id or str(new_id())
    body = error.problem(request_id)
    if status is not None:
        body = msgspec.structs.replace(body, status=status)
    if wants_page(scope):
        content_type = "text/html; charset=utf-8"
        page = "500.html" if body.code is Code.INTERNAL else "refused.html"
        content = render_to_string(page, {"problem": body, "request_id": request_id}).encode()
    else:
        content_type, content = PROBLEM_CONTENT_TYPE, encode(body)
    headers = [
        (b"content-type", content_type.encode()),
        (b"content-length", str(len(content)).encode()),
        (b"cache-control", b"no-store"),
        (b"x-content-type-options", b"nosniff"),
        (b"content-security-policy", b"default-src 'self'; frame-ancestors 'none'; base-uri 'none'"),
        (b"x-request-id", request_id.encode()),
        (b"connection", b"close"),
    ]
    if retry_after_s is not None:
        headers.append((b"retry-after", str(retry_after_s).encode()))
    await send({"type": "http.response.start", "status": body.status, "headers": headers})
    await send({"type": "http.response.body", "body": content})


def wants_page(scope: Mapping[str, Any]) -> bool:
    """Returns whether a browser requests a page."""
    if scope["path"].startswith(PROGRAMS):
        return False
    return any(name == b"accept" and b"text/html" in value for name, value in scope["headers"])
