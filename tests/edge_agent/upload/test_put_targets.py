"""Targets are kept as long as they are good, and what is known of a store longer than the targets that name it."""

from datetime import timedelta

from edge_agent.upload.endpoint import Endpoint
from edge_agent.upload.put_targets import STORES_MOST, PutTargets
from shared.kernel.clock import FakeClock
from shared.protocol.ids import SegmentId, new_id
from shared.protocol.upload import PutTarget
from tests.rigs.pacer import Pacer


def test_the_store_that_was_named_longest_ago_is_forgotten_and_only_where_there_are_too_many() -> None:
    clock = FakeClock()
    pacer = Pacer(clock)
    targets = PutTargets(clock, lambda: Endpoint("a store", clock, sleep=pacer.sleep, revoked=print))

    def used(number: int) -> Endpoint:
        """Returns the line to a store whose one target is used up at once: no longer told of, and not forgotten."""
        target = PutTarget(
            segment_id=SegmentId(new_id()),
            url=f"https://store-{number}/x?signature",
            headers={},
            expires_at=clock.now() + timedelta(minutes=15),
        )
        targets.add(target)
        endpoint = targets.endpoint_of(target.segment_id)
        assert list(targets.endpoints) == [endpoint]
        targets.drop(target.segment_id)
        assert list(targets.endpoints) == []
        return endpoint

    endpoints = [used(number) for number in range(STORES_MOST)]
    assert [used(number) for number in range(STORES_MOST)] == endpoints
    used(STORES_MOST)
    assert [used(number) for number in range(1, STORES_MOST)] == endpoints[1:]
    assert used(0) is not endpoints[0]
