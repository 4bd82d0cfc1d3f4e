"""Logs stay within a bound while they are written, and are no reason for anything to fail."""

import subprocess
from pathlib import Path

import pytest

from launcher import process_logs
from launcher.process_logs import log_or_devnull, open_log, rotate_logs


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """A bound that a test reaches."""
    monkeypatch.setattr(process_logs, "MAX_LOG_BYTES", 1000)


def test_a_log_that_grows_long_is_set_aside_while_its_process_writes_on(tmp_path: Path) -> None:
    path = tmp_path / "web.log"
    with log_or_devnull(path) as output:
        writer = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=output)
    assert writer.stdin is not None
    for turn in range(3):
        line = f"{turn}" * 1500
        writer.stdin.write(line.encode())
        writer.stdin.flush()
        while path.stat().st_size < 1500:
            """It is on its way through another process."""
        rotate_logs(tmp_path)
        assert path.stat().st_size == 0
        assert path.with_name("web.log.1").read_text() == line
    writer.stdin.write(b"short")
    writer.stdin.close()
    writer.wait()
    rotate_logs(tmp_path)
    assert path.read_bytes() == b"short"


def test_nobody_else_can_read_a_log(tmp_path: Path) -> None:
    path = tmp_path / "web.log"
    with log_or_devnull(path) as output:
        output.write(b"x" * 2000)
    rotate_logs(tmp_path)
    assert {one.stat().st_mode & 0o777 for one in tmp_path.iterdir()} == {0o600}


def test_a_log_that_was_readable_is_closed(tmp_path: Path) -> None:
    path = tmp_path / "web.log"
    path.write_text("before\n")
    path.chmod(0o644)
    with log_or_devnull(path) as output:
        output.write(b"after\n")
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.read_text() == "before\nafter\n"


def test_where_the_copy_finds_no_space_the_log_is_cut_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "web.log"
    path.write_bytes(b"x" * 2000)

    def full(path: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(process_logs, "open_log", full)
    rotate_logs(tmp_path)
    assert path.stat().st_size == 0
    assert not path.with_name("web.log.1").exists()


def test_a_process_runs_without_its_log_where_none_can_be_opened(tmp_path: Path) -> None:
    (tmp_path / "web.log").mkdir()
    with pytest.raises(OSError, match="directory"):
        open_log(tmp_path / "web.log")
    with log_or_devnull(tmp_path / "web.log") as output:
        assert subprocess.run(["echo", "lost"], stdout=output, check=False).returncode == 0
