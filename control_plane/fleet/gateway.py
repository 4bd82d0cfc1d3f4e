"""The agents' websocket `/agent/v1/link`: a plain ASGI application, mounted by `config.asgi`.

The event loop only carries frames. Everything that touches the database runs in a few threads, in short
scopes, one call at a time per socket: a flooding agent waits for its own writes. Every push is read from the
database at that moment, so a lost, duplicated or reordered announcement changes nothing.

Source: protocols.md, section 2; ASGI HTTP & WebSocket specification 2.5 (with `websocket.http.response`).
"""

import asyncio
import contextlib
import email.utils
import logging
import time
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any, ParamSpec, TypeVar, cast
from uuid import UUID, uuid4

import msgspec
from django.db import connections
from django.utils import timezone

from control_plane.common.client_network import address_of_scope, limit_key
from control_plane.common.errors import Busy, ControlPlaneError, Unavailable
from control_plane.common.outages import OUTAGES
from control_plane.common.scoping import studio_scope
from control_plane.common.throttle import Throttle
from control_plane.common.turns import FairTurns, Party
from control_plane.fleet import installation, reports
from control_plane.fleet.announcements import Announcement, Topic, announce
from control_plane.fleet.authentication import Caller, authenticate
from control_plane.fleet.models import Agent
from control_plane.fleet.selectors import desired_document, link_facts
from control_plane.fleet.status_limits import out_of_range
from control_plane.fleet.subscriber import Subscriber
from shared.protocol.codec import decode, encode
from shared.protocol.config import AgentConfig
from shared.protocol.errors import PROBLEM_CONTENT_TYPE, Code
from shared.protocol.ids import SegmentId
from shared.protocol.messages import (
    CLOSE_STOPPED,
    SEND_AGAIN_SINCE,
    Fault,
    FromAgent,
    Heartbeat,
    Hello,
    Report,
    Revoked,
    SendAgain,
    SendingAgain,
    ToAgent,
    Welcome,
    pushed,
)
from shared.protocol.status import Reported
from shared.protocol.version import OLDEST_VERSION, PROTOCOL_VERSION

log = logging.getLogger(__name__)

Scope = Mapping[str, Any]
Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[Mapping[str, Any]], Awaitable[None]]
P = ParamSpec("P")
T = TypeVar("T")

HELLO_TIMEOUT_S = 15.0
POLL_S = 60.0
"""Interval of the poll for changes that no announcement reported: one query for all sockets of a studio."""
DISCONNECTED_POLL_S = 2.0
"""Polls interval while the subscriber is disconnected: a revocation must still close the socket within 5 s."""
TICK_S = 0.5
RESEND_S = 10.0
SEND_TIMEOUT_S = 10.0
"""An agent that reads nothing for this long is disconnected; it reconnects when it can read again."""
FAREWELL_TIMEOUT_S = 2.0
"""How long the gateway waits to deliver a revocation before it closes the socket without one."""
RIVAL_GRACE_S = 5.0
"""Frames of an old socket that arrive later than this after a new one opened were not merely in transit."""
MAX_LINKS = 10_000
MAX_LINKS_PER_ADDRESS = 8
DATABASE_THREADS = 4

MESSAGES_PER_S, MESSAGE_BURST = 4.0, 60.0
"""Per agent, over all of its sockets. An honest agent sends two a minute, and one per change of state."""
MESSAGE_BYTES = 16 << 10
"""A message counts as one more for each such number of bytes."""
UPGRADES_PER_NETWORK = 2
"""Maximum of threads for upgrades from one network."""
UPGRADE_WAIT_S = 60.0

CLOSE_FAULT, CLOSE_REVOKED, CLOSE_BROKEN = 4400, 4401, 1011


@dataclass(frozen=True, slots=True)
class LinkUpdate:
    """The current message for an agent: its signed revocation, or its newest configuration and damaged segments."""

    revocation: str | None
    desired: AgentConfig | None
    lost: tuple[SegmentId, ...] = ()
    """Segments to request again; empty for an agent whose protocol cannot resend."""


class GatewayUnavailable(Exception):
    """The agent does not read its socket."""


