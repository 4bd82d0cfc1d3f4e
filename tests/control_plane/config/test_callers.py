"""To whom a request counts where threads are shared, and that nobody takes the threads of others."""

import asyncio
import threading
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

import httpx
import jwt
import pytest
from django.conf import settings as configured
from django.db import connection
from django.http import HttpResponse

from control_plane.common import request_cost, turns
from control_plane.common.errors import Busy
from control_plane.common.turns import FairTurns, Turn
from control_plane.config import handler as module
from control_plane.config.callers import CALLER, OF_PERSON, Caller, Callers
from control_plane.config.handler import Handler
from shared.protocol.codec import decode
from shared.protocol.errors import Code, Problem
from tests.control_plane.agent_client import AgentClient
from tests.control_plane.conftest import Cast, as_person
from tests.control_plane.live import serve
from tests.control_plane.scenes import make_scene

WAIT_S = 20


def scope(
    path: str = "/", *, address: str = "192.0.2.1", method: str = "GET", **headers: str
) -> dict[str, Any]:
    """Returns the scope of a request as uvicorn makes it."""
    return {
        "type": "http",
        "method": method,
        "path": path,
        "query_string": b"",
        "client": (address, 4711),
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
    }


def signed_in(session: str, path: str = "/", **values: str) -> dict[str, Any]:
    return scope(path, cookie=f"{configured.SESSION_COOKIE_NAME}={session}", **values)


def token_of(agent_id: str) -> str:
    claims = {"iss": agent_id, "std": str(UUID(int=1)), "aud": "somebody"}
    return "Bearer " + jwt.encode(claims, AgentClient().identity, algorithm="EdDSA")


def names(callers: Callers, asked: Mapping[str, Any]) -> list[Any]:
    return [party.name for party in callers.parties(asked)]


NESTED = "Bearer a." + urlsafe_b64encode(b'{"a":' + b"[" * 2900).decode().rstrip("=") + ".c"
NETWORK = [("network", "192.0.2.1")]
STUDIO = UUID(int=1)


def test_who_is_not_known_counts_to_the_network() -> None:
    callers = Callers()
    assert names(callers, scope()) == NETWORK
    assert names(callers, signed_in("made-up", "/studio/demo/classes/")) == NETWORK
    call = scope("/agent/v1/intent", authorization=token_of("someone"))
    assert names(callers, call) == [*NETWORK, "agents"]
    assert names(callers, scope(address="2001:db8::1:2:3:4")) == [("network", "2001:db8::/64")]


def test_a_session_that_a_studio_let_in_counts_to_that_studio_there_and_to_its_person_elsewhere() -> None:
    callers = Callers()
    callers.learn(signed_in("real", "/studio/demo/classes/") | {CALLER: Caller(("account", 7), STUDIO)})
    callers.learn(signed_in("real") | {CALLER: Caller(("account", 7), None)})
    assert names(callers, signed_in("real", "/studio/demo/people/")) == [
        ("studio", str(STUDIO)),
        ("account", 7),
    ]
    assert names(callers, signed_in("real", "/accounts/2fa/")) == [("account", 7)]
    assert names(callers, signed_in("other", "/studio/demo/people/")) == NETWORK


def test_who_asks_for_pages_of_another_studio_uses_up_nothing_of_it() -> None:
    callers = Callers()
    refused = signed_in("stranger", "/studio/demo/classes/") | {CALLER: Caller(("account", 8), None)}
    callers.learn(refused)
    assert names(callers, refused) == [("account", 8)]


def test_people_agents_and_uploads_of_a_studio_count_to_it_together() -> None:
    callers = Callers()
    page = signed_in("real", "/api/v1/studios/demo/members/") | {CALLER: Caller(("account", 7), STUDIO)}
    call = scope("/agent/v1/intent", authorization=token_of("agent")) | {CALLER: Caller(("agent", 3), STUDIO)}
    put = scope(f"/agent/v1/objects/{STUDIO}/class/segment.seg", method="PUT")
    for asked in (page, call):
        callers.learn(asked)
    assert {names(callers, asked)[0] for asked in (page, call, put)} == {("studio", str(STUDIO))}
    assert names(callers, call)[1:] == [("agent", 3), "agents"]
    assert names(callers, put)[1:] == [("uploads", str(STUDIO)), "uploads", "agents"]


