"""The kills that every run makes; `nox -s faults` makes five hundred."""

import pytest

from tests.faults import kill
from tests.rigs import rtsp

KILLS, AGENTS = 50, 3


@pytest.mark.faults
@pytest.mark.rtsp
@pytest.mark.timeout(420)
def test_an_agent_killed_at_random_moments_loses_nothing_durable_and_doubles_nothing() -> None:
    if reason := rtsp.missing():
        pytest.skip(reason)
    broken, durable, kills = [], 0, 0
    for _, found in kill.rounds(KILLS, 1, each=-(-KILLS // AGENTS), at_once=AGENTS, late_s=0.8):
        broken += found.broken
        durable += found.durable
        kills += found.kills
    assert not broken
    assert kills == KILLS
    # How much was under way at the kill is a matter of the machine's haste: `nox -s faults` counts it.
    assert durable >= KILLS
