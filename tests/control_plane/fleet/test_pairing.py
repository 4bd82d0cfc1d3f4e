"""Pairing: a code makes one computer an agent, once and in time, and guessing does not pay."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.db import connection, connections
from django.test import Client
from django.utils import timezone

from control_plane.audit.models import Entry
from control_plane.common.errors import BadRequest, Conflict, Forbidden, NotFound, Unavailable
from control_plane.common.scoping import studio_scope
from control_plane.fleet import installation, pairing, services
from control_plane.fleet.errors import PairingRefused
from control_plane.fleet.models import Agent, AgentState, Camera, PairingCode, PairingState
from control_plane.tenancy.models import Room
from shared.protocol.codec import decode, encode
from shared.protocol.errors import Code, Problem
from shared.protocol.pairing import PAIRING_ALPHABET, PairAnswer
from tests.control_plane.agent_client import AgentClient
from tests.control_plane.conftest import Cast, as_person
from tests.control_plane.fleet.conftest import pair_agent


def code_for(cast: Cast, **values: Any) -> str:
    return pairing.create_pairing_code(cast.studio, actor=cast.alice.actor, **values).text


def other_half(code: str) -> str:
    """Returns the code with another second half."""
    last = PAIRING_ALPHABET[(PAIRING_ALPHABET.index(code[-1]) + 1) % len(PAIRING_ALPHABET)]
    return code[:-1] + last


def refusal(agent_client: AgentClient, code: str) -> Code:
    with pytest.raises(PairingRefused) as refused:
        pairing.claim_pairing_code(agent_client.pair_request(code))
    return refused.value.code


def test_where_no_code_is_free_it_says_so_and_does_not_draw_for_ever(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = code_for(cast)
    drawn: list[str] = []

    def draw() -> str:
        drawn.append(code.replace("-", ""))
        return drawn[-1]

    monkeypatch.setattr("control_plane.fleet.pairing_codes.new_code", draw)
    with pytest.raises(Unavailable, match="Try again in twenty minutes"):
        code_for(cast)
    assert len(drawn) == pairing.MAX_DRAWS


def test_a_code_makes_a_computer_an_agent_and_tells_it_what_it_needs(cast: Cast) -> None:
    code, agent_client = code_for(cast, agent_name="Big room agent"), AgentClient()
    answer = pairing.claim_pairing_code(agent_client.pair_request(code.lower().replace("-", " ")))
    assert answer.studio_name == cast.studio.name
    assert answer.audience == installation.audience()
    with studio_scope(cast.studio.id):
        agent = Agent.objects.get(pk=answer.agent_id)
        assert agent.state == AgentState.PENDING
        assert agent.name == "Big room agent"
        assert agent.host_facts == agent_client.pair_request(code).host
        assert agent.desired.version == 1
        assert list(Entry.objects.order_by("sequence").values_list("action", flat=True))[-2:] == [
            "agent.pairing_started",
            "agent.paired",
        ]


def test_neither_the_code_nor_a_half_of_it_is_stored(cast: Cast) -> None:
    code = code_for(cast).replace("-", "")
    with studio_scope(cast.studio.id), connection.cursor() as cursor:
        cursor.execute("SELECT p::text FROM fleet_pairingcode p")
        (row,) = cursor.fetchone()
    assert code not in row
    assert code[:4] not in row


def test_of_a_hundred_claims_at_once_exactly_one_wins(committed: Cast) -> None:
    code = code_for(committed)
    agent_clients = [AgentClient() for _ in range(100)]
    together = threading.Barrier(12)

    def claim(number: int) -> PairAnswer | Code:
        try:
            if number < 12:
                together.wait(timeout=10)
            return pairing.claim_pairing_code(agent_clients[number].pair_request(code))
        except PairingRefused as refused:
            return refused.code
        finally:
            connections.close_all()

    with ThreadPoolExecutor(12) as threads:
        results = list(threads.map(claim, range(100)))
    assert sum(isinstance(result, PairAnswer) for result in results) == 1
    assert results.count(Code.PAIRING_CODE_USED) == 99
    with studio_scope(committed.studio.id):
        assert Agent.objects.count() == 1


def test_an_agent_whose_answer_was_lost_asks_again_and_gets_the_same_answer(cast: Cast) -> None:
    code, agent_client = code_for(cast), AgentClient()
    first = pairing.claim_pairing_code(agent_client.pair_request(code))
    assert pairing.claim_pairing_code(agent_client.pair_request(code)).agent_id == first.agent_id
    assert refusal(AgentClient(), code) is Code.PAIRING_CODE_USED


def test_a_code_expires_after_ten_minutes(cast: Cast) -> None:
    code = code_for(cast)
    with time_machine.travel(timezone.now() + timedelta(minutes=10, seconds=1), tick=False):
        assert refusal(AgentClient(), code) is Code.PAIRING_CODE_EXPIRED


def test_five_wrong_second_halves_lock_a_code_and_four_do_not(cast: Cast) -> None:
    code = code_for(cast)
    for _ in range(4):
        assert refusal(AgentClient(), other_half(code)) is Code.PAIRING_CODE_UNKNOWN
    kept = code_for(cast)
    assert refusal(AgentClient(), other_half(code)) is Code.PAIRING_CODE_UNKNOWN
    assert refusal(AgentClient(), code) is Code.PAIRING_CODE_LOCKED
    with studio_scope(cast.studio.id):
        assert PairingCode.objects.filter(state=PairingState.LOCKED).count() == 1
    pairing.claim_pairing_code(AgentClient().pair_request(kept))


def test_a_code_with_wrong_letters_is_told_apart_from_an_unknown_one(cast: Cast) -> None:
    with pytest.raises(BadRequest, match="8 letters"):
        pairing.claim_pairing_code(AgentClient().pair_request("BCD"))
    assert refusal(AgentClient(), "BCDF-GHJK") is Code.PAIRING_CODE_UNKNOWN


def test_a_computer_that_is_an_agent_already_has_to_make_a_new_key(cast: Cast) -> None:
    agent_client, _ = pair_agent(cast)
    assert refusal(agent_client, code_for(cast)) is Code.CONFLICT


def test_an_agent_that_is_too_old_is_told_so(cast: Cast) -> None:
    with pytest.raises(PairingRefused) as refused:
        pairing.claim_pairing_code(AgentClient().pair_request(code_for(cast), protocol=0))
    assert refused.value.code is Code.PROTOCOL_TOO_OLD


def test_the_new_agent_takes_the_cameras_and_the_old_one_may_still_upload(cast: Cast, room: Room) -> None:
    _, old = pair_agent(cast)
    with studio_scope(cast.studio.id):
        services.add_camera(
            room, old, name="left", position="left", address="rtsp://u:p@10.0.0.1/a", actor=cast.alice.actor
        )
    _, new = pair_agent(cast, replaces=old)
    with studio_scope(cast.studio.id):
        old.refresh_from_db()
        camera = Camera.objects.get()
        assert (old.state, old.replaced_by_id, camera.agent_id) == (AgentState.REPLACED, new.id, new.id)
        assert old.is_trusted
        assert camera.credentials_are_stale
        assert len(new.desired.document.body.cameras) == 1
        old.desired.refresh_from_db()
        assert old.desired.document.body.cameras == ()
        with pytest.raises(Conflict):
            pairing.create_pairing_code(cast.studio, actor=cast.alice.actor, replaces=old)


@pytest.mark.parametrize(("who", "error"), [("ivan", Forbidden), ("gita", Forbidden), ("sam", NotFound)])
def test_only_an_admin_of_the_studio_gets_a_code(cast: Cast, who: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        pairing.create_pairing_code(cast.studio, actor=getattr(cast, who).actor)


def test_over_http_refusals_say_what_to_do_and_tries_are_limited(
    cast: Cast, client: Client, settings: Any
) -> None:
    settings.FLEET_PAIRING_LIMITS = (3, 600)
    body = encode(AgentClient().pair_request("BCDF-GHJK"))
    for _ in range(3):
        response = client.post("/agent/v1/pair", body, content_type="application/json")
        assert response.status_code == 404
        problem = decode(response.content, Problem)
        assert problem.code is Code.PAIRING_CODE_UNKNOWN
        assert "Add agent" in problem.hint
    response = client.post("/agent/v1/pair", body, content_type="application/json")
    assert response.status_code == 429
    assert 0 < int(response["Retry-After"]) <= 600
    elsewhere = client.post("/agent/v1/pair", body, content_type="application/json", REMOTE_ADDR="10.9.9.9")
    assert elsewhere.status_code == 404
    network = [f"2001:db8:1:2::{last}" for last in range(4)]
    answers = [
        client.post("/agent/v1/pair", body, content_type="application/json", REMOTE_ADDR=one).status_code
        for one in network
    ]
    assert answers == [404, 404, 404, 429]
    settings.FLEET_PAIRING_LIMITS = (600, 4)
    everywhere = client.post("/agent/v1/pair", body, content_type="application/json", REMOTE_ADDR="10.9.9.8")
    assert everywhere.status_code == 429


def test_a_studio_makes_so_many_codes_in_a_while(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    """All studios draw from one stock of first halves: one that takes them all leaves none to the others."""
    monkeypatch.setattr(pairing, "MAX_CODES", 2)
    with studio_scope(cast.studio.id):
        for _ in range(2):
            pairing.create_pairing_code(cast.studio, actor=cast.alice.actor)
        with pytest.raises(Conflict, match="many pairing codes"):
            pairing.create_pairing_code(cast.studio, actor=cast.alice.actor)
        with time_machine.travel(timezone.now() + 2 * pairing.LIFETIME):
            pairing.create_pairing_code(cast.studio, actor=cast.alice.actor)


def test_a_studio_has_so_many_agents(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    pair_agent(cast)
    monkeypatch.setattr(pairing, "MAX_AGENTS", 1)
    with studio_scope(cast.studio.id), pytest.raises(Conflict, match="at most 1 agents"):
        pairing.create_pairing_code(cast.studio, actor=cast.alice.actor)
    page = as_person(cast.alice).post(f"/studio/{cast.studio.slug}/agents/add/", {"agent_name": "agent"})
    assert page.status_code == 200
    assert "at most 1 agents" in page.content.decode()
