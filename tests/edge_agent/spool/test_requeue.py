"""A segment that the control plane lost is sent again where the agent still has it intact; requests are idempotent."""

import threading
from pathlib import Path
from typing import Any

import pytest

from edge_agent.spool import cleaner, requeue
from edge_agent.spool.index import SegmentState
from edge_agent.spool.requeue import requeue_segments
from edge_agent.spool.scrub import verify_file
from shared.protocol.config import SpoolPolicy
from shared.protocol.errors import Code
from shared.protocol.ids import SegmentId, new_id
from shared.protocol.messages import SendingAgain
from tests.edge_agent.spool.recorded_class import Studio
from tests.edge_agent.spool.segments import closed


def _flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def test_each_is_answered_as_it_is(studio: Studio) -> None:
    spool = studio.open_spool()
    good, bad, missing, cleaned, waiting, aside = (closed(studio, spool) for _ in range(6))
    spool.mark_committed([m.segment_id for m in (good, bad, missing)])
    spool.mark_committed([cleaned.segment_id])
    spool.mark_refused(aside.segment_id, Code.SEGMENT_HASH_CONFLICT, "another one has its place")
    _flip(spool.path(bad))
    spool.path(missing).unlink()
    cleaner.remove(spool.layout, spool.index, spool.files, [cleaned])
    stranger = SegmentId(new_id())
    asked = [m.segment_id for m in (good, bad, missing, cleaned, waiting, aside)] + [stranger]
    answer = SendingAgain(
        coming=(good.segment_id, waiting.segment_id, aside.segment_id),
        gone=(missing.segment_id, cleaned.segment_id, stranger),
        damaged=(bad.segment_id,),
    )
    for _ in range(2):
        assert requeue_segments(spool, asked) == answer, "it is idempotent"
        assert [s.manifest for s in spool.pending(10)] == [good, waiting, aside]
    assert not studio.gaps(spool), "a segment that was committed is no loss of this agent"
    spool.close()
    reopened = studio.open_spool()
    assert [s.manifest for s in reopened.pending(10)] == [good, waiting, aside], "a restart forgets nothing"


def test_a_lost_index_changes_nothing_of_it(studio: Studio) -> None:
    spool = studio.open_spool()
    manifest = closed(studio, spool)
    spool.mark_committed([manifest.segment_id])
    assert requeue_segments(spool, [manifest.segment_id]).coming
    spool.close()
    for path in studio.state.glob("index.sqlite*"):
        path.unlink()
    assert [s.manifest for s in studio.open_spool().pending(10)] == [manifest]


def test_what_comes_again_is_cleaned_away_only_after_its_second_receipt(studio: Studio) -> None:
    spool = studio.open_spool()
    spool.set_policy(SpoolPolicy(keep_free_bytes=0, keep_committed_s=0))
    manifest = closed(studio, spool)
    spool.mark_committed([manifest.segment_id])
    requeue_segments(spool, [manifest.segment_id])
    studio.clock.advance(3600)
    spool.clean()
    assert spool.path(manifest).exists()
    spool.mark_intended([manifest.segment_id])
    spool.mark_committed([manifest.segment_id])
    studio.clock.advance(1)
    spool.clean()
    assert not spool.path(manifest).exists()
    assert requeue_segments(spool, [manifest.segment_id]).gone == (manifest.segment_id,)


def test_a_copy_that_is_being_cleaned_away_is_not_promised(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The cleaner has chosen it and not removed it yet; meanwhile it was read back, and is good."""
    spool = studio.open_spool()
    spool.set_policy(SpoolPolicy(keep_free_bytes=0, keep_committed_s=0))
    manifest = closed(studio, spool)
    spool.mark_committed([manifest.segment_id])
    studio.clock.advance(1)
    chosen, go_on = threading.Event(), threading.Event()
    removed = cleaner.remove

    def slowly(*args: Any) -> int:
        chosen.set()
        assert go_on.wait(20)
        return removed(*args)

    looked = verify_file

    def while_it_cleans(*args: Any) -> str:
        assert chosen.wait(20)
        said = looked(*args)
        threading.Timer(0.2, go_on.set).start()
        return said

    monkeypatch.setattr(cleaner, "remove", slowly)
    monkeypatch.setattr(requeue, "verify_file", while_it_cleans)
    cleaning = threading.Thread(target=spool.clean)
    cleaning.start()
    answer = requeue_segments(spool, [manifest.segment_id])
    cleaning.join(20)
    row = spool.index.segment(manifest.segment_id)
    assert row is not None
    assert (answer.gone, row.state, row.is_stored) == ((manifest.segment_id,), SegmentState.COMMITTED, False)
    assert not spool.pending(1), "nothing is pending whose file is gone"
