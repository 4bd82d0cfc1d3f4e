"""The list cannot rot: every text to search for is there exactly once, every test to fail is there, names are once."""

import re

import pytest

from tests.sabotage.access import LEAKS
from tests.sabotage.list import SABOTAGES
from tests.sabotage.sabotage import ROOT, Sabotage


@pytest.mark.parametrize("sabotage", SABOTAGES, ids=lambda sabotage: sabotage.name)
def test_a_sabotage_fits_the_code(sabotage: Sabotage) -> None:
    text = (ROOT / sabotage.file).read_text(encoding="utf-8")
    broken = sabotage.applied(text)
    if sabotage.file.endswith(".py"):
        compile(broken, sabotage.file, "exec")
    assert sabotage.put != sabotage.find


@pytest.mark.parametrize("sabotage", SABOTAGES, ids=lambda sabotage: sabotage.name)
def test_the_tests_that_must_catch_it_are_there(sabotage: Sabotage) -> None:
    assert sabotage.tests
    for node in sabotage.tests:
        path, _, function = node.partition("::")
        text = (ROOT / path).read_text(encoding="utf-8")
        name = function.partition("[")[0]
        assert not name or re.search(rf"^(async )?def {name}\(", text, re.MULTILINE), node


def test_there_are_enough_and_each_has_a_name_of_its_own() -> None:
    assert len(SABOTAGES) >= 30
    assert len(LEAKS) == 10
    assert len({sabotage.name for sabotage in SABOTAGES}) == len(SABOTAGES)
