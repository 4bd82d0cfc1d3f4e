"""The server's time in each answer to an agent: on a real port, and as the last thing before an answer is sent."""

import time
from typing import Any

import httpx
import pytest
import websockets
from websockets.asyncio.client import connect

from control_plane.fleet.server_time import with_server_time
from shared.protocol.errors import Code
from shared.protocol.messages import Hello
from shared.protocol.timing import NONCE_HEADER, TIME_HEADER, TIME_PATH, read_time
from tests.control_plane.conftest import Cast
from tests.control_plane.fleet.conftest import pair_agent
from tests.control_plane.fleet.link_client import NOTHING, in_thread, receive_message, send_message

NONCE = "a-nonce-of-a-test"
ASKING = {NONCE_HEADER: NONCE}


def off_s(header: str | None) -> float:
    """Returns how far a stated time is from ours."""
    stated_at = read_time(header or "", NONCE)
    assert stated_at is not None, header
    return abs(stated_at.timestamp() - time.time())


def test_whatever_an_agent_is_answered_states_the_time(address: str) -> None:
    with httpx.Client(base_url=address, headers=ASKING) as client:
        for method, path, status in (
            ("GET", TIME_PATH, 204),
            ("HEAD", TIME_PATH, 204),
            ("POST", TIME_PATH, 405),
            ("GET", "/agent/v1/config", 401),
            ("POST", "/agent/v1/pair", 400),
            ("GET", "/agent/v1/nowhere", 404),
        ):
            answer = client.request(method, path)
            assert answer.status_code == status, path
            assert off_s(answer.headers.get(TIME_HEADER)) < 2
        # Refused before Django sees it.
        large = client.post("/agent/v1/report", content=b"x" * (2 << 20))
        assert large.status_code == 413
        assert off_s(large.headers.get(TIME_HEADER)) < 2


def test_nobody_else_is_told_and_nothing_of_a_request_is_repeated_but_a_nonce(address: str) -> None:
    with httpx.Client(base_url=address) as client:
        assert TIME_HEADER not in client.get("/livez", headers=ASKING).headers
        assert TIME_HEADER not in client.get(TIME_PATH).headers
        for nonce in ("short", "x" * 65, "with space", "<script>alert(1)</script>"):
            assert TIME_HEADER not in client.get(TIME_PATH, headers={NONCE_HEADER: nonce}).headers


def test_an_agent_whose_clock_is_off_is_told_the_time_with_the_refusal(committed: Cast, address: str) -> None:
    agent_client, _ = pair_agent(committed)
    then_s = int(time.time()) - 7200
    stale = f"Bearer {agent_client.token(iat=then_s, exp=then_s + 60)}"
    answer = httpx.get(f"{address}/agent/v1/config", headers=ASKING | {"Authorization": stale})
    assert answer.status_code == 401
    assert answer.json()["code"] == Code.AGENT_CLOCK_OFF
    assert off_s(answer.headers.get(TIME_HEADER)) < 2


async def test_the_websocket_states_it_when_it_refuses_and_when_it_accepts(
    committed: Cast, address: str
) -> None:
    agent_client, _ = await in_thread(pair_agent, committed)
    url = f"{address.replace('http', 'ws')}/agent/v1/link"
    with pytest.raises(websockets.InvalidStatus) as refused:
        await connect(url, additional_headers=ASKING)
    assert off_s(refused.value.response.headers.get(TIME_HEADER)) < 2
    async with connect(
        url, additional_headers=ASKING | {"Authorization": agent_client.authorization()}
    ) as socket:
        assert socket.response is not None
        assert off_s(socket.response.headers.get(TIME_HEADER)) < 2
        await send_message(socket, Hello(protocol=1, agent_version="0.1.0", reported=NOTHING))
        await receive_message(socket)


async def test_the_time_is_read_after_all_the_work_and_without_asking_the_application_for_its_own_path() -> (
    None
):
    now_ns = [1_000_000]
    sent: list[Any] = []

    async def slow(_: Any, __: Any, send: Any) -> None:
        now_ns[0] = 30_000_000_000
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        raise AssertionError("no body is waited for")

    def scope(path: str) -> dict[str, Any]:
        headers = [(NONCE_HEADER.encode(), NONCE.encode())]
        return {"type": "http", "method": "GET", "path": path, "headers": headers}

    application = with_server_time(slow, now_ns=lambda: now_ns[0])
    await application(scope(TIME_PATH), receive, send)
    await application(scope("/agent/v1/config"), receive, send)
    stated = [dict(message["headers"]).get(TIME_HEADER.encode()) for message in sent if "headers" in message]
    assert stated == [f"1000 {NONCE}".encode(), f"30000000 {NONCE}".encode()]
