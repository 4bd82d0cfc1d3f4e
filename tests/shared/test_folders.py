"""The folders of a user: found, or plainly missing."""

import os
import pwd
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.kernel.folders import NoHome, cache_base, expanded, state_base

ALL = ("HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME")


@pytest.fixture
def nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """A user without a home: no variable, and no entry in the list of users."""

    def unknown(_: object) -> object:
        raise KeyError

    for name in ALL:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(pwd, "getpwuid", unknown)
    monkeypatch.setattr(pwd, "getpwnam", unknown)


def test_the_specification_says_where_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/people/ada")
    for name in ALL[1:]:
        monkeypatch.delenv(name, raising=False)
    assert (state_base(), cache_base()) == (Path("/people/ada/.local/state"), Path("/people/ada/.cache"))
    monkeypatch.setenv("XDG_STATE_HOME", "/state")
    monkeypatch.setenv("XDG_CACHE_HOME", "not/absolute")
    assert (state_base(), cache_base()) == (Path("/state"), Path("/people/ada/.cache"))


def test_a_user_without_a_home_has_none_and_named_folders_need_none(
    nobody: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for find in (state_base, cache_base, lambda: expanded(Path("~/x"))):
        with pytest.raises(NoHome, match="no home folder"):
            find()
    assert expanded(Path("/srv/~/x")) == Path("/srv/~/x")
    assert expanded(Path("~nobody-of-this-name/x")) == Path("~nobody-of-this-name/x")
    monkeypatch.setenv("XDG_STATE_HOME", "/state")
    assert state_base() == Path("/state")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20))
def test_any_path_is_taken_or_asks_for_a_home(nobody: None, text: str) -> None:
    path = Path(text)
    if path.parts[:1] == ("~",):
        with pytest.raises(NoHome):
            expanded(path)
    else:
        assert os.fspath(expanded(path)) == os.fspath(path)
