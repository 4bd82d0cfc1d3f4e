"""Conversations with agents of older versions, as they were and must stay: golden, line by line, over the real socket.

`agent` is a message that the agent sends, `plane` the answer that it must get, to the last key (`*`: any value); `studio` is
an edit, `quiet` asserts that nothing follows, `links` opens a new socket.
"""

import asyncio
import contextlib
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect

from control_plane.common.scoping import studio_scope
from control_plane.fleet.models import Agent
from control_plane.fleet.uploads import UploadLimits, set_upload_limits
from tests.control_plane.conftest import Cast
from tests.control_plane.fleet.conftest import pair_agent
from tests.control_plane.fleet.link_client import PATIENCE_S, in_thread

TRANSCRIPTS = Path(__file__).parent / "transcripts"
QUIET_S = 0.3


def edit(cast: Cast, agent: Agent, limits: UploadLimits) -> None:
    with studio_scope(cast.studio.id):
        set_upload_limits(Agent.objects.get(pk=agent.pk), limits, actor=cast.alice.actor)


def is_as_written(golden: Any, heard: Any) -> bool:
    if golden == "*":
        return True
    if isinstance(golden, dict) and isinstance(heard, dict):
        return golden.keys() == heard.keys() and all(is_as_written(golden[k], heard[k]) for k in golden)
    return bool(golden == heard)


def hash_of(body: Any) -> str:
    """Returns the hash that an agent of any version computes from exactly the keys it was sent."""
    text = json.dumps(body, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


@pytest.mark.parametrize("name", sorted(path.stem for path in TRANSCRIPTS.glob("*.jsonl")))
async def test_an_agent_of_an_older_version_hears_only_words_that_it_knows(
    committed: Cast, address: str, name: str
) -> None:
    agent_client, agent = await in_thread(pair_agent, committed)
    url = f"{address.replace('http', 'ws')}/agent/v1/link"
    hash_ = ""
    async with contextlib.AsyncExitStack() as stack:
        socket: ClientConnection | None = None
        for number, line in enumerate((TRANSCRIPTS / f"{name}.jsonl").read_text().splitlines(), 1):
            ((who, what),) = json.loads(line).items()
            if who == "links":
                await stack.aclose()
                headers = {"Authorization": agent_client.authorization()}
                socket = await stack.enter_async_context(
                    connect(url, additional_headers=headers, compression=None)
                )
                continue
            assert socket is not None
            match who:
                case "agent":
                    await socket.send(json.dumps(what).replace('"$hash"', json.dumps(hash_)))
                case "studio":
                    await in_thread(edit, committed, agent, UploadLimits(**what))
                case "quiet":
                    with pytest.raises(TimeoutError):
                        async with asyncio.timeout(QUIET_S):
                            pytest.fail(f"line {number}: {await socket.recv()!r}")
                case _:
                    async with asyncio.timeout(PATIENCE_S):
                        heard = json.loads(await socket.recv())
                    assert is_as_written(what, heard), f"line {number}: {heard}"
                    if heard["type"] == "desired":
                        hash_ = heard["config"]["hash"]
                        assert hash_ == hash_of(heard["config"]["body"])
