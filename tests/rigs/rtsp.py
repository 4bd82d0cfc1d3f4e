"""Starts the real RTSP server of `rtsp_server.py` for a test, or says why it cannot."""

import json
import subprocess
from pathlib import Path
from typing import Any

from tests.rigs.ports import free_port

SYSTEM_PYTHON = "/usr/bin/python3"
SCRIPT = Path(__file__).with_name("rtsp_server.py")


def missing() -> str:
    """Returns why the server cannot run here, or an empty text."""
    if not Path(SYSTEM_PYTHON).exists():
        return f"needs {SYSTEM_PYTHON} with GStreamer's RTSP server"
    code = "import gi; gi.require_version('GstRtspServer', '1.0'); from gi.repository import GstRtspServer"
    found = subprocess.run([SYSTEM_PYTHON, "-c", code], capture_output=True, check=False)
    return "" if found.returncode == 0 else "needs gir1.2-gst-rtsp-server-1.0 and python3-gi"


class RtspServer:
    """One server process. `mounts` as in `rtsp_server.py`; use it as a context manager."""

    def __init__(self, mounts: dict[str, dict[str, Any]], **wishes: Any) -> None:
        self._wishes = {"mounts": mounts, **wishes}
        self._process: subprocess.Popen[str] | None = None
        self.port = int(wishes.get("port", 0)) or free_port()

    def __enter__(self) -> "RtspServer":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def start(self) -> None:
        """Starts it, on the port it had before if any."""
        self._process = subprocess.Popen(
            [SYSTEM_PYTHON, str(SCRIPT), json.dumps({**self._wishes, "port": self.port})],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline().split()
        if not line:
            raise RuntimeError("the RTSP server did not start")
        self.port = int(line[1])

    def kill(self) -> None:
        """Kills it as a power cut does."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def url(self, path: str) -> str:
        """Returns the address of a mount."""
        return f"rtsp://127.0.0.1:{self.port}{path}"
