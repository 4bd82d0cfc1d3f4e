"""The spool on a disk that is well: whose turn it is, what it tells, and what it may forget."""

from datetime import timedelta

import pytest

from shared.protocol.config import SpoolPolicy
from shared.protocol.errors import Code
from shared.protocol.ids import ClassSessionId, new_id
from tests.edge_agent.spool.recorded_class import Studio
from tests.edge_agent.spool.segments import CLOCK, closed, fragment, other_camera, writer


def test_committed_copies_go_after_their_minimum_age(studio: Studio) -> None:
    spool = studio.open_spool()
    spool.set_policy(SpoolPolicy(keep_committed_s=3600, keep_free_bytes=0))
    first, second, third = (closed(studio, spool) for _ in range(3))
    spool.mark_committed([first.segment_id])
    studio.clock.advance(3000)
    spool.mark_committed([second.segment_id])
    studio.clock.advance(700)
    assert spool.clean() == first.size_bytes
    assert not spool.path(first).exists()
    assert spool.path(second).exists()
    studio.clock.advance(3600)
    spool.clean()
    assert not spool.path(second).exists()
    assert spool.path(third).exists()
    assert spool.tally(studio.class_id).segments_made == 3


def test_uploads_see_what_waits_in_the_order_they_ask_for(studio: Studio) -> None:
    spool = studio.open_spool()
    running, old = studio.class_id, ClassSessionId(new_id())
    made = []
    for class_id in (old, running, old, running):
        studio.clock.advance(6)
        made.append(closed(studio, spool, class_id=class_id))
        other_camera(studio)
    assert [s.manifest for s in spool.pending(10)] == made
    assert [s.manifest for s in spool.pending(10, of=[running], newest_first=True)] == [made[3], made[1]]
    assert [s.manifest for s in spool.pending(1, but_not_of=[running])] == [made[0]]
    spool.mark_intended([made[0].segment_id])
    spool.mark_committed([made[1].segment_id])
    spool.mark_refused(made[2].segment_id, Code.SEGMENT_HASH_CONFLICT)
    assert [s.manifest for s in spool.pending(10)] == [made[0], made[3]]
    spool.mark_refused(made[1].segment_id, Code.SEGMENT_HASH_CONFLICT)
    assert spool.index.tally(running).segments_pending == 1
    status = spool.status()
    assert status.segments_pending == 2
    assert status.behind_s == pytest.approx(18)
    assert status.bytes_used == sum(m.size_bytes for m in made)


def test_listeners_hear_of_each_closed_segment(studio: Studio) -> None:
    spool = studio.open_spool()
    heard = []
    spool.on_change(lambda: heard.append(len(spool.pending(10))))
    closed(studio, spool)
    closed(studio, spool)
    assert heard == [1, 2]


def test_what_is_long_over_is_forgotten_but_for_the_count(studio: Studio) -> None:
    spool = studio.open_spool()
    spool.set_policy(SpoolPolicy(keep_committed_s=60, keep_free_bytes=0))
    made = [closed(studio, spool) for _ in range(4)]
    spool.mark_committed([m.segment_id for m in made[:3]])
    studio.clock.advance(3600)
    spool.clean()
    assert spool.tally(studio.class_id).segments_made == 4
    studio.clock.advance(15 * 86_400)
    spool.clean()
    assert studio.manifests(spool) == [made[3]]
    spool.mark_committed([made[3].segment_id])
    studio.clock.advance(15 * 86_400)
    spool.clean()
    spool.clean()
    assert closed(studio, spool).sequence == 5


def test_two_classes_on_one_camera_at_once_never_share_a_number(studio: Studio) -> None:
    """The next class begins before the last one has ended: its recorder is warm while the other cuts its last part."""
    spool = studio.open_spool()
    ending = writer(studio, spool)
    beginning = writer(studio, spool, class_id=ClassSessionId(new_id()))
    unused = writer(studio, spool)
    for number in range(3):
        ending.append(fragment(number), CLOCK)
        beginning.append(fragment(number), CLOCK)
    assert unused.close(CLOCK, studio.clock.now()) is None
    manifests = [w.close(CLOCK, studio.clock.now()) for w in (beginning, ending)]
    assert sorted(m.sequence for m in manifests if m) == [1, 2]
    assert len(spool.pending(10)) == 2
    assert closed(studio, spool).sequence == 3


def test_a_clock_that_stands_still_makes_no_debt(studio: Studio) -> None:
    spool = studio.open_spool()
    closed(studio, spool)
    studio.clock.step_utc(-timedelta(hours=1).total_seconds())
    assert spool.status().behind_s == 0
