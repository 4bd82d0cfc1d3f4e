"""`kill -9` at random moments of a real agent that records three real RTSP cameras, and what is left of it afterwards.

Two witnesses that are not the agent: what lies on the disk right after each kill (read here, without the agent's code
for mending), and the clock. What was whole on the disk has to arrive at the control plane, once; what was not whole may
be one group of pictures per camera; the rest is a gap row. The page cache survives a kill: power cuts are `power`'s.
"""

import hashlib
import itertools
import random
import shutil
import signal
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec

from edge_agent.checksummed_lines import from_line
from edge_agent.spool.journal import read_journal
from edge_agent.spool.layout import CLOSED, JOURNAL, MANIFEST, OPEN, Layout
from edge_agent.spool.wall_clock import utc_of_pts
from shared.protocol.config import RecordingOrder, RtspSource
from shared.protocol.ids import CameraId, SegmentId
from shared.protocol.manifest import FragmentRecord, SegmentManifest
from shared.protocol.media import ClockEstimate
from tests.faults.kept import Kept
from tests.media import make_video, split_frames
from tests.rigs import rtsp
from tests.rigs.agent_process import AgentProcess, paired_agent
from tests.rigs.control_plane import ControlPlane

CAMERAS = 3
GOP_S = 1.0
LOOP = 240
"""Pictures until the cameras' film begins again."""
EARLY = 0.2
"""Share of the kills that come while the agent starts: imports, recovery, first pictures."""
EARLY_S, LATE_S = 2.5, 2.0
"""How long after the start, or after the first durable fragments, a kill comes at the latest."""
AGAIN_S = 5.0
"""The bar: a restarted agent records again within this."""
PATIENCE_S = 30.0
NEAR = timedelta(seconds=0.3)
"""How exactly a gap's ends meet the footage: a clock line is an estimate."""
POLL_S = 0.02
DECODED = 6
"""So many segments of each camera are decoded, picture by picture."""


