"""A spool with one damaged file, and what a start of the agent makes of it, held against what was there.

The law: each thing is there as it was, or the agent has said what it lost. What it would send is what was made; what was
sent is not called lost; nothing is there that never was; its counts are those of its files; the next start agrees.
"""

import contextlib
import logging
import os
import random
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

from edge_agent.spool.index import IndexedSegment, SegmentState
from edge_agent.spool.layout import CLOSED, MANIFEST
from edge_agent.spool.scrub import Scrubber
from edge_agent.spool.spool import Spool
from edge_agent.spool.track_progress import TrackProgress
from edge_agent.spool.wall_clock import ended_at, started_at
from shared.protocol.ids import CameraId, GapId, SegmentId
from shared.protocol.manifest import GapReason, GapRecord
from tests.edge_agent.spool.power_trial import Trial, Violation, numbers_in
from tests.faults.spoil import spoil, told

WAITING = frozenset({SegmentState.CLOSED, SegmentState.INTENDED})
SHAPES: tuple[tuple[str, ...], ...] = (
    (*("append",) * 9, "close", "append", "append", "gap", "account", "append"),
    (
        *("append",) * 5, "close", "close", *("append",) * 4, "intend", "intend", "commit", "gap", "clean",
        *("append",) * 6, "commit", "account", "gap", "restart", *("append",) * 5, "intend", "gap", "append",
    ),
    (
        *("append",) * 12, "intend", "intend", "commit", "commit", "clean", "commit", "kill", *("append",) * 9,
        "gap", "gap", "account", "account", "intend", "append", "append",
    ),
)  # fmt: skip


@dataclass
class Seen:
    """State of a started agent: its rows, what it can read back of them, its gaps, accounts and next numbers."""

    rows: dict[SegmentId, IndexedSegment] = field(default_factory=dict)
    numbers: dict[SegmentId, list[int]] = field(default_factory=dict)
    gaps: dict[GapId, GapRecord] = field(default_factory=dict)
    pending_gaps: frozenset[GapId] = frozenset()
    accounts: dict[CameraId, TrackProgress] = field(default_factory=dict)
    sequences: dict[CameraId, int] = field(default_factory=dict)
    bytes_used: int = 0
    said: list[str] = field(default_factory=list)
    """Problems that it logged, and the names of the files that it could not read."""

    def says(self, what: object) -> bool:
        """Returns whether it has said something of this."""
        return any(str(what) in line for line in self.said)


