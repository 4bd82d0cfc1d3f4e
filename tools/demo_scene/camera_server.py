"""Serves the demo cameras: `python -m tools.demo_scene.camera_server --media DIR --port 0`.

Each of `/left.ts`, `/centre.ts` and `/right.ts` is an endless MPEG transport stream in real time. The picture that is sent
at the UTC instant T is frame floor((T mod loop) * 30) of the loop, on every camera and for every client. All three cameras
therefore show the same instant at any time.

A stream begins with the next key picture, up to a second after the request. Sending the current GOP at once would start
sooner, but its pictures would arrive up to a second late, and the arrival of a picture is all that tells a reader of a
transport stream when it was captured.

Each camera has a media clock of its own, as real ones do. The timestamps of one instant differ between cameras, rise
through the joins of the loop, and are the same for all clients of a camera.

With `--login left=USER:PASSWORD` a camera requires that name and password.
"""

import argparse
import asyncio
import base64
import errno
import hmac
import json
import logging
import sys
import time
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tools.demo_scene.coded_loop import CodedLoop, load_coded_loop
from tools.demo_scene.frame_schedule import SECOND_NS, TICKS_PER_S, Event, events, next_key_picture
from tools.demo_scene.loop import CAMERAS, GOP_FRAMES, LOOP_S
from tools.demo_scene.mpegts import MpegTsMuxer

log = logging.getLogger("threedance.demo.cameras")

REQUEST_TIMEOUT_S = 10.0
MAX_UNSENT_BYTES = 4 << 20
CLOCK_APART_TICKS = 1_000_000
PORT_TRIES = 50


class UtcClock(Protocol):
    """A UTC clock that can be waited on."""

    def utc_ns(self) -> int:
        """Returns nanoseconds since the UNIX epoch."""

    async def wait_until(self, utc_ns: int) -> None:
        """Returns at that instant, or at once if it is past."""


class SystemClock:
    """The clock of this computer."""

    def utc_ns(self) -> int:
        """Returns nanoseconds since the UNIX epoch."""
        return time.time_ns()

    async def wait_until(self, utc_ns: int) -> None:
        """Returns at that instant, or at once if it is past."""
        remaining_ns = utc_ns - time.time_ns()
        if remaining_ns > 0:
            await asyncio.sleep(remaining_ns / SECOND_NS)


@dataclass(frozen=True)
class Camera:
    """One camera of the server.

    Attributes:
        name: left, centre or right.
        loop: The frames that it shows.
        clock_zero: The instant at which its media clock was zero, 90 kHz ticks since the epoch.
        login: "user:password"; None if it requires none.
    """

    name: str
    loop: CodedLoop
    clock_zero: int
    login: str | None = None

    async def play(self, clock: UtcClock, send: Callable[[bytes], Awaitable[None]]) -> None:
        """Sends the stream, each frame when it is due, until `send` raises."""
        stream = MpegTsMuxer()
        for event in events(next_key_picture(clock.utc_ns())):
            await clock.wait_until(event.due_ns)
            await send(self._coded(stream, event))

    def _coded(self, stream: MpegTsMuxer, event: Event) -> bytes:
        pts_90k = event.ticks - self.clock_zero
        if not event.is_picture:
            return stream.audio(self.loop.audio[event.place], pts_90k)
        is_key = event.place % GOP_FRAMES == 0
        tables = stream.tables() if is_key else b""
        return tables + stream.picture(self.loop.pictures[event.place], pts_90k, is_key)


def make_cameras(loops: dict[str, CodedLoop], logins: dict[str, str], started_ns: int) -> list[Camera]:
    """Returns the cameras, with distinct media clocks that started with the loop before `started_ns`."""
    loop_start = started_ns // (LOOP_S * SECOND_NS) * LOOP_S * TICKS_PER_S
    return [
        Camera(name, loops[name], loop_start - (place + 1) * CLOCK_APART_TICKS, logins.get(name))
        for place, name in enumerate(loops)
    ]


