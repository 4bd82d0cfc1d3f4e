"""A camera's packets reach its subscribers: whole groups of pictures, from the last ones on; losses are reported."""

import pytest

from edge_agent.capture.feed import Dropped, Feed, Item, RunEnded, RunStarted, Subscription
from edge_agent.sources.packet import Kind, MediaPacket
from shared.protocol.status import CameraError
from tests.edge_agent.sources.scripted import INFO, KEY, StillClock, packet


def started() -> RunStarted:
    return RunStarted(INFO, StillClock(), "connected")


def test_a_slow_subscriber_loses_whole_groups_and_is_told_how_much() -> None:
    feed = Feed()
    slow, quick = Subscription(2000), Subscription(1 << 20)
    feed._subscriptions = (slow, quick)
    feed.publish(started())
    packets = [packet(i) for i in range(120)]
    lost = sum(feed.publish(p) for p in packets[:70])
    got = slow.take(0)
    lost += sum(feed.publish(p) for p in packets[70:])
    later = slow.take(0)
    assert lost > 0
    told = [i for i in [*got, *later] if isinstance(i, Dropped)]
    kept = [i for i in [*got, *later] if isinstance(i, MediaPacket)]
    first_after = later[later.index(told[0]) + 1]
    assert isinstance(first_after, MediaPacket)
    assert first_after.keyframe
    assert sum(d.packets for d in told) + slow._dropped == lost == len(packets) - len(kept)
    assert [i for i in quick.take(0) if isinstance(i, MediaPacket)] == packets


@pytest.mark.parametrize("end", [RunEnded(None, "clock_step"), started()], ids=["ended", "begun anew"])
def test_a_loss_at_the_end_of_a_run_is_told_before_the_run_is_over(end: Item) -> None:
    slow = Subscription(2000)
    slow.offer(started())
    lost = sum(slow.offer(packet(i)) for i in range(70))
    slow.offer(end)
    *_, told, last = slow.take(0)
    assert lost > 0
    assert (told, last) == (Dropped(lost), end)


def test_a_reader_that_leaves_while_packets_are_dropped_is_told_how_many() -> None:
    slow = Subscription(2000)
    lost = sum(slow.offer(packet(i)) for i in range(70))
    assert slow.take(0, last=True)[-1] == Dropped(lost)
    assert slow.take(0, last=True) == []


def test_a_new_subscriber_gets_the_last_groups_of_pictures() -> None:
    feed = Feed()
    feed.publish(started())
    second = 1_000_000_000
    packets = [
        MediaPacket(Kind.VIDEO, KEY, len(KEY), i * 3000, i * 3000, i % 30 == 0, round(i / 30 * second))
        for i in range(400)
    ]
    for p in packets:
        feed.publish(p)
    begin, *backlog = feed.subscribe().take(0)
    assert isinstance(begin, RunStarted)
    assert all(isinstance(i, MediaPacket) for i in backlog)
    first = backlog[0]
    assert isinstance(first, MediaPacket)
    assert first.keyframe
    assert backlog[-1] is packets[-1]
    assert 4.5 <= (packets[-1].arrival_ns - first.arrival_ns) / second <= 7
    assert [type(i) for i in feed.subscribe(backlog=False).take(0)] == [RunStarted]


def test_a_subscriber_between_two_runs_gets_nothing_of_the_old_one() -> None:
    feed = Feed()
    feed.publish(started())
    feed.publish(packet(0))
    feed.publish(RunEnded(CameraError.ENDED))
    subscription = feed.subscribe()
    assert subscription.take(0) == []
    feed.unsubscribe(subscription)
    feed.publish(started())
    assert subscription.take(0) == []
