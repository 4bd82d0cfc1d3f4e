"""Dependencies are locked, with hashes, in files that work with any mirror."""

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


@pytest.mark.parametrize(
    ("lock", "groups"),
    [
        ("bootstrap", ["bootstrap", "build"]),
        ("demo", ["demo", "build"]),
        ("dev", ["demo", "lint", "test", "build"]),
    ],
)
def test_a_lock_holds_every_dependency_it_is_made_for(lock: str, groups: list[str]) -> None:
    wanted = names([part for group in groups for part in PYPROJECT["dependency-groups"][group]])
    if lock != "bootstrap":
        wanted |= names(PYPROJECT["project"]["dependencies"])
        # `kms` is for those who keep their root key there.
        for extra in ("agent", "control"):
            wanted |= names(PYPROJECT["project"]["optional-dependencies"][extra])
    assert wanted - set(locked(Path(f"deploy/locks/{lock}.txt"))) == set(), "run: python3 noxfile.py lock"


def test_the_locks_agree_with_each_other() -> None:
    versions: dict[str, set[str]] = {}
    for path in LOCKS:
        for name, version in re.findall(r"^([a-z0-9._-]+)==([^ ;\\]+)", text_of(path), re.MULTILINE):
            versions.setdefault(name, set()).add(version)
    dev = set(re.findall(r"^([a-z0-9._-]+)==([^ ;\\]+)", text_of(Path("deploy/locks/dev.txt")), re.MULTILINE))
    demo = set(
        re.findall(r"^([a-z0-9._-]+)==([^ ;\\]+)", text_of(Path("deploy/locks/demo.txt")), re.MULTILINE)
    )
    assert demo <= dev, "the demo would run other versions than were tested; run: python3 noxfile.py lock"


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
