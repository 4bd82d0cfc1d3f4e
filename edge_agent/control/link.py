"""The link to the control plane: one websocket, and HTTP polling of the same documents while it is down.

`Session` interprets frames, `AgentPort` executes them; this module only transports, reconnects and waits.
"""

import asyncio
import contextlib
import logging
import random
import ssl
from collections.abc import Mapping
from urllib.parse import urlsplit

import websockets
from websockets.asyncio.client import ClientConnection, connect
from websockets.http11 import Response

from edge_agent.api import ControlPlaneApi, TimeExchange, raise_for_problem
from edge_agent.async_wait import Sleep, wait_for_any
from edge_agent.control.agent_port import AgentPort, apply_verdict
from edge_agent.control.identity import Identity
from edge_agent.control.polling import Polling
from edge_agent.control.session import (
    Candidate,
    ConfigFilter,
    Ended,
    Ignored,
    Opened,
    Refusal,
    Repeated,
    RequeueRequest,
    Revocation,
    Session,
    State,
)
from edge_agent.errors import (
    AgentRevoked,
    AuthenticationRefused,
    ProxyRefused,
    Retryable,
    ServerError,
    ServerTimeout,
    ServerUnreachable,
)
from edge_agent.http import HttpAnswer, tls_failed, trust
from shared import __version__
from shared.kernel.backoff import Backoff
from shared.kernel.clock import ServerClock
from shared.kernel.logs import FailureLog
from shared.protocol.codec import MESSAGE_LIMIT_BYTES
from shared.protocol.errors import Code
from shared.protocol.ids import SegmentId
from shared.protocol.messages import CLOSE_STOPPED
from shared.protocol.status import HEARTBEAT_S

log = logging.getLogger(__name__)

LINK_PATH = "/agent/v1/link"

FIRST_WAIT_S = 1.0
LONGEST_WAIT_S = 60.0
STEADY_S = 5.0
"""A link that was up for this long was stable: the next one is opened at once."""
QUIET_S = 0.5
"""Least time between two heartbeats, so that states that change together are sent together."""
WELCOME_TIMEOUT_S = 15.0
GOODBYE_S = 2.0


