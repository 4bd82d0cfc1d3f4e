"""The agent's own settings: what is allowed here, and clear words for what is wrong in the file."""

from pathlib import Path

import pytest

from edge_agent.errors import SettingsInvalid, StateUnwritable
from edge_agent.settings import (
    PRIVATE_NETWORKS,
    Settings,
    SpoolSettings,
    UpdateSettings,
    load_settings,
    save_settings,
)


def test_without_a_file_the_defaults_hold(tmp_path: Path) -> None:
    settings = load_settings(tmp_path)
    assert settings == Settings()
    assert settings.allowed_networks == PRIVATE_NETWORKS
    assert not settings.media


def test_what_is_saved_is_read_back(tmp_path: Path) -> None:
    settings = Settings(
        media={"left.wall": '/videos/with "quotes" and \\ and é.mp4', "x": "/x\ty.mp4"},
        allowed_networks=("10.1.0.0/16", "::1/128"),
        log_level="DEBUG",
        spool=SpoolSettings(when_full="drop-oldest", max_hours=48),
        update=UpdateSettings(automatic=False),
    )
    save_settings(tmp_path, settings)
    assert load_settings(tmp_path) == settings


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("allowed_network = []", "allowed_network"),
        ('log_level = "LOUD"', "log_level"),
        ('allowed_networks = ["10.0.0.0/99"]', "allowed_networks"),
        ('allowed_networks = ["10.0.0.1/8"]', "allowed_networks"),
        ('[media]\n"../x" = "/a.mp4"', "media"),
        ('[media]\nx = "a.mp4"', "media.x"),
        ('[spool]\nwhen_full = "drop-all"', "when_full"),
        ("[spool]\nmax_hours = 0", "max_hours"),
        ("[media", "settings.toml"),
    ],
)
def test_a_mistake_is_named(tmp_path: Path, text: str, named: str) -> None:
    (tmp_path / "settings.toml").write_text(text)
    with pytest.raises(SettingsInvalid, match=r"settings\.toml") as caught:
        load_settings(tmp_path)
    assert named in str(caught.value)
    assert caught.value.hint


def test_what_breaks_a_rule_is_not_saved(tmp_path: Path) -> None:
    save_settings(tmp_path, Settings(media={"a": "/a.mp4"}))
    with pytest.raises(SettingsInvalid):
        save_settings(tmp_path, Settings(media={"a": "relative.mp4"}))
    assert load_settings(tmp_path).media == {"a": "/a.mp4"}


def test_a_folder_that_cannot_be_written_is_named() -> None:
    unwritable = Path("/proc")  # where not even root may make a file
    with pytest.raises(StateUnwritable, match=str(unwritable)):
        save_settings(unwritable, Settings())
