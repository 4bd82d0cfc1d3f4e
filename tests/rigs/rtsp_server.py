"""A real RTSP server with numbered pictures for tests: GStreamer's, run by the system's Python (`/usr/bin/python3`).

    /usr/bin/python3 tests/rigs/rtsp_server.py '{"mounts": {"/one": {"frames": "folder"}}, "user": "u", "password": "p"}'

Prints `port N` when it listens, and serves until its standard input closes. A mount plays the pictures of a folder
(`000000.h264` or `.h265`, one access unit each) over and over in real time, each client from the first one on:
`frames`, `fps`, `audio` (`aac`, `pcmu`, `opus`), `honest` (sender reports say when a frame was captured; else the
stock behaviour, whose first report is wrong), `config_interval`. `digest`: false asks for Basic instead.
"""

import itertools
import json
import sys
import threading
from pathlib import Path
from typing import Any

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtsp", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtsp, GstRtspServer  # noqa: E402  # versions come first

SOUNDS = {
    "aac": "audio/x-raw,rate=48000,channels=2 ! voaacenc ! aacparse ! rtpmp4gpay pt=97",
    "pcmu": "audio/x-raw,rate=8000,channels=1 ! mulawenc ! rtppcmupay pt=0",
    "opus": "audio/x-raw,rate=48000,channels=2 ! opusenc ! rtpopuspay pt=97",
}


def pipeline(mount: dict[str, Any]) -> str:
    """Returns the launch line of one mount."""
    frames = sorted(Path(mount["frames"]).iterdir())
    kind = frames[0].suffix[1:]
    parts = [
        "appsrc name=pictures format=time max-bytes=1000000"
        f" caps=video/x-{kind},framerate={mount.get('fps', 30)}/1,stream-format=byte-stream,alignment=au"
        f" ! {kind}parse config-interval=0 ! identity sync=true"
        f" ! rtp{kind}pay name=pay0 pt=96 config-interval={mount.get('config_interval', 0)}"
    ]
    audio = mount.get("audio")
    if audio:
        parts.append(f"audiotestsrc is-live=true samplesperbuffer=960 ! {SOUNDS[audio]} name=pay1")
    return "( " + " ".join(parts) + " )"


class Factory(GstRtspServer.RTSPMediaFactory):  # type: ignore[misc]  # gi has no types
    """Serves one mount; every client gets a pipeline of its own."""

    def __init__(self, mount: dict[str, Any]) -> None:
        super().__init__()
        self.set_launch(pipeline(mount))
        self.set_shared(False)
        self._frames = [path.read_bytes() for path in sorted(Path(mount["frames"]).iterdir())]
        self._frame_ns = Gst.SECOND // mount.get("fps", 30)
        self._honest_reports = mount.get("honest", True)
        self.connect("media-configure", self._configure)

    def _configure(self, _: Any, media: Any) -> None:
        source = media.get_element().get_by_name("pictures")
        counter = itertools.count()
        source.connect("need-data", lambda src, _length: self._push(src, next(counter)))
        if self._honest_reports:
            media.connect("prepared", self._honest)

    def _push(self, source: Any, index: int) -> None:
        buffer = Gst.Buffer.new_wrapped(self._frames[index % len(self._frames)])
        buffer.pts = buffer.dts = index * self._frame_ns
        buffer.duration = self._frame_ns
        source.emit("push-buffer", buffer)

    @staticmethod
    def _honest(media: Any) -> None:
        rtpbin = media.get_element().get_parent()
        iterator = rtpbin.iterate_elements() if rtpbin else None
        while iterator:
            result, element = iterator.next()
            if result != Gst.IteratorResult.OK:
                break
            if element.get_factory() and element.get_factory().get_name() == "rtpbin":
                element.set_property("rtcp-sync-send-time", False)


def main() -> None:
    """Serves the mounts of the first argument."""
    wish = json.loads(sys.argv[1])
    Gst.init(None)
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(str(wish.get("port", 0)))
    pool = GstRtspServer.RTSPThreadPool()
    pool.set_max_threads(32)
    server.set_thread_pool(pool) if hasattr(server, "set_thread_pool") else None
    if wish.get("user"):
        auth = GstRtspServer.RTSPAuth()
        token = GstRtspServer.RTSPToken()
        token.set_string("media.factory.role", "viewer")
        auth.set_supported_methods(
            GstRtsp.RTSPAuthMethod.DIGEST if wish.get("digest", True) else GstRtsp.RTSPAuthMethod.BASIC
        )
        if wish.get("digest", True):
            auth.add_digest(wish["user"], wish["password"], token)
        else:
            auth.add_basic(GstRtspServer.RTSPAuth.make_basic(wish["user"], wish["password"]), token)
        server.set_auth(auth)
    for path, mount in wish["mounts"].items():
        factory = Factory(mount)
        if wish.get("user"):
            permissions = GstRtspServer.RTSPPermissions()
            permissions.add_permission_for_role("viewer", "media.factory.access", True)
            permissions.add_permission_for_role("viewer", "media.factory.construct", True)
            factory.set_permissions(permissions)
        server.get_mount_points().add_factory(path, factory)
    loop = GLib.MainLoop()
    server.attach(None)
    print(f"port {server.get_bound_port()}", flush=True)  # this is its answer
    threading.Thread(target=lambda: (sys.stdin.read(), loop.quit()), daemon=True).start()
    loop.run()


if __name__ == "__main__":
    main()
