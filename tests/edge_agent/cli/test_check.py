"""`check`: it grades state folder, pairing, control plane and each camera, and says what to do."""

import asyncio
import json
from pathlib import Path

import msgspec

from edge_agent.cli.check import Grade, examine
from edge_agent.control.config_store import ConfigStore
from shared.protocol.config import FileSource, RtspSource, config_document
from tests.media import make_video
from tests.rigs.agent_process import agent_command, paired_agent
from tests.rigs.control_plane import ControlPlane


async def test_check_of_an_unpaired_agent_says_what_comes_first(tmp_path: Path) -> None:
    findings = {finding.what: finding for finding in await examine(tmp_path)}
    assert findings["state folder"].grade is not Grade.FAILED
    assert findings["pairing"].grade is Grade.FAILED
    assert findings["pairing"].hint.endswith(f"threedance-agent pair URL CODE --state {tmp_path}")
    assert findings["process"].grade is Grade.WARNING
    assert findings["process"].hint.endswith(f"threedance-agent run --state {tmp_path}")


async def test_check_says_when_the_server_is_gone(tmp_path: Path) -> None:
    with ControlPlane().running() as plane:
        assert agent_command(tmp_path, "pair", plane.url, "BCDF-GHJK").returncode == 0
        found = {finding.what: finding for finding in await examine(tmp_path)}
        assert found["control plane"].grade is Grade.OK
        assert found["clock"].grade is Grade.OK
        plane.faults.plain_401 = True
        refused = {finding.what: finding for finding in await examine(tmp_path)}
        assert refused["control plane"].grade is Grade.FAILED
    gone = {finding.what: finding for finding in await examine(tmp_path)}
    assert "cannot reach" in gone["control plane"].detail


def test_check_probes_each_camera_and_says_which_fails_and_why(tmp_path: Path) -> None:
    video = make_video(tmp_path / "class.mp4", seconds=1)
    with ControlPlane().running() as plane, paired_agent(plane, tmp_path / "state", video) as agent:
        dead = msgspec.structs.replace(agent.cameras[1], source=RtspSource(url="rtsp://127.0.0.1:9/none"))
        other = msgspec.structs.replace(agent.cameras[2], source=FileSource(name="other.mp4"))
        body = msgspec.structs.replace(plane.config.body, cameras=(agent.cameras[0], dead, other))
        store = ConfigStore(agent.state / "config", plane.agent_id)
        store.load()
        store.stage(config_document(plane.agent_id, 2, body))
        found = {finding.what: finding for finding in asyncio.run(examine(agent.state))}
    assert found["camera Left"].grade is Grade.OK
    assert found["camera Left"].detail == "h264 320x180, 30 fps, no sound"
    assert found["camera Centre"].grade is Grade.FAILED
    assert found["camera Centre"].detail.startswith("The camera cannot be reached. (127.0.0.1: ")
    assert found["camera Right"].grade is Grade.FAILED
    assert "threedance-agent media add NAME FILE --state " in found["camera Right"].hint


def test_check_as_json_is_for_programs(tmp_path: Path) -> None:
    done = agent_command(tmp_path, "check", "--json")
    assert done.returncode == 1
    assert {finding["what"] for finding in json.loads(done.stdout)} >= {"state folder", "pairing", "disk"}
