"""The locks of the spool are acquired in the order that `edge_agent.spool` lists, whatever the spool is asked to do."""

import re
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest

from edge_agent.settings import SpoolSettings
from edge_agent.spool.requeue import requeue_segments
from edge_agent.spool.scrub import Scrubber
from edge_agent.spool.spool import Spool
from shared.protocol.ids import GapId, new_id
from shared.protocol.manifest import GapReason, GapRecord
from tests.edge_agent.spool.failing_disk import FailingDisk
from tests.edge_agent.spool.recorded_class import NOON, Studio
from tests.edge_agent.spool.segments import closed
from tests.repo.tracked import ROOT

LISTED = re.findall(
    r"(?m)^# +(\d+)  (\w+)\.(\w+) ", (ROOT / "edge_agent" / "spool" / "__init__.py").read_text()
)
"""Rank, class and attribute of each lock that the comment lists."""


class _Ranked:
    """A lock that notes where a thread acquires it under one of a higher rank."""

    def __init__(self, rank: int, held: threading.local, wrong: list[str]) -> None:
        self._lock, self._rank, self._held, self._wrong = threading.Lock(), rank, held, wrong

    def acquire(self, blocking: bool = True) -> bool:
        stack: list[int] = self._held.__dict__.setdefault("stack", [])
        if stack and stack[-1] >= self._rank:
            self._wrong.append(f"{self._rank} under {stack}")
        taken = self._lock.acquire(blocking)
        if taken:
            stack.append(self._rank)
        return taken

    def release(self) -> None:
        self._held.stack.remove(self._rank)
        self._lock.release()

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *_: object) -> None:
        self.release()


def _owners(spool: Spool) -> dict[str, Any]:
    parts = (spool, spool.index, spool._deferred, spool._stats, spool._budget, spool._budget._write_rate)
    return {type(part).__name__: part for part in parts}


def test_every_lock_of_the_package_is_listed(studio: Studio) -> None:
    locks = {
        (name, attribute)
        for name, part in _owners(studio.open_spool()).items()
        for attribute, value in vars(part).items()
        if isinstance(value, type(threading.Lock()))
    }
    assert locks == {(owner, attribute) for _, owner, attribute in LISTED}


@pytest.mark.parametrize("full", [False, True])
def test_locks_are_acquired_in_the_listed_order(studio: Studio, disk: FailingDisk, full: bool) -> None:
    spool = studio.open_spool(files=disk)
    held, wrong = threading.local(), list[str]()
    owners = _owners(spool)
    for rank, owner, attribute in LISTED:
        setattr(owners[owner], attribute, _Ranked(int(rank), held, wrong))
    spool.set_settings(SpoolSettings(when_full="drop-oldest"))

    def work(number: int) -> None:
        manifest, waiting = closed(studio, spool), closed(studio, spool)
        spool.recovered.unfinished = [partial(spool.index.mark_stored, [waiting.segment_id])]
        gap = GapRecord(
            gap_id=GapId(new_id()),
            class_session_id=studio.class_id,
            camera_id=studio.camera_id,
            from_at=NOON,
            to_at=NOON,
            reason=GapReason.CAMERA_OFFLINE,
        )
        spool.add_gap(gap)
        spool.pending(10)
        spool.mark_intended([manifest.segment_id])
        spool.mark_committed([manifest.segment_id])
        requeue_segments(spool, [manifest.segment_id])
        spool.settle_gaps([gap.gap_id])
        Scrubber(spool).scrub_next()
        spool.status()
        spool.tally(studio.class_id)
        spool.mark_damaged(manifest, "damaged")
        spool.retry_refused()
        disk.free = 0 if full else None
        spool.free_space()
        disk.free = None
        spool.clean()

    with ThreadPoolExecutor(1 if full else 4) as pool:
        list(pool.map(work, range(12)))
    assert wrong == []
