"""uvicorn's connections with limits: `--http control_plane.config.connections:HttpConnection` and `--ws ...:LinkConnection`.

uvicorn with httptools limits neither heads nor their time, nor the connections of an address, nor how long a response may
stay unread. h11 only limits the size of heads and costs several times the processor time; hypercorn has some of the
timeouts and no limit per address; granian has no `websocket.http.response`. So these two classes count what uvicorn's
classes parse, and end connections that `pace` or `common.shares` select.

They override undocumented callbacks of uvicorn's protocol classes, so `pyproject.toml` limits its version.
"""

import asyncio
import logging
import resource
from typing import Any, Protocol
from weakref import WeakKeyDictionary

import msgspec
from django.conf import settings
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import ServerState

from control_plane.common.client_network import limit_key
from control_plane.common.shares import UNSHARED, Shares
from control_plane.config.pace import Limits, Pace, Phase, Reason
from shared.kernel.logs import FailureLog
from shared.protocol.codec import encode
from shared.protocol.errors import PROBLEM_CONTENT_TYPE, Code, problem

log = logging.getLogger(__name__)

LIMITS = Limits()
SWEEP_S = 1.0
LATE_S = 1.0
LINK_SWEEPS = 30
"""Established links are checked once in so many sweeps: they are many, and rarely stall."""
RETRY_AFTER_S = 5
LINGER_S = 3.0
"""How long a surplus connection stays open before it is refused, so that a peer that replaces it at once waits too.
When refused at once, 2,000 half-sent requests became 1,950 new connections a second, which cost more than reading them."""


class _Ended(Protocol):
    """A connection that the guard may end."""

    share: str
    pace: Pace
    transport: asyncio.Transport

    def may_end(self) -> bool:
        """Returns whether it waits for its peer only."""
        ...

    def end(self, reason: Reason) -> None:
        """Closes it, with a response if possible."""
        ...


class _Unsent:
    """Response bytes that one peer has not read yet."""

    def __init__(self, connection: _Ended) -> None:
        self.connection = connection
        self.share = connection.share

    def may_end(self) -> bool:
        """Returns True: a peer that does not read loses its connection when memory is short."""
        return True


