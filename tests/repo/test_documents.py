"""Documents lead where they say, and say what is there."""

import re
import tomllib
from pathlib import Path
from urllib.parse import unquote

import pytest

from tests.repo.tracked import ROOT, text_of, tracked_files, with_suffix

LINK = re.compile(r"!?\[[^\]]*\]\(([^()\s]+)\)")
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


def anchors(path: Path) -> set[str]:
    """Returns the anchors that a forge makes of a document's headings."""
    headings = re.findall(r"^#+\s+(.*)$", FENCE.sub("", text_of(path)), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", with_suffix(".md"), ids=str)
def test_every_link_leads_to_a_tracked_file(document: Path) -> None:
    broken = []
    for target in LINK.findall(FENCE.sub("", text_of(document))):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = unquote(target).partition("#")
        path = (ROOT / document.parent / name).resolve() if name else ROOT / document
        relative = path.relative_to(ROOT) if path.is_relative_to(ROOT) else None
        tracked = relative is not None and (
            relative in tracked_files() or any(relative in file.parents for file in tracked_files())
        )
        if not tracked or (anchor and relative is not None and anchor not in anchors(relative)):
            broken.append(target)
    assert not broken


def test_every_nox_session_of_the_readme_exists() -> None:
    sessions = set(re.findall(r"^@nox\.session[^\n]*\ndef (\w+)", text_of(Path("noxfile.py")), re.MULTILINE))
    readme = text_of(Path("README.md"))
    line = next(line for line in readme.splitlines() if line.startswith("Other sessions"))
    named = set(re.findall(r"`(\w+)`", line)) | set(re.findall(r"noxfile\.py (\w+)", readme))
    assert named == sessions


def test_ci_runs_the_test_command_of_the_readme_and_nothing_after_it() -> None:
    command = "python3 noxfile.py tests"
    assert f"\n{command}\n" in text_of(Path("README.md"))
    assert text_of(Path(".ci/run")).splitlines()[-1] == f"exec {command}"


def test_the_changelog_names_the_version_of_the_code() -> None:
    version = re.search(r'__version__ = "([^"]+)"', text_of(Path("shared/__init__.py")))
    assert version is not None
    assert f"\n## {version.group(1)} " in text_of(Path("CHANGELOG.md"))


def test_the_licence_is_whole_and_goes_into_the_wheel() -> None:
    project = tomllib.loads(text_of(Path("pyproject.toml")))["project"]
    text = text_of(Path("LICENSE"))
    assert project["license"] == "Apache-2.0"
    assert project["license-files"] == ["LICENSE", "NOTICE"]
    assert "Version 2.0, January 2004" in text
    assert "END OF TERMS AND CONDITIONS" in text
    assert "GPL" in text_of(Path("NOTICE"))
