"""A day without a control plane and an hour of a line that comes and goes, in virtual time: the agent's own uploads and
spool, a line of a known rate, and a control plane that counts what arrives."""

import asyncio
import gc
import random
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from tempfile import mkdtemp
from typing import TypeVar

import msgspec

from edge_agent.async_wait import wait_for_any
from edge_agent.checksummed_lines import to_line
from edge_agent.errors import ServerTimeout, ServerUnreachable
from edge_agent.spool.async_spool import AsyncSpool
from edge_agent.spool.spool import Spool
from edge_agent.upload.client import CommitResult, IntentResult
from edge_agent.upload.replicator import Replicator
from shared.kernel.clock import FakeClock
from shared.protocol.errors import Code
from shared.protocol.ids import CameraId, ClassSessionId, GapId, SegmentId, new_id
from shared.protocol.manifest import GapRecord, SegmentManifest
from shared.protocol.upload import AlreadyCommitted, CommitItem, PutTarget, Refused
from tests.rigs.pacer import Pacer
from tests.shared.examples import MANIFEST

T = TypeVar("T")

MEMORY = Path("/dev/shm")
CAMERAS = 3
CAMERA_BYTES_PER_S = 5_000_000 // 8
LINE_BYTES_PER_S = 4 * CAMERAS * CAMERA_BYTES_PER_S
ROUND_TRIP_S = 0.05
TIMEOUT_S = 30.0
LIFETIME = timedelta(minutes=15)


class Inline(AsyncSpool):
    """The real spool as the uploads see it, without a thread: virtual time does not run on while the disk works."""

    async def _do(self, call: Callable[[], T]) -> T:
        return call()


@dataclass
class Line:
    """An `UploadClient` over a line that is up or down, carries so many bytes a second, and loses requests by dice."""

    pacer: Pacer
    dice: random.Random
    loss: float = 0.0
    up: bool = True
    bytes_sent: int = 0
    """On the line, whatever became of them."""
    requests: int = 0
    stored: set[SegmentId] = field(default_factory=set)
    committed: set[SegmentId] = field(default_factory=set)
    _busy_until_ns: int = 0
    _down: asyncio.Event = field(default_factory=asyncio.Event)

    def set_up(self, up: bool) -> None:
        """Brings the line up, or down with all that is on it."""
        self.up = up
        if not up:
            self._down.set()
            self._down = asyncio.Event()

    async def intent(self, manifests: Sequence[SegmentManifest]) -> tuple[IntentResult, ...]:
        answer_is_lost = await self._arrives()
        expires_at = self.pacer.clock.now() + LIFETIME
        answers = tuple(
            AlreadyCommitted(segment_id=m.segment_id)
            if m.segment_id in self.committed
            else PutTarget(segment_id=m.segment_id, url="https://store/x", headers={}, expires_at=expires_at)
            for m in manifests
        )
        await self._answers(answer_is_lost)
        return answers

    async def put(self, target: PutTarget, path: Path, manifest: SegmentManifest) -> None:
        answer_is_lost = await self._arrives()
        clock = self.pacer.clock
        begin_ns = max(clock.monotonic_ns(), self._busy_until_ns)
        self._busy_until_ns = begin_ns + round(manifest.size_bytes / LINE_BYTES_PER_S * 1e9)
        wait_s = (self._busy_until_ns - clock.monotonic_ns()) / 1e9
        down = self._down
        await wait_for_any(down, most_s=wait_s, sleep=self.pacer.sleep)
        if down.is_set():
            gone_s = max(0.0, (clock.monotonic_ns() - begin_ns) / 1e9)
            self.bytes_sent += min(manifest.size_bytes, round(gone_s * LINE_BYTES_PER_S))
            self._busy_until_ns = clock.monotonic_ns()
            raise ServerUnreachable("store", "the line went down")
        self.bytes_sent += manifest.size_bytes
        self.stored.add(manifest.segment_id)
        await self._answers(answer_is_lost)

    async def commit(self, items: Sequence[CommitItem]) -> tuple[CommitResult, ...]:
        answer_is_lost = await self._arrives()
        answers: list[CommitResult] = []
        for item in items:
            if item.segment_id in self.stored:
                self.committed.add(item.segment_id)
                answers.append(AlreadyCommitted(segment_id=item.segment_id))
            else:
                answers.append(Refused(segment_id=item.segment_id, code=Code.SEGMENT_MISSING, retryable=True))
        await self._answers(answer_is_lost)
        return tuple(answers)

    async def report_gaps(self, gaps: Sequence[GapRecord]) -> tuple[GapId, ...]:
        await self._answers(await self._arrives())
        return tuple(gap.gap_id for gap in gaps)

    async def _arrives(self) -> bool:
        """Takes its time on the line; returns whether the answer will be lost."""
        self.requests += 1
        await self.pacer.sleep(ROUND_TRIP_S)
        if not self.up:
            raise ServerUnreachable("control plane", "no route")
        throw = self.dice.random()
        if throw < self.loss / 2:
            await self.pacer.sleep(TIMEOUT_S)
            raise ServerTimeout("control plane")
        return throw < self.loss

    async def _answers(self, is_lost: bool) -> None:
        if is_lost:
            await self.pacer.sleep(TIMEOUT_S)
            raise ServerTimeout("control plane")
        if not self.up:
            raise ServerUnreachable("control plane", "the line went down")