class Link:
    """Keeps the agent connected to its control plane until cancelled. Used by the tasks of one event loop."""

    def __init__(
        self,
        *,
        identity: Identity,
        api: ControlPlaneApi,
        clock: ServerClock,
        agent: AgentPort,
        config_filter: ConfigFilter,
        sleep: Sleep = asyncio.sleep,
        rng: random.Random | None = None,
    ) -> None:
        self._identity = identity
        self._api = api
        self._clock = clock
        self._agent = agent
        self._config_filter = config_filter
        self._sleep = sleep
        self._backoff = Backoff(FIRST_WAIT_S, LONGEST_WAIT_S, rng=rng)
        self._status_changed = asyncio.Event()
        self._config_changed = asyncio.Event()
        self._requeue_ids: dict[SegmentId, None] = {}
        self._requeue_requested = asyncio.Event()
        self._up = asyncio.Event()
        self._down = asyncio.Event()
        self._retry_now = asyncio.Event()
        self._polling = Polling(
            api, agent, config_filter, down=self._down, link_retry=self._retry_now, sleep=sleep
        )
        self._failures = FailureLog(log, "the link to the control plane is down")
        self._opened_ns: int | None = None
        self._socket: ClientConnection | None = None
        self._leaving = False
        self._time_exchange: TimeExchange | None = None
        """The time request of the current connection attempt."""
        self._hello_sent_ns = 0
        """When the current connection's hello was sent, by `ServerClock.mark`."""
        self.last_error: str = ""
        self.last_hint: str = ""
        """The hint for `last_error`; empty if nothing has to be done."""

    @property
    def is_up(self) -> bool:
        """Whether the websocket is open."""
        return self._up.is_set()

    async def wait_up(self) -> None:
        """Returns once the websocket is open."""
        await self._up.wait()

    async def wait_down(self) -> None:
        """Returns once the websocket is closed."""
        await self._down.wait()

    def report_config(self) -> None:
        """Reports the configuration in force again."""
        self._config_changed.set()

    def report_status(self) -> None:
        """Sends the status without waiting for the next heartbeat."""
        self._status_changed.set()

    async def close_stopped(self) -> None:
        """Closes the websocket for good, so that the control plane shows the agent as stopped at once.

        Afterwards `run` neither connects nor polls, which would show the agent as running.
        """
        self._leaving = True
        if self._socket is not None:
            with contextlib.suppress(OSError, TimeoutError):
                async with asyncio.timeout(GOODBYE_S):
                    await self._socket.close(CLOSE_STOPPED, "the agent was stopped")

    async def run(self) -> None:
        """Keeps a websocket open, and polls while there is none, until cancelled."""
        async with asyncio.TaskGroup() as group:
            polling = self._polling.run(self._config_changed, self._status_changed)
            group.create_task(polling, name="link-polling")
            while True:
                slowly = await self._run_once()
                if self._leaving:
                    await asyncio.Event().wait()
                self._down.set()
                if slowly:
                    await self._back_off(LONGEST_WAIT_S)
                elif self._was_stable():
                    # Reconnect at once; if that is not stable either, back off.
                    self._backoff.reset()
                else:
                    await self._back_off(self._backoff.next_wait_s())

    async def _run_once(self) -> bool:
        """Runs one connection to its end; returns whether to wait long before the next."""
        try:
            return await self._run_connection()
        except AgentRevoked as revoked:
            self._agent.revoke(revoked.revocation)
            return True
        except websockets.InvalidStatus as refusal:
            return self._refused(refusal.response)
        except (OSError, TimeoutError, websockets.WebSocketException) as error:
            said = _said(error, self._api.address)
            self._failed(str(said), said.hint)
            # A failure that a person has to fix is not retried every second.
            return not isinstance(said, Retryable)
        finally:
            self._socket = None
            self._up.clear()

    async def _run_connection(self) -> bool:
        session = Session(self._config_filter, __version__)
        token = self._identity.token(self._clock.newest)
        question = self._time_exchange = TimeExchange(self._clock)
        async with _Direct(
            _websocket_address(self._api.address),
            additional_headers={"Authorization": f"Bearer {token}", **question.headers},
            compression=None,
            max_size=MESSAGE_LIMIT_BYTES,
            max_queue=4,
            open_timeout=WELCOME_TIMEOUT_S,
            close_timeout=2,
            ping_interval=20,
            ping_timeout=20,
            ssl=_tls(self._api.address),
        ) as socket:
            if self._leaving:
                return False
            self._socket = socket
            if socket.response is not None:
                question.accept(_headers(socket.response))
            self._hello_sent_ns = self._clock.mark()
            await socket.send(session.hello(self._agent.reported()), text=True)
            async with asyncio.timeout(WELCOME_TIMEOUT_S):
                while session.state is State.GREETING:
                    if (ended := self._handle(session, await socket.recv(decode=False))) is not None:
                        return ended
            self._opened()
            async with asyncio.TaskGroup() as group:
                speaker = group.create_task(self._send_all(socket, session), name="link-speak")
                try:
                    async for data in socket:
                        if (ended := self._handle(session, _raw(data))) is not None:
                            return ended
                except websockets.ConnectionClosed as closed:
                    self._failed(str(closed))
                    return False
                finally:
                    speaker.cancel()
        self._failed("the control plane closed the link")
        return False

    def _was_stable(self) -> bool:
        opened_ns, self._opened_ns = self._opened_ns, None
        return opened_ns is not None and self._clock.monotonic_ns() - opened_ns >= STEADY_S * 1e9

    def _opened(self) -> None:
        self._opened_ns = self._clock.monotonic_ns()
        self._failures.recovered()
        self.last_error = self.last_hint = ""
        self._down.clear()
        self._up.set()
        # Report after each reconnect: the control plane may have been restarted.
        self._config_changed.set()
        self._status_changed.set()
        log.info("the link to the control plane is up")

    def _handle(self, session: Session, data: bytes) -> bool | None:
        """Handles one frame. Returns None to continue, else whether to wait long before the next connection."""
        match session.receive(data):
            case Opened() as opened:
                self._polling.peer = opened.protocol
                # Welcome answers our hello, so its time was stamped between our sending and now.
                self._clock.take(opened.server_time_at, self._hello_sent_ns)
            case Revocation() as revocation:
                self._agent.revoke(revocation.jwt)
                return True
            case Ended() as ended:
                self._failed(f"{ended.code}: {ended.detail}")
                return ended.code in (Code.PROTOCOL_TOO_OLD, Code.AGENT_TOKEN_INVALID, Code.FORBIDDEN)
            case Ignored() as ignored:
                log.warning("a frame was not understood", extra={"error": ignored.detail})
            case RequeueRequest() as wanted:
                # The control plane requests the remaining ones once this batch is answered.
                self._requeue_ids = dict.fromkeys(wanted.segment_ids)
                self._requeue_requested.set()
            case Candidate() | Repeated() | Refusal() as judgement:
                if apply_verdict(self._agent, judgement):
                    self._config_changed.set()
        return None

    async def _send_all(self, socket: ClientConnection, session: Session) -> None:
        """Sends reports at once and heartbeats at their interval; ends with the connection."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._send_reports(socket, session))
                group.create_task(self._send_heartbeats(socket, session))
                group.create_task(self._answer_requeues(socket, session))
        except* websockets.ConnectionClosed:
            pass

    async def _send_reports(self, socket: ClientConnection, session: Session) -> None:
        while True:
            await self._config_changed.wait()
            self._config_changed.clear()
            await socket.send(session.report(self._agent.reported()), text=True)

    async def _send_heartbeats(self, socket: ClientConnection, session: Session) -> None:
        while True:
            await wait_for_any(self._status_changed, most_s=HEARTBEAT_S, sleep=self._sleep)
            self._status_changed.clear()
            await socket.send(session.heartbeat(self._agent.status()), text=True)
            await self._sleep(QUIET_S)

    async def _answer_requeues(self, socket: ClientConnection, session: Session) -> None:
        """Reports which re-requested segments will be sent. Verifying them reads the disk, in a thread."""
        while True:
            await self._requeue_requested.wait()
            self._requeue_requested.clear()
            wanted, self._requeue_ids = self._requeue_ids, {}
            if wanted and (answer := await self._agent.requeue_segments(tuple(wanted))) is not None:
                await socket.send(session.requeue_answer(answer), text=True)

    async def _back_off(self, most_s: float) -> None:
        """Waits before the next attempt, or until polling succeeds again."""
        self._retry_now.clear()
        await wait_for_any(self._retry_now, most_s=most_s, sleep=self._sleep)

    def _refused(self, response: Response) -> bool:
        """Takes time and reason from a refused upgrade; returns whether to wait long before the next attempt."""
        answer = HttpAnswer(response.status_code, _headers(response), bytes(response.body or b""))
        knows_time = self._time_exchange is not None and self._time_exchange.accept(answer.headers)
        try:
            raise_for_problem(answer, self._api.address)
        except AgentRevoked as revoked:
            self._agent.revoke(revoked.revocation)
            return True
        except AuthenticationRefused as refusal:
            self._failed(str(refusal), refusal.hint)
            # After a refusal for a wrong time the retry has the right one. Any other refusal needs a person.
            return not (refusal.code is Code.AGENT_CLOCK_OFF and knows_time)
        except ServerError as error:
            self._failed(str(error), error.hint)
            return not isinstance(error, Retryable)
        self._failed(f"HTTP {response.status_code} in place of a websocket")
        return False

    def _failed(self, error: str, hint: str = "") -> None:
        self.last_error, self.last_hint = error, hint
        self._failures.failed(error=error)


class _Direct(connect):
    """A websocket client that follows no redirect, as in `edge_agent.http`."""

    def process_redirect(self, exc: Exception) -> Exception:
        return exc


def _said(error: Exception, address: str) -> ServerError:
    """Returns our error for a websocket that could not be opened."""
    host = urlsplit(address).netloc
    if (failed := tls_failed(host, error)) is not None:
        return failed
    if isinstance(error, websockets.ProxyError):
        return ProxyRefused(host, str(error))
    if isinstance(error, TimeoutError):
        return ServerTimeout(host)
    return ServerUnreachable(host, str(error) or type(error).__name__)


def _headers(response: Response) -> Mapping[str, str]:
    return {name.lower(): value for name, value in response.headers.raw_items()}


def _raw(data: str | bytes) -> bytes:
    return data.encode() if isinstance(data, str) else data


def _websocket_address(address: str) -> str:
    parts = urlsplit(address)
    return f"{'wss' if parts.scheme == 'https' else 'ws'}://{parts.netloc}{LINK_PATH}"


def _tls(address: str) -> ssl.SSLContext | None:
    return trust() if address.startswith("https:") else None
