"""Media files that act as cameras: names and files that are allowed, and the list."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.cli.media import video_file
from edge_agent.errors import SettingsInvalid
from edge_agent.settings import Settings, check_media_name, load_settings, save_settings
from tests.media import make_video
from tests.rigs.agent_process import agent_command

HINT = "what to do:"


def test_media_files_are_listed_with_what_is_missing(tmp_path: Path) -> None:
    video = make_video(tmp_path / "class.mp4", seconds=0.5, audio="aac")
    added = agent_command(tmp_path, "media", "add", "class.mp4", str(video))
    assert (added.returncode, added.stderr) == (0, "")
    assert added.stdout == f"class.mp4 is {video}: h264 320x180, 30 fps, aac.\n"
    assert str(video) in agent_command(tmp_path, "media", "list").stdout
    video.unlink()
    assert "missing" in agent_command(tmp_path, "media", "list").stdout
    assert agent_command(tmp_path, "media", "remove", "class.mp4").returncode == 0
    assert "No media files" in agent_command(tmp_path, "media", "list").stdout


@pytest.mark.parametrize(
    "name", ["bad name!", "", "-x", ".hidden", "a" * 101, "a\n", "\n", "Gr\u00fcn", "../x", "a/b", "[bold]x"]
)
def test_a_name_that_is_none_is_refused_and_the_rule_is_said(tmp_path: Path, name: str) -> None:
    with pytest.raises(SettingsInvalid, match="is not a valid name for a media file"):
        check_media_name(name)
    with pytest.raises(SettingsInvalid):
        save_settings(tmp_path, Settings(media={name: "/x.mp4"}))
    assert not (tmp_path / "settings.toml").exists()


@given(st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", fullmatch=True))
def test_a_name_that_the_rule_allows_is_written_and_read_again(
    tmp_path_factory: pytest.TempPathFactory, name: str
) -> None:
    state = tmp_path_factory.mktemp("state")
    check_media_name(name)
    save_settings(state, Settings(media={name: "/x.mp4"}))
    assert load_settings(state).media == {name: "/x.mp4"}


NO_VIDEOS = {
    "text": b"dear diary\n" * 400,
    "nothing": b"",
    "a playlist": b"#EXTM3U\n#EXTINF:4,\nhttp://127.0.0.1:9/x.ts\n#EXT-X-ENDLIST\n",
    "a picture": b"\x89PNG\r\n\x1a\n" + bytes(400),
    "zeros": bytes(100_000),
    "the head of a video": b"\x00\x00\x00\x20ftypisom\x00\x00\x02\x00isomiso2avc1mp41" + bytes(64),
}


@pytest.mark.parametrize("what", NO_VIDEOS)
def test_a_file_that_is_no_video_is_refused_at_once(tmp_path: Path, what: str) -> None:
    file = tmp_path / "it.mp4"
    file.write_bytes(NO_VIDEOS[what])
    with pytest.raises(SettingsInvalid, match="cannot act as a camera") as caught:
        video_file(file)
    assert "H.264" in caught.value.hint


def test_a_path_that_leads_nowhere_is_refused_without_a_trace(tmp_path: Path) -> None:
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    for path in (loop, tmp_path / ("a" * 300), tmp_path, Path("/dev/null"), tmp_path / "none"):
        with pytest.raises(SettingsInvalid, match="there is no file"):
            video_file(path)


def test_media_add_says_in_one_form_what_is_wrong_with_name_or_file(tmp_path: Path) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("dear diary\n" * 400)
    for arguments, says in (
        (("bad name!", str(text)), "error: 'bad name!' is not a valid name for a media file"),
        (("notes", str(text)), f"error: {text} cannot act as a camera"),
    ):
        done = agent_command(tmp_path / "state", "media", "add", *arguments)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.startswith(says)
        assert HINT in done.stderr
        assert done.stderr.count("\n") == 2
    assert "No media files" in agent_command(tmp_path / "state", "media", "list").stdout
