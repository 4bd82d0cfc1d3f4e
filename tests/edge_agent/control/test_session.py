"""The conversation of the link, without sockets: what each frame leads to."""

from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.control.session import (
    Candidate,
    ConfigFilter,
    Ended,
    Ignored,
    Opened,
    Refusal,
    Repeated,
    Revocation,
    Session,
    State,
)
from shared.protocol.codec import decode, encode
from shared.protocol.config import AgentBody, AgentConfig, RecipientKey, UploadPolicy, config_document
from shared.protocol.errors import Code
from shared.protocol.ids import AgentId, RecipientKeyId, StudioId, new_id
from shared.protocol.messages import Desired, Fault, FromAgent, Hello, Revoked, Welcome, pushed
from shared.protocol.status import ConfigStatus, Reported
from shared.protocol.version import PROTOCOL_VERSION
from tests.shared.examples import STATUS

AGENT, STUDIO = AgentId(new_id()), StudioId(new_id())
RECIPIENT = RecipientKey(id=RecipientKeyId(new_id()), public_key=bytes(32))
NOTHING = Reported(version=0, hash=None, status=ConfigStatus.APPLIED)


def _config(version: int, rate: int | None = None, *, agent: AgentId = AGENT) -> AgentConfig:
    body = AgentBody(studio_id=STUDIO, recipient=RECIPIENT, upload=UploadPolicy(max_bytes_per_s=rate))
    return config_document(agent, version, body)


def _desires(newest: AgentConfig | None = None) -> ConfigFilter:
    return ConfigFilter(AGENT, STUDIO, (newest.version, newest.hash) if newest else None)


def _session(newest: AgentConfig | None = None) -> Session:
    return Session(_desires(newest), "0.1.0")


def test_the_first_frame_says_what_we_speak_and_what_we_have() -> None:
    message: FromAgent = decode(_session().hello(NOTHING), FromAgent)  # type: ignore[arg-type]
    assert message == Hello(protocol=PROTOCOL_VERSION, agent_version="0.1.0", reported=NOTHING)


def test_the_welcome_opens_the_conversation_and_brings_the_servers_time() -> None:
    session = _session()
    at = datetime(2026, 11, 21, 10, tzinfo=UTC)
    assert session.receive(encode(Welcome(protocol=1, server_time_at=at))) == Opened(1, at)
    assert session.state is State.OPEN


def test_a_heartbeat_is_in_words_that_the_control_plane_knows() -> None:
    session, at = _session(), datetime(2026, 11, 21, 10, tzinfo=UTC)
    assert b'"redirected"' not in session.heartbeat(STATUS)
    session.receive(encode(Welcome(protocol=3, server_time_at=at)))
    assert b'"redirected"' not in session.heartbeat(STATUS)
    session.receive(encode(Welcome(protocol=4, server_time_at=at)))
    assert b'"redirected"' in session.heartbeat(STATUS)


@pytest.mark.parametrize(
    ("have", "pushed", "expected"),
    [
        (None, _config(1), Candidate(_config(1))),
        (_config(12), _config(13), Candidate(_config(13))),
        (_config(12), _config(12), Repeated()),
        (_config(12), _config(11), Repeated()),
    ],
    ids=["first", "newer", "same", "older"],
)
def test_the_rules_of_versions(have: AgentConfig | None, pushed: AgentConfig, expected: object) -> None:
    assert _session(have).receive(encode(Desired(config=pushed))) == expected


def test_the_same_version_with_other_content_is_refused_with_an_alarm() -> None:
    event = _session(_config(12)).receive(encode(Desired(config=_config(12, rate=5))))
    assert isinstance(event, Refusal)
    assert (event.version, event.alarm) == (12, True)


def test_a_configuration_for_another_agent_is_refused_and_leaves_no_trace() -> None:
    config_filter = _desires(_config(12))
    event = config_filter.check(_config(99, agent=AgentId(new_id())))
    assert isinstance(event, Refusal)
    assert event.alarm
    assert config_filter.check(_config(13)) == Candidate(_config(13))


def test_a_configuration_that_does_not_match_its_hash_is_refused() -> None:
    event = _desires().check(msgspec.structs.replace(_config(3), hash="0" * 64))
    assert isinstance(event, Refusal)
    assert event.version == 3


def test_a_configuration_whose_number_was_changed_on_the_way_is_waited_for_once_more() -> None:
    """Taken for version 7, all that comes later would be older."""
    session, whole = _session(), encode(pushed(_config(3), protocol=3))
    for name, changed in ((b'"version":3', b'"version":7'), (_config(3).hash[:9].encode(), b"123456789")):
        assert isinstance(session.receive(whole.replace(name, changed)), Ignored)
    assert session.receive(whole) == Candidate(_config(3))
    assert "check" not in encode(pushed(_config(3), protocol=2)).decode()


def test_a_configuration_with_an_unknown_key_is_refused_by_its_version_and_names_the_key() -> None:
    frame = encode(Desired(config=_config(7))).replace(b'"cameras"', b'"command":"rm","cameras"')
    event = _session().receive(frame)
    assert isinstance(event, Refusal)
    assert (event.version, event.alarm) == (7, False)
    assert "command" in event.error


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"{",
        b"[]",
        b'{"type":"dance"}',
        b'{"type":"welcome"}',
        b"\xff",
        b'{"type":"f\xf1ult","code":"bad_request"}',
        b'{"type":"welcome","protocol":3,"server_time_at":"2026-11-21T10:00:00"}',
    ],
)
def test_a_frame_we_do_not_know_changes_nothing(frame: bytes) -> None:
    session = _session()
    assert isinstance(session.receive(frame), Ignored)
    assert session.state is State.GREETING


def test_a_fault_and_a_revocation_end_the_conversation() -> None:
    session = _session()
    assert session.receive(encode(Fault(code=Code.BAD_REQUEST, detail="x"))) == Ended(Code.BAD_REQUEST, "x")
    assert session.state is State.CLOSED
    assert _session().receive(encode(Revoked(revocation="a.b.c"))) == Revocation("a.b.c")


@given(st.lists(st.integers(1, 8), min_size=1, max_size=30))
def test_however_pushes_are_lost_doubled_or_reordered_the_newest_met_wins(versions: list[int]) -> None:
    config_filter = _desires()
    candidates = [
        event.config.version
        for version in versions
        if isinstance(event := config_filter.check(_config(version)), Candidate)
    ]
    assert candidates[-1] == max(versions)
    assert candidates == sorted(set(candidates))
    assert config_filter.newest == (max(versions), _config(max(versions)).hash)


@given(st.binary(max_size=200))
def test_no_bytes_break_the_conversation(frame: bytes) -> None:
    assert isinstance(_session().receive(frame), Ignored | Refusal)


def test_a_document_polled_by_http_is_judged_as_a_push() -> None:
    config_filter = _desires(_config(12))
    assert config_filter.check_bytes(encode(_config(13))) == Candidate(_config(13))
    assert config_filter.check_bytes(encode(_config(13))) == Repeated()
    broken = config_filter.check_bytes(encode(_config(14)).replace(b'"recordings"', b'"recordingz"'))
    assert isinstance(broken, Refusal)
    assert broken.version == 14