class Guard:
    """All connections of one server, in its event loop; decides which are admitted and which must end."""

    def __init__(self, *, in_all: int, per_address: int) -> None:
        self._connections: Shares[_Ended] = Shares(per_share=per_address, in_all=in_all)
        self._most_lingering = in_all // 2
        """They keep descriptors. Agents' links, files and the database need three quarters of all."""
        self._unsent: Shares[_Unsent] = Shares(per_share=LIMITS.unsent_per_share, in_all=LIMITS.unsent_in_all)
        self._unsent_of: dict[_Ended, _Unsent] = {}
        self._watched: set[_Ended] = set()
        self._links: set[_Ended] = set()
        self._lingering: set[_Ended] = set()
        self._sweep: asyncio.TimerHandle | None = None
        self._sweeps = 0
        self._swept_s = 0.0
        self._ended = FailureLog(log, "connections were ended")

    @property
    def counts(self) -> tuple[int, int]:
        """Returns the number of counted connections and of established links."""
        return self._connections.total, len(self._links)

    def admit(self, connection: _Ended) -> bool:
        """Counts a new connection. Beyond a limit, ends another one or refuses this one."""
        self._watched.add(connection)
        self._connections.set_amount(connection, 1)
        if self._sweep is None:
            loop = asyncio.get_running_loop()
            self._swept_s = loop.time()
            self._sweep = loop.call_later(SWEEP_S, self.sweep)
        while (surplus := self._connections.surplus(connection)) is not None:
            self.end(surplus, Reason.TOO_MANY)
            if surplus is connection:
                return False
        return True

    def established(self, connection: _Ended) -> None:
        """Stops counting a websocket whose agent is authenticated: the gateway limits those."""
        self._connections.remove(connection)
        self._watched.discard(connection)
        self._links.add(connection)

    def forget(self, connection: _Ended) -> None:
        """Stops counting a closed connection; idempotent."""
        self._lingering.discard(connection)
        self._connections.remove(connection)
        self._watched.discard(connection)
        self._links.discard(connection)
        self.read(connection)

    def unread(self, connection: _Ended) -> None:
        """Records that a peer reads more slowly than we write."""
        held = self._unsent_of.setdefault(connection, _Unsent(connection))
        self._unsent.set_amount(held, connection.transport.get_write_buffer_size())
        while (surplus := self._unsent.surplus(held)) is not None:
            self.read(surplus.connection)
            self._ended.failed(reason=Reason.UNREAD.name)
            # Not now: the transport may be in the middle of its own `write`.
            asyncio.get_running_loop().call_soon(surplus.connection.transport.abort)
            if surplus is held:
                return

    def read(self, connection: _Ended) -> None:
        """Records that a peer has read nearly everything."""
        held = self._unsent_of.pop(connection, None)
        if held is not None:
            self._unsent.remove(held)

    def end(self, connection: _Ended, reason: Reason) -> None:
        """Ends a connection; a surplus one after `LINGER_S`."""
        self.forget(connection)
        self._ended.failed(reason=reason.name)
        if reason is Reason.TOO_MANY and len(self._lingering) < self._most_lingering:
            self._lingering.add(connection)
            asyncio.get_running_loop().call_later(LINGER_S, self._end_lingering, connection)
        else:
            connection.end(reason)

    def lingers(self, connection: _Ended) -> bool:
        """Returns whether a connection is surplus and only waits for its refusal."""
        return connection in self._lingering

    def _end_lingering(self, connection: _Ended) -> None:
        if connection in self._lingering:  # unless the peer has closed it
            self._lingering.discard(connection)
            connection.end(Reason.TOO_MANY)

    def sweep(self) -> None:
        """Ends overdue connections; repeats while there are connections."""
        loop = asyncio.get_running_loop()
        now_s = loop.time()
        is_late = now_s - self._swept_s > SWEEP_S + LATE_S
        self._swept_s = now_s
        self._sweep = loop.call_later(SWEEP_S, self.sweep) if self._watched or self._links else None
        if is_late:
            return  # this process was suspended: data that peers sent meanwhile has not been read yet
        self._sweeps += 1
        looked_at = [*self._watched, *(self._links if self._sweeps % LINK_SWEEPS == 0 else ())]
        for connection in looked_at:
            reason = connection.pace.overdue(now_s, connection.transport.get_write_buffer_size())
            if reason is not None:
                self.end(connection, reason)


_guards: "WeakKeyDictionary[ServerState, Guard]" = WeakKeyDictionary()


