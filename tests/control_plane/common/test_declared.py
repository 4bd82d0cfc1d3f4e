"""Codes that apps declare: each once, before the set is closed, and complete when it is listed."""

import copy
import json
import pickle

import pytest

from control_plane.common.declared import DeclaredCode
from control_plane.common.permissions import StudioPermission


@pytest.fixture
def kind() -> type[DeclaredCode]:
    class Flag(DeclaredCode):
        """A set of codes of its own."""

    return Flag


def test_a_code_is_a_string(kind: type[DeclaredCode]) -> None:
    red = kind("red")
    assert red == "red"
    assert "red" in {red}
    assert json.dumps([red]) == '["red"]'
    assert f"{red}" == "red"
    assert repr(red) == "Flag('red')"


def test_a_code_is_declared_once_in_its_own_set(kind: type[DeclaredCode]) -> None:
    red = kind("red")
    with pytest.raises(ValueError, match="'red' is declared twice"):
        kind("red")
    assert kind.get("red") is kind.named("red") is red
    assert kind.get("replay") is None
    with pytest.raises(ValueError, match="'replay' is no Flag"):
        kind.named("replay")
    assert StudioPermission.get("red") is None


def test_the_set_is_listed_when_it_is_complete_and_not_before(kind: type[DeclaredCode]) -> None:
    blue, amber = kind("blue"), kind("amber")
    with pytest.raises(RuntimeError, match="not every app"):
        kind.all()
    kind.close()
    kind.close()
    assert kind.all() == (amber, blue)
    with pytest.raises(RuntimeError, match="does not import"):
        kind("late")
    assert kind.get("late") is None


def test_the_product_has_closed_its_sets() -> None:
    DeclaredCode.close_all()
    assert StudioPermission.all()


def test_a_copy_of_a_code_is_the_code() -> None:
    (first, *_) = StudioPermission.all()
    assert copy.deepcopy([first])[0] is first
    assert pickle.loads(pickle.dumps(first)) is first  # noqa: S301  # of ours
