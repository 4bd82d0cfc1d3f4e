"""The agents' websocket, opened by everybody: agents of a studio come in, nobody else gets further than 401."""

import asyncio
import os
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from control_plane.fleet.gateway import Gateway
from shared.protocol.codec import encode
from shared.protocol.messages import FromAgent, Heartbeat, Hello
from shared.protocol.status import ConfigStatus, RecordingState, Reported
from shared.protocol.version import PROTOCOL_VERSION
from tests.control_plane.scenes import status_of
from tests.matrix.actors import Asker
from tests.matrix.calls import Call
from tests.matrix.cells import Answer, changed, fingerprint, forbidden_houses, leaks
from tests.matrix.policy import Policy
from tests.matrix.world import World

PATH = "/agent/v1/link"


def test_the_socket_opens_to_agents_alone(
    world: World, askers: dict[str, Asker], policy: Policy, django_db_blocker: Any
) -> None:
    assert policy.sockets == {PATH: "agent"}
    faults: list[str] = []
    found: list[str] = []
    # The gateway works in threads with connections of their own: nothing of this is undone, and nothing needs to be.
    with django_db_blocker.unblock():
        before = {tenant.name: fingerprint(tenant.studio.id) for tenant in world.tenants}
        for asker in askers.values():
            answer = asyncio.run(opened(asker))
            wanted = 101 if asker.agent_of else 401
            if answer.status != wanted:
                faults.append(f"{asker.name}: {answer.status}, not {wanted}: {answer.body[:200]!r}")
            forbidden = forbidden_houses(world, asker, "")
            found += [f"{asker.name}: {leak}" for leak in leaks(answer, asker, Call(PATH), forbidden)]
            faults += [
                f"{asker.name} changed rows of the studio {tenant.name}"
                for tenant in world.tenants
                if asker.agent_of != tenant.name
                and changed(before[tenant.name], fingerprint(tenant.studio.id))
            ]
    assert not found
    assert not faults


def test_an_agent_that_tells_of_another_studios_class_changes_nothing_there(
    world: World, askers: dict[str, Asker], django_db_blocker: Any
) -> None:
    nothing = Reported(version=0, hash=None, status=ConfigStatus.APPLIED)
    told: list[FromAgent] = [
        Hello(protocol=PROTOCOL_VERSION, agent_version="1", reported=nothing),
        *(
            Heartbeat(status=status_of(world.other.ids[key], state, made=9))
            for key in ("running", "class", "shredded")
            for state in (RecordingState.RECORDING, RecordingState.FINISHED)
        ),
    ]
    with django_db_blocker.unblock():
        before = fingerprint(world.other.studio.id)
        answer = asyncio.run(opened(askers["agent"], *told))
        assert answer.status == 101
        assert not changed(before, fingerprint(world.other.studio.id))
    assert b"welcome" in answer.body, "it was heard"
    assert not list(leaks(answer, askers["agent"], Call(PATH), [world.other]))


async def opened(asker: Asker, *told: FromAgent) -> Answer:
    """Opens the socket, says `told` and leaves; returns the refusal, or 101 with all that was said."""
    headers = {"HTTP_AUTHORIZATION": b"authorization", "HTTP_COOKIE": b"cookie"}
    sent = [(headers[name], value.encode()) for name, value in asker.headers().items()]
    scope = {
        "type": "websocket",
        "path": PATH,
        "headers": sent,
        "client": ("10.9.9.9", 1),
        "query_string": b"",
    }
    events: Iterator[Mapping[str, Any]] = iter(
        [
            {"type": "websocket.connect"},
            *({"type": "websocket.receive", "text": encode(message).decode()} for message in told),
            {"type": "websocket.disconnect", "code": 1000},
        ]
    )
    said: list[Mapping[str, Any]] = []

    async def receive() -> Mapping[str, Any]:
        return next(events)

    async def send(message: Mapping[str, Any]) -> None:
        said.append(message)

    async with asyncio.timeout(20):
        await Gateway()(scope, receive, send)
    starts = [message for message in said if message["type"] == "websocket.http.response.start"]
    status = starts[0]["status"] if starts else 101 if said[:1] == [{"type": "websocket.accept"}] else 0
    return Answer(status, repr([message.get("headers") for message in said]).encode(), repr(said).encode())


@pytest.mark.skipif(
    os.environ.get("THREEDANCE_TEST_MATRIX") == "rows",
    reason="without row security the server does not start",
)
@pytest.mark.parametrize("path", ["/", "/agent/v1/link/", "/agent/v1/other"])
def test_no_other_path_takes_a_socket(path: str, world: World, django_db_blocker: Any) -> None:
    said: list[Mapping[str, Any]] = []

    async def receive() -> Mapping[str, Any]:
        return {"type": "websocket.connect"}

    async def send(message: Mapping[str, Any]) -> None:
        said.append(message)

    with django_db_blocker.unblock():
        # Importing it checks the deployment, which needs the database.
        from control_plane.config.asgi import application

        asyncio.run(application({"type": "websocket", "path": path}, receive, send))
    assert said == [{"type": "websocket.close", "code": 4404}]
