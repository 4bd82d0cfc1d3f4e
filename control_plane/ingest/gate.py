"""Bounds the bodies of requests before Django reads them: Django buffers a whole body before it calls a view.

Without this anybody could fill memory and disk with bodies that no view accepts. A PUT of a segment is checked by its signed
address, everything else by its length. Received bytes are counted while they are held, per address (PUTs: per studio) and
in total; at a bound, the party that holds most gives way. A body must arrive at a minimum pace. The uploads of a studio are
also bounded in number and rate: this process receives, hashes and writes each of them.
"""

import asyncio
import contextlib
import math
import shutil
import tempfile
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from django.http import QueryDict
from django.urls import Resolver404, resolve
from django.utils import timezone

from control_plane.common.body_limits import FORM_LIMIT_BYTES, limit_of
from control_plane.common.client_network import address_of_scope, limit_key
from control_plane.common.errors import BadRequest, ControlPlaneError, Unavailable
from control_plane.common.refusals import send_refusal
from control_plane.common.shares import Shares
from control_plane.common.throttle import Throttle
from control_plane.common.turns import FairTurns, Party
from control_plane.ingest.targets import verify_upload
from shared.protocol.codec import MESSAGE_LIMIT_BYTES
from shared.protocol.errors import Code

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[Mapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

OBJECTS = "/agent/v1/objects/"
AGENT = "/agent/v1/"
RETRY_AFTER_S = 5

FORM_BYTES_PER_ADDRESS, FORM_BYTES_TOTAL = 16 << 20, 128 << 20
"""Bodies other than segments held at once, in memory: of one address, and in total."""
OBJECT_BYTES_PER_STUDIO, OBJECT_BYTES_TOTAL = 1 << 30, 4 << 30
"""Bodies of segments held at once, as temporary files: of one studio, and in total."""
UPLOADS, RESERVED_UPLOADS, UPLOADS_PER_STUDIO = 64, 16, 12
"""Concurrent uploads: in total, the part of them reserved for studios that have none, and of one studio. An agent sends
three at a time."""
LARGE_BYTES, LARGE_BYTES_PER_STUDIO = 8 << 20, 480 << 20
"""Uploads larger than the first may hold the second in total, per studio. Temporary files younger than 30 s usually do not
reach the disk, so they do not delay commits of the database; at `UPLOAD_BYTES_PER_S` these arrive in 20 s. The limit
fits the largest segments of two agents with three uploads each: 80 MiB are 20 s of 4K at 33 Mbit/s."""
MAX_COUNTED_BYTES = LARGE_BYTES_PER_STUDIO // 3
"""The most that one large upload counts for, so that the three uploads of an agent always fit, whatever their size. Making
them wait longer instead would not help: an agent gives up an upload that is not read for 30 s."""
UPLOAD_WAIT_S = 30.0
"""How long an upload waits for its turn, unread, before the answer is a refusal with Retry-After."""
UPLOAD_BYTES_PER_S, UPLOAD_BURST_BYTES = 25_000_000, 128 << 20
"""Limit per studio: 200 Mbit/s, thirteen times the rate of three cameras of 5 Mbit/s."""
FREE_SPACE_DIVISOR = 4
"""Bodies of segments use at most this fraction (1/4) of the space that was free for temporary files at the start."""


@dataclass(frozen=True, slots=True)
class Pace:
    """The minimum pace of a body. Only the time spent waiting for the peer counts.

    The rate is Apache's default (`mod_reqtimeout`). An agent with the lowest bandwidth limit that a studio can set
    (`fleet.uploads.MIN_BYTES_PER_S`) sends each of its three uploads six times as fast.
    """

    idle_s: float = 30.0
    grace_s: float = 20.0
    bytes_per_s: int = 500


FORM_PACE = Pace()
OBJECT_PACE = Pace(idle_s=60.0, grace_s=60.0)


class Body:
    """The body of one request while it is held. If it is not read further, `refusal` is the reason.

    Args:
        share: the address or studio that its bytes count for.
        limit: the maximum of bytes read.
        pace: the minimum pace.
        held: counts the bytes of all bodies.
        until_s: the time when its upload address expires, on the clock of the event loop.
    """

    def __init__(
        self, share: str, limit: int, pace: Pace, held: "Shares[Body]", *, until_s: float = math.inf
    ) -> None:
        self.share = share
        self.limit = limit
        self.refusal: tuple[ControlPlaneError, int | None] | None = None
        self._pace = pace
        self._held = held
        self._until_s = until_s
        self._size = 0
        self._waited_s = 0.0
        self._wait: asyncio.Timeout | None = None

    def may_end(self) -> bool:
        """Returns whether more bytes are awaited: a complete body is about to be answered."""
        return self._wait is not None

    def end(self) -> None:
        """Stops waiting for the rest of the body."""
        self.refusal = Unavailable("The server is holding too many request bodies."), None
        if self._wait is not None:
            self._wait.reschedule(0)

    def close(self) -> None:
        """Stops counting the body."""
        self._held.remove(self)

    async def receive(self, receive: Receive) -> Mapping[str, Any]:
        """Returns the next message of the request; a disconnection if the body is refused."""
        if self._is_refused():
            return {"type": "http.disconnect"}
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        try:
            async with asyncio.timeout(self._timeout_s(began_s)) as self._wait:
                message = await receive()
        except TimeoutError:
            if not self._is_refused():
                self.refusal = self._timeout_refusal(loop.time())
            return {"type": "http.disconnect"}
        finally:
            self._wait = None
        self._waited_s += loop.time() - began_s
        self._size += len(message.get("body", b""))
        self._count()
        # A refused body of unknown length may never end: disconnect instead of reading on.
        return {"type": "http.disconnect"} if self._is_refused() else message

    def _is_refused(self) -> bool:
        return self.refusal is not None

    def _timeout_s(self, now_s: float) -> float:
        pace = self._pace
        left_s = pace.grace_s + self._size / pace.bytes_per_s - self._waited_s
        return max(0.0, min(pace.idle_s, left_s, self._until_s - now_s))

    def _timeout_refusal(self, now_s: float) -> tuple[ControlPlaneError, int | None]:
        if now_s >= self._until_s:
            # The view would refuse the complete body for the same reason; the agent then asks for a new address.
            expired = ControlPlaneError("The upload address has expired.", code=Code.UPLOAD_TARGET_EXPIRED)
            return expired, None
        return BadRequest("The body arrived too slowly."), 408

    def _count(self) -> None:
        if self._size > self.limit:
            self.refusal = too_large(self.limit), None
            return
        self._held.set_amount(self, self._size)
        while (surplus := self._held.surplus(self)) is not None:
            surplus.end()
            self._held.remove(surplus)
            if surplus is self:
                return


class Gate:
    """ASGI middleware: passes accepted requests to `app` and refuses the others itself. Used in one event loop."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._forms: Shares[Body] = Shares(per_share=FORM_BYTES_PER_ADDRESS, in_all=FORM_BYTES_TOTAL)
        self._uploads = FairTurns(in_all=UPLOADS, kept=RESERVED_UPLOADS)
        self._upload_bytes = Throttle(per_s=UPLOAD_BYTES_PER_S, burst=UPLOAD_BURST_BYTES)
        free_bytes = shutil.disk_usage(tempfile.gettempdir()).free
        self._objects: Shares[Body] = Shares(
            per_share=OBJECT_BYTES_PER_STUDIO,
            in_all=min(OBJECT_BYTES_TOTAL, free_bytes // FREE_SPACE_DIVISOR),
        )

    @property
    def held_bytes(self) -> tuple[int, int]:
        """The number of bytes held: of segments, and of all other bodies."""
        return self._objects.total, self._forms.total

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        # An upload without a body is checked too: `config.callers` counts it for the studio in its address.
        if not _has_body(scope) and not _is_upload(scope):
            await self._app(scope, receive, send)
            return
        async with contextlib.AsyncExitStack() as stack:
            try:
                body = self._body_of(scope)
                if _is_upload(scope):
                    await stack.enter_async_context(self._upload_turn(body))
            except ControlPlaneError as refused:
                wait_s = refused.retry_after_s if isinstance(refused, Unavailable) else None
                await send_refusal(send, scope, refused, retry_after_s=wait_s)
                return
            await self._pass_on(scope, body, receive, send)

    def _upload_turn(self, body: Body) -> contextlib.AbstractAsyncContextManager[object]:
        parties = [Party(body.share, UPLOADS_PER_STUDIO)]
        if body.limit > LARGE_BYTES:
            takes = min(body.limit, MAX_COUNTED_BYTES)
            parties.append(Party(("large", body.share), LARGE_BYTES_PER_STUDIO, takes))
        return self._uploads.taken(parties, within_s=UPLOAD_WAIT_S)

    async def _pass_on(self, scope: Scope, body: Body, receive: Receive, send: Send) -> None:
        """Passes a request to `app` and counts its body as it arrives."""
        started = asyncio.Event()
        is_upload = _is_upload(scope)

        async def sending(message: Mapping[str, Any]) -> None:
            started.set()
            await send(message)

        async def receiving() -> Mapping[str, Any]:
            message = await body.receive(receive)
            if is_upload:
                # Not around `receive`: our own wait must not count as a slow peer.
                await self._upload_bytes.take(body.share, len(message.get("body", b"")))
            return message

        try:
            await self._app(scope, receiving, sending)
            if body.refusal is not None and not started.is_set():
                error, status = body.refusal
                wait_s = RETRY_AFTER_S if isinstance(error, Unavailable) else None
                await send_refusal(send, scope, error, status=status, retry_after_s=wait_s)
        finally:
            body.close()

    def _body_of(self, scope: Scope) -> Body:
        path: str = scope["path"]
        if _is_upload(scope):
            allowed = verify_upload(path.removeprefix(OBJECTS), QueryDict(scope["query_string"]))
            studio = allowed.key.partition("/")[0]
            limit = allowed.size_bytes
            left_s = allowed.expires_s - timezone.now().timestamp()
            until_s = asyncio.get_running_loop().time() + left_s
            body = Body(studio, limit, OBJECT_PACE, self._objects, until_s=until_s)
        else:
            limit = _body_limit(scope)
            body = Body(limit_key(address_of_scope(scope)), limit, FORM_PACE, self._forms)
        if _content_length(scope) > limit:
            raise too_large(limit)
        return body


def too_large(limit: int) -> ControlPlaneError:
    """Returns the error for a body over `limit` bytes."""
    return ControlPlaneError(f"The body is over {limit} bytes.", code=Code.TOO_LARGE)


def _body_limit(scope: Scope) -> int:
    path: str = scope["path"]
    if path.startswith(AGENT):
        return MESSAGE_LIMIT_BYTES
    length = _content_length(scope)
    if 0 < length <= FORM_LIMIT_BYTES:
        return FORM_LIMIT_BYTES
    try:
        return limit_of(resolve(path).func)
    except Resolver404:
        return FORM_LIMIT_BYTES


def _is_upload(scope: Scope) -> bool:
    path: str = scope["path"]
    return path.startswith(OBJECTS) and bool(scope["method"] == "PUT")


def _has_body(scope: Scope) -> bool:
    # An HTTP/1.1 request has a body only with one of these headers (RFC 9112, section 6.3).
    return any(
        name == b"transfer-encoding" or (name == b"content-length" and value != b"0")
        for name, value in scope["headers"]
    )


def _content_length(scope: Scope) -> int:
    text = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
    return int(text) if text.isdigit() else 0
