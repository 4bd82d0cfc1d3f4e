"""One agent that works by dice on a disk whose power can go, judged by its promises at that moment."""

import hashlib
import random
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from uuid import UUID

from edge_agent.errors import SpoolError, SpoolFull, StateUnwritable
from edge_agent.files import FILES, Files
from edge_agent.spool.index import SegmentState
from edge_agent.spool.layout import JOURNAL, OPEN
from edge_agent.spool.requeue import requeue_segments
from edge_agent.spool.scrub import PENDING_STATES
from edge_agent.spool.segment_writer import SegmentWriter
from edge_agent.spool.spool import Spool
from edge_agent.spool.track_progress import TrackProgress
from shared.protocol.config import SpoolPolicy
from shared.protocol.ids import CameraId, GapId, SegmentId, new_id
from shared.protocol.manifest import GapReason, GapRecord, SegmentManifest
from tests.edge_agent.spool.recorded_class import NOON, Studio
from tests.edge_agent.spool.segments import CLOCK, fragment, writer
from tests.rigs.power import Moment, PoweredFiles, cut, index_steps

FRAGMENT_BYTES = 1500
FRAGMENTS_MOST = 4
ACTIONS = (
    "append",
    "append",
    "append",
    "append",
    "close",
    "gap",
    "account",
    "intend",
    "commit",
    "clean",
    "again",
    "restart",
    "kill",
)


@dataclass(frozen=True)
class Promises:
    """Promises of the agent: durable fragments, and reports to the control plane."""

    durable: dict[CameraId, tuple[int, ...]] = field(default_factory=dict)
    writing: tuple[CameraId, int] | None = None
    """The one fragment that may be there or not."""
    doubtful: frozenset[tuple[CameraId, int]] = frozenset()
    """Refused by the disk: nobody counts on them."""
    gaps: frozenset[GapId] = frozenset()
    settled: frozenset[GapId] = frozenset()
    accounts: dict[CameraId, int] = field(default_factory=dict)
    intended: dict[SegmentId, tuple[CameraId, int]] = field(default_factory=dict)
    committed: dict[SegmentId, tuple[CameraId, tuple[int, ...]]] = field(default_factory=dict)
    """Receipts, with the fragments that they are for: their copies here may go."""
    again: frozenset[SegmentId] = frozenset()
    """Re-requested segments that the agent promised: pending until there is another receipt."""


class Violation(AssertionError):
    """A promise was broken."""


