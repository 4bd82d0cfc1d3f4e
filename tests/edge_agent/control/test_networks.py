"""An agent in a foreign network: behind a login page, a proxy or a strange certificate, or with a wrong clock."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from edge_agent.api import ControlPlaneApi
from edge_agent.control.enrolment import pair
from edge_agent.control.identity import Identity, IdentityFolder
from edge_agent.control.link import Link
from edge_agent.control.session import ConfigFilter
from edge_agent.errors import CaptivePortal, ProxyRefused, ServerError, ServerUnreachable
from edge_agent.http import HttpClient
from edge_agent.upload.http_upload_client import HttpUploadClient
from edge_agent.upload.replicator import Replicator
from edge_agent.upload.throttle import Throttle
from shared.kernel.clock import ServerClock, SystemClock
from shared.protocol.ids import ClassSessionId, new_id
from shared.protocol.upload import PutTarget
from tests.edge_agent.control.test_link import FakePort
from tests.edge_agent.upload.rig import MemorySpool
from tests.rigs.certificate import self_signed
from tests.rigs.control_plane import ControlPlane
from tests.rigs.network import connect_proxy, login_page
from tests.rigs.ports import free_port

CLASS = ClassSessionId(new_id())


def _moved(identity: Identity, address: str) -> Identity:
    return Identity(identity.keys, msgspec.structs.replace(identity.pairing, address=address))


def _link(identity: Identity, http: HttpClient, clock: ServerClock) -> Link:
    answer = identity.pairing.answer
    api = ControlPlaneApi(http, identity.address, clock, lambda: identity.token(clock.newest))
    config_filter = ConfigFilter(answer.agent_id, answer.studio_id, None)
    return Link(identity=identity, api=api, clock=clock, agent=FakePort(), config_filter=config_filter)


def _client(identity: Identity, http: HttpClient, clock: ServerClock) -> HttpUploadClient:
    api = ControlPlaneApi(http, identity.address, clock, lambda: identity.token(clock.newest))
    return HttpUploadClient(api, http, Throttle(clock))


@asynccontextmanager
async def _at_work(
    client: HttpUploadClient, spool: MemorySpool, clock: ServerClock
) -> AsyncIterator[Replicator]:
    replicator = Replicator(client, spool, clock, running=lambda: (), revoked=pytest.fail)
    task = asyncio.create_task(replicator.run())
    try:
        yield replicator
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _home(spool: MemorySpool) -> None:
    async with asyncio.timeout(30):
        while not spool.is_empty():  # noqa: ASYNC110  # what it waits for comes over a real line
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("status", ["200 OK", "302 Found", "511 Network Authentication Required"])
async def test_behind_a_login_page_the_status_says_so_and_what_to_do(
    identity: Identity, http: HttpClient, tmp_path: Path, status: str
) -> None:
    clock = ServerClock(SystemClock())
    with login_page(status) as address:
        ours = _moved(identity, address)
        link = _link(ours, http, clock)
        assert await link._run_once(), "a login page is not asked every second"
        assert "a login page of this network answers instead of the control plane" in link.last_error
        assert "sign in there" in link.last_hint
        assert "mac=" not in link.last_error
        client, spool = _client(ours, http, clock), MemorySpool(tmp_path)
        manifest = spool.add(CLASS)
        target = PutTarget(
            segment_id=manifest.segment_id, url=f"{address}/a.seg", headers={}, expires_at=clock.now()
        )
        with pytest.raises(ServerError) as caught:
            await client.put(target, spool.path(manifest), manifest)
        assert isinstance(caught.value, CaptivePortal) or status.startswith("3")
        async with _at_work(client, spool, clock) as replicator:
            async with asyncio.timeout(10):
                while not (status_now := replicator.status()).problem:  # noqa: ASYNC110
                    await asyncio.sleep(0.02)
        assert "login page" in status_now.problem
        assert "sign in there" in status_now.hint
    assert abs(clock.offset_s()) < 5, "the time was taken from the login page"
    assert not spool.committed
    assert not spool.refused


async def test_a_certificate_that_nobody_vouches_for_is_named_with_what_to_do(
    identity: Identity, http: HttpClient, tmp_path: Path
) -> None:
    with ControlPlane(tls=self_signed(tmp_path)).running() as plane:
        link = _link(_moved(identity, plane.url), http, ServerClock(SystemClock()))
        assert await link._run_once()
        assert "no secure connection" in link.last_error
        assert "self-signed certificate" in link.last_error
        assert "The check is never skipped" in link.last_hint
        assert not plane.calls


async def test_an_answer_that_cannot_be_unpacked_is_a_line_that_broke() -> None:
    def answer(_: httpx.Request) -> httpx.Response:
        return httpx.Response(200, headers={"content-encoding": "gzip"}, stream=httpx.ByteStream(b"no gzip"))

    async with HttpClient(transport=httpx.MockTransport(answer)) as http:
        with pytest.raises(ServerUnreachable, match="unpacked"):
            await http.request("GET", "https://studio.example/")


@pytest.mark.parametrize("hours", [7, -7])
async def test_an_agent_whose_clock_is_hours_off_uploads_as_any_other(tmp_path: Path, hours: int) -> None:
    with ControlPlane(ahead=timedelta(hours=hours)).running() as plane:
        async with HttpClient() as http:
            folder = IdentityFolder(tmp_path)
            machine = SystemClock()
            paired = await pair(plane.url, "BCDF-GHJK", folder, replace=False, http=http, clock=machine)
            clock, spool = ServerClock(machine), MemorySpool(tmp_path)
            for _ in range(5):
                spool.add(CLASS)
            async with _at_work(_client(paired.identity, http, clock), spool, clock):
                await _home(spool)
    assert set(plane.puts.values()) == {1}
    # The first call is refused once for its token's time, and tells the time by that.
    assert plane.calls["POST /agent/v1/intent"] <= 3
    assert abs(clock.offset_s() - hours * 3600) < 5


@pytest.fixture
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.mark.usefixtures("no_proxy")
async def test_calls_uploads_and_the_websocket_go_through_the_proxy_of_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = self_signed(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", certificate[0])
    with ControlPlane(tls=certificate).running() as plane, connect_proxy("geheim") as proxy:
        host = plane.url.removeprefix("https://")
        monkeypatch.setenv("HTTPS_PROXY", f"http://user:geheim@127.0.0.1:{proxy.port}")
        async with HttpClient() as http:
            folder = IdentityFolder(tmp_path)
            paired = await pair(plane.url, "BCDF-GHJK", folder, replace=False, http=http, clock=SystemClock())
            assert proxy.asked == [host]
            clock, spool = ServerClock(SystemClock()), MemorySpool(tmp_path)
            spool.add(CLASS, size_bytes=300_000)
            async with _at_work(_client(paired.identity, http, clock), spool, clock):
                await _home(spool)
            before = len(proxy.asked)
            link = _link(paired.identity, http, clock)
            run = asyncio.create_task(link.run())
            await asyncio.wait_for(link.wait_up(), 10)
            assert len(proxy.asked) == before + 1
            run.cancel()
            await asyncio.gather(run, return_exceptions=True)
            assert set(proxy.asked) == {host}

            proxy.password = "another"
            assert await link._run_once()
            assert "the proxy does not allow connections" in link.last_error
            assert "HTTPS_PROXY" in link.last_hint
        async with HttpClient() as fresh:
            with pytest.raises(ProxyRefused, match="407"):
                await fresh.request("GET", plane.url)
        before = len(proxy.asked)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        async with HttpClient() as direct:
            assert (await direct.request("GET", plane.url)).status in (401, 404)
            run = asyncio.create_task(link.run())
            await asyncio.wait_for(link.wait_up(), 10)
            run.cancel()
            await asyncio.gather(run, return_exceptions=True)
        assert len(proxy.asked) == before


async def test_a_control_plane_of_this_machine_that_is_away_is_not_answered_for_by_the_agent_itself(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    port = free_port()
    create_connection = asyncio.BaseEventLoop.create_connection

    async def from_the_same_port(self: asyncio.BaseEventLoop, *args: Any, **options: Any) -> Any:
        return await create_connection(self, *args, **{**options, "local_addr": ("127.0.0.1", port)})

    monkeypatch.setattr(asyncio.BaseEventLoop, "create_connection", from_the_same_port)
    async with HttpClient() as http:
        with pytest.raises(ServerUnreachable, match="connected to itself"):
            await http.request("GET", f"http://127.0.0.1:{port}/livez")
        # The port is free again for the control plane that should listen there.
        with socket.create_server(("127.0.0.1", port)):
            pass
