"""Every fault at every request of the way of an upload, between the agent's own uploads and the real control plane:
one row, one entry, one whole object, and everything is home."""

import asyncio
import itertools
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from control_plane.audit.models import Entry
from control_plane.common.scoping import studio_scope
from control_plane.ingest.models import PendingSegment, QuarantinedSegment
from control_plane.recordings.models import Gap, Segment
from control_plane.storage.configured import object_store
from edge_agent.api import ControlPlaneApi
from edge_agent.http import HttpClient
from edge_agent.upload.http_upload_client import HttpUploadClient
from edge_agent.upload.replicator import Replicator
from edge_agent.upload.throttle import Throttle
from shared.kernel.clock import ServerClock, SystemClock
from shared.protocol.ids import CameraId, ClassSessionId, GapId, new_id
from shared.protocol.manifest import GapReason, GapRecord
from tests.control_plane.conftest import Cast
from tests.control_plane.footage import START_AT, Cut
from tests.control_plane.live import serve
from tests.control_plane.scenes import Scene, make_scene
from tests.edge_agent.upload.rig import MemorySpool
from tests.rigs.fault_link import Fault, FaultLink
from tests.rigs.pacer import Pacer

REQUESTS = [("gaps", 1), ("intent", 1), ("objects", 1), ("objects", 2), ("commit", 1), ("commit", 2)]


class _Clock:
    """The server's time, which is real, and waits that the test owns."""

    def __init__(self, pacer: Pacer) -> None:
        self._pacer = pacer

    def now(self) -> datetime:
        return SystemClock().now()

    def monotonic_ns(self) -> int:
        return self._pacer.clock.monotonic_ns()


@pytest.fixture
def scene(committed: Cast) -> Iterator[Scene]:
    with serve() as address:
        yield make_scene(committed, address=address)


async def _upload(scene: Scene, spool: MemorySpool, request: tuple[str, int], fault: Fault) -> FaultLink:
    pacer = Pacer()
    clock = _Clock(pacer)
    link = FaultLink(*request, fault, scene.agent_client.token)
    async with HttpClient(transport=link) as http:
        api = ControlPlaneApi(http, scene.agent_client.address, ServerClock(clock), scene.agent_client.token)
        client = HttpUploadClient(api, http, Throttle(clock), sleep=pacer.sleep)
        # One connection: the second segment comes to its turn, and to its commit, after the first.
        replicator = Replicator(
            client, spool, clock, running=lambda: (), revoked=pytest.fail, connections=1, sleep=pacer.sleep
        )
        task = asyncio.create_task(replicator.run())
        await pacer.advance_until(_is_home(spool), step_s=2)
        await link.settle()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    return link


def _is_home(spool: MemorySpool) -> Callable[[], bool]:
    return lambda: spool.is_empty() and spool.settled >= spool.gaps.keys()


def _add(spool: MemorySpool, made: Cut) -> None:
    spool.segments[made.manifest.segment_id] = made.manifest
    spool.path(made.manifest).write_bytes(made.content)


def _gap(scene: Scene, number: int) -> GapRecord:
    from_at = START_AT + timedelta(seconds=number)
    return GapRecord(
        gap_id=GapId(new_id()),
        class_session_id=ClassSessionId(scene.session.id),
        camera_id=CameraId(scene.cameras["left"].id),
        from_at=from_at,
        to_at=from_at + timedelta(seconds=1),
        reason=GapReason.CAMERA_OFFLINE,
    )


def test_every_fault_at_every_request_leaves_one_row_one_entry_and_one_whole_object(
    scene: Scene, tmp_path: Path
) -> None:
    happened = set()
    for number, (request, fault) in enumerate(itertools.product(REQUESTS, Fault)):
        case = f"{request[0]} {request[1]} {fault.value}"
        folder = tmp_path / str(number)
        folder.mkdir()
        spool = MemorySpool(folder)
        made = scene.cuts(tmp_path, first_sequence=1 + 2 * number)
        for item in made:
            _add(spool, item)
        gap = _gap(scene, number)
        spool.gaps[gap.gap_id] = gap
        link = asyncio.run(_upload(scene, spool, request, fault))
        if link.done:
            happened.add((request, fault))
        assert set(spool.committed.values()) == {1}, case
        assert not spool.refused, case
        _check(scene, made, gap, case)
    assert happened == set(itertools.product(REQUESTS, Fault))


def _check(scene: Scene, made: list[Cut], gap: GapRecord, case: str) -> None:
    ids = {item.manifest.segment_id for item in made}
    with studio_scope(scene.cast.studio.id):
        rows = {row.id: row for row in Segment.objects.filter(pk__in=ids)}
        assert rows.keys() == ids, case
        for item in made:
            row = rows[item.manifest.segment_id]
            assert object_store().sha256(row.object_key) == item.manifest.sha256 == row.sha256, case
        assert not PendingSegment.objects.exists(), case
        assert not QuarantinedSegment.objects.exists(), case
        assert Gap.objects.filter(pk=gap.gap_id).count() == 1, case
        named = [
            segment["id"]
            for entry in Entry.objects.filter(action="footage.committed")
            for segment in entry.details["segments"]
            if segment["id"] in set(map(str, ids))
        ]
        assert sorted(named) == sorted(map(str, ids)), case
