"""Looks at a request before Django reads its body: Django keeps all of a body aside before any view is asked.

Without this anybody could fill memory and disk with what no view would take. A PUT of a segment is checked by its signed
address, everything else by its length. What has arrived is counted while it is held, per address (of PUTs: per studio)
and in all; where too much is held, who holds most gives way. A body has to arrive at a steady pace. Uploads of a studio
are bounded in number and in rate as well: each is received, hashed and written by this process.
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

from control_plane.common.bodies import FORM_LIMIT_BYTES, limit_of
from control_plane.common.caller import address_of_scope, limit_key
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

FORMS_OF_ONE_BYTES, FORMS_BYTES = 16 << 20, 128 << 20
"""Bodies of everything but segments that are held at once: of one address, and of all. They are in memory."""
OBJECTS_OF_ONE_BYTES, OBJECTS_BYTES = 1 << 30, 4 << 30
"""Bodies of segments that are held at once: of one studio, and of all. They are temporary files."""
UPLOADS, UPLOADS_KEPT, UPLOADS_OF_STUDIO = 64, 16, 12
"""Uploads that are received at once: of all, of these only for studios that have none, and of one studio. An agent sends
three at once."""
LARGE_BYTES, LARGE_OF_STUDIO_BYTES = 8 << 20, 480 << 20
"""Uploads larger than the one hold together at most the other, per studio. Temporary files that live less than 30 s are not
written to the disk, as a rule, and so do not delay the commits of the database; at `UPLOAD_BYTES_PER_S` these are here
in 20 s. The largest segments of two agents with three uploads each fit: 80 MiB are 20 s of 4K at 33 Mbit/s."""
LARGE_UPLOAD_BYTES = LARGE_OF_STUDIO_BYTES // 3
"""The most that one of them counts for: three of any size always fit, as many as an agent sends. An agent gives up an upload
that nobody reads for 30 s, so a longer wait in place of this would not help."""
UPLOAD_WAIT_S = 30.0
"""How long an upload waits for its turn, unread, before it is answered with Retry-After."""
UPLOAD_BYTES_PER_S, UPLOAD_BURST_BYTES = 25_000_000, 128 << 20
"""Of a studio: 200 Mbit/s, thirteen times what three cameras of 5 Mbit/s record."""
FREE_SHARE = 4
"""Bodies of segments take at most one part in so many of what was free for temporary files at the start."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast a body has to arrive. Only time in which we wait for the peer counts.

    The rate is Apache's default (`mod_reqtimeout`). An agent with the lowest ceiling that a studio can set
    (`fleet.uploads.MIN_BYTES_PER_S`) sends each of its three uploads six times as fast.
    """

    idle_s: float = 30.0
    grace_s: float = 20.0
    bytes_per_s: int = 500


FORM_PACE = Pace()
OBJECT_PACE = Pace(idle_s=60.0, grace_s=60.0)


class Body:
    """The body of one request while it is held; `refusal` says why it is read no further.

    Args:
        share: whose it is.
        limit: the most bytes that are read of it.
        pace: how fast it has to arrive.
        held: where its bytes are counted.
        until_s: when its address expires, by the clock of the event loop.
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
        """Returns whether more of it is awaited: a whole one is about to be answered."""
        return self._wait is not None

    def end(self) -> None:
        """Stops waiting for the rest of it."""
        self.refusal = Unavailable("Too many bodies are held now."), None
        if self._wait is not None:
            self._wait.reschedule(0)

    def close(self) -> None:
        """Stops counting it."""
        self._held.remove(self)

    async def receive(self, receive: Receive) -> Mapping[str, Any]:
        """Returns the next message of the request; a disconnection where the rest is refused."""
        if self._is_refused():
            return {"type": "http.disconnect"}
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        try:
            async with asyncio.timeout(self._patience_s(began_s)) as self._wait:
                message = await receive()
        except TimeoutError:
            if not self._is_refused():
                self.refusal = self._lateness(loop.time())
            return {"type": "http.disconnect"}
        finally:
            self._wait = None
        self._waited_s += loop.time() - began_s
        self._size += len(message.get("body", b""))
        self._count()
        # A body of unknown length that goes on for ever is a caller that we do not listen to any more.
        return {"type": "http.disconnect"} if self._is_refused() else message

    def _is_refused(self) -> bool:
        return self.refusal is not None

    def _patience_s(self, now_s: float) -> float:
        pace = self._pace
        left_s = pace.grace_s + self._size / pace.bytes_per_s - self._waited_s
        return max(0.0, min(pace.idle_s, left_s, self._until_s - now_s))

    def _lateness(self, now_s: float) -> tuple[ControlPlaneError, int | None]:
        if now_s >= self._until_s:
            # The view refuses it for the same reason once all of it is here; the agent then asks for a new address.
            expired = ControlPlaneError("The address has expired.", code=Code.UPLOAD_TARGET_EXPIRED)
            return expired, None
        return BadRequest("The body came too slowly."), 408

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
    """Hands on to `app` what may be read, and answers the rest itself. Used in one event loop."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._forms: Shares[Body] = Shares(per_share=FORMS_OF_ONE_BYTES, in_all=FORMS_BYTES)
        self._uploads = FairTurns(in_all=UPLOADS, kept=UPLOADS_KEPT)
        self._upload_bytes = Throttle(per_s=UPLOAD_BYTES_PER_S, burst=UPLOAD_BURST_BYTES)
        free_bytes = shutil.disk_usage(tempfile.gettempdir()).free
        self._objects: Shares[Body] = Shares(
            per_share=OBJECTS_OF_ONE_BYTES, in_all=min(OBJECTS_BYTES, free_bytes // FREE_SHARE)
        )

    @property
    def held_bytes(self) -> tuple[int, int]:
        """How many bytes of bodies are held: of segments, and of everything else."""
        return self._objects.total, self._forms.total

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        # Without a body as well: requests are shared by the studio that the address names (`config.callers`).
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
        parties = [Party(body.share, UPLOADS_OF_STUDIO)]
        if body.limit > LARGE_BYTES:
            takes = min(body.limit, LARGE_UPLOAD_BYTES)
            parties.append(Party(("large", body.share), LARGE_OF_STUDIO_BYTES, takes))
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
                # Here and not around `receive`: what we wait for by ourselves must not count as a slow peer.
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
            limit = _limit(scope)
            body = Body(limit_key(address_of_scope(scope)), limit, FORM_PACE, self._forms)
        if _announced(scope) > limit:
            raise too_large(limit)
        return body


def too_large(limit: int) -> ControlPlaneError:
    """Returns the error for a body over `limit` bytes."""
    return ControlPlaneError(f"The body is over {limit} bytes.", code=Code.TOO_LARGE)


def _limit(scope: Scope) -> int:
    path: str = scope["path"]
    if path.startswith(AGENT):
        return MESSAGE_LIMIT_BYTES
    announced = _announced(scope)
    if 0 < announced <= FORM_LIMIT_BYTES:
        return FORM_LIMIT_BYTES
    try:
        return limit_of(resolve(path).func)
    except Resolver404:
        return FORM_LIMIT_BYTES


def _is_upload(scope: Scope) -> bool:
    path: str = scope["path"]
    return path.startswith(OBJECTS) and bool(scope["method"] == "PUT")


def _has_body(scope: Scope) -> bool:
    # HTTP/1.1 has no body without one of the two (RFC 9112, section 6.3).
    return any(
        name == b"transfer-encoding" or (name == b"content-length" and value != b"0")
        for name, value in scope["headers"]
    )


def _announced(scope: Scope) -> int:
    text = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
    return int(text) if text.isdigit() else 0
