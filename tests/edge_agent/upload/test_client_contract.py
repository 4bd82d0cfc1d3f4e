"""The contract of `UploadClient`, on the one over HTTP against a real server and on the one the other tests use."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import httpx
import msgspec
import pytest

from edge_agent.api import ControlPlaneApi
from edge_agent.control.enrolment import pair
from edge_agent.control.identity import IdentityFolder
from edge_agent.errors import AgentRevoked, AuthenticationRefused, Retryable, TargetExpired
from edge_agent.http import HttpClient
from edge_agent.upload.client import UploadClient
from edge_agent.upload.http_upload_client import HttpUploadClient
from edge_agent.upload.throttle import Throttle
from shared.kernel.clock import ServerClock, SystemClock
from shared.protocol.errors import Code
from shared.protocol.ids import ClassSessionId, new_id
from shared.protocol.manifest import SegmentManifest
from shared.protocol.upload import AlreadyCommitted, CommitItem, PutTarget, Refused
from tests.edge_agent.upload.rig import DirectClient, MemorySpool
from tests.rigs.control_plane import ControlPlane
from tests.rigs.pacer import Pacer

CLASS = ClassSessionId(new_id())


class Setting:
    """A client, the control plane it speaks to, and a spool with files."""

    def __init__(self, client: UploadClient, plane: ControlPlane, spool: MemorySpool) -> None:
        self.client, self.plane, self.spool = client, plane, spool

    async def target(self, manifest: SegmentManifest) -> PutTarget:
        (answer,) = await self.client.intent([manifest])
        assert isinstance(answer, PutTarget)
        return answer

    async def put(self, manifest: SegmentManifest) -> None:
        await self.client.put(await self.target(manifest), self.spool.path(manifest), manifest)


def _item(manifest: SegmentManifest) -> CommitItem:
    return CommitItem(segment_id=manifest.segment_id, size_bytes=manifest.size_bytes, sha256=manifest.sha256)


@pytest.fixture(params=["direct", "http", "http with a ceiling"])
async def setting(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Setting]:
    plane, spool = ControlPlane(), MemorySpool(tmp_path)
    if request.param == "direct":
        yield Setting(DirectClient(plane), plane, spool)
        return
    async with AsyncExitStack() as stack:
        stack.enter_context(plane.running())
        http = await stack.enter_async_context(HttpClient())
        paired = await pair(
            plane.url, "BCDFGHJK", IdentityFolder(tmp_path), replace=False, http=http, clock=SystemClock()
        )
        clock = ServerClock(SystemClock())
        api = ControlPlaneApi(http, plane.url, clock, lambda: paired.identity.token(clock))
        ceiling = 10_000_000 if "ceiling" in request.param else None
        throttle = Throttle(clock, max_bytes_per_s=ceiling)
        yield Setting(HttpUploadClient(api, http, throttle), plane, spool)


async def test_a_ceiling_that_is_set_while_a_segment_is_sent_holds_for_the_rest_of_it(tmp_path: Path) -> None:
    pacer, spool, plane = Pacer(), MemorySpool(tmp_path), ControlPlane()
    throttle = Throttle(pacer.clock, sleep=pacer.sleep)
    pieces: list[int] = []

    class Store(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            assert isinstance(request.stream, httpx.AsyncByteStream)
            async for piece in request.stream:
                pieces.append(len(piece))
                if len(pieces) == 1:
                    throttle.set_ceiling(100_000)
            return httpx.Response(200, headers={"etag": f'"{manifest.sha256}"'})

    manifest = spool.add(CLASS, size_bytes=2_000_000)
    async with HttpClient(transport=Store()) as http:
        api = ControlPlaneApi(http, "https://plane.example", ServerClock(pacer.clock), None)
        target = await Setting(DirectClient(plane), plane, spool).target(manifest)
        put = asyncio.ensure_future(
            HttpUploadClient(api, http, throttle).put(target, spool.path(manifest), manifest)
        )
        began_ns = pacer.clock.monotonic_ns()
        await pacer.advance_until(put.done, step_s=0.5)
        await put
    assert sum(pieces) == manifest.size_bytes
    rest = manifest.size_bytes - pieces[0]
    assert rest / 100_000 - 1 <= (pacer.clock.monotonic_ns() - began_ns) / 1e9 <= rest / 100_000 + 1


async def test_a_segment_is_announced_stored_and_committed(setting: Setting) -> None:
    manifest = setting.spool.add(CLASS, size_bytes=300_000)
    await setting.put(manifest)
    stored = setting.plane.objects[str(manifest.segment_id)]
    assert stored.body == setting.spool.path(manifest).read_bytes()
    (answer,) = await setting.client.commit([_item(manifest)])
    assert answer == AlreadyCommitted(segment_id=manifest.segment_id)


async def test_announcing_and_storing_again_is_harmless(setting: Setting) -> None:
    manifest = setting.spool.add(CLASS)
    await setting.put(manifest)
    await setting.put(manifest)
    await setting.client.commit([_item(manifest)])
    (again,) = await setting.client.commit([_item(manifest)])
    assert isinstance(again, AlreadyCommitted)
    (answer,) = await setting.client.intent([manifest])
    assert answer == AlreadyCommitted(segment_id=manifest.segment_id)


async def test_a_commit_without_bytes_is_refused_as_missing(setting: Setting) -> None:
    manifest = setting.spool.add(CLASS)
    await setting.target(manifest)
    (answer,) = await setting.client.commit([_item(manifest)])
    assert isinstance(answer, Refused)
    assert answer.code is Code.SEGMENT_MISSING


async def test_one_bad_segment_of_a_batch_leaves_the_others_alone(setting: Setting) -> None:
    good, bad = setting.spool.add(CLASS), setting.spool.add(CLASS)
    await setting.target(bad)
    other = msgspec.structs.replace(bad, sha256="0" * 64)
    first, second = await setting.client.intent([good, other])
    assert isinstance(first, PutTarget)
    assert isinstance(second, Refused)
    assert second.code is Code.SEGMENT_HASH_CONFLICT


async def test_gaps_are_settled_as_often_as_they_are_sent(setting: Setting) -> None:
    gaps = [setting.spool.add_gap(CLASS) for _ in range(3)]
    for _ in range(2):
        assert await setting.client.report_gaps(gaps) == tuple(gap.gap_id for gap in gaps)


async def test_an_outage_is_retryable_everywhere(setting: Setting) -> None:
    manifest = setting.spool.add(CLASS)
    target = await setting.target(manifest)
    setting.plane.faults.unavailable = setting.plane.faults.store_unavailable = True
    with pytest.raises(Retryable):
        await setting.client.intent([manifest])
    with pytest.raises(Retryable):
        await setting.client.put(target, setting.spool.path(manifest), manifest)
    with pytest.raises(Retryable):
        await setting.client.commit([_item(manifest)])
    with pytest.raises(Retryable):
        await setting.client.report_gaps([setting.spool.add_gap(CLASS)])


# Only over HTTP: a client without a line declares no lengths.
@pytest.mark.parametrize("setting", ["http", "http with a ceiling"], indirect=True)
@pytest.mark.parametrize("change", [-1, 1])
async def test_a_file_of_another_size_is_a_fault_of_the_disk_and_not_of_the_line(
    setting: Setting, change: int
) -> None:
    manifest = setting.spool.add(CLASS)
    target = await setting.target(manifest)
    path = setting.spool.path(manifest)
    path.write_bytes(bytes(manifest.size_bytes + change))
    with pytest.raises(OSError, match="size"):
        await setting.client.put(target, path, manifest)


async def test_a_line_cut_in_the_middle_of_a_put_is_retryable(setting: Setting) -> None:
    manifest = setting.spool.add(CLASS, size_bytes=2_000_000)
    target = await setting.target(manifest)
    setting.plane.faults.cut_puts = 1
    with pytest.raises(Retryable):
        await setting.client.put(target, setting.spool.path(manifest), manifest)


async def test_an_expired_target_is_told_from_a_refusal(setting: Setting) -> None:
    manifest = setting.spool.add(CLASS)
    target = await setting.target(manifest)
    setting.plane.faults.expired_targets = 1
    with pytest.raises(TargetExpired):
        await setting.client.put(target, setting.spool.path(manifest), manifest)


async def test_a_plain_401_and_a_signed_end_are_told_apart(setting: Setting) -> None:
    manifest = setting.spool.add(CLASS)
    setting.plane.faults.plain_401 = True
    with pytest.raises(AuthenticationRefused):
        await setting.client.intent([manifest])
    setting.plane.revocation = setting.plane.sign_revocation()
    with pytest.raises(AgentRevoked) as caught:
        await setting.client.intent([manifest])
    assert caught.value.revocation == setting.plane.revocation


async def test_a_file_that_is_gone_is_an_error_of_the_disk(setting: Setting) -> None:
    manifest = setting.spool.add(CLASS)
    target = await setting.target(manifest)
    setting.spool.path(manifest).unlink()
    with pytest.raises(FileNotFoundError):
        await setting.client.put(target, setting.spool.path(manifest), manifest)
