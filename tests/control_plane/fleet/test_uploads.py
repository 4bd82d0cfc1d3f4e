"""When an agent may upload and how fast: who may change it, what the agent gets, and what is recorded."""

import pytest

from control_plane.audit.models import Entry
from control_plane.common.errors import BadRequest, Forbidden, NotFound
from control_plane.common.scoping import studio_scope
from control_plane.fleet import reports
from control_plane.fleet.authentication import Caller
from control_plane.fleet.desired import publish_config
from control_plane.fleet.models import Agent, DesiredConfig
from control_plane.fleet.sweep import sweep_studio
from control_plane.fleet.uploads import (
    UploadLimits,
    is_too_old_for_window,
    set_upload_limits,
    upload_limits,
)
from control_plane.tenancy.models import Studio
from shared.protocol.config import AgentConfig, UploadPolicy, UploadWindow
from shared.protocol.messages import Hello
from shared.protocol.status import ConfigStatus, Reported
from tests.control_plane.agent_client import AgentClient
from tests.control_plane.conftest import Cast

Paired = tuple[AgentClient, Agent]
NIGHT = UploadLimits("22:00", "06:00", 1_000_000)


def limit(cast: Cast, agent: Agent, limits: UploadLimits, who: str = "alice") -> None:
    set_upload_limits(agent, limits, actor=getattr(cast, who).actor)


def desired(cast: Cast, agent: Agent) -> AgentConfig:
    with studio_scope(cast.studio.id):
        document: AgentConfig = DesiredConfig.objects.get(agent=agent).document
    return document


def say_hello(agent: Agent, protocol: int) -> None:
    reported = Reported(version=0, hash=None, status=ConfigStatus.APPLIED)
    caller = Caller(agent.id, agent.studio_id, "10.0.0.7")
    reports.apply_message(Hello(protocol=protocol, agent_version="0.1.0", reported=reported), caller)
    with studio_scope(agent.studio_id):
        agent.refresh_from_db()


@pytest.fixture
def agent(cast: Cast, paired: Paired) -> Agent:
    """An agent whose software is of today."""
    say_hello(paired[1], 3)
    return paired[1]


def test_the_agent_is_told_in_one_version_and_the_act_is_on_record(cast: Cast, agent: Agent) -> None:
    before = desired(cast, agent)
    limit(cast, agent, NIGHT)
    after = desired(cast, agent)
    window = UploadWindow(opens="22:00", closes="06:00", time_zone=cast.studio.time_zone)
    assert after.version == before.version + 1
    assert after.body.upload == UploadPolicy(max_bytes_per_s=1_000_000, window=window)
    limit(cast, agent, NIGHT)
    assert desired(cast, agent) == after, "asking for the same is no edit"
    with studio_scope(cast.studio.id):
        (entry,) = Entry.objects.filter(action="agent.changed")
        assert upload_limits(Agent.objects.get(pk=agent.pk)) == NIGHT
    assert entry.details["opens"] == "22:00"
    assert entry.details["max_bytes_per_s"] == 1_000_000
    limit(cast, agent, UploadLimits())
    assert desired(cast, agent).body.upload == UploadPolicy()
    assert desired(cast, agent).hash == before.hash


@pytest.mark.parametrize(
    ("limits", "says"),
    [
        (UploadLimits("22:00", ""), "Give both times"),
        (UploadLimits("", "06:00"), "Give both times"),
        (UploadLimits("22:00", "22:00"), "Both times are 22:00"),
        (UploadLimits("24:00", "06:00"), "times such as 22:00"),
        (UploadLimits("soon", "later"), "times such as 22:00"),
        (UploadLimits("", "", 12_499), "from 0.1 to 10000 Mbit/s"),
        (UploadLimits("", "", 0), "from 0.1 to 10000 Mbit/s"),
        (UploadLimits("", "", 10**12), "from 0.1 to 10000 Mbit/s"),
    ],
)
def test_bad_limits_are_refused_in_words_for_people(
    cast: Cast, agent: Agent, limits: UploadLimits, says: str
) -> None:
    before = desired(cast, agent)
    with pytest.raises(BadRequest, match=says):
        limit(cast, agent, limits)
    assert desired(cast, agent) == before


@pytest.mark.parametrize(("who", "error"), [("ivan", Forbidden), ("vera", NotFound), ("sam", NotFound)])
def test_only_who_manages_agents_sets_them(
    cast: Cast, agent: Agent, who: str, error: type[Exception]
) -> None:
    with pytest.raises(error):
        limit(cast, agent, NIGHT, who)
    assert desired(cast, agent).body.upload == UploadPolicy()


def test_an_agent_that_is_updated_or_set_back_is_given_a_new_version_and_never_the_old_one_anew(
    cast: Cast, paired: Paired
) -> None:
    agent = paired[1]
    assert agent.protocol == 1
    limit(cast, agent, NIGHT)
    old = desired(cast, agent)
    assert old.body.upload == UploadPolicy(max_bytes_per_s=1_000_000)
    assert is_too_old_for_window(agent)
    seen = {old.version: old.hash}
    for protocol in (3, 3, 2, 1, 99):
        say_hello(agent, protocol)
        document = desired(cast, agent)
        assert seen.setdefault(document.version, document.hash) == document.hash
        assert bool(document.body.upload.window) == (protocol >= 3)
        assert is_too_old_for_window(agent) == (protocol < 3)
    assert len(seen) == 4, "from 2 to 1 nothing changes"


def test_an_edit_that_began_before_another_does_not_take_it_back(cast: Cast, agent: Agent) -> None:
    with studio_scope(cast.studio.id):
        stale = Agent.objects.get(pk=agent.pk)
    limit(cast, agent, NIGHT)
    before = desired(cast, agent)
    with studio_scope(cast.studio.id):
        publish_config(stale)
    assert desired(cast, agent) == before


def test_a_studio_that_moves_takes_the_times_of_its_agents_along(cast: Cast, agent: Agent) -> None:
    limit(cast, agent, NIGHT)
    with studio_scope(cast.studio.id):
        Studio.objects.filter(pk=cast.studio.pk).update(time_zone="Pacific/Auckland")
        sweep_studio()
    window = desired(cast, agent).body.upload.window
    assert isinstance(window, UploadWindow)
    assert window.time_zone == "Pacific/Auckland"
