"""A real agent on a line that loses packets, is narrow, and comes and goes: does all arrive, and for how many bytes?"""

import itertools
import random
import subprocess
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec

from edge_agent.spool.wall_clock import ended_at, started_at
from shared.protocol.config import RecordingOrder
from shared.protocol.manifest import SegmentManifest
from tests.rigs.agent_process import AgentProcess, paired_agent
from tests.rigs.bad_line import SERVER, BadLine, missing
from tests.rigs.control_plane import ControlPlane

CAMERA_BITS_PER_S = 1_000_000
LINE_BITS_PER_S = 12 * CAMERA_BITS_PER_S
"""Four times what the three cameras record."""
LOSS_PERCENT = 5
UP_S, DOWN_S = (6.0, 90.0), (6.0, 30.0)
HOME_S = 900.0
EXTRA = 0.25
NEAR_S = 0.3


def run(minutes: int, seed: int) -> int:
    """Records for so long, prints what came of it, and returns how many promises were broken."""
    if reason := missing():
        print(f"packets: skipped: {reason}")
        return 0
    with (
        TemporaryDirectory(prefix="packets-") as folder,
        BadLine(bits_per_s=LINE_BITS_PER_S, loss_percent=LOSS_PERCENT) as line,
        ControlPlane().running(host=SERVER) as plane,
        paired_agent(plane, Path(folder) / "state", _film(Path(folder) / "film.mp4")) as agent,
    ):
        agent.within = line.within
        agent.start()
        agent.connect_cameras()
        order = agent.record()
        began_s, sent = time.monotonic(), line.sent_bytes()
        flaps = _flap(line, random.Random(seed), minutes * 60)
        stopped_s = time.monotonic()
        _finish(agent, order)
        home_s, sent = time.monotonic() - stopped_s, line.sent_bytes() - sent
        wrong = [text for camera in agent.cameras for text in _judge(agent.segments(order, camera))]
        wrong += [f"{len(plane.gaps)} gaps, with cameras that never failed"] if plane.gaps else []
        dropped = sum(camera.packets_dropped for camera in plane.statuses[-1].cameras)
        wrong += [f"{dropped} packets of cameras dropped"] if dropped else []
        arrived = sum(manifest.size_bytes for manifest in plane.committed.values())
        extra = sent / arrived - 1
        for text in wrong:
            print(f"BROKEN seed {seed}: {text}", flush=True)
        print(
            f"{(stopped_s - began_s) / 60:.0f} min of a flapping line, {flaps} changes, {LOSS_PERCENT} % of the packets"
            f" lost each way ({line.dropped()}), seed {seed}: {len(plane.committed)} segments arrived,"
            f" {arrived / 1e6:.0f} MB, for {sent / 1e6:.0f} MB on the line: {extra:.1%} extra;"
            f" {sum(plane.puts.values()) - len(plane.committed)} whole bodies twice; home {home_s:.0f} s after the end"
        )
        return len(wrong) + (extra >= EXTRA)


def _film(path: Path) -> Path:
    subprocess.run(
        [
            "ffmpeg", "-loglevel", "error", "-y", "-f", "lavfi",
            "-i", "testsrc2=size=640x360:rate=30:duration=20,noise=alls=20:allf=t",
            "-c:v", "libx264", "-preset", "veryfast", "-b:v", str(CAMERA_BITS_PER_S), "-maxrate", str(CAMERA_BITS_PER_S),
            "-bufsize", str(CAMERA_BITS_PER_S), "-g", "30", "-bf", "0", "-pix_fmt", "yuv420p", str(path),
        ],
        check=True, timeout=120,
    )  # fmt: skip
    return path


def _flap(line: BadLine, dice: random.Random, seconds: float) -> int:
    """Plugs and pulls for so long, and returns how often; the line is up afterwards."""
    end_s, flaps = time.monotonic() + seconds, 0
    for up, (least_s, most_s) in itertools.cycle(((True, UP_S), (False, DOWN_S))):
        left_s = end_s - time.monotonic()
        if left_s <= 0:
            break
        line.set_up(up)
        flaps += 1
        time.sleep(min(left_s, dice.uniform(least_s, most_s)))
    line.set_up(True)
    return flaps


def _finish(agent: AgentProcess, order: RecordingOrder) -> None:
    stop_at = agent.plane.now()
    agent.plane.desire(recordings=(msgspec.structs.replace(order, stop_at=stop_at),))
    agent.plane.wait(lambda: agent.is_home(order), HOME_S)


def _judge(segments: list[SegmentManifest]) -> list[str]:
    """Returns what is wrong with one track: a number left out, or a moment that is in no segment."""
    numbers = [manifest.sequence for manifest in segments]
    wrong = []
    if not numbers or numbers != list(range(1, len(numbers) + 1)):
        wrong.append(f"segments are numbered {numbers}")
    for before, after in itertools.pairwise(segments):
        if abs((started_at(after) - ended_at(before)).total_seconds()) > NEAR_S:
            wrong.append(
                f"between {ended_at(before)} and {started_at(after)} there is nothing, or it is there twice"
            )
    return wrong
