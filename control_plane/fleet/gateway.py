"""The agents' websocket `/agent/v1/link`: a plain ASGI application, mounted by `config.asgi`.

The event loop only carries frames. Everything that touches the database runs in a few threads of its own, in short
scopes, one call at a time for each socket: a box that floods waits for its own writes. What is pushed is always read
from the database at that moment, so a lost, doubled or reordered announcement changes nothing.

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

from control_plane.common.caller import address_of_scope, limit_key
from control_plane.common.errors import Busy, ControlPlaneError, Unavailable
from control_plane.common.outages import OUTAGES
from control_plane.common.scoping import studio_scope
from control_plane.common.throttle import Throttle
from control_plane.common.turns import FairTurns, Party
from control_plane.fleet import instance, reports
from control_plane.fleet.announce import Announcement, Topic, announce
from control_plane.fleet.authentication import Caller, authenticate
from control_plane.fleet.fit import unfit
from control_plane.fleet.hub import Hub
from control_plane.fleet.models import Agent
from control_plane.fleet.selectors import desired_document, standing
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
from shared.protocol.version import OLDEST_SPOKEN, PROTOCOL_VERSION

log = logging.getLogger(__name__)

Scope = Mapping[str, Any]
Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[Mapping[str, Any]], Awaitable[None]]
P = ParamSpec("P")
T = TypeVar("T")

HELLO_TIMEOUT_S = 15.0
LOOK_S = 60.0
"""How often it is looked for news that nobody announced: once for all sockets of a studio."""
DEAF_LOOK_S = 2.0
"""The same while announcements cannot be heard: a revocation must close the socket within 5 s all the same."""
TICK_S = 0.5
RESEND_S = 10.0
SEND_TIMEOUT_S = 10.0
"""A box that takes nothing for so long is let go: it comes back when it can listen."""
FAREWELL_TIMEOUT_S = 2.0
"""How long a revoked box may take to hear why; then its socket goes without a word."""
RIVAL_GRACE_S = 5.0
"""Frames of an old socket that arrive this long after a new one opened were not merely on their way."""
MOST_LINKS = 10_000
MOST_LINKS_OF_ONE = 8
DATABASE_THREADS = 4

MESSAGES_PER_S, MESSAGES_AT_ONCE = 4.0, 60.0
"""Of one agent, over all of its sockets; an honest one sends two a minute, and one for each change of a state."""
MESSAGE_BYTES = 16 << 10
"""So many bytes of a message count like a message of its own."""
UPGRADES_OF_ONE = 2
"""Threads that upgrades from one network may have at a time."""
UPGRADE_WAIT_S = 60.0

CLOSE_FAULT, CLOSE_REVOKED, CLOSE_BROKEN = 4400, 4401, 1011


@dataclass(frozen=True, slots=True)
class News:
    """What the database says to an agent now: the signed end of it, or its newest configuration and what is lost."""

    revocation: str | None
    desired: AgentConfig | None
    lost: tuple[SegmentId, ...] = ()
    """Segments that it is asked to send again; of a box that knows how to."""


class NotListening(Exception):
    """The box does not read what it is sent."""


class Gateway:
    """All sockets of this process."""

    def __init__(self) -> None:
        self.hub = Hub()
        self._threads = ThreadPoolExecutor(DATABASE_THREADS, thread_name_prefix="gateway")
        self._upgrades = FairTurns(in_all=DATABASE_THREADS - 1, most_waiting=MOST_LINKS)
        self.throttle = Throttle(per_s=MESSAGES_PER_S, burst=MESSAGES_AT_ONCE)
        self._links: Counter[UUID] = Counter()
        self._standing: dict[Link, None] = {}
        self._lookout: asyncio.Task[None] | None = None

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
        except NotListening:
            log.info("a box takes nothing, its link is let go", extra={"agent": caller.agent_id})
        except Exception:
            log.exception("a link broke", extra={"agent": caller.agent_id})
            await _close(send, CLOSE_BROKEN)
        finally:
            self._links[caller.agent_id] -= 1
            self._links += Counter()

    async def _authenticated(self, scope: Scope) -> Caller:
        """Returns who opens a socket; networks take turns at having their tokens looked at."""
        address = address_of_scope(scope)
        network = Party(limit_key(address), UPGRADES_OF_ONE)
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
    def standing(self, link: "Link") -> Iterator[None]:
        """Has news that nobody announced found for a link until the block ends."""
        self._standing[link] = None
        if self._lookout is None or self._lookout.done():
            self._lookout = asyncio.create_task(self._look_out(), name="gateway-lookout")
        try:
            yield
        finally:
            del self._standing[link]

    async def _look_out(self) -> None:
        looked_s = time.monotonic()
        while self._standing:
            await asyncio.sleep(TICK_S)
            if time.monotonic() - looked_s < (DEAF_LOOK_S if self.hub.is_deaf else LOOK_S):
                continue
            looked_s = time.monotonic()
            links: defaultdict[UUID, list[Link]] = defaultdict(list)
            for link in self._standing:
                links[link.caller.studio_id].append(link)
            try:
                for studio_id, of_studio in links.items():
                    await self._look(studio_id, of_studio)
            except Exception:
                # The database is away for a moment: sockets stand, and it is looked again at the next turn.
                log.exception("it cannot be looked for news")

    async def _look(self, studio_id: UUID, links: "Sequence[Link]") -> None:
        ids = {link.caller.agent_id for link in links}
        news = {id_: rest for id_, *rest in await self.in_thread(_standing, studio_id, ids)}
        for link in links:
            trusted, version = news.get(link.caller.agent_id, (False, 0))
            if not trusted or link.lacks(version):
                link.wake()

    def _admit(self, caller: Caller) -> None:
        if self._links.total() >= MOST_LINKS or self._links[caller.agent_id] >= MOST_LINKS_OF_ONE:
            raise Unavailable("This server holds as many links as it can.")


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
        self._protocol = OLDEST_SPOKEN
        self._sent: tuple[int, float] = (0, 0.0)
        self._asks: tuple[tuple[SegmentId, ...], float] = ((), 0.0)
        self._rival: tuple[str, float] | None = None
        self._was_stopped = False

    async def serve(self) -> None:
        """Greets, then reads and pushes until either is over."""
        try:
            async with asyncio.timeout(HELLO_TIMEOUT_S):
                hello = await self._next()
        except TimeoutError:
            await self._fault(Code.BAD_REQUEST, "no hello came")
            return
        if hello is None:
            return
        if not isinstance(hello, Hello):
            await self._fault(Code.BAD_REQUEST, "the first frame has to be a hello")
            return
        if hello.protocol < OLDEST_SPOKEN:
            await self._fault(Code.PROTOCOL_TOO_OLD, f"this control plane speaks {OLDEST_SPOKEN} or later")
            return
        in_thread = self._gateway.in_thread
        self._reported, self._protocol = hello.reported, hello.protocol
        try:
            await in_thread(self._greet, hello)
            await self._say(Welcome(protocol=PROTOCOL_VERSION, server_time_at=timezone.now()))
            async with self._gateway.hub.listening(self.caller.agent_id, self._hear):
                with self._gateway.standing(self):
                    await self._until_either_ends()
        finally:
            # The socket may be cancelled together with the server; the row must not say that it stands.
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
            await self._take(message)
            if isinstance(message, Heartbeat):
                await self._notice_rival()

    async def _push(self) -> None:
        while True:
            self._wake.clear()
            news = await self._gateway.in_thread(_news, self.caller)
            if news.revocation is not None:
                with contextlib.suppress(NotListening):
                    await self._say(Revoked(revocation=news.revocation), within_s=FAREWELL_TIMEOUT_S)
                await _close(self._send, CLOSE_REVOKED)
                return
            if news.desired is not None and self._is_due(news.desired):
                self._sent = (news.desired.version, time.monotonic())
                await self._say(pushed(news.desired, protocol=self._protocol))
            if self._is_to_be_asked(news.lost):
                self._asks = (news.lost, time.monotonic())
                await self._say(SendAgain(segment_ids=news.lost))
            await self._wake.wait()

    def lacks(self, version: int) -> bool:
        """Says whether a configuration of this version would be new to the box, or was sent and never acknowledged."""
        reported = self._reported
        return reported is None or version not in (reported.version, reported.failed_version)

    def wake(self) -> None:
        """Has the link look for news."""
        self._wake.set()

    def _is_due(self, desired: AgentConfig) -> bool:
        reported = self._reported
        if reported is not None and reported.failed_version == desired.version:
            return False
        if reported is not None and (reported.version, reported.hash) == (desired.version, desired.hash):
            return False
        version, sent_s = self._sent
        return desired.version != version or time.monotonic() - sent_s >= RESEND_S

    def _is_to_be_asked(self, lost: tuple[SegmentId, ...]) -> bool:
        asked, at_s = self._asks
        return bool(lost) and (lost != asked or time.monotonic() - at_s >= RESEND_S)

    def _hear(self, announcement: Announcement | None) -> None:
        if announcement is not None and announcement.topic is Topic.LINKED:
            if announcement.link_id != self._id:
                self._rival = (announcement.address, time.monotonic())
            return
        self._wake.set()

    async def _notice_rival(self) -> None:
        """A box has one socket. One that goes on speaking after another was opened belongs to a second box."""
        if self._rival is None or time.monotonic() - self._rival[1] < RIVAL_GRACE_S:
            return
        (address, _), self._rival = self._rival, None
        log.warning("two boxes speak with one identity", extra={"agent": self.caller.agent_id})
        await self._gateway.in_thread(reports.report_duplicate, self.caller, address)

    async def _take(self, message: FromAgent) -> None:
        if isinstance(message, Hello | Report):
            self._reported = message.reported
        await self._gateway.in_thread(reports.take, message, self.caller)
        if isinstance(message, SendingAgain):
            # There may be more than fit into one question.
            self.wake()

    async def _next(self) -> FromAgent | None:
        """Returns the next message; None at the end of the socket, or of our patience with it."""
        event = await self._receive()
        if event["type"] == "websocket.disconnect":
            self._was_stopped = event.get("code") == CLOSE_STOPPED
            return None
        data = event.get("text") or event.get("bytes") or b""
        # One that floods waits, unread: its own socket fills up, and nobody else's threads.
        await self._gateway.throttle.take(self.caller.agent_id, 1 + len(data) / MESSAGE_BYTES)
        try:
            # To msgspec a union is a type, to the type checker it is not.
            message = cast(FromAgent, decode(data, cast(type[Any], FromAgent)))
            wrong = unfit(message)
        except msgspec.DecodeError as error:
            wrong = str(error)
        if wrong:
            await self._fault(Code.BAD_REQUEST, wrong)
            return None
        return message

    async def _say(self, message: ToAgent, *, within_s: float = SEND_TIMEOUT_S) -> None:
        try:
            async with asyncio.timeout(within_s):
                await self._send({"type": "websocket.send", "text": encode(message).decode()})
        except TimeoutError as error:
            raise NotListening from error

    def _greet(self, hello: Hello) -> None:
        """Writes the link down and says so to whoever holds another one of this box."""
        reports.greet(hello, self.caller, self._id)
        announce(self._announcement())

    async def _fault(self, code: Code, detail: str) -> None:
        await self._say(Fault(code=code, detail=detail))
        await _close(self._send, CLOSE_FAULT)

    def _announcement(self) -> Announcement:
        caller = self.caller
        return Announcement(
            agent_id=caller.agent_id, topic=Topic.LINKED, link_id=self._id, address=caller.address
        )


def _standing(studio_id: UUID, agent_ids: Iterable[UUID]) -> list[tuple[UUID, bool, int]]:
    with studio_scope(studio_id):
        return standing(agent_ids)


def _news(caller: Caller) -> News:
    with studio_scope(caller.studio_id):
        agent: Agent = Agent.objects.get(pk=caller.agent_id)
        if not agent.is_trusted:
            return News(instance.sign_revocation(agent.id, agent.revoked_reason), None)
        knows_how = agent.protocol >= SEND_AGAIN_SINCE
        return News(None, desired_document(agent.id), reports.lost_footage(agent.id) if knows_how else ())


def _with_connection(call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    try:
        return call(*args, **kwargs)
    except OUTAGES as error:
        raise Unavailable("The database or the cache does not answer. Come again.") from error
    finally:
        connections.close_all()


async def _refuse(send: Send, error: ControlPlaneError) -> None:
    """Answers an upgrade like any other call: with a status and problem+json."""
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
        # It is closed already, from the other side, or will be when this task ends.
        return


def _header(scope: Scope, name: bytes) -> str:
    return next((value.decode("latin-1") for key, value in scope["headers"] if key == name), "")


gateway = Gateway()
"""The one of this process, for `config.asgi`."""