class Trial:
    """A seeded run: `work` does so many actions, and leaves each moment of the disk in `files.moments`."""

    def __init__(
        self, state: Path, seed: int, *, fail_at: int | None = None, error: int = 0, fail_for: int = 1
    ) -> None:
        self.studio = Studio(state)
        self.cameras = [CameraId(UUID(int=seed * 2 + n + 1)) for n in range(2)]
        self.promises = Promises()
        self.files = PoweredFiles(
            state, lambda: self.promises, fail_at=fail_at, error=error, fail_for=fail_for
        )
        self._opens = fail_for + 1
        self._dice = random.Random(seed)
        self._writers: dict[CameraId, SegmentWriter] = {}
        self._numbers = dict.fromkeys(self.cameras, 0)
        self._spool: Spool | None = None

    @property
    def spool(self) -> Spool:
        """The open spool."""
        if self._spool is None:
            for _ in range(self._opens):
                try:
                    self._spool = self.studio.open_spool(self.files)
                    break
                except StateUnwritable:
                    # The agent ends with this error, and is started again.
                    assert self.files.refused
            assert self._spool is not None
            self._spool.set_policy(SpoolPolicy(keep_free_bytes=0, keep_committed_s=0))
        return self._spool

    def work(self, actions: int | tuple[str, ...]) -> None:
        """Does so many actions by dice, or these, and ends without closing anything."""
        chosen = (
            actions if isinstance(actions, tuple) else (self._dice.choice(ACTIONS) for _ in range(actions))
        )
        with index_steps(self.files):
            for action in chosen:
                getattr(self, f"_{action}")(self._dice.choice(self.cameras))
            self.files.step("end")
        self._let_go()

    def _append(self, camera_id: CameraId) -> None:
        open_segment = self._writers.get(camera_id)
        if open_segment is None:
            self.studio.camera_id = camera_id
            open_segment = self._writers[camera_id] = writer(self.studio, self.spool)
        number = self._numbers[camera_id]
        self.promises = replace(self.promises, writing=(camera_id, number))
        self._numbers[camera_id] += 1
        try:
            self._append_as_recorders_do(open_segment, number)
        except SpoolError:
            # It is lost, and on record as such; what is durable is closed, the next one begins another segment.
            doubtful = self.promises.doubtful | {(camera_id, number)}
            self.promises = replace(self.promises, writing=None, doubtful=doubtful)
            self._close(camera_id)
            return
        durable = self.promises.durable
        self.promises = replace(
            self.promises, durable=durable | {camera_id: (*durable.get(camera_id, ()), number)}, writing=None
        )
        if open_segment.fragments >= FRAGMENTS_MOST:
            self._close(camera_id)

    def _append_as_recorders_do(self, open_segment: SegmentWriter, number: int) -> None:
        try:
            open_segment.append(fragment(number, FRAGMENT_BYTES), CLOCK)
        except SpoolFull:
            self.spool.clean()
            open_segment.append(fragment(number, FRAGMENT_BYTES), CLOCK)

    def _close(self, camera_id: CameraId) -> None:
        if open_segment := self._writers.pop(camera_id, None):
            self.studio.clock.advance(1)
            open_segment.close(CLOCK, self.studio.clock.now())

    def _gap(self, camera_id: CameraId) -> None:
        gap = GapRecord(
            gap_id=GapId(new_id()),
            class_session_id=self.studio.class_id,
            camera_id=camera_id,
            from_at=NOON,
            to_at=NOON + timedelta(seconds=1),
            reason=GapReason.CAMERA_OFFLINE,
            detail="",
        )
        refused = self.files.refused
        self.spool.add_gap(gap)
        if self.files.refused == refused:
            self.promises = replace(self.promises, gaps=self.promises.gaps | {gap.gap_id})
            if self._dice.random() < 0.3:
                self.promises = replace(self.promises, settled=self.promises.settled | {gap.gap_id})
                self._if_it_can(partial(self.spool.settle_gaps, [gap.gap_id]))

    def _account(self, camera_id: CameraId) -> None:
        run = self.promises.accounts.get(camera_id, 0) + 1
        refused = self.files.refused
        self.spool.save_progress(
            self.studio.class_id, camera_id, TrackProgress(until_at=NOON + timedelta(seconds=run), run=run)
        )
        if self.files.refused == refused:
            self.promises = replace(self.promises, accounts=self.promises.accounts | {camera_id: run})

    def _intend(self, camera_id: CameraId) -> None:
        for waiting in self.spool.pending(2):
            manifest = waiting.manifest
            known = self.promises.intended | {manifest.segment_id: (manifest.camera_id, manifest.sequence)}
            self.promises = replace(self.promises, intended=known)
            self._if_it_can(partial(self.spool.mark_intended, [manifest.segment_id]))

    def _commit(self, camera_id: CameraId) -> None:
        for waiting in self.spool.pending(1):
            manifest = waiting.manifest
            if manifest.segment_id in self.promises.intended:
                numbers = tuple(numbers_in(self.studio, self.spool, manifest))
                receipt = {manifest.segment_id: (manifest.camera_id, numbers)}
                refused = self.files.refused
                self._if_it_can(partial(self.spool.mark_committed, [manifest.segment_id]))
                if self.files.refused == refused:
                    self.promises = replace(
                        self.promises,
                        committed=self.promises.committed | receipt,
                        again=self.promises.again - {manifest.segment_id},
                    )

    def _again(self, camera_id: CameraId) -> None:
        receipts = self.promises.committed
        for segment_id in self._dice.sample(sorted(receipts), min(2, len(receipts))):
            row = self.spool.index.segment(segment_id)
            try:
                answer = requeue_segments(self.spool, [segment_id])
            except sqlite3.Error:
                assert self.files.refused
                continue
            if segment_id in answer.coming:
                rest = {i: receipt for i, receipt in self.promises.committed.items() if i != segment_id}
                again = self.promises.again | {segment_id}
                self.promises = replace(self.promises, committed=rest, again=again)
            elif answer.damaged or (row is not None and self.spool.path(row.manifest).exists()):
                raise Violation("a good copy is not given back")

    def _clean(self, camera_id: CameraId) -> None:
        self.studio.clock.advance(1)
        self.spool.clean()

    def _restart(self, camera_id: CameraId) -> None:
        for each in self.cameras:
            self._close(each)
        self._if_it_can(self.spool.clean)
        self.spool.close()
        self._spool = None

    def _kill(self, camera_id: CameraId) -> None:
        self._let_go()

    def _let_go(self) -> None:
        """Lets go of the files as a killed process does: nothing is flushed, closed in good order or said."""
        for open_segment in self._writers.values():
            for descriptor in (open_segment._object, open_segment._journal):
                if descriptor in self.files._open:
                    self.files.close(descriptor)
        self._writers.clear()
        if self._spool is not None:
            self._spool.close()
            self._spool = None

    def _if_it_can(self, act: Callable[[], object]) -> None:
        try:
            act()
        except (OSError, sqlite3.Error):
            assert self.files.refused