class CameraServer:
    """An HTTP/1.1 server of cameras; use as an asynchronous context."""

    def __init__(
        self, cameras: Iterable[Camera], clock: UtcClock, host: str = "127.0.0.1", port: int = 0
    ) -> None:
        self._cameras = {f"/{camera.name}.ts": camera for camera in cameras}
        self._clock = clock
        self._host, self._port = host, port
        self._server: asyncio.Server | None = None
        self._clients: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> "CameraServer":
        self._server = await self._listen()
        self._port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._server:
            self._server.close()
        for client in self._clients:
            client.cancel()
        await asyncio.gather(*self._clients, return_exceptions=True)

    async def _listen(self) -> asyncio.Server:
        """Listens on the requested port, or on the next free one above it."""
        wanted = self._port
        tries = range(wanted, min(wanted + PORT_TRIES, 65_536)) if wanted else (0,)
        for port in tries:
            try:
                return await asyncio.start_server(self._accept, self._host, port)
            except OSError as error:
                if error.errno != errno.EADDRINUSE or port == tries[-1]:
                    raise
        raise AssertionError("the last port returns or raises")

    def addresses(self) -> dict[str, str]:
        """Returns the address of each camera by name, without user and password."""
        return {
            camera.name: f"http://{self._host}:{self._port}{path}" for path, camera in self._cameras.items()
        }

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101
        self._clients.add(task)
        try:
            await self._serve(reader, writer)
        except (ConnectionError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            log.debug("a client went away")
        finally:
            self._clients.discard(task)
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with asyncio.timeout(REQUEST_TIMEOUT_S):
            head = await reader.readuntil(b"\r\n\r\n")
        request, *lines = head.decode("latin-1").split("\r\n")
        method, _, target = request.partition(" ")
        path = target.partition(" ")[0].partition("?")[0]
        fields = {
            name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)
        }
        camera = self._cameras.get(path)
        if method not in ("GET", "HEAD"):
            return _answer(writer, "405 Method Not Allowed", ["Allow: GET, HEAD"])
        if path == "/":
            return _answer(
                writer, "200 OK", ["Content-Type: application/json"], json.dumps(self.addresses()).encode()
            )
        if camera is None:
            known = " ".join(self._cameras)
            return _answer(
                writer,
                "404 Not Found",
                ["Content-Type: text/plain"],
                f"no such camera; there are {known}\n".encode(),
            )
        if not _is_authorized(camera, fields.get("authorization", "")):
            return _answer(
                writer, "401 Unauthorized", [f'WWW-Authenticate: Basic realm="camera {camera.name}"']
            )
        writer.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: video/mp2t\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n"
        )
        if method == "HEAD":
            return None

        async def send(data: bytes) -> None:
            if writer.is_closing():
                raise ConnectionResetError
            writer.write(data)
            # Disconnects a slow client, as cameras do: it would never catch up.
            if writer.transport.get_write_buffer_size() > MAX_UNSENT_BYTES:
                log.warning("a client of camera %s does not keep up: closing", camera.name)
                writer.transport.abort()
                raise ConnectionAbortedError

        log.info("camera %s has a new client", camera.name)
        return await camera.play(self._clock, send)


def _answer(writer: asyncio.StreamWriter, status: str, fields: list[str], body: bytes = b"") -> None:
    lines = [f"HTTP/1.1 {status}", *fields, f"Content-Length: {len(body)}", "Connection: close", "", ""]
    writer.write("\r\n".join(lines).encode() + body)


def _is_authorized(camera: Camera, authorization: str) -> bool:
    if camera.login is None:
        return True
    kind, _, given = authorization.partition(" ")
    wanted = base64.b64encode(camera.login.encode()).decode()
    return kind.lower() == "basic" and hmac.compare_digest(given.strip().encode(), wanted.encode())


async def serve(media: Path, host: str, port: int, logins: dict[str, str]) -> None:
    """Serves the media of a folder until cancelled. Prints one line of JSON with the addresses when ready."""
    loops = {name: load_coded_loop(media / f"{name}.mp4") for name in CAMERAS}
    clock = SystemClock()
    async with CameraServer(make_cameras(loops, logins, clock.utc_ns()), clock, host, port) as server:
        print(json.dumps({"cameras": server.addresses()}), flush=True)
        await asyncio.Event().wait()


def main(arguments: list[str] | None = None) -> int:
    """Serves from the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.demo_scene.camera_server", description="Serves the demo cameras in real time."
    )
    parser.add_argument(
        "--media", type=Path, required=True, help="the folder of the media, from tools.demo_scene.render"
    )
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen on")
    parser.add_argument(
        "--port", type=int, default=0, help="the port to listen on, or the next free one; 0 takes any"
    )
    parser.add_argument(
        "--login",
        action="append",
        default=[],
        metavar="CAMERA=USER:PASSWORD",
        help="ask for it; repeat per camera",
    )
    options = parser.parse_args(arguments)
    logins = dict(entry.partition("=")[::2] for entry in options.login)
    for name, login in logins.items():
        if name not in CAMERAS or ":" not in login:
            parser.error(
                f"--login {name}=...: expected CAMERA=USER:PASSWORD with a camera of {', '.join(CAMERAS)}"
            )
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    try:
        asyncio.run(serve(options.media, options.host, options.port, logins))
    except KeyboardInterrupt:
        return 0
    except (OSError, ValueError) as error:
        print(f"cannot serve the cameras: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
