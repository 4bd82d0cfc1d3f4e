"""The relay between FFmpeg and a camera: whom it serves, what it buffers, and how closing and aborting a source end it."""

import contextlib
import socket
import threading
from typing import Any

import pytest

from edge_agent.errors import CameraFailed
from edge_agent.sources import dial
from edge_agent.sources.rtsp import relay, rtsp_source
from edge_agent.sources.rtsp.relay import Relay
from tests.edge_agent.sources.rtsp.reading import ALICE, first_pictures, source_of
from tests.rigs.scripted_rtsp import Picture, ScriptedCamera


def answer_to_stranger(port: int, first: bytes) -> bytes | None:
    """Returns what somebody hears who is not FFmpeg, up to the end of the connection; None where it is kept open."""
    heard = b""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as stranger:
            stranger.sendall(first)
            stranger.shutdown(socket.SHUT_WR)
            while more := stranger.recv(100):
                heard += more
    except OSError:
        return None
    return heard


def test_a_stranger_who_is_quicker_than_ffmpeg_gets_nothing(pictures: list[Picture]) -> None:
    ours, cameras = socket.socketpair()
    with cameras:
        one = Relay(ours, url="rtsp://127.0.0.1/cam", credentials=ALICE)
        address = one.start(name="relay")
        port = int(address.split(":")[2].partition("/")[0])
        cameras.settimeout(10)
        for first in (b"OPTIONS rtsp://127.0.0.1/cam RTSP/1.0\r\n\r\n", b"\r\n", b""):
            assert answer_to_stranger(port, first) == b""
        with socket.create_connection(("127.0.0.1", port)) as player:
            player.sendall(f"OPTIONS {address} RTSP/1.0\r\nCSeq: 1\r\n\r\n".encode())
            assert cameras.recv(1000).startswith(b"OPTIONS rtsp://127.0.0.1/cam RTSP/1.0\r\nCSeq: 1\r\n")
            # One is all: nobody can watch beside FFmpeg.
            with pytest.raises(OSError):
                socket.create_connection(("127.0.0.1", port), timeout=2)
        one.close()


def test_ending_a_source_ends_the_session_and_the_thread(pictures: list[Picture]) -> None:
    with ScriptedCamera(pictures) as camera:
        source = source_of(camera.url())
        source.open()
        first_pictures(source, 3)
        source.close()
        source.close()
        assert camera.torn_down.wait(5)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("relay")]


class Trickle:
    """A camera that accepts a connection and then sends a byte now and then, for ever; use it as a context manager."""

    def __init__(self, begin: bytes) -> None:
        self._begin = begin
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        self.asked, self._over = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._serve)

    def _serve(self) -> None:
        with contextlib.suppress(OSError), self._server.accept()[0] as visitor:
            visitor.recv(1000)
            self.asked.set()
            visitor.sendall(self._begin)
            while not self._over.wait(0.1):
                visitor.sendall(b"a")

    def __enter__(self) -> "Trickle":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        with contextlib.suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self._thread.join()


def test_aborting_ends_an_open_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rtsp_source, "TIMEOUT_S", 60)
    with Trickle(b"RTSP/1.0 200 OK\r\nCSeq: 1\r\nServer: ") as camera:
        source = source_of(f"rtsp://127.0.0.1:{camera.port}/cam")
        failures: list[BaseException] = []

        def open_source() -> None:
            try:
                source.open()
            except CameraFailed as error:
                failures.append(error)

        thread = threading.Thread(target=open_source)
        thread.start()
        assert camera.asked.wait(5)
        source.abort()
        thread.join(5)
        assert not thread.is_alive()
        assert len(failures) == 1
        source.close()


def test_an_open_that_was_aborted_before_it_had_a_relay_ends_at_once(pictures: list[Picture]) -> None:
    with ScriptedCamera(pictures) as camera:
        source = source_of(camera.url())
        dialled = dial.dial

        def dial_and_abort(*arguments: Any, **named: Any) -> socket.socket:
            connection = dialled(*arguments, **named)
            source.abort()
            return connection

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(rtsp_source, "dial", dial_and_abort)
            with pytest.raises(CameraFailed, match="aborted"), contextlib.closing(source):
                source.open()


def test_what_ffmpeg_does_not_read_is_not_piled_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay, "BACKLOG_BYTES", 1 << 20)
    ours, camera = socket.socketpair()
    one = Relay(ours, url="rtsp://127.0.0.1/cam", credentials=None)
    address = one.start(name="relay")
    port = int(address.split(":")[2].partition("/")[0])
    with camera, socket.create_connection(("127.0.0.1", port)) as player:
        player.sendall(f"OPTIONS {address} RTSP/1.0\r\nCSeq: 1\r\n\r\n".encode())
        camera.settimeout(2)
        camera.recv(1000)
        camera.sendall(b"RTSP/1.0 200 OK\r\nCSeq: 1\r\n\r\n")
        packet = b"$\0\xff\xf0" + bytes(0xFFF0)
        sent = 0
        with contextlib.suppress(TimeoutError):
            while sent < 256 << 20:
                sent += camera.send(packet)
        assert sent < 64 << 20
        assert len(one._exchange.to_player) <= (1 << 20) + relay.READ_BYTES
        # And the line is taken up again where it was left.
        player.settimeout(5)
        got = 0
        while got < sent - len(packet):
            got += len(player.recv(1 << 20))
    one.close()
