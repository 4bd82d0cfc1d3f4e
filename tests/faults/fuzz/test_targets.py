"""Each target takes its own examples and a few damages of them; `nox -s fuzz` lets atheris loose."""

import random
from importlib import import_module

import pytest

from shared.protocol.codec import encode
from shared.protocol.upload import PutTarget
from tests.faults.fuzz.__main__ import AREAS, names
from tests.faults.fuzz.target import Target
from tests.faults.spoil import spoil
from tests.shared.examples import AT, MANIFEST

DAMAGES = 12
FOUND: dict[str, tuple[bytes, ...]] = {
    "wire.put_target": tuple(
        encode(PutTarget(segment_id=MANIFEST.segment_id, url="/store/key", headers=headers, expires_at=AT))
        for headers in ({"x-amz-meta": "é"}, {"é": "1"}, {"x-amz-meta": "1\r\nx: 2"}, {"": "1"}, {"x": "\0"})
    )
}
"""Findings of atheris: one input for each fixed fault that no other test covers."""


def _target(name: str) -> Target:
    area, _, own = name.partition(".")
    targets: dict[str, Target] = import_module(f"tests.faults.fuzz.{area}").TARGETS
    return targets[own]


@pytest.mark.parametrize("name", names())
def test_only_declared_errors_come_of_examples_and_of_their_damages(name: str) -> None:
    target = _target(name)
    for number, seed in enumerate(target.seeds()):
        target.one(seed)
        for damage in range(DAMAGES):
            target.one(spoil(seed, random.Random(f"{number}-{damage}")))
    for data in (b"", *FOUND.get(name, ())):
        target.one(data)


def test_every_target_is_named() -> None:
    named = {
        f"{area}.{name}" for area in AREAS for name in import_module(f"tests.faults.fuzz.{area}").TARGETS
    }
    assert set(names()) == named
