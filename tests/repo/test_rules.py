"""What a reviewer would otherwise have to remember."""

import ast
import json
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TRACKED = [
    ROOT / name
    for name in subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    ).stdout.splitlines()
    if (ROOT / name).is_file()
]  # fmt: skip
TEXTS = [path for path in TRACKED if path.suffix not in {".png", ".jpg", ".woff2", ".mp4"}]
PYTHON = [path for path in TRACKED if path.suffix == ".py"]
MARKDOWN = [path for path in TRACKED if path.suffix == ".md"]
LOCKS = sorted((ROOT / "deploy" / "locks").glob("*.txt"))
MIGRATIONS = [path for path in PYTHON if path.parent.name == "migrations" and path.name != "__init__.py"]

# Assembled, so that this file does not break its own rule.
MACHINE_PATH = re.compile(
    r"(?<![A-Za-z0-9_.-])/(?:" + "|".join(("wor" + "k", "far" + "m", "roo" + "t")) + r")/"
)
REGISTRY_HOST = re.compile(
    "|".join(("pyp" + r"i\.org", "pythonhoste" + "d", r"registry\.npmj" + "s", r"deb\.debia" + "n"))
)
LINK = re.compile(r"\[[^\]]*\]\((?!https?://|mailto:|#)([^)#\s]+)")

pytestmark = pytest.mark.skipif(
    not TRACKED, reason="git does not know this folder: an unpacked archive has no list of files"
)


def where(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_no_file_names_a_path_of_somebodys_machine_or_a_registry_host() -> None:
    found = []
    for path in TEXTS:
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
            if MACHINE_PATH.search(line) or REGISTRY_HOST.search(line):
                found.append(f"{where(path)}:{number}: {line.strip()[:100]}")
    assert not found, "\n".join(found)


@pytest.mark.parametrize("path", MARKDOWN, ids=where)
def test_every_link_to_a_file_leads_to_one(path: Path) -> None:
    broken = [link for link in LINK.findall(path.read_text()) if not (path.parent / link).exists()]
    assert not broken


@pytest.mark.parametrize("path", LOCKS, ids=where)
def test_every_locked_python_package_has_a_hash_and_none_names_a_host(path: Path) -> None:
    text = path.read_text()
    assert "://" not in text
    entries = re.split(r"\n(?=[A-Za-z0-9])", text.strip())
    assert len(entries) > 3
    assert all("--hash=sha256:" in entry for entry in entries), [e[:40] for e in entries if "--hash" not in e]


def test_the_lock_of_npm_packages_names_no_host_and_has_hashes() -> None:
    lock = json.loads((ROOT / "control_plane" / "portal" / "web" / "package-lock.json").read_text())
    packages = {name: facts for name, facts in lock["packages"].items() if name and not facts.get("link")}
    assert packages
    assert not [name for name, facts in packages.items() if "resolved" in facts]
    assert not [name for name, facts in packages.items() if "integrity" not in facts]


@pytest.mark.parametrize("extra", ["agent", "control"])
def test_every_declared_dependency_is_locked(extra: str) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = {
        re.split(r"[\[<>=;~! ]", one)[0].lower().replace("_", "-")
        for one in project["optional-dependencies"][extra]
    }
    locked = set(
        re.findall(r"^([a-z0-9][a-z0-9._-]*)==", (ROOT / "deploy/locks/demo.txt").read_text(), re.MULTILINE)
    )
    assert wanted <= locked


def test_migrations_are_named_and_import_no_application_code() -> None:
    assert MIGRATIONS
    for path in MIGRATIONS:
        assert re.fullmatch(r"\d{4}_[a-z][a-z0-9_]+\.py", path.name), where(path)
        assert "_auto_" not in path.name, where(path)
        imported = {
            node.module
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("control_plane")
        }
        # Row security is part of the schema, and its operation is versioned with the migrations that use it.
        assert not {name for name in imported if name.endswith((".services", ".selectors", ".access"))}, (
            where(path)
        )


def test_every_package_says_what_it_is_for() -> None:
    silent = []
    for path in PYTHON:
        if path.name == "__init__.py" and path.parent.name not in {"migrations", "management", "commands", "templatetags"}:
            if "tests" in path.relative_to(ROOT).parts[:1]:
                continue
            if not ast.get_docstring(ast.parse(path.read_text())):
                silent.append(where(path))
    assert not silent


def test_no_module_has_a_name_that_says_nothing() -> None:
    banned = {"utils", "helpers", "manager", "misc", "common_utils", "base2"}
    assert not [where(path) for path in PYTHON if path.stem in banned]


def test_nothing_built_or_large_is_tracked() -> None:
    large = [where(path) for path in TRACKED if path.stat().st_size > 400_000]
    built = [where(path) for path in TRACKED if {"node_modules", "dist", "__pycache__"} & set(path.parts)]
    assert not large + built


def test_exceptions_are_swallowed_nowhere() -> None:
    """A bare `except Exception: pass` hides what the audit and the operator must see."""
    found = []
    for path in PYTHON:
        for node in ast.walk(ast.parse(path.read_text())):
            if (
                isinstance(node, ast.ExceptHandler)
                and len(node.body) == 1
                and isinstance(node.body[0], ast.Pass)
            ):
                name = getattr(node.type, "id", None)
                if node.type is None or name in {"Exception", "BaseException"}:
                    found.append(f"{where(path)}:{node.lineno}")
    assert not found
