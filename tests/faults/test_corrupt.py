"""A few damages of each kind; `nox -s faults` does ten thousand."""

import random

from tests.faults.corrupt import KINDS, run
from tests.faults.spoil import spoil

EACH = 20


def test_no_damage_stops_the_agent_or_passes_for_the_truth() -> None:
    cases = list(run(EACH, seed=1))
    assert len(cases) == len(KINDS) * EACH
    assert [case for case in cases if case.violation] == []


def test_what_is_spoilt_is_not_what_it_was() -> None:
    data = bytes(range(256)) * 8
    assert all(spoil(data, random.Random(seed)) != data for seed in range(200))
