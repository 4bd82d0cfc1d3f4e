"""Dependencies are locked, with hashes, in files that work with any mirror."""

import ast
import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from tests.repo.tracked import text_of, tracked_files, with_suffix

LOCKS = with_suffix(".txt", under="deploy/locks/")
PYPROJECT = tomllib.loads(text_of(Path("pyproject.toml")))
NPM_LOCK = Path("control_plane/portal/web/package-lock.json")


def _lock_sources() -> dict[str, list[str]]:
    """Returns which extras and groups each lock is made of, as the noxfile says (nox is not installed here)."""
    for node in ast.parse(text_of(Path("noxfile.py"))).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "LOCK_SOURCES":
            sources: dict[str, list[str]] = ast.literal_eval(node.value)
            return sources
    raise AssertionError("noxfile.py has no LOCK_SOURCES")


LOCK_SOURCES = _lock_sources()


def locked(path: Path) -> dict[str, list[str]]:
    """Returns name -> hashes of a lock."""
    packages: dict[str, list[str]] = {}
    name = ""
    for line in text_of(path).splitlines():
        if match := re.match(r"([a-z0-9][a-z0-9._-]*)(?:\[[^\]]*\])?==", line):
            name = match.group(1)
            packages.setdefault(name, [])
        elif match := re.match(r"    --hash=sha256:([0-9a-f]{64})( \\)?$", line):
            packages[name].append(match.group(1))
        else:
            pytest.fail(f"{path}: this line is neither a pinned package nor a hash: {line}")
    return packages


def names(requirements: list[Any]) -> set[str]:
    """Returns the normalised names of requirements, groups that they include among them."""
    result = set()
    for requirement in requirements:
        if isinstance(requirement, dict):
            result |= names(PYPROJECT["dependency-groups"][requirement["include-group"]])
        else:
            name = re.split(r"[\[<>=!~; ]", requirement, maxsplit=1)[0]
            result.add(re.sub(r"[-_.]+", "-", name).lower())
    return result


@pytest.mark.parametrize("path", LOCKS, ids=str)
def test_a_lock_holds_only_pinned_packages_with_hashes(path: Path) -> None:
    without = [name for name, hashes in locked(path).items() if not hashes]
    assert not without


@pytest.mark.parametrize("lock", LOCK_SOURCES)
def test_a_lock_holds_every_dependency_it_is_made_for(lock: str) -> None:
    extras = PYPROJECT["project"]["optional-dependencies"]
    parts = LOCK_SOURCES[lock]
    wanted = names(
        [one for part in parts for one in extras.get(part) or PYPROJECT["dependency-groups"][part]]
    )
    wanted |= names(PYPROJECT["project"]["dependencies"])
    assert wanted - set(locked(Path(f"deploy/locks/{lock}.txt"))) == set(), "run: python3 noxfile.py lock"


def test_each_lock_is_made_by_the_lock_session() -> None:
    assert {path.stem for path in LOCKS} == set(LOCK_SOURCES)


def test_the_locks_agree_with_each_other() -> None:
    """Roles share an environment, and none runs other versions than were tested."""
    tested = versions(Path("deploy/locks/dev.txt"))
    for path in LOCKS:
        if path.stem != "bootstrap":
            others = {name: found - tested[name] for name, found in versions(path).items() if name in tested}
            assert not any(others.values()), f"{path}: run python3 noxfile.py lock"


def versions(path: Path) -> dict[str, set[str]]:
    """Returns name -> versions of a lock; a package may stand there once for each kind of Python."""
    found: dict[str, set[str]] = {}
    for name, version in re.findall(r"^([a-z0-9._-]+)==([^ ;\\]+)", text_of(path), re.MULTILINE):
        found.setdefault(name, set()).add(version)
    return found


def test_the_npm_lock_names_no_address_and_has_every_hash() -> None:
    packages = json.loads(text_of(NPM_LOCK))["packages"]
    inner = {name: entry for name, entry in packages.items() if name}
    assert inner
    assert not [name for name, entry in inner.items() if "resolved" in entry]
    assert not [name for name, entry in inner.items() if not entry.get("integrity", "").startswith("sha512-")]


def test_the_npm_lock_is_of_the_versions_that_the_package_asks_for() -> None:
    asked = json.loads(text_of(NPM_LOCK.with_name("package.json")))
    root = json.loads(text_of(NPM_LOCK))["packages"][""]
    for kind in ("dependencies", "devDependencies"):
        assert root[kind] == asked[kind]
        assert all(re.fullmatch(r"\d+\.\d+\.\d+", version) for version in asked[kind].values())


def test_no_lock_of_a_kind_that_names_hosts_is_tracked() -> None:
    kinds = {"uv.lock", "poetry.lock", "pylock.toml", "Pipfile.lock", "yarn.lock", "pnpm-lock.yaml"}
    assert not [path for path in tracked_files() if path.name in kinds]