def test_another_agents_name_from_elsewhere_uses_up_nothing_of_its_studio() -> None:
    callers = Callers()
    call = scope("/agent/v1/intent", authorization=token_of("agent"))
    callers.learn(call | {CALLER: Caller(("agent", 3), STUDIO)})
    assert names(callers, call)[0] == ("studio", str(STUDIO))
    forged = scope("/agent/v1/intent", address="198.51.100.9", authorization=token_of("agent"))
    assert names(callers, forged) == [("network", "198.51.100.9"), "agents"]


@pytest.mark.parametrize(
    "authorization",
    [
        NESTED,
        "",
        "Bearer",
        "Bearer x",
        "Bearer a.b.c",
        "Bearer a.e30.c",
        "Bearer ..",
        "a" * 9000,
        "Bearer \xff.\xff",
    ],
)
def test_what_is_no_token_is_nobodys(authorization: str) -> None:
    callers = Callers()
    asked = scope("/agent/v1/intent", authorization=authorization)
    callers.learn(asked | {CALLER: Caller(("agent", 3), STUDIO)})
    assert names(callers, asked)[0] == NETWORK[0]


async def test_health_for_one_network_waits_for_no_other() -> None:
    turns, callers = FairTurns(in_all=8, kept=3), Callers()
    probe, flood = (callers.parties(scope("/readyz", address=a)) for a in ("192.0.2.1", "198.51.100.9"))

    async def ask() -> None:
        async with turns.taken(flood, within_s=WAIT_S):
            await asyncio.Event().wait()

    async def is_answered() -> bool:
        try:
            async with turns.taken(probe, within_s=WAIT_S):
                return True
        except Busy:
            return False

    asked = [asyncio.create_task(ask()) for _ in range(200)]
    await asyncio.sleep(0)
    assert await is_answered()
    for task in asked:
        task.cancel()
    await asyncio.gather(*asked, return_exceptions=True)


@pytest.mark.parametrize("path", ["/studio/demo/classes/", "/accounts/2fa/"])
def test_a_header_that_no_page_reads_hides_nobody(path: str) -> None:
    callers = Callers()
    studio_id = STUDIO if path.startswith("/studio/") else None
    answered = Caller(("account", 7), studio_id)
    callers.learn(signed_in("real", path, authorization="Basic 1") | {CALLER: answered})
    known = names(callers, signed_in("real", path))
    assert known[-1] == ("account", 7)
    assert names(callers, signed_in("real", path, authorization="Basic 2")) == known


def test_a_credential_that_proved_nothing_is_not_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("control_plane.config.callers.MOST_KNOWN", 2)
    callers = Callers()
    callers.learn(signed_in("honest") | {CALLER: Caller(("account", 7), None)})
    for number in range(3):
        # A session that came along with a key that is none, and with a token that was not asked for.
        mixed = signed_in("real", "/api/v1/studios/", authorization=f"Bearer {number}")
        callers.learn(mixed | {CALLER: Caller(("account", 8), None)})
        mixed = signed_in("real", "/agent/v1/intent", authorization=token_of(f"agent {number}"))
        callers.learn(mixed | {CALLER: Caller(("account", 8), None)})
    assert names(callers, signed_in("honest")) == [("account", 7)]
    assert names(callers, mixed)[0] == NETWORK[0]


def test_a_key_counts_to_its_studio() -> None:
    callers = Callers()
    call = scope("/api/v1/studios/demo/members/", authorization="Bearer key")
    callers.learn(call | {CALLER: Caller(("key", 5), STUDIO)})
    assert names(callers, call) == [("studio", str(STUDIO)), ("key", 5)]


def test_what_is_known_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("control_plane.config.callers.MOST_KNOWN", 2)
    callers = Callers()
    for session in "abc":
        callers.learn(signed_in(session) | {CALLER: Caller(("account", session), None)})
    assert [names(callers, signed_in(session))[0] for session in "abc"] == [
        NETWORK[0],
        ("account", "b"),
        ("account", "c"),
    ]


class Answering(Handler):
    """A handler whose requests end when a test says so, but for those of `/quick`."""

    def __init__(self) -> None:
        super().__init__()
        self.finish, self.changed, self.running = threading.Event(), threading.Condition(), 0

    def _answer(self, scope: dict[str, Any], body: Any) -> HttpResponse:
        scope[CALLER] = Caller(("account", scope["path"].split("/")[1]), None)
        if not scope["path"].endswith("/quick"):
            with self.changed:
                self.running += 1
                self.changed.notify_all()
            assert self.finish.wait(WAIT_S)
        return HttpResponse("done")

    def wait_for(self, running: int) -> None:
        with self.changed:
            assert self.changed.wait_for(lambda: self.running >= running, WAIT_S)

    async def ask(self, asked: dict[str, Any]) -> list[Mapping[str, Any]]:
        sent: list[Mapping[str, Any]] = []

        async def receive() -> Mapping[str, Any]:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Mapping[str, Any]) -> None:
            sent.append(message)

        await self(asked, receive, send)
        return sent