def numbers_in(studio: Studio, spool: Spool, manifest: SegmentManifest) -> Iterator[int]:
    """Yields the numbers of the fragments of a closed segment, each read back and decrypted."""
    data = spool.path(manifest).read_bytes()
    if len(data) != manifest.size_bytes or hashlib.sha256(data).hexdigest() != manifest.sha256:
        raise Violation(f"{spool.path(manifest).name} is not what its manifest says")
    for record in manifest.fragments:
        body = studio.opened(spool, manifest, record.blob)
        if body != body[:4] * (len(body) // 4):
            raise Violation("a fragment is torn")
        yield int.from_bytes(body[:4], "big")


def judge(trial: Trial, moment: Moment, state: Path, *, index_survived: bool, files: Files = FILES) -> None:
    """Starts the agent again on what a power cut left in `state`, and holds it to its promises.

    Raises:
        Violation: it broke one.
    """
    promises = moment.promised
    assert isinstance(promises, Promises)
    studio = trial.studio
    studio.state = state
    spool = studio.open_spool(files)
    try:
        for camera_id in trial.cameras:
            studio.camera_id = camera_id
            _judge_camera(studio, spool, camera_id, promises, index_survived=index_survived)
        kept = {gap.gap_id for gap in spool.index.gaps(studio.class_id)}
        if missing := promises.gaps - kept - (frozenset() if index_survived else promises.settled):
            raise Violation(f"gaps are lost: {missing}")
        for path in sorted((state / "spool").rglob("*")):
            if path.suffix in (OPEN, JOURNAL) or path.name.startswith("."):
                raise Violation(f"{path.name} was left")
    finally:
        spool.close()


def _judge_camera(
    studio: Studio, spool: Spool, camera_id: CameraId, promises: Promises, *, index_survived: bool
) -> None:
    kept: list[int] = []
    sequences = []
    for manifest in studio.manifests(spool):
        row = spool.index.segment(manifest.segment_id)
        assert row is not None
        sequences.append(manifest.sequence)
        receipt = promises.committed.get(manifest.segment_id)
        if index_survived and receipt and row.state is not SegmentState.COMMITTED:
            raise Violation("a receipt is forgotten")
        if manifest.segment_id in promises.again and row.state not in PENDING_STATES:
            raise Violation("what was said to be coming again is not")
        if spool.path(manifest).exists():
            kept += numbers_in(studio, spool, manifest)
        elif receipt:
            kept += receipt[1]
        else:
            raise Violation(f"{manifest.sequence} is in the index, but not on the disk")
    if not index_survived:
        here = {m.segment_id for m in studio.manifests(spool)}
        kept += [
            n
            for i, (of, numbers) in promises.committed.items()
            if of == camera_id and i not in here
            for n in numbers
        ]
    durable = list(promises.durable.get(camera_id, ()))
    writing = [promises.writing[1]] if promises.writing and promises.writing[0] == camera_id else []
    doubtful = {number for of, number in promises.doubtful if of == camera_id}
    if len(set(kept)) != len(kept) or sorted(set(kept) - doubtful) not in (durable, durable + writing):
        raise Violation(f"promised {durable}, writing {writing}, found {sorted(kept)}")
    if len(set(sequences)) != len(sequences):
        raise Violation(f"a number is there twice: {sequences}")
    told = [n for of, n in promises.intended.values() if of == camera_id]
    if told and spool.allocate_sequence(camera_id) <= max(told):
        raise Violation("a number that the control plane knows would be used again")
    run = promises.accounts.get(camera_id)
    if run and spool.progress(studio.class_id, camera_id).run < run:
        raise Violation("an account has gone back")


def power_cuts(trial: Trial, into: Path, dice: random.Random, *, each: int) -> int:
    """Cuts the power `each` times at every moment of a trial, some of them again while the spool is being mended.

    Returns how many cuts it made.

    Raises:
        Violation: a promise was broken; it says which, and where the power went.
    """
    done = 0
    for moment in trial.files.moments:
        for attempt in range(each):
            keep = (0.0, 1.0)[attempt] if attempt < 2 else dice.choice((0.2, 0.5, 0.8))
            found, state = moment, into / f"{done}"
            index_survives = dice.random() < 0.9
            cut(found, state, dice, keep=keep, with_index=index_survives)
            try:
                if attempt % 3 == 2:
                    found, state = _cut_again(trial, found, state, dice, keep)
                judge(trial, found, state, index_survived=index_survives)
            except Violation as violation:
                raise Violation(
                    f"{violation} (before step '{found.step}', keep {keep}, index {index_survives})"
                ) from None
            finally:
                shutil.rmtree(state)
            done += 1
    return done


def _cut_again(
    trial: Trial, before: Moment, state: Path, dice: random.Random, keep: float
) -> tuple[Moment, Path]:
    files = PoweredFiles(state, lambda: before.promised)
    trial.studio.state = state
    with index_steps(files):
        trial.studio.open_spool(files).close()
        files.step("mended")
    again = dice.choice(files.moments)
    after = state.with_name(f"{state.name}-again")
    cut(again, after, dice, keep=keep)
    return replace(again, step=f"{before.step}, then {again.step}"), after