@dataclass
class Found:
    """Outcome of some kills."""

    kills: int = 0
    early: int = 0
    durable: int = 0
    """Fragments that were whole on the disk at a kill."""
    arrived: int = 0
    lost: int = 0
    twice: int = 0
    missing_s: list[float] = field(default_factory=list)
    """For each kill and recording camera: from the end of what is durable to the kill."""
    again_s: list[float] = field(default_factory=list)
    """For each start and camera: from the start of the process to its first picture that is kept."""
    broken: list[str] = field(default_factory=list)

    @property
    def most_missing(self) -> int:
        """The most whole groups of pictures of one camera that one kill took."""
        return int(max(self.missing_s, default=0.0) // GOP_S)


@dataclass(frozen=True)
class Durable:
    """One fragment that was whole on the disk."""

    camera_id: CameraId
    segment_id: SegmentId
    ends_at: datetime


@dataclass(frozen=True)
class Life:
    """One process: from its start to its end."""

    began_at: datetime
    ended_at: datetime
    early: bool


class Site:
    """A room with three cameras, an agent that is killed in it, and the control plane that it reports to."""

    def __init__(self, agent: AgentProcess, dice: random.Random, late_s: float) -> None:
        self.agent = agent
        self.found = Found()
        self.kept: dict[str, Durable] = {}
        """Fragments by the hash of their ciphertext: no two are alike."""
        self.lives: list[Life] = []
        self._dice = dice
        self._late_s = late_s
        self._layout = Layout(agent.state)
        self._read: set[Path] = set()

    def prepare(self) -> RecordingOrder:
        """Has all cameras record, and returns the order."""
        self.agent.start()
        self.agent.connect_cameras()
        order = self.agent.record()
        self.agent.stop(signal.SIGKILL)
        self.look(datetime.now(UTC))
        return order

    def kill_once(self) -> None:
        """Starts the agent, and kills it at a moment that the dice choose."""
        early = self._dice.random() < EARLY
        began_at = datetime.now(UTC)
        self.agent.start()
        if early:
            time.sleep(self._dice.uniform(0, EARLY_S))
        else:
            if not self.records_within(PATIENCE_S, began_at):
                self.found.broken.append(f"kill {self.found.kills}: no recording within {PATIENCE_S} s")
            time.sleep(self._dice.uniform(0, self._late_s))
        self.agent.stop(signal.SIGKILL)
        killed_at = datetime.now(UTC)
        self.lives.append(Life(began_at, killed_at, early))
        self.found.kills += 1
        self.found.early += early
        newest = self.look(began_at)
        for ends_at in newest.values():
            self.found.missing_s.append((killed_at - ends_at).total_seconds())

    def records_within(self, timeout_s: float, since_at: datetime) -> bool:
        """Returns whether each camera has something durable that is newer than an instant, as soon as that is so."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            if len(self.look(since_at)) == len(self.agent.cameras):
                return True
            time.sleep(POLL_S * 5)
        return False

    def look(self, since_at: datetime) -> dict[CameraId, datetime]:
        """Reads the disk, and returns up to when each camera is kept that has anything newer than an instant."""
        newest: dict[CameraId, datetime] = {}
        for file in self._layout.segment_files():
            if file.path in self._read or file.suffix not in (JOURNAL, MANIFEST):
                continue
            for record, clock in _whole(file.path):
                ends_at = utc_of_pts(record.pts_90k + record.duration_90k, clock)
                self.kept[record.blob.sha256] = Durable(file.camera_id, file.segment_id, ends_at)
            if file.suffix == MANIFEST:
                self._read.add(file.path)
        for kept in self.kept.values():
            if kept.ends_at > since_at:
                newest[kept.camera_id] = max(kept.ends_at, newest.get(kept.camera_id, kept.ends_at))
        return newest

    def conclude(self, order: RecordingOrder) -> Found:
        """Lets the agent finish, and holds what arrived against what was kept."""
        began_at = datetime.now(UTC)
        self.agent.start()
        self.records_within(PATIENCE_S, began_at)
        stopped_at = self.agent.finish(order)
        self.lives.append(Life(began_at, stopped_at, early=False))
        if self.agent.stop() != 0:
            self.found.broken.append("the agent did not end well")
        if "Traceback" in self.agent.log():
            self.found.broken.append("the agent's log has a trace")
        self._count(order)
        for camera in self.agent.cameras:
            segments = self.agent.segments(order, camera)
            self._judge_numbers(camera.id, segments)
            self._judge_account(camera.id, segments)
            for manifest in self._dice.sample(segments, min(DECODED, len(segments))):
                self._judge_pictures(manifest)
        return self.found

    def _count(self, order: RecordingOrder) -> None:
        arrived: Counter[str] = Counter()
        for manifest in self.agent.plane.committed.values():
            body = self.agent.plane.objects[str(manifest.segment_id)].body
            for record in manifest.fragments:
                blob = record.blob
                sealed = body[blob.offset_bytes : blob.offset_bytes + blob.size_bytes]
                arrived[hashlib.sha256(sealed).hexdigest()] += 1
        found = self.found
        found.durable, found.arrived = len(self.kept), len(arrived)
        found.lost = len(self.kept.keys() - arrived.keys())
        found.twice += sum(count > 1 for count in arrived.values())
        if found.lost:
            found.broken.append(f"{found.lost} durable fragments did not arrive")
        if found.twice:
            found.broken.append(f"{found.twice} fragments arrived twice")

    def _judge_numbers(self, camera_id: CameraId, segments: list[SegmentManifest]) -> None:
        numbers = [manifest.sequence for manifest in segments]
        if numbers != list(range(1, len(numbers) + 1)):
            self.found.broken.append(f"camera {camera_id}: segments are numbered {numbers}")

    def _judge_account(self, camera_id: CameraId, segments: list[SegmentManifest]) -> None:
        """Every instant is in one fragment or in a gap row, and each start records again in time."""
        spans = list(_dated(segments))
        gaps = sorted(
            (g.from_at, g.to_at) for g in self.agent.plane.gaps.values() if g.camera_id == camera_id
        )
        for (_, before_at), (after_at, _) in itertools.pairwise(spans):
            if after_at < before_at - NEAR:
                self.found.twice += 1
                over_s = (before_at - after_at).total_seconds()
                self.found.broken.append(
                    f"camera {camera_id}: {over_s:.2f} s from {after_at} on are there twice"
                )
            elif after_at > before_at + NEAR and not _covered(before_at, after_at, gaps):
                self.found.broken.append(f"camera {camera_id}: no gap row from {before_at} to {after_at}")
        for life in self.lives:
            first_at = next((a for a, _ in spans if life.began_at < a < life.ended_at), None)
            if first_at is not None:
                self.found.again_s.append((first_at - life.began_at).total_seconds())
            elif not life.early:
                self.found.broken.append(f"camera {camera_id}: nothing of the life from {life.began_at}")

    def _judge_pictures(self, manifest: SegmentManifest) -> None:
        numbers = self.agent.numbers(manifest)
        stated = sum(record.frames for record in manifest.fragments)
        if len(numbers) != stated or any((b - a) % LOOP != 1 for a, b in itertools.pairwise(numbers)):
            self.found.broken.append(f"segment {manifest.segment_id} shows {numbers}, {stated} are stated")


def _whole(path: Path) -> Iterator[tuple[FragmentRecord, ClockEstimate]]:
    """Yields what a journal or a manifest vouches for, as far as the bytes beside it are there and unharmed."""
    try:
        if path.suffix == MANIFEST:
            manifest = from_line(path.read_bytes(), SegmentManifest)
            stated = [(record, manifest.clock) for record in manifest.fragments]
        else:
            _, entries = read_journal(path)
            stated = [(entry.fragment, entry.clock) for entry in entries]
        beside = [path.with_suffix(suffix) for suffix in (CLOSED, OPEN)]
        data = next((p.read_bytes() for p in beside if p.exists()), b"")
    except FileNotFoundError:
        return  # closed while we looked: the next look finds it under its new name
    for record, clock in stated:
        blob = record.blob
        sealed = data[blob.offset_bytes : blob.offset_bytes + blob.size_bytes]
        if hashlib.sha256(sealed).hexdigest() != blob.sha256:
            return
        yield record, clock


def _dated(segments: list[SegmentManifest]) -> Iterator[tuple[datetime, datetime]]:
    """Yields from when to when each fragment of a track is, dated as `ClockEstimate` wants it: by the first line of its
    run that is not provisional. An agent that starts on a busy machine knows no better at first."""
    lines: dict[int, ClockEstimate] = {}
    for manifest in segments:
        if not manifest.clock.provisional:
            lines.setdefault(manifest.run, manifest.clock)
    for manifest in segments:
        line = lines.get(manifest.run, manifest.clock)
        for record in manifest.fragments:
            yield utc_of_pts(record.pts_90k, line), utc_of_pts(record.pts_90k + record.duration_90k, line)


def _covered(from_at: datetime, to_at: datetime, gaps: list[tuple[datetime, datetime]]) -> bool:
    reached_at = from_at + NEAR
    for gap_from_at, gap_to_at in gaps:
        if gap_from_at <= reached_at:
            reached_at = max(reached_at, gap_to_at + NEAR)
    return reached_at >= to_at


def run(kills: int, seed: int, folder: Path, frames: Path, server: rtsp.RtspServer, late_s: float) -> Found:
    """Kills one agent so often, in one class, and judges it.

    Args:
        kills: how many.
        seed: chooses the moments; what the machine does at them it does not.
        folder: an empty one, for the agent's state.
        frames: the cameras' film, as `server` plays it.
        server: the cameras; each agent that asks gets pictures of its own.
        late_s: how long the agent records at most, once it does.
    """
    with ControlPlane().running() as plane, paired_agent(plane, folder / "state", frames) as agent:
        agent.cameras = tuple(
            msgspec.structs.replace(camera, source=RtspSource(url=server.url(f"/{number}")))
            for number, camera in enumerate(agent.cameras)
        )
        site = Site(agent, random.Random(seed), late_s)
        order = site.prepare()
        for _ in range(kills):
            site.kill_once()
        return site.conclude(order)


def rounds(
    kills: int,
    first_seed: int,
    *,
    each: int,
    at_once: int,
    late_s: float = LATE_S,
    kept: Kept[Found] | None = None,
) -> Iterator[tuple[int, Found]]:
    """Yields the seed of each class and what came of it: so many kills in all, `each` per class and agent, so many agents
    `at_once` under one set of cameras. Classes that are in `kept` are not run again, those that are run are added to it."""
    done = dict(kept.rounds()) if kept else {}
    counts = {first_seed + number: min(each, kills - number * each) for number in range(-(-kills // each))}
    known = {seed: done[seed] for seed, count in counts.items() if seed in done and done[seed].kills == count}
    yield from known.items()
    with TemporaryDirectory(prefix="kill-") as folder:
        film = make_video(Path(folder) / "film.h264", seconds=LOOP / 30, gop=round(GOP_S * 30))
        frames = split_frames(film, Path(folder) / "frames")

        def one(seed: int) -> tuple[int, Found]:
            state = Path(folder) / f"{seed}"
            state.mkdir()
            try:
                return seed, run(counts[seed], seed, state, frames, server, late_s)
            finally:
                shutil.rmtree(state, ignore_errors=True)

        mounts = {f"/{n}": {"frames": str(frames)} for n in range(CAMERAS)}
        with rtsp.RtspServer(mounts) as server, ThreadPoolExecutor(at_once) as pool:
            for seed, found in pool.map(one, [seed for seed in counts if seed not in known]):
                if kept:
                    kept.add(seed, found)
                yield seed, found


def report(found: Iterator[tuple[int, Found]]) -> int:
    """Prints each round and the sum; returns how many promises were broken."""
    began_s, total = time.monotonic(), Found()
    for seed, one in found:
        total.kills += one.kills
        total.early += one.early
        total.durable += one.durable
        total.arrived += one.arrived
        total.lost += one.lost
        total.twice += one.twice
        total.missing_s += one.missing_s
        total.again_s += one.again_s
        total.broken += one.broken
        for text in one.broken:
            print(f"BROKEN seed {seed}: {text}", flush=True)
        print(f"  {total.kills} kills, {len(total.broken)} broken promises", flush=True)
    print(
        f"{total.kills} kills ({total.early} while starting) in {time.monotonic() - began_s:.0f} s: "
        f"{total.durable} durable fragments, {total.lost} lost, {total.twice} twice; "
        f"most missing of a camera {total.most_missing} (p50 {_percentile(total.missing_s, 50):.2f} s, "
        f"worst {_percentile(total.missing_s, 100):.2f} s); recording again p50 "
        f"{_percentile(total.again_s, 50):.2f} s, p95 {_percentile(total.again_s, 95):.2f} s, "
        f"worst {_percentile(total.again_s, 100):.2f} s"
    )
    return len(total.broken) + (total.most_missing > 1) + sum(s > AGAIN_S for s in total.again_s)


def _percentile(values: list[float], percent: int) -> float:
    ranked = sorted(values) or [0.0]
    return ranked[min(len(ranked) - 1, len(ranked) * percent // 100)]
