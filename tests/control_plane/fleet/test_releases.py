"""Releases of the agent from the operator's folder to an installed package, with the real control plane between."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from control_plane.common.errors import BadRequest, NotFound
from control_plane.fleet import releases
from control_plane.fleet.releases import part_of
from edge_agent.api import ControlPlaneApi
from edge_agent.errors import ReleaseRefused
from edge_agent.http import HttpClient
from edge_agent.update import download
from edge_agent.update.handover import FOLDER, HEARD, PACKAGE, REQUEST
from edge_agent.update.updater import Updater
from shared.kernel.clock import ServerClock, SystemClock
from shared.protocol.ids import new_id
from shared.protocol.messages import Heartbeat
from shared.protocol.status import RecordingState
from tests.control_plane.agent_client import AgentClient
from tests.control_plane.conftest import Cast
from tests.control_plane.fleet.conftest import pair_agent
from tests.control_plane.live import serve
from tests.control_plane.scenes import status_of
from tests.edge_agent.update.system import MUTE_S, System, make_package


class Rig:
    """A paired agent with its half of updates, the control plane, and a system to be updated."""

    def __init__(self, agent_client: AgentClient, system: System) -> None:
        self.agent_client = agent_client
        self.system = system
        self.quiet = True
        self.allowed = True
        self.alive = True
        self.waits = 0
        self.paced_bytes = 0

    async def run(self, *, most_waits: int = 5) -> None:
        """Says that it lives and looks once; what it waits for is over at once, so often."""
        self.waits = most_waits
        async with HttpClient() as http:
            api = ControlPlaneApi(
                http, self.agent_client.address, ServerClock(SystemClock()), self.agent_client.token
            )

            async def heartbeat() -> None:
                address = "/agent/v1/report" if self.alive else "/agent/v1/nowhere"
                await api.post_for_nothing(
                    address, Heartbeat(status=status_of(new_id(), RecordingState.FINISHED))
                )

            updates = Updater(
                self.system.state,
                self.system.record,
                self.system.trust,
                api,
                version="1.0",
                heartbeat=heartbeat,
                is_allowed=lambda: self.allowed,
                is_idle=lambda: self.quiet,
                throttle=self._pace,
                sleep=self._sleep,
            )
            try:
                await updates.confirm_running()
                await updates.check_once()
            except asyncio.CancelledError:
                pass  # it would wait on

    async def _pace(self, size_bytes: int) -> None:
        self.paced_bytes += size_bytes

    async def _sleep(self, _: float) -> None:
        self.waits -= 1
        if self.waits <= 0:
            raise asyncio.CancelledError

    def has(self, name: str) -> bool:
        """Returns whether the agent has made that file."""
        return (self.system.state / FOLDER / name).is_file()


@pytest.fixture
def rig(committed: Cast, tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Rig]:
    system = System(tmp_path)
    system.install("1.0")
    system.running()
    system.stop()  # it is we who speak for the agent
    settings.FLEET_RELEASES = system.shelf
    # So that a small package has many parts.
    monkeypatch.setattr(releases, "PART_BYTES", 3000)
    monkeypatch.setattr(download, "PART_BYTES", 4000)
    with serve() as address:
        agent_client, _ = pair_agent(committed)
        agent_client.address = address
        yield Rig(agent_client, system)
    system.stop()


async def test_a_release_goes_from_the_folder_to_the_agent(rig: Rig) -> None:
    package = make_package(rig.system.folder, "2.0", padding=bytes(range(256)) * 100)
    rig.system.publish(package)
    await rig.run()
    assert rig.system.handed.confirmed_version() == "1.0"
    assert rig.has(REQUEST)
    assert (rig.system.state / FOLDER / PACKAGE).read_bytes() == package.read_bytes()
    assert rig.paced_bytes > package.stat().st_size
    assert rig.system.take()
    rig.system.go_on()
    assert rig.system.version() == rig.system.running() == "2.0"


async def test_it_is_not_asked_for_while_a_class_is_near_or_the_control_plane_away(rig: Rig) -> None:
    rig.system.publish(make_package(rig.system.folder, "2.0"))
    rig.system.handed.discard(HEARD)
    rig.alive = False
    await rig.run(most_waits=10)
    assert rig.system.handed.confirmed_version() == ""
    rig.alive, rig.quiet = True, False
    await rig.run(most_waits=20)
    assert rig.has(PACKAGE)
    assert not rig.has(REQUEST)
    rig.quiet = True
    await rig.run()
    assert rig.has(REQUEST)


async def test_nothing_is_downloaded_that_is_forbidden_or_not_newer_or_was_taken_back(rig: Rig) -> None:
    await rig.run()  # nothing is published
    rig.system.publish(make_package(rig.system.folder, "0.9"))
    await rig.run()
    assert not rig.has(PACKAGE)
    rig.system.publish(make_package(rig.system.folder, "2.0", mute=True))
    rig.allowed = False
    await rig.run()
    assert not rig.has(PACKAGE)
    rig.allowed = True
    await rig.run()
    assert rig.system.take()
    rig.system.go_on(heard_within_s=MUTE_S)
    (rig.system.state / FOLDER / PACKAGE).unlink()
    await rig.run()
    assert not rig.has(PACKAGE)
    assert not rig.has(REQUEST)


async def test_a_folder_altered_on_the_server_is_not_believed(rig: Rig) -> None:
    rig.system.publish(make_package(rig.system.folder, "2.0"))
    package = next(rig.system.shelf.rglob("*.deb"))
    package.write_bytes(package.read_bytes()[:-1] + b"x")
    with pytest.raises(ReleaseRefused, match="other bytes"):
        await rig.run()
    assert not rig.has(PACKAGE)
    assert not rig.has(REQUEST)


@pytest.fixture
def shelf(tmp_path: Path) -> Path:
    """A folder with one file that is given out, and others."""
    for name in ("releases/metadata/timestamp.json", "releases/metadata/other.json", "keys/release.pem"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"0123456789")
    (tmp_path / "releases/metadata/1.root.json").mkdir()
    return tmp_path / "releases"


@pytest.mark.parametrize(
    "name",
    ["../keys/release.pem", "metadata/../../keys/release.pem", "metadata/other.json", "metadata/2.root.json",
     "metadata/1.root.json", "targets/", "metadata/timestamp.json\n", "metadata", "/etc/passwd"],
)  # fmt: skip
def test_nothing_but_releases_is_given_out(shelf: Path, name: str) -> None:
    with pytest.raises(NotFound):
        part_of(shelf, name, range_header="")
    with pytest.raises(NotFound):
        part_of(None, "metadata/timestamp.json", range_header="")


@pytest.mark.parametrize(
    ("asked", "data", "said"),
    [
        ("", b"0123456789", "bytes 0-9/10"),
        ("bytes=0-", b"0123456789", "bytes 0-9/10"),
        ("bytes=0-3", b"0123", "bytes 0-3/10"),
        ("bytes=4-5", b"45", "bytes 4-5/10"),
        ("bytes=9-99", b"9", "bytes 9-9/10"),
    ],
)
def test_a_part_is_given_as_it_is_asked_for(shelf: Path, asked: str, data: bytes, said: str) -> None:
    part = part_of(shelf, "metadata/timestamp.json", range_header=asked)
    assert (part.data, part.content_range) == (data, said)


@pytest.mark.parametrize("asked", ["bytes=5-4", "bytes=0-1,3-4", "bytes=10-", "bytes=-5", "x", "bytes=-"])
def test_a_range_that_is_none_is_refused(shelf: Path, asked: str) -> None:
    with pytest.raises(BadRequest):
        part_of(shelf, "metadata/timestamp.json", range_header=asked)