@dataclass
class AgentOnLine:
    """One agent with three cameras on such a line."""

    folder: Path
    segment_s: float
    seed: int
    loss: float = 0.0

    def __post_init__(self) -> None:
        self.clock = FakeClock()
        self.pacer = Pacer(self.clock)
        self.spool = Spool.open(self.folder, clock=self.clock)
        self.line = Line(self.pacer, random.Random(self.seed), self.loss)
        self.class_id = ClassSessionId(new_id())
        self.cameras = [CameraId(new_id()) for _ in range(CAMERAS)]
        self.made = 0
        self.replicator = Replicator(
            self.line,
            Inline(self.spool),
            self.clock,
            running=lambda: {self.class_id},
            revoked=print,
            sleep=self.pacer.sleep,
        )

    async def record(self, seconds: float) -> None:
        """Lets the cameras record for so long."""
        for _ in range(round(seconds / self.segment_s)):
            await self.pacer.advance(self.segment_s)
            self.made += 1
            manifests = [self._manifest(camera) for camera in self.cameras]
            for manifest in manifests:
                self.spool.path(manifest).parent.mkdir(parents=True, exist_ok=True)
            self.spool.index.add_segments([(manifest, to_line(manifest)) for manifest in manifests])
            self.replicator.wake()

    def _manifest(self, camera: CameraId) -> SegmentManifest:
        return msgspec.structs.replace(
            MANIFEST,
            segment_id=SegmentId(new_id()),
            class_session_id=self.class_id,
            camera_id=camera,
            sequence=self.made,
            size_bytes=round(CAMERA_BYTES_PER_S * self.segment_s),
            closed_at=self.clock.now(),
        )

    @property
    def unique_bytes(self) -> int:
        """Returns how many bytes there are to bring."""
        return round(self.made * CAMERAS * CAMERA_BYTES_PER_S * self.segment_s)

    async def drain(self, most_s: float) -> float:
        """Lets time pass until all is home; returns how much it took."""
        begin_ns = self.clock.monotonic_ns()
        while self.spool.pending(1):
            await self.pacer.advance(1)
            if (self.clock.monotonic_ns() - begin_ns) / 1e9 > most_s:
                break
        return (self.clock.monotonic_ns() - begin_ns) / 1e9

    def lost(self) -> int:
        """Returns how many segments did not arrive. That none counts twice is tried on the real control plane."""
        return self.made * CAMERAS - len(self.line.committed)


def _memory_bytes() -> int:
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


async def _away(agent: AgentOnLine, hours: float) -> int:
    began_s = time.monotonic()
    task = asyncio.create_task(agent.replicator.run())
    await agent.record(600)
    agent.line.set_up(False)
    await agent.record(3600)
    memory, asked = _memory_bytes(), agent.line.requests
    await agent.record((hours - 1) * 3600)
    growth, asked = _memory_bytes() / memory - 1, agent.line.requests - asked
    waiting = agent.spool.index.backlog()[0]
    agent.line.set_up(True)
    took_s = await agent.drain(3 * hours * 3600)
    share = waiting * CAMERA_BYTES_PER_S * agent.segment_s / LINE_BYTES_PER_S / took_s
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    drained_growth = _memory_bytes() / memory - 1
    lost = agent.lost()
    print(
        f"{hours:g} h away, segments of {agent.segment_s:g} s: {agent.made * CAMERAS} made, {waiting} waited,"
        f" {lost} lost; {asked} requests from the second hour on; memory {growth:+.1%}, after the drain"
        f" {drained_growth:+.1%}; drained at {share:.0%} of the line; {time.monotonic() - began_s:.0f} s"
    )
    return lost + (growth >= 0.10) + (share < 0.80)


async def _flapping(agent: AgentOnLine, hours: float) -> int:
    began_s = time.monotonic()
    task = asyncio.create_task(agent.replicator.run())
    dice = random.Random(agent.seed + 1)
    end_ns, flaps = agent.clock.monotonic_ns() + round(hours * 3600e9), 0
    while agent.clock.monotonic_ns() < end_ns:
        for up, most_s in ((True, 90), (False, 30)):
            agent.line.set_up(up)
            flaps += 1
            await agent.record(dice.uniform(agent.segment_s, most_s))
    agent.line.set_up(True)
    took_s = await agent.drain(hours * 3600)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    extra, lost = agent.line.bytes_sent / agent.unique_bytes - 1, agent.lost()
    print(
        f"{hours:g} h of a flapping line, {flaps} changes, {agent.loss:.0%} of the requests lost, seed {agent.seed}:"
        f" {agent.made * CAMERAS} made, {lost} lost, {extra:.1%} extra bytes,"
        f" home {took_s:.0f} s after the end; {time.monotonic() - began_s:.0f} s"
    )
    return lost + (extra >= 0.25)


def run(what: str, *, hours: float, segment_s: float, seed: int) -> int:
    """Runs `away` or `flapping`, prints its figures, and returns how many promises were broken."""
    folder = Path(mkdtemp(dir=MEMORY if MEMORY.is_dir() else None))
    try:
        agent = AgentOnLine(folder, segment_s, seed, loss=0.05 if what == "flapping" else 0.0)
        try:
            return asyncio.run((_flapping if what == "flapping" else _away)(agent, hours))
        finally:
            agent.spool.close()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