class SpoolCases:
    """Spools as killed agents leave them: closed segments, some of them on their way or sent and gone, open ones,
    gaps, accounts, the index."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._shapes = [_Shape(folder / f"whole-{n}", 7 + n, actions) for n, actions in enumerate(SHAPES)]

    def spoil(self, suffixes: tuple[str, ...], dice: random.Random) -> bool:
        """Damages one file of these kinds and starts the agent on it.

        Returns whether the agent noticed; if not, all is there as it was.

        Raises:
            Violation: it does not go on, takes the damage for the truth, or is silent about what it lost.
        """
        shape = dice.choice(self._shapes)
        state = shape.copied(self._folder / "spoilt")
        try:
            victim = dice.choice([p for p in sorted(state.rglob("*")) if p.name.endswith(suffixes)])
            whole = victim.read_bytes()
            spoilt = spoil(whole, dice)
            victim.unlink()  # it may be one file with that of the original
            victim.write_bytes(spoilt)
            without_index = not victim.name.startswith("index") and dice.random() < 0.5
            if without_index:
                for path in state.glob("index.sqlite*"):
                    path.unlink()
            try:
                return shape.judge(state)
            except Violation as violation:
                index = ", without an index" if without_index else ""
                raise Violation(
                    f"{violation} ({shape.whole.name}: {victim.name}{index}, {told(whole, spoilt)})"
                ) from None
        finally:
            shutil.rmtree(state)


class _Shape:
    def __init__(self, whole: Path, seed: int, actions: tuple[str, ...]) -> None:
        self.whole = whole
        self._trial = Trial(whole, seed)
        with _heard([]):
            self._trial.work(actions)
        self._trial.files.moments.clear()  # each a copy of the disk, for cuts of power
        probe = self.copied(whole.with_name("probe"))
        self._truth = self._look(probe)
        shutil.rmtree(probe)
        assert len(self._truth.numbers) > 2

    def copied(self, state: Path) -> Path:
        """Copies the spool; files that the agent replaces and never changes are the same ones."""
        return Path(shutil.copytree(self.whole, state, copy_function=_linked))

    def judge(self, state: Path) -> bool:
        """Starts the agent on a damaged copy, twice; returns whether it said that something is wrong."""
        seen, again = self._look(state), self._look(state)
        truth = self._truth
        for segment_id, row in truth.rows.items():
            _judge_segment(row, seen.rows.get(segment_id), truth.numbers.get(segment_id, []), seen)
        for segment_id in seen.rows.keys() - truth.rows.keys():
            raise Violation(f"a segment that never was: {segment_id}")
        for gap_id in truth.pending_gaps:
            if gap_id not in seen.pending_gaps:
                _expect(seen.says(gap_id), f"gap {gap_id} is lost and nothing said")
            else:
                _expect(seen.gaps.get(gap_id) == truth.gaps[gap_id], f"gap {gap_id} is another one")
        for gap_id in seen.gaps.keys() - truth.gaps.keys():
            _expect(SegmentId(gap_id) in seen.rows, f"a gap that never was: {gap_id}")
        for camera_id, account in truth.accounts.items():
            if seen.accounts[camera_id] != account:
                _expect(seen.accounts[camera_id] == TrackProgress(), "an account that nobody kept")
                _expect(seen.says("the progress of a track"), "an account is lost and nothing said")
            _expect(seen.sequences[camera_id] >= truth.sequences[camera_id], "a number would be used again")
        here = sum(row.manifest.size_bytes for row in seen.rows.values() if row.is_stored)
        _expect(seen.bytes_used == here, f"{seen.bytes_used} bytes are counted, {here} are here")
        same = (again.rows, again.pending_gaps, again.accounts) == (
            seen.rows,
            seen.pending_gaps,
            seen.accounts,
        )
        _expect(same, "the next start sees something else")
        return bool(set(seen.said) - set(truth.said))

    def _look(self, state: Path) -> Seen:
        studio = self._trial.studio
        studio.state = state
        seen = Seen()
        with _heard(seen.said):
            spool = studio.open_spool()
            try:
                Scrubber(spool).scrub_next()
                self._read(spool, seen)
            finally:
                spool.close()
        seen.said += [path.name for path in spool.recovered.unreadable]
        return seen

    def _read(self, spool: Spool, seen: Seen) -> None:
        for text in spool.index.segment_ids():
            row = spool.index.segment(SegmentId(UUID(text)))
            assert row is not None
            seen.rows[row.manifest.segment_id] = row
        for waiting in spool.pending(1000):
            try:
                numbers = list(numbers_in(self._trial.studio, spool, waiting.manifest))
            except OSError as error:
                raise Violation(f"a segment cannot be read: {error}") from error
            seen.numbers[waiting.manifest.segment_id] = numbers
        seen.gaps = {gap.gap_id: gap for gap in spool.index.gaps(self._trial.studio.class_id)}
        seen.pending_gaps = frozenset(gap.gap_id for gap in spool.gaps_pending(1000))
        seen.bytes_used = spool.bytes_used()
        for camera_id in self._trial.cameras:
            seen.accounts[camera_id] = spool.progress(self._trial.studio.class_id, camera_id)
            seen.sequences[camera_id] = spool.allocate_sequence(camera_id)


def _judge_segment(was: IndexedSegment, row: IndexedSegment | None, numbers: list[int], seen: Seen) -> None:
    whole = was.manifest
    name = f"segment {whole.segment_id}"
    if was.state not in WAITING:
        # It is sent. Asked for again, the control plane has it; without its bytes here it must not be called lost.
        _expect(
            row is None or row.is_stored or row.state not in WAITING,
            f"{name} is gone, and is to be sent again",
        )
        _expect(row is None or row.manifest == whole, f"{name} has another manifest")
        return
    if row is None:
        _expect(seen.says(whole.segment_id), f"{name} is lost and nothing said")
        return
    if row.state is SegmentState.REFUSED:
        gap = seen.gaps.get(GapId(whole.segment_id))
        _expect(
            gap is not None
            and gap.gap_id in seen.pending_gaps
            and gap.reason is GapReason.SEGMENT_CORRUPT
            and (gap.from_at, gap.to_at) == (started_at(whole), ended_at(whole)),
            f"{name} is quarantined without its gap",
        )
        return
    _expect(row.state in WAITING and row.is_stored, f"{name} is taken for {row.state}, here: {row.is_stored}")
    _expect(whole.segment_id in seen.numbers, f"{name} waits, and is never offered")
    kept = seen.numbers[whole.segment_id]
    if row.manifest == whole and kept == numbers:
        return
    _expect(whole.recovered and row.manifest.recovered, f"{name} has a manifest that is not its own")
    _expect(row.manifest.clock == whole.clock, f"{name} has another clock")
    _expect(len(kept) > 0 and kept == numbers[: len(kept)], f"{name} holds {kept}, not {numbers}")
    _expect(len(kept) == len(numbers) or seen.says(whole.segment_id), f"{name} was cut and nothing said")


def _expect(kept: bool, otherwise: str) -> None:
    if not kept:
        raise Violation(otherwise)


def _linked(source: str, target: str) -> None:
    if source.endswith((CLOSED, MANIFEST)):
        os.link(source, target)
    else:
        shutil.copyfile(source, target)


class _Hearing(logging.Handler):
    """Keeps what is logged as wrong, with the values that came along."""

    def __init__(self, said: list[str]) -> None:
        super().__init__(logging.WARNING)
        self._said = said

    def emit(self, record: logging.LogRecord) -> None:
        values = sorted(f"{k}={v}" for k, v in vars(record).items() if k not in _PLAIN)
        self._said.append(" ".join([str(record.msg), *values]))


_PLAIN = frozenset(vars(logging.makeLogRecord({})))


@contextlib.contextmanager
def _heard(said: list[str]) -> Iterator[None]:
    log, ear = logging.getLogger("edge_agent"), _Hearing(said)
    log.addHandler(ear)
    log.propagate = False
    try:
        yield
    finally:
        log.removeHandler(ear)
        log.propagate = True