async def test_who_asks_for_all_threads_gets_some_and_others_are_answered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # The network that the first request counts to is no lighter party beside this one.
    monkeypatch.setattr(turns, "ACTIVE_S", 0.0)
    handler = Answering()
    await handler.ask(signed_in("greedy", "/greedy/quick"))
    greedy = [asyncio.create_task(handler.ask(signed_in("greedy", "/greedy/slow"))) for _ in range(20)]
    await asyncio.to_thread(handler.wait_for, OF_PERSON)
    async with asyncio.timeout(WAIT_S):
        for path in ("/other/quick", "/third/quick"):
            answer = await handler.ask(signed_in(path, path, address="198.51.100.9"))
            assert answer[0]["status"] == 200
    assert handler.running == OF_PERSON
    handler.finish.set()
    assert [answer[0]["status"] for answer in await asyncio.gather(*greedy)] == [200] * 20


async def test_who_waits_too_long_for_a_thread_is_told_when_to_come_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "TURN_WAIT_S", 0.05)
    monkeypatch.setattr(turns, "ACTIVE_S", 0.0)
    handler = Answering()
    await handler.ask(signed_in("greedy", "/greedy/quick"))
    tasks = [asyncio.create_task(handler.ask(signed_in("greedy", "/greedy/slow"))) for _ in range(OF_PERSON)]
    await asyncio.to_thread(handler.wait_for, OF_PERSON)
    start, body = await handler.ask(signed_in("greedy", "/greedy/slow"))
    assert (start["status"], dict(start["headers"])[b"retry-after"]) == (503, b"5")
    assert decode(body["body"], Problem).code is Code.UNAVAILABLE
    handler.finish.set()
    await asyncio.gather(*tasks)


def learned(call: Callable[[str], object], monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Returns who the requests of `call` turned out to come from."""
    found: list[Any] = []
    learn = Callers.learn

    def noted(self: Callers, scope: Mapping[str, Any]) -> None:
        found.append(scope.get(CALLER))
        learn(self, scope)

    monkeypatch.setattr(Callers, "learn", noted)
    with serve() as address:
        call(address)
    return found


def test_a_token_that_is_nested_too_deeply_is_refused_like_any_other(committed: Cast) -> None:
    with serve() as address:
        answer = httpx.get(f"{address}/agent/v1/config", headers={"authorization": NESTED})
    assert answer.status_code == 401


def test_people_and_agents_are_known_once_they_were_answered(
    committed: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = make_scene(committed)
    cookie = as_person(committed.alice).cookies[configured.SESSION_COOKIE_NAME].value

    def call(address: str) -> None:
        cookies = {configured.SESSION_COOKIE_NAME: cookie}
        assert (
            httpx.get(f"{address}/studio/{committed.studio.slug}/classes/", cookies=cookies).status_code
            == 200
        )
        assert httpx.get(f"{address}/accounts/login/").status_code == 200
        scene.agent_client.address = address
        assert scene.agent_client.call("GET", "config").status_code == 200

    assert learned(call, monkeypatch) == [
        Caller(("account", committed.alice.pk), committed.studio.id),
        None,
        Caller(("agent", scene.agent.id), committed.studio.id),
    ]


def test_statements_count_and_waiting_for_others_does_not(db: None) -> None:
    request_cost._time_statements(connection=connection)
    fair, turn = FairTurns(in_all=1), Turn("somebody")
    with fair.working(turn), connection.cursor() as cursor:
        cursor.execute("SELECT pg_sleep(0.2)")
    assert turn.used_s >= 0.19
    waits = Turn("somebody")
    with fair.working(waits):
        threading.Event().wait(
            0.2
        )  # real time, as in the statement above: how it is measured is the thing under test
    assert waits.used_s < 0.1


def test_a_request_gives_way_between_its_statements(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    request_cost._time_statements(connection=connection)
    stopped: list[Turn] = []
    monkeypatch.setattr(FairTurns, "stop_for_others", lambda self, turn: stopped.append(turn))
    turn = Turn("somebody")
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        with FairTurns(in_all=1).working(turn):
            cursor.execute("SELECT 1")
            cursor.execute("SELECT 1")
    assert stopped == [turn, turn]
