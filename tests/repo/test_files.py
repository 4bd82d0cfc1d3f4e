"""Rules for tracked files and their content."""

import re
from pathlib import Path

from tests.repo.tracked import ROOT, places, text_of, tracked_files

# In pieces, so that this file does not find itself.
MACHINE_PATHS = re.compile(
    r"(?<![\w.~:}-])/(?:"
    + "|".join(["wo" + "rk/", "ro" + "ot/", "fa" + "rm/", "ho" + r"me/\w", "Us" + "ers/"])
    + ")"
)
REGISTRY_HOSTS = re.compile(
    "|".join(["pyp" + r"i\.org", "python" + r"hosted\.org", "npm" + r"js\.(?:org|com)", "yarn" + r"pkg\.com"])
)
BUILT = re.compile(
    r"(^|/)(dist|build|node_modules|__pycache__|\.nox|\.venv|build-tests)/|\.(pyc|pyo|so|whl|egg-info|map)$"
)
MEDIA_AND_DATA = {".mp4", ".ts", ".mkv", ".sqlite", ".db", ".log"}
LARGEST_BYTES = 1_500_000


def found(pattern: re.Pattern[str]) -> dict[Path, list[str]]:
    hits = {path: [match.group() for match in pattern.finditer(text_of(path))] for path in tracked_files()}
    return {path: what for path, what in hits.items() if what}


def test_no_file_names_a_path_of_one_machine() -> None:
    hits = found(MACHINE_PATHS)
    assert not hits, places(hits)


def test_no_file_names_the_host_of_a_registry() -> None:
    hits = found(REGISTRY_HOSTS)
    assert not hits, places(hits)


def test_nothing_built_is_tracked() -> None:
    built = [str(path) for path in tracked_files() if BUILT.search(path.as_posix())]
    assert not built


def test_no_recording_database_or_log_is_tracked() -> None:
    data = [
        str(path)
        for path in tracked_files()
        if path.suffix in MEDIA_AND_DATA and "control_plane/portal/web" not in path.as_posix()
    ]
    assert not data


def test_no_key_is_tracked() -> None:
    pattern = re.compile("-----BEGIN [A-Z ]*PRIVATE" + " KEY-----")
    assert not found(pattern)
    assert not [path for path in tracked_files() if path.suffix in {".key", ".pem"}]


def test_no_tracked_file_is_large() -> None:
    large = [
        f"{path}: {size}"
        for path in tracked_files()
        if (size := (ROOT / path).stat().st_size) > LARGEST_BYTES
    ]
    assert not large


def test_every_text_file_ends_with_one_line_feed_and_has_no_carriage_return() -> None:
    wrong = [
        str(path)
        for path in tracked_files()
        if (text := text_of(path))
        and path.suffix not in {".svg", ".json"}
        and ("\r" in text or not text.endswith("\n") or text.endswith("\n\n"))
    ]
    assert not wrong


def test_no_file_is_executable_but_the_one_that_ci_runs() -> None:
    executable = [str(path) for path in tracked_files() if (ROOT / path).stat().st_mode & 0o111]
    assert [path for path in executable if path != "noxfile.py"] == [".ci/run"]