def guard_of(state: ServerState) -> Guard:
    """Returns the guard of a server, created from the settings at its first connection."""
    guard = _guards.get(state)
    if guard is None:
        descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        # Three quarters of the descriptors are left for agents' links, files and the database.
        in_all = min(settings.CONNECTIONS, descriptors // 4)
        guard = _guards[state] = Guard(in_all=in_all, per_address=settings.CONNECTIONS_PER_ADDRESS)
    return guard


def _share_of(client: tuple[str, int] | None) -> str:
    # Behind a proxy all connections come from the proxy; its callers are counted per request (`config.handler`).
    return limit_key(client[0]) if client and not settings.TRUSTED_PROXIES else UNSHARED


class _Refused(Exception):
    """A request exceeds a limit. Raised in a parser callback to stop parsing."""


class HttpConnection(HttpToolsProtocol):
    """One HTTP connection. Limits heads, pipelined requests, and bodies that nobody reads."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Counts the connection."""
        super().connection_made(transport)
        self.share = _share_of(self.client)
        self.pace = Pace(LIMITS, self.loop.time())
        self.guard = guard_of(self.server_state)
        self._refusal = (400, "Invalid HTTP request received.")
        self._received = self._head_bytes = self._raw_bytes = self._content_bytes = 0
        self.guard.admit(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stops counting it."""
        self.guard.forget(self)
        super().connection_lost(exc)

    def may_end(self) -> bool:
        """Returns whether it waits for its peer, to send a request or to read the response."""
        return self.pace.phase is not Phase.ANSWER or self.transport.get_write_buffer_size() > 0

    def end(self, reason: Reason) -> None:
        """Closes it, with a response if the peer has sent something."""
        if reason is Reason.UNREAD or self.transport.get_write_buffer_size():
            self.transport.abort()
        elif reason is Reason.SLOW_HEAD and not self._received:
            self.transport.close()  # a browser that connected in advance
        else:
            self._refusal = (503 if reason is Reason.TOO_MANY else 408, reason.value)
            self.send_400_response("")

    def data_received(self, data: bytes) -> None:
        """Parses data, and checks how much of it is head or framing."""
        phase, now_s = self.pace.phase, self.loop.time()
        self._received += len(data)
        if self.guard.lingers(self):
            # Read it anyway: closing a socket with unread data would reset it before the peer has the response.
            if self._received > LIMITS.head_bytes:
                self.transport.abort()
            return
        if phase is Phase.IDLE:
            self._begin_head(now_s)
        if self.pace.phase is Phase.HEAD:
            self._head_bytes += len(data)
        elif phase is Phase.BODY:
            self._raw_bytes += len(data)
        super().data_received(data)
        if self.pace.phase is Phase.HEAD and self._head_bytes > LIMITS.head_bytes:
            self._refuse(431, f"The head is over {LIMITS.head_bytes} bytes.")
        elif self._raw_bytes > LIMITS.framing_bytes + 9 * self._content_bytes:
            self._refuse(400, "The body is nearly all framing.")

    def _begin_head(self, now_s: float) -> None:
        self.pace.enter(Phase.HEAD, now_s)
        self._head_bytes = 0

    def _refuse(self, status: int, detail: str) -> None:
        if not self.transport.is_closing():
            self._refusal = (status, detail)
            self.send_400_response("")

    def send_400_response(self, msg: str) -> None:
        """Answers a request that is not read to its end with problem+json, and closes."""
        cycle: RequestResponseCycle | None = self.cycle
        if cycle is not None and cycle.response_started and not cycle.response_complete:
            self.transport.abort()  # in the middle of another response
            return
        status, detail = self._refusal
        self.transport.write(_answer(status, detail))
        self.transport.close()

    # Parser callbacks.

    def on_message_begin(self) -> None:
        """Starts a head, possibly behind a request that is still being answered."""
        now_s = self.loop.time()
        if self.pace.phase is not Phase.HEAD:
            self._begin_head(now_s)
        self._head_sizes = self._raw_bytes = self._content_bytes = 0
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        """Receives a part of the request target."""
        super().on_url(url)
        if len(self.url) > LIMITS.target_bytes:
            self._stop(414, f"The address is over {LIMITS.target_bytes} bytes.")

    def on_header(self, name: bytes, value: bytes) -> None:
        """Receives a header. Trailers are dropped, because nothing reads them."""
        if self.pace.phase is not Phase.HEAD:
            return
        self._head_sizes += len(name) + len(value) + 4
        if self._head_sizes + len(self.url) > LIMITS.head_bytes:
            self._stop(431, f"The head is over {LIMITS.head_bytes} bytes.")
        if len(self.headers) >= LIMITS.header_count:
            self._stop(431, f"There are over {LIMITS.header_count} headers.")
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Passes a request on unless too many wait already."""
        if len(self.pipeline) >= LIMITS.pipelined:
            self._stop(429, "Too many requests wait on this connection.")
        self.pace.enter(Phase.BODY, self.loop.time())
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Receives a part of a body."""
        self._content_bytes += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Handles the end of a request."""
        self.pace.enter(Phase.ANSWER, self.loop.time())
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Handles the end of a response. Closes if the peer is still sending the body of an answered request."""
        if not self.pipeline:
            if self.pace.phase is Phase.BODY:
                self.transport.close()
            elif self.pace.phase is Phase.ANSWER:
                self.pace.enter(Phase.IDLE, self.loop.time())
        super().on_response_complete()

    def _stop(self, status: int, detail: str) -> None:
        self._refusal = (status, detail)
        raise _Refused(detail)

    # Writing to the peer.

    def pause_writing(self) -> None:
        """Records that the peer does not keep up."""
        super().pause_writing()
        self.guard.unread(self)

    def resume_writing(self) -> None:
        """Records that the peer keeps up again."""
        super().resume_writing()
        self.pace.read(self.loop.time())
        self.guard.read(self)

    def handle_websocket_upgrade(self) -> None:
        """Passes the connection to `LinkConnection`."""
        longest = max((len(name) + len(value) for name, value in self.headers), default=0)
        if max(longest, len(self.url)) > LIMITS.upgrade_line_bytes:
            self._refuse(431, f"A line of an upgrade is over {LIMITS.upgrade_line_bytes} bytes.")
            return
        self.guard.forget(self)
        super().handle_websocket_upgrade()


class LinkConnection(WebSocketsSansIOProtocol):
    """One websocket. Limits its handshake, the frames of a message, and unread pongs."""

    def __init__(
        self, config: Any, server_state: ServerState, app_state: dict[str, Any], **rest: Any
    ) -> None:
        super().__init__(config, server_state, app_state, **rest)
        self.guard = guard_of(server_state)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Counts the connection until its agent is authenticated."""
        super().connection_made(transport)
        self.share = _share_of(self.client)
        self.pace = Pace(LIMITS, self.loop.time(), Phase.HANDSHAKE)
        self._head_came = False
        self.guard.admit(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stops counting it."""
        self.guard.forget(self)
        super().connection_lost(exc)

    def may_end(self) -> bool:
        """Returns False: it waits for us."""
        return False

    def end(self, reason: Reason) -> None:
        """Closes it at once: the peer does not read, or has not been accepted."""
        self.transport.abort()

    def data_received(self, data: bytes) -> None:
        """Receives frames; there must be none before the handshake is complete."""
        if self.pace.phase is Phase.HANDSHAKE and self._head_came:
            self.transport.abort()
            return
        self._head_came = True
        super().data_received(data)
        if len(self.frames) > LIMITS.fragments:
            self.transport.abort()

    def handle_ping(self) -> None:
        """Answers a ping, unless the peer does not read the pongs."""
        if self.transport.get_write_buffer_size() > LIMITS.unread_bytes:
            self.transport.abort()
            return
        super().handle_ping()

    async def send(self, message: Any) -> None:
        """Sends for the gateway, and records its decision about the handshake."""
        await super().send(message)
        if self.pace.phase is Phase.HANDSHAKE and self.handshake_complete and not self.close_sent:
            self.pace.enter(Phase.LINK, self.loop.time())
            self.guard.established(self)

    def pause_writing(self) -> None:
        """Records that the peer does not keep up."""
        super().pause_writing()
        self.guard.unread(self)

    def resume_writing(self) -> None:
        """Records that the peer keeps up again."""
        super().resume_writing()
        self.pace.read(self.loop.time())
        self.guard.read(self)


def _answer(status: int, detail: str) -> bytes:
    code = Code.UNAVAILABLE if status == 503 else Code.BAD_REQUEST
    body = problem(code, detail)
    content = encode(msgspec.structs.replace(body, status=status))
    head = [
        f"HTTP/1.1 {status} {_PHRASES[status]}",
        f"content-type: {PROBLEM_CONTENT_TYPE}",
        f"content-length: {len(content)}",
        *((f"retry-after: {RETRY_AFTER_S}",) if status == 503 else ()),
        "cache-control: no-store",
        "connection: close",
    ]
    return "\r\n".join([*head, "", ""]).encode() + content


_PHRASES = {
    400: "Bad Request",
    408: "Request Timeout",
    414: "URI Too Long",
    429: "Too Many Requests",
    431: "Request Header Fields Too Large",
    503: "Service Unavailable",
}
