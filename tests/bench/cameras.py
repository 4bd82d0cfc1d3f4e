"""Three 1080p30 cameras of about 5 Mb/s for measurements: encoded once, served by a GStreamer RTSP server in real time."""

import contextlib
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.media import split_frames

SYSTEM_PYTHON = "/usr/bin/python3"
RIG = Path(__file__).parents[1] / "rigs" / "rtsp_server.py"
NAMES = ("left", "centre", "right")
LOOP_S = 10


def encoded_cameras(folder: Path) -> dict[str, Path]:
    """Returns a folder of access units for each camera, encoded where they are not there yet.

    Noise over a moving test card, so that the encoder spends the bits it is given.
    """
    folder.mkdir(parents=True, exist_ok=True)
    made = {}
    for index, name in enumerate(NAMES):
        frames = folder / name
        if not frames.is_dir():
            stream = folder / f"{name}.h264"
            subprocess.run(
                [
                    "ffmpeg", "-loglevel", "error", "-y", "-f", "lavfi",
                    "-i", f"testsrc2=size=1920x1080:rate=30:duration={LOOP_S},noise=alls={12 + index}:allf=t",
                    "-c:v", "libx264", "-preset", "veryfast", "-b:v", "5M", "-maxrate", "5M", "-bufsize", "5M",
                    "-g", "60", "-keyint_min", "60", "-sc_threshold", "0", "-bf", "0",
                    "-x264-params", "sliced-threads=0:aud=1", "-pix_fmt", "yuv420p", str(stream),
                ],
                check=True,
            )  # fmt: skip
            split_frames(stream, frames)
        made[name] = frames
    return made


@contextlib.contextmanager
def rtsp_cameras(folder: Path) -> Iterator[dict[str, str]]:
    """Serves the cameras for the length of the block; yields the address of each."""
    mounts = {
        f"/{name}": {"frames": str(frames), "audio": "aac"}
        for name, frames in encoded_cameras(folder).items()
    }
    rig = subprocess.Popen(
        [SYSTEM_PYTHON, str(RIG), json.dumps({"mounts": mounts})],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        line = rig.stdout.readline() if rig.stdout else ""
        port = int(line.removeprefix("port "))
        yield {name: f"rtsp://127.0.0.1:{port}/{name}" for name in NAMES}
    finally:
        rig.terminate()
        rig.wait(10)
