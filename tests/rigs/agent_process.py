"""The agent as a process, on a state folder of a test, paired with the control plane of the tests."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import msgspec
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7

from edge_agent.control.enrolment import Paired, pair
from edge_agent.control.identity import IdentityFolder
from edge_agent.http import HttpClient
from edge_agent.settings import Settings, save_settings
from shared.kernel.clock import SystemClock
from shared.protocol.config import CameraConfig, FileSource, Position, RecordingOrder
from shared.protocol.ids import CameraId, ClassSessionId, RoomId, new_id
from shared.protocol.manifest import SealedBlob, SegmentManifest
from shared.protocol.status import CameraState, RecordingState, RecordingStatus
from tests.media import numbers_in
from tests.rigs.control_plane import ControlPlane

ROOT = Path(__file__).resolve().parents[2]
AGENT = (sys.executable, "-m", "edge_agent")


def agent_command(
    state: Path, *arguments: str, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Runs one command of the agent's program to its end."""
    return subprocess.run(
        [*AGENT, *arguments, "--state", str(state)],
        capture_output=True,
        text=True,
        errors="backslashreplace",
        cwd=ROOT,
        env={**os.environ, **(env or {})},
        timeout=60,
        check=False,
    )


class AgentProcess:
    """An agent with one file camera for each position, and the agent process on it."""

    def __init__(self, plane: ControlPlane, state: Path, video: Path) -> None:
        self.plane = plane
        self.state = state
        self.room_id = RoomId(new_id())
        self.cameras = tuple(
            CameraConfig(
                id=CameraId(new_id()),
                room_id=self.room_id,
                name=position.value.capitalize(),
                position=position,
                source=FileSource(name="class.mp4"),
            )
            for position in Position
        )
        self.process: subprocess.Popen[bytes] | None = None
        self.within: tuple[str, ...] = ()
        """Prefix of the agent's command where it runs in a namespace, as `BadLine.within`."""
        self.tree = ROOT
        """The checkout whose agent runs."""
        self.identity = asyncio.run(_pair(plane.url, state)).identity
        networks = ("127.0.0.0/8", "::1/128")  # where the cameras of tests are
        save_settings(state, Settings(media={"class.mp4": str(video)}, allowed_networks=networks))

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Runs a command on this agent."""
        return agent_command(self.state, *arguments)

    def must(self, *arguments: str) -> str:
        """Runs a command that has to succeed, and returns what it printed."""
        done = self.run(*arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def start(self) -> None:
        """Starts the agent."""
        log = (self.state.parent / "agent.log").open("ab")
        with log:
            self.process = subprocess.Popen(
                [*self.within, *AGENT, "run", "--text-logs", "--state", str(self.state)],
                cwd=self.tree,
                stdout=log,
                stderr=log,
            )

    def log(self) -> str:
        """Returns what the agent has logged."""
        return (self.state.parent / "agent.log").read_text()

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Ends the agent and returns its exit status."""
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(30)

    def connect_cameras(self) -> None:
        """Configures the cameras and returns once all give pictures."""
        self.plane.desire(cameras=self.cameras)
        self.plane.wait(self.all_connected)

    def all_connected(self) -> bool:
        """Returns whether the newest heartbeat shows all cameras connected."""
        seen = self.plane.statuses[-1].cameras if self.plane.statuses else ()
        return len(seen) == len(self.cameras) and all(c.state is CameraState.CONNECTED for c in seen)

    def record(self) -> RecordingOrder:
        """Orders a class from now on, and returns once its first picture is recorded."""
        order = RecordingOrder(
            class_session_id=ClassSessionId(new_id()), room_id=self.room_id, start_at=self.plane.now()
        )
        self.plane.desire(recordings=(*self.plane.config.body.recordings, order))
        self.plane.wait(lambda: (s := self.recording(order)) is not None and s.first_picture_at is not None)
        return order

    def finish(self, order: RecordingOrder) -> datetime:
        """Stops a class, returns once all of it is home, and says when it was stopped."""
        stop_at = self.plane.now()
        self.plane.desire(recordings=(msgspec.structs.replace(order, stop_at=stop_at),))
        self.plane.wait(lambda: self.is_home(order), 30)
        self.plane.desire(recordings=())
        return stop_at

    def is_home(self, order: RecordingOrder) -> bool:
        """Returns whether the agent says that the class is finished and nothing of it is left to send."""
        status = self.recording(order)
        return (
            status is not None
            and status.state is RecordingState.FINISHED
            and not status.tally.segments_pending
            and not status.tally.gaps_pending
        )

    def recording(self, order: RecordingOrder) -> RecordingStatus | None:
        """Returns what the newest heartbeat says of a class."""
        seen = self.plane.statuses[-1].recordings if self.plane.statuses else ()
        return next((s for s in seen if s.class_session_id == order.class_session_id), None)

    def segments(self, order: RecordingOrder, camera: CameraConfig) -> list[SegmentManifest]:
        """Returns what arrived of one track, in order."""
        found = [
            m
            for m in self.plane.committed.values()
            if (m.class_session_id, m.camera_id) == (order.class_session_id, camera.id)
        ]
        return sorted(found, key=lambda m: m.sequence)

    def numbers(self, manifest: SegmentManifest) -> list[int]:
        """Returns the numbers of the pictures in a segment, decrypted as a viewer would."""
        stored = self.plane.objects[str(manifest.segment_id)].body
        key = self.plane.key_of(manifest)
        blobs = (manifest.init, *(fragment.blob for fragment in manifest.fragments))
        return numbers_in(b"".join(_opened(stored, blob, key) for blob in blobs))


@contextlib.contextmanager
def paired_agent(plane: ControlPlane, state: Path, video: Path) -> Iterator[AgentProcess]:
    """Gives a paired agent; ends whatever still runs on it afterwards. Where a test fails, the agent's log is shown."""
    agent = AgentProcess(plane, state, video)
    try:
        yield agent
    except BaseException:
        print(agent.log() if agent.process else "the agent was not started")
        raise
    finally:
        if agent.process is not None and agent.process.poll() is None:
            agent.process.kill()
            agent.process.wait(10)


async def _pair(url: str, state: Path) -> Paired:
    async with HttpClient() as http:
        return await pair(
            url, "BCDF-GHJK", IdentityFolder(state), replace=False, http=http, clock=SystemClock()
        )


def _opened(stored: bytes, blob: SealedBlob, key: bytes) -> bytes:
    sealed = stored[blob.offset_bytes : blob.offset_bytes + blob.size_bytes]
    decryptor = Cipher(algorithms.AES128(key), modes.CBC(blob.iv)).decryptor()
    unpadder = PKCS7(128).unpadder()
    plain = decryptor.update(sealed) + decryptor.finalize()
    return unpadder.update(plain) + unpadder.finalize()
