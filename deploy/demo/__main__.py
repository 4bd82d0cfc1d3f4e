"""`python -m deploy.demo`: records a class from three cameras with the whole product and prints its address."""

import argparse
import os
import signal
import sys
from pathlib import Path
from types import FrameType

from deploy.demo.demonstration import Demonstration
from deploy.demo.errors import DemoError
from deploy.demo.options import Options
from deploy.demo.progress_console import ProgressConsole
from shared.kernel.folders import NoHome, expanded, state_base
from shared.kernel.terminal import make_printable
from tools.demo_scene.loop import CAMERAS

SCHEMES = ("rtsp://", "rtsps://", "http://", "https://", "file:")
INTERRUPTED = 130


def default_state() -> Path:
    """Returns the default state folder of the demo, apart from that of a real installation.

    Root's database runs as another account, which must be able to reach the folder; root's home is closed to it.

    Raises:
        NoHome: the user has no home folder, as often in a container.
    """
    if os.geteuid() == 0:
        return Path("/var/lib/threedance-demo")
    return state_base() / "threedance-demo"


def read_options(arguments: list[str] | None = None) -> Options:
    """Parses the command line; exits with the name of a wrong argument."""
    parser = argparse.ArgumentParser(
        prog="python3 noxfile.py demo --",
        description="Records a class from three cameras with the whole product, and prints the address of its replay.",
    )
    parser.add_argument("--state", type=Path, default=None, metavar="DIR", help="the folder for all data")
    parser.add_argument(
        "--camera", action="append", default=[], metavar="POSITION=ADDRESS",
        help=f"record this camera instead of the rendered ones; positions are {', '.join(CAMERAS)}; repeat",
    )  # fmt: skip
    parser.add_argument(
        "--seconds", type=float, default=30.0, metavar="N", help="how long to record (default: 30)"
    )
    parser.add_argument(
        "--exit", action="store_true", help="stop everything as soon as the class can be replayed"
    )
    parser.add_argument("--report", type=Path, default=None, metavar="FILE", help="write a report as JSON")
    parser.add_argument(
        "--port", type=int, default=None, metavar="N",
        help="the portal's port, the next free one if it is taken (default: that of the last run, or 8000)",
    )  # fmt: skip
    parser.add_argument(
        "--patience",
        type=float,
        default=120.0,
        metavar="N",
        help="seconds that the cameras may take to connect",
    )
    given = parser.parse_args(arguments)
    cameras: dict[str, str] = {}
    for entry in given.camera:
        position, _, address = entry.partition("=")
        if position not in CAMERAS or not address.startswith(SCHEMES):
            parser.error(
                f"--camera {position}=...: give POSITION=ADDRESS, with a position of {', '.join(CAMERAS)} and an address "
                f"that begins with {', '.join(SCHEMES)}"
            )
        if position in cameras:
            parser.error(f"--camera {position}=...: this position is given twice")
        cameras[position] = address
    if not 2 <= given.seconds <= 24 * 3600:
        parser.error("--seconds: give 2 seconds to a day")
    if given.port is not None and not 0 <= given.port <= 65535:
        parser.error("--port: give 0 to 65535")
    try:
        state = expanded(given.state or default_state()).absolute()
    except NoHome as error:
        parser.error(f"{error}, and so no place for the state; name one with --state DIR")
    return Options(state, cameras, given.seconds, given.exit, given.report, given.port, given.patience)


def main(arguments: list[str] | None = None) -> int:
    """Runs the demo; returns 0, 1 after an error, 130 if it was interrupted before the class could be replayed."""
    make_printable(sys.stdout)
    options = read_options(arguments)
    display = ProgressConsole()

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)
    demonstration = Demonstration(options, display)
    try:
        demonstration.run()
    except DemoError as error:
        for line in error.lines():
            display.say(line, style="red" if line.startswith("error") else None)
        return 1
    except KeyboardInterrupt:
        display.say("stopped")
        return 0 if demonstration.is_replayable else INTERRUPTED
    return 0


if __name__ == "__main__":
    sys.exit(main())
