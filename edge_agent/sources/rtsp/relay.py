"""Relay on the loopback between FFmpeg and an RTSP camera, so that FFmpeg connects to nothing else."""

import contextlib
import logging
import secrets
import selectors
import socket
import ssl
import threading
import time

from edge_agent.errors import CameraFailed
from edge_agent.sources.authentication import Authenticator
from edge_agent.sources.rtsp.exchange import RtspExchange
from shared.protocol.config import Credentials

log = logging.getLogger(__name__)

READ_BYTES = 64 << 10
BACKLOG_BYTES = 4 << 20
"""Limit of data that FFmpeg has not read; beyond it the camera is not read, and TCP flow control stops it."""
COMING_S = 10.0
"""How long FFmpeg may take to connect."""
FAREWELL_S = 0.5
"""How long the camera may take to accept the final TEARDOWN."""
MOST_STRANGERS = 8
"""Connections of other local programs that are rejected while waiting for FFmpeg."""
FIRST_LINE_BYTES = 4096

_READ, _WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE


class Relay:
    """Relays one connection in its own thread.

    The reader creates it with a connection from `dial`, calls `start`, and passes the returned address to FFmpeg. The
    thread accepts one client that presents the secret of that address, which is FFmpeg, and rejects all others. It ends
    when either side closes, or at `close` or `abort`. If the camera is the cause, `failure` is set before FFmpeg notices.
    The protocol state is in `RtspExchange` and belongs to the thread.
    """

    def __init__(self, camera: socket.socket, *, url: str, credentials: Credentials | None) -> None:
        self._camera = camera
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=4)
        self._wake_sender, self._wake_receiver = socket.socketpair()
        # A secret, so that no other local user can watch the camera by connecting before FFmpeg.
        port, secret = self._listener.getsockname()[1], secrets.token_hex(16)
        self._address = f"rtsp://127.0.0.1:{port}/{secret}"
        self._exchange = RtspExchange(
            local_url=self._address, camera_url=url, authenticator=Authenticator(credentials)
        )
        self._thread: threading.Thread | None = None

    @property
    def failure(self) -> CameraFailed | None:
        """Why the camera delivers no stream; None if it does, or if FFmpeg closed the connection."""
        return self._exchange.failure

    def start(self, *, name: str) -> str:
        """Starts the thread and returns the address for FFmpeg, valid for one connection."""
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()
        return self._address

    def abort(self) -> None:
        """Ends the thread soon, without waiting for it. Any thread may call it, at any time, also before `start`."""
        with contextlib.suppress(OSError):
            self._wake_sender.send(b"x")

    def close(self) -> None:
        """Ends the thread and both connections, and waits for it; idempotent."""
        self.abort()
        if self._thread is not None:
            self._thread.join(FAREWELL_S * 4)
        else:
            self._close_all()

    def _run(self) -> None:
        try:
            player, first = self._accept()
            if player is not None:
                with player:
                    try:
                        self._transfer(player, first)
                    finally:
                        self._tear_down()
        except (OSError, ValueError) as error:
            # ValueError: `close` has closed a socket.
            log.debug("a relay has ended", extra={"error": str(error)})
        finally:
            self._close_all()

    def _close_all(self) -> None:
        for one in (self._listener, self._camera, self._wake_sender, self._wake_receiver):
            with contextlib.suppress(OSError):
                one.close()

    def _accept(self) -> tuple[socket.socket | None, bytes]:
        """Returns FFmpeg's connection and its first bytes, or None if it does not connect in time."""
        secret = self._address.rpartition("/")[2].encode()
        deadline_s = time.monotonic() + COMING_S
        with self._listener:
            for _ in range(MOST_STRANGERS):
                if not self._readable(self._listener, deadline_s):
                    return None, b""
                player, _ = self._listener.accept()
                first = b""
                while b"\n" not in first and len(first) < FIRST_LINE_BYTES:
                    if not self._readable(player, min(deadline_s, time.monotonic() + 1)):
                        break
                    if not (more := player.recv(FIRST_LINE_BYTES)):
                        break
                    first += more
                if secrets.compare_digest(first.partition(b"\n")[0].partition(secret)[1], secret):
                    player.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    return player, first
                player.close()
        return None, b""

    def _readable(self, one: socket.socket, deadline_s: float) -> bool:
        with selectors.DefaultSelector() as selector:
            selector.register(one, selectors.EVENT_READ)
            selector.register(self._wake_receiver, selectors.EVENT_READ)
            ready = [key.fileobj for key, _ in selector.select(max(0.0, deadline_s - time.monotonic()))]
        return one in ready and self._wake_receiver not in ready

    def _transfer(self, player: socket.socket, first: bytes) -> None:
        exchange, camera = self._exchange, self._camera
        player.setblocking(False)
        camera.setblocking(False)
        exchange.receive_from_player(first)
        with selectors.DefaultSelector() as selector:
            selector.register(self._wake_receiver, selectors.EVENT_READ)
            watch_player, watch_camera = _Watch(selector, player), _Watch(selector, camera)
            while exchange.failure is None:
                if exchange.to_camera:
                    self._send_to_camera()
                if exchange.to_player:
                    _send(player, exchange.to_player)
                full = len(exchange.to_player) >= BACKLOG_BYTES
                watch_player.set(_READ | _WRITE if exchange.to_player else _READ)
                watch_camera.set((0 if full else _READ) | (_WRITE if exchange.to_camera else 0))
                # TLS may buffer bytes that `select` does not see.
                holds = isinstance(camera, ssl.SSLSocket) and not full and camera.pending() > 0
                if holds:
                    self._read_camera()
                for key, events in selector.select(0 if holds else None):
                    if key.fileobj is camera and events & _READ:
                        self._read_camera()
                    elif key.fileobj is player and events & _READ:
                        if not self._read_player(player):
                            return
                    elif key.fileobj is self._wake_receiver:
                        return
        player.settimeout(FAREWELL_S)
        player.sendall(bytes(exchange.to_player))

    def _read_player(self, player: socket.socket) -> bool:
        """Reads from FFmpeg; returns False if it closed the connection."""
        try:
            data = player.recv(READ_BYTES)
        except BlockingIOError:
            return True
        self._exchange.receive_from_player(data)
        return bool(data)

    def _read_camera(self) -> None:
        try:
            data = self._camera.recv(READ_BYTES)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return
        except OSError as error:
            self._exchange.camera_broke(error.strerror or str(error))
            return
        if data:
            self._exchange.receive_from_camera(data)
        else:
            self._exchange.camera_closed()

    def _send_to_camera(self) -> None:
        try:
            _send(self._camera, self._exchange.to_camera)
        except OSError as error:
            self._exchange.camera_broke(error.strerror or str(error))

    def _tear_down(self) -> None:
        """Ends the camera's session, so that its slot is free for another viewer at once."""
        if self._exchange.failure is not None:
            return
        self._exchange.player_closed()
        deadline_s = time.monotonic() + FAREWELL_S
        with contextlib.suppress(OSError):
            self._camera.settimeout(FAREWELL_S)
            self._camera.sendall(bytes(self._exchange.to_camera))
            self._camera.shutdown(socket.SHUT_WR)
            # Closing a socket with unread data resets the connection and would discard the TEARDOWN, so drain it first.
            while time.monotonic() < deadline_s and self._camera.recv(READ_BYTES):
                pass


class _Watch:
    """The events that a selector watches on one socket; avoids system calls for the hundreds of sets without a change."""

    def __init__(self, selector: selectors.BaseSelector, one: socket.socket) -> None:
        self._selector = selector
        self._one = one
        self._events = 0

    def set(self, events: int) -> None:
        if events == self._events:
            return
        if not self._events:
            self._selector.register(self._one, events)
        elif not events:
            self._selector.unregister(self._one)
        else:
            self._selector.modify(self._one, events)
        self._events = events


def _send(one: socket.socket, data: bytearray) -> None:
    with contextlib.suppress(BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
        del data[: one.send(data)]