class Gateway:
    """All sockets of this process."""

    def __init__(self) -> None:
        self.subscriber = Subscriber()
        self._threads = ThreadPoolExecutor(DATABASE_THREADS, thread_name_prefix="gateway")
        self._upgrades = FairTurns(in_all=DATABASE_THREADS - 1, most_waiting=MAX_LINKS)
        self.throttle = Throttle(per_s=MESSAGES_PER_S, burst=MESSAGE_BURST)
        self._links: Counter[UUID] = Counter()
        self._polled_links: dict[Link, None] = {}
        self._poll_task: asyncio.Task[None] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one socket from its upgrade to its end."""
        await receive()
        try:
            caller = await self._authenticated(scope)
            self._admit(caller)
        except ControlPlaneError as error:
            await _refuse(send, error)
            return
        self._links[caller.agent_id] += 1
        try:
            await send({"type": "websocket.accept"})
            await Link(self, caller, receive, send).serve()
        except GatewayUnavailable:
            log.info("agent does not read its socket, link closed", extra={"agent": caller.agent_id})
        except Exception:
            log.exception("link failed", extra={"agent": caller.agent_id})
            await _close(send, CLOSE_BROKEN)
        finally:
            self._links[caller.agent_id] -= 1
            self._links += Counter()

    async def _authenticated(self, scope: Scope) -> Caller:
        """Authenticates the agent that opens a socket. Networks take turns, so that one cannot occupy all threads."""
        address = address_of_scope(scope)
        network = Party(limit_key(address), UPGRADES_PER_NETWORK)
        async with self._upgrades.taken([network], within_s=UPGRADE_WAIT_S) as turn:
            began_s = time.monotonic()
            try:
                return await self.in_thread(authenticate, _header(scope, b"authorization"), address=address)
            finally:
                turn.used_s = time.monotonic() - began_s

    async def in_thread(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Runs `call` in a thread that may touch the database, and gives its connection back."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, partial(_with_connection, call, *args, **kwargs))

    @contextlib.contextmanager
    def polled(self, link: "Link") -> Iterator[None]:
        """Polls the database for unannounced changes to a link until the block ends."""
        self._polled_links[link] = None
        if self._poll_task is None or self._poll_task.done():
            self._poll_task = asyncio.create_task(self._poll_loop(), name="gateway-poll")
        try:
            yield
        finally:
            del self._polled_links[link]

    async def _poll_loop(self) -> None:
        polled_s = time.monotonic()
        while self._polled_links:
            await asyncio.sleep(TICK_S)
            if time.monotonic() - polled_s < (
                DISCONNECTED_POLL_S if self.subscriber.is_disconnected else POLL_S
            ):
                continue
            polled_s = time.monotonic()
            links: defaultdict[UUID, list[Link]] = defaultdict(list)
            for link in self._polled_links:
                links[link.caller.studio_id].append(link)
            try:
                for studio_id, of_studio in links.items():
                    await self._poll(studio_id, of_studio)
            except Exception:
                # The database is briefly unavailable: sockets stay open, and the next turn polls again.
                log.exception("poll for link changes failed")

    async def _poll(self, studio_id: UUID, links: "Sequence[Link]") -> None:
        ids = {link.caller.agent_id for link in links}
        update = {id_: rest for id_, *rest in await self.in_thread(_read_link_facts, studio_id, ids)}
        for link in links:
            trusted, version = update.get(link.caller.agent_id, (False, 0))
            if not trusted or link.lacks(version):
                link.wake()

    def _admit(self, caller: Caller) -> None:
        if self._links.total() >= MAX_LINKS or self._links[caller.agent_id] >= MAX_LINKS_PER_ADDRESS:
            raise Unavailable("This server has reached its limit of agent links.")


class Link:
    """One socket of one agent. Its reader and its pusher are the only tasks; both end with it."""

    def __init__(self, gateway: Gateway, caller: Caller, receive: Receive, send: Send) -> None:
        self._gateway = gateway
        self.caller = caller
        self._receive = receive
        self._send = send
        self._id = uuid4()
        self._wake = asyncio.Event()
        self._reported: Reported | None = None
        self._protocol = OLDEST_VERSION
        self._sent: tuple[int, float] = (0, 0.0)
        self._resend_request: tuple[tuple[SegmentId, ...], float] = ((), 0.0)
        self._rival: tuple[str, float] | None = None
        self._was_stopped = False

    async def serve(self) -> None:
        """Completes the handshake, then read and push until either task ends."""
        try:
            async with asyncio.timeout(HELLO_TIMEOUT_S):
                hello = await self._next()
        except TimeoutError:
            await self._fault(Code.BAD_REQUEST, "no hello received")
            return
        if hello is None:
            return
        if not isinstance(hello, Hello):
            await self._fault(Code.BAD_REQUEST, "the first frame must be a hello")
            return
        if hello.protocol < OLDEST_VERSION:
            await self._fault(
                Code.PROTOCOL_TOO_OLD, f"this control plane needs version {OLDEST_VERSION} or later"
            )
            return
        in_thread = self._gateway.in_thread
        self._reported, self._protocol = hello.reported, hello.protocol
        try:
            await in_thread(self._open, hello)
            await self._send_message(Welcome(protocol=PROTOCOL_VERSION, server_time_at=timezone.now()))
            async with self._gateway.subscriber.listening(self.caller.agent_id, self._on_announcement):
                with self._gateway.polled(self):
                    await self._until_either_ends()
        finally:
            # The task may be cancelled at server shutdown; the row must still record that the link is closed.
            close = partial(reports.close_link, self.caller, self._id, was_stopped=self._was_stopped)
            await asyncio.shield(in_thread(close))

    async def _until_either_ends(self) -> None:
        tasks = {asyncio.create_task(self._read()), asyncio.create_task(self._push())}
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        for task in done:
            task.result()

    async def _read(self) -> None:
        while (message := await self._next()) is not None:
            await self._handle(message)
            if isinstance(message, Heartbeat):
                await self._notice_rival()

    async def _push(self) -> None:
        while True:
            self._wake.clear()
            update = await self._gateway.in_thread(_read_update, self.caller)
            if update.revocation is not None:
                with contextlib.suppress(GatewayUnavailable):
                    await self._send_message(
                        Revoked(revocation=update.revocation), within_s=FAREWELL_TIMEOUT_S
                    )
                await _close(self._send, CLOSE_REVOKED)
                return
            if update.desired is not None and self._is_config_due(update.desired):
                self._sent = (update.desired.version, time.monotonic())
                await self._send_message(pushed(update.desired, protocol=self._protocol))
            if self._is_resend_due(update.lost):
                self._resend_request = (update.lost, time.monotonic())
                await self._send_message(SendAgain(segment_ids=update.lost))
            await self._wake.wait()

    def lacks(self, version: int) -> bool:
        """Returns whether the agent has not acknowledged a configuration of this version."""
        reported = self._reported
        return reported is None or version not in (reported.version, reported.failed_version)

    def wake(self) -> None:
        """Makes the link read the database and push."""
        self._wake.set()

    def _is_config_due(self, desired: AgentConfig) -> bool:
        reported = self._reported
        if reported is not None and reported.failed_version == desired.version:
            return False
        if reported is not None and (reported.version, reported.hash) == (desired.version, desired.hash):
            return False
        version, sent_s = self._sent
        return desired.version != version or time.monotonic() - sent_s >= RESEND_S

    def _is_resend_due(self, lost: tuple[SegmentId, ...]) -> bool:
        asked, at_s = self._resend_request
        return bool(lost) and (lost != asked or time.monotonic() - at_s >= RESEND_S)

    def _on_announcement(self, announcement: Announcement | None) -> None:
        if announcement is not None and announcement.topic is Topic.LINKED:
            if announcement.link_id != self._id:
                self._rival = (announcement.address, time.monotonic())
            return
        self._wake.set()

    async def _notice_rival(self) -> None:
        """Reports a duplicate identity: an agent has one socket, so a second active one belongs to a copy of it."""
        if self._rival is None or time.monotonic() - self._rival[1] < RIVAL_GRACE_S:
            return
        (address, _), self._rival = self._rival, None
        log.warning("two agents use one identity", extra={"agent": self.caller.agent_id})
        await self._gateway.in_thread(reports.report_duplicate, self.caller, address)

    async def _handle(self, message: FromAgent) -> None:
        if isinstance(message, Hello | Report):
            self._reported = message.reported
        await self._gateway.in_thread(reports.apply_message, message, self.caller)
        if isinstance(message, SendingAgain):
            # More segments may be due than fit into one request.
            self.wake()

    async def _next(self) -> FromAgent | None:
        """Returns the next message; None when the socket closed or the message was invalid."""
        event = await self._receive()
        if event["type"] == "websocket.disconnect":
            self._was_stopped = event.get("code") == CLOSE_STOPPED
            return None
        data = event.get("text") or event.get("bytes") or b""
        # A flooding agent is not read while it waits, so it fills its own socket buffer and no thread.
        await self._gateway.throttle.take(self.caller.agent_id, 1 + len(data) / MESSAGE_BYTES)
        try:
            # msgspec accepts a union as a type, the type checker does not.
            message = cast(FromAgent, decode(data, cast(type[Any], FromAgent)))
            wrong = out_of_range(message)
        except msgspec.DecodeError as error:
            wrong = str(error)
        if wrong:
            await self._fault(Code.BAD_REQUEST, wrong)
            return None
        return message

    async def _send_message(self, message: ToAgent, *, within_s: float = SEND_TIMEOUT_S) -> None:
        try:
            async with asyncio.timeout(within_s):
                await self._send({"type": "websocket.send", "text": encode(message).decode()})
        except TimeoutError as error:
            raise GatewayUnavailable from error

    def _open(self, hello: Hello) -> None:
        """Stores the link, and announce it to processes that hold an older link of this agent."""
        reports.open_link(hello, self.caller, self._id)
        announce(self._announcement())

    async def _fault(self, code: Code, detail: str) -> None:
        await self._send_message(Fault(code=code, detail=detail))
        await _close(self._send, CLOSE_FAULT)

    def _announcement(self) -> Announcement:
        caller = self.caller
        return Announcement(
            agent_id=caller.agent_id, topic=Topic.LINKED, link_id=self._id, address=caller.address
        )


def _read_link_facts(studio_id: UUID, agent_ids: Iterable[UUID]) -> list[tuple[UUID, bool, int]]:
    with studio_scope(studio_id):
        return link_facts(agent_ids)


def _read_update(caller: Caller) -> LinkUpdate:
    with studio_scope(caller.studio_id):
        agent: Agent = Agent.objects.get(pk=caller.agent_id)
        if not agent.is_trusted:
            return LinkUpdate(installation.sign_revocation(agent.id, agent.revoked_reason), None)
        knows_how = agent.protocol >= SEND_AGAIN_SINCE
        return LinkUpdate(
            None, desired_document(agent.id), reports.lost_footage(agent.id) if knows_how else ()
        )


def _with_connection(call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    try:
        return call(*args, **kwargs)
    except OUTAGES as error:
        raise Unavailable("The database or the cache does not answer. Try again later.") from error
    finally:
        connections.close_all()


async def _refuse(send: Send, error: ControlPlaneError) -> None:
    """Refuses an upgrade with an HTTP status and problem+json."""
    body = error.problem()
    headers = [
        (b"content-type", PROBLEM_CONTENT_TYPE.encode()),
        (b"cache-control", b"no-store"),
        (b"date", email.utils.formatdate(usegmt=True).encode()),
    ]
    if isinstance(error, Busy):
        headers.append((b"retry-after", str(error.retry_after_s).encode()))
    await send({"type": "websocket.http.response.start", "status": body.status, "headers": headers})
    await send({"type": "websocket.http.response.body", "body": encode(body)})


async def _close(send: Send, code: int) -> None:
    try:
        async with asyncio.timeout(FAREWELL_TIMEOUT_S):
            await send({"type": "websocket.close", "code": code})
    except (RuntimeError, OSError, TimeoutError):
        # The peer closed it already, or it closes when this task ends.
        return


def _header(scope: Scope, name: bytes) -> str:
    return next((value.decode("latin-1") for key, value in scope["headers"] if key == name), "")


gateway = Gateway()
"""The gateway of this process, for `config.asgi`."""
