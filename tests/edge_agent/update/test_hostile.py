"""Refusals of root: releases that cannot be trusted, and an agent's folder that an attacker has taken over."""

import datetime
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tuf.api.metadata import Metadata, Timestamp

from deploy.agent import releases as signing
from deploy.agent.releases import Keys, ReleaseError, ReleaseFolder, make_keys
from edge_agent.errors import ReleaseRefused
from edge_agent.update import release as releases
from edge_agent.update.handover import FOLDER, HEARD, METADATA, PACKAGE, REQUEST
from edge_agent.update.journal import FRESH_S
from tests.edge_agent.update.system import System, make_package


def refused(system: System) -> str:
    """Returns why root takes nothing, once it is proven that it took nothing."""
    assert not system.take()
    assert system.version() == "1.0"
    assert not list(system.record.glob("*.deb"))
    assert not system.handed_has(REQUEST)
    return system.outcome().reason


def handed(system: System, *names: str) -> Path:
    """Returns a file that the agent hands over."""
    return system.state.joinpath(FOLDER, *names)


def test_a_tampered_package_is_refused(offered: System) -> None:
    package = handed(offered, PACKAGE)
    data = bytearray(package.read_bytes())
    data[len(data) // 2] ^= 1
    package.write_bytes(data)
    assert "other bytes" in refused(offered)


@pytest.mark.parametrize("more", [b"x", b"x" * 10**6], ids=["a byte", "a megabyte"])
def test_a_longer_package_is_refused_and_not_read_on(offered: System, more: bytes) -> None:
    package = handed(offered, PACKAGE)
    package.write_bytes(package.read_bytes() + more)
    assert "other bytes" in refused(offered)


@pytest.mark.parametrize("name", ["timestamp.json", "snapshot.json", "targets.json"])
@pytest.mark.parametrize(
    "harm",
    [
        lambda data: data.replace(b'"version":1', b'"version":7', 1),
        lambda data: data[:-30],
        lambda data: b"",
        lambda data: b"[" * 100_000,
        lambda data: data + b" " * 300_000,
    ],
    ids=["altered", "cut", "empty", "deep", "long"],
)
def test_tampered_metadata_are_refused(offered: System, name: str, harm: Callable[[bytes], bytes]) -> None:
    path = handed(offered, METADATA, name)
    path.write_bytes(harm(path.read_bytes()))
    assert refused(offered)


def test_another_key_is_refused(offered: System, tmp_path: Path) -> None:
    other = System(tmp_path / "other")
    other.publish(make_package(other.folder, "2.0"))
    other.download()
    os.replace(handed(other), handed(offered).with_name("mine"))
    os.rename(handed(offered), handed(offered).with_name("theirs"))
    os.rename(handed(offered).with_name("mine"), handed(offered))
    offered.ask()
    assert "not signed" in refused(offered)


def test_an_older_version_is_refused_though_it_is_signed(system: System) -> None:
    system.publish(make_package(system.folder, "0.9"))
    system.download()
    system.ask()
    assert "not newer" in refused(system)


def test_what_was_signed_before_is_refused_once_something_newer_was_seen(
    offered: System, tmp_path: Path
) -> None:
    old = {path.name: path.read_bytes() for path in handed(offered, METADATA).glob("*.json")}
    offered.publish(make_package(offered.folder, "2.1"))
    offered.download()
    (handed(offered, PACKAGE)).write_bytes(b"not this time")
    assert "other bytes" in refused(offered)  # but it has seen that 2.1 is the newest
    for name, data in old.items():
        if name != "root.json":
            handed(offered, METADATA, name).write_bytes(data)
    offered.ask()
    assert "not signed as required" in refused(offered)


def test_a_list_that_has_expired_is_refused(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signing, "_in_days", lambda days: ago(days=1) if days < 365 else ago(days=-365))
    system.publish(make_package(system.folder, "2.0"))
    handed(system, METADATA).mkdir()
    for path in (system.shelf / "metadata").iterdir():
        name = path.name.removeprefix("1.")
        handed(system, METADATA, name if name != "root.json" else "ignored").write_bytes(path.read_bytes())
    handed(system, PACKAGE).write_bytes(next(system.shelf.rglob("*.deb")).read_bytes())
    system.ask()
    assert "expired" in refused(system)
    with pytest.raises(ReleaseRefused, match="expired"):
        system.download()


def test_metadata_of_two_times_do_not_mix(offered: System) -> None:
    old = handed(offered, METADATA, "snapshot.json").read_bytes()
    offered.publish(make_package(offered.folder, "2.1"))
    offered.download()
    handed(offered, METADATA, "snapshot.json").write_bytes(old)
    assert "not signed as required" in refused(offered)


@pytest.mark.parametrize(("of", "name"), [("armhf", "threedance-agent"), ("", "openssh-server")])
def test_a_package_of_another_name_or_machine_is_refused_though_it_is_signed(
    system: System, of: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = make_package(system.folder, "2.0", of=of, name=name)
    # Somebody signed it by mistake.
    monkeypatch.setattr(signing, "_described", lambda package: ("2.0", system.trust.platform))
    system.publish(package)
    system.download()
    system.ask()
    assert "it is " in refused(system)


def test_a_package_of_another_version_than_was_signed_is_refused(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = make_package(system.folder, "0.5")
    monkeypatch.setattr(signing, "_described", lambda package: ("2.0", system.trust.platform))
    system.publish(package)
    system.download()
    system.ask()
    assert "it is version 0.5" in refused(system)


def test_a_package_larger_than_any_of_ours_is_refused(
    offered: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(releases, "PACKAGE_LIMIT_BYTES", 100)
    assert "larger than any of ours" in refused(offered)


def test_a_full_disk_is_found_before_anything_begins(
    offered: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge_agent.files.Files.free_bytes", lambda self, folder: 1000)
    assert "no space" in refused(offered)


# The agent's folder, taken over.


def a_link(path: Path) -> None:
    """Has the file be a link to one that only root may read."""
    path.symlink_to("/etc/shadow")


def a_link_to_nothing(path: Path) -> None:
    """Has the file be a link to where root would make one."""
    path.symlink_to("/etc/made-by-a-trick")


def a_pipe(path: Path) -> None:
    """Has the file be a pipe that nobody writes to."""
    os.mkfifo(path)


def a_folder(path: Path) -> None:
    """Has the file be a folder with something in it."""
    path.mkdir()
    (path / "inner").write_text("x")


TRICKS = [a_link, a_link_to_nothing, a_pipe, a_folder]


@pytest.mark.parametrize("trick", TRICKS)
@pytest.mark.parametrize("name", [REQUEST, PACKAGE, f"{METADATA}/timestamp.json"])
def test_nothing_but_plain_files_is_read(offered: System, name: str, trick: Callable[[Path], None]) -> None:
    handed(offered, name).unlink()
    trick(handed(offered, name))
    assert refused(offered)
    assert not Path("/etc/made-by-a-trick").exists()
    assert Path("/etc/shadow").exists()


@pytest.mark.parametrize("names", [(METADATA,), ()], ids=["metadata", "the folder itself"])
def test_no_folder_on_the_way_may_be_a_link(offered: System, names: tuple[str, ...], tmp_path: Path) -> None:
    folder = handed(offered, *names)
    folder.rename(tmp_path / "elsewhere")
    folder.symlink_to(tmp_path / "elsewhere")
    assert not offered.take()
    assert offered.version() == "1.0"


@pytest.mark.parametrize("trick", TRICKS)
def test_a_sign_that_is_no_plain_file_is_no_sign(system: System, trick: Callable[[Path], None]) -> None:
    handed(system, HEARD).unlink(missing_ok=True)
    trick(handed(system, HEARD))
    assert system.handed.confirmed_version() == ""
    system.handed.discard(HEARD)
    assert not os.path.lexists(handed(system, HEARD))


def test_an_endless_sign_is_read_to_its_limit(system: System) -> None:
    handed(system, HEARD).write_bytes(b"2" * 10**7)
    assert len(system.handed.confirmed_version()) <= 200


@pytest.mark.parametrize("off_s", [-FRESH_S - 60, FRESH_S + 60])
def test_a_request_left_behind_by_a_power_cut_is_not_taken(offered: System, off_s: float) -> None:
    when = time.time() + off_s
    os.utime(handed(offered, REQUEST), (when, when))
    assert not offered.take()
    assert offered.version() == "1.0"
    assert not offered.handed_has(REQUEST)


# Keys and the folder of releases.


def test_agents_follow_a_new_key_and_believe_the_old_one_no_more(system: System, tmp_path: Path) -> None:
    trust = system.trust
    system.publish(make_package(system.folder, "1.5"))
    system.download()
    ReleaseFolder(system.shelf, Keys(system.keys)).rotate(new_keys=tmp_path / "new")
    with pytest.raises(ReleaseError, match="not the one that agents trust"):
        system.publish(make_package(system.folder, "1.6"))
    ReleaseFolder(system.shelf, Keys(tmp_path / "new")).publish(make_package(system.folder, "2.0"))
    assert system.trust == trust
    system.download()
    system.ask()
    assert system.take()
    system.go_on()
    assert system.version() == "2.0"


def test_a_change_of_keys_needs_as_many_root_keys_as_was_said(tmp_path: Path) -> None:
    keys, shelf = tmp_path / "keys", tmp_path / "shelf"
    make_keys(keys, roots=3, threshold=2)
    folder = ReleaseFolder(shelf, Keys(keys))
    folder.publish(make_package(tmp_path, "1.0"))
    for name in ("root-2.pem", "root-3.pem"):
        (keys / name).rename(tmp_path / name)
    with pytest.raises(ReleaseError, match="2 of the root keys are needed, 1 are here"):
        folder.rotate(new_keys=tmp_path / "new")
    assert sorted(path.name for path in (shelf / "metadata").glob("*.root.json")) == ["1.root.json"]
    assert not (tmp_path / "new").exists()
    (tmp_path / "root-3.pem").rename(keys / "root-3.pem")
    ReleaseFolder(shelf, Keys(keys)).rotate(new_keys=tmp_path / "new")


def test_a_list_is_signed_again_without_a_new_release(system: System) -> None:
    system.publish(make_package(system.folder, "2.0"))
    folder = ReleaseFolder(system.shelf, Keys(system.keys))
    assert folder.refresh() > ago(days=-80)
    timestamp = Metadata[Timestamp].from_bytes((system.shelf / "metadata/timestamp.json").read_bytes())
    assert timestamp.signed.version == 2
    system.download()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"name": "other"}, "no package of the agent"),
        ({"version": "1.0"}, "1.0 is not newer"),
        ({"version": "0.1"}, "0.1 is not newer"),
    ],
)
def test_only_a_newer_package_of_ours_is_published(
    tmp_path: Path, arguments: dict[str, Any], said: str
) -> None:
    keys = tmp_path / "keys"
    make_keys(keys)
    folder = ReleaseFolder(tmp_path / "shelf", Keys(keys))
    (tmp_path / "first").mkdir()
    folder.publish(make_package(tmp_path / "first", "1.0"))
    before = (tmp_path / "shelf/metadata/timestamp.json").read_bytes()
    with pytest.raises(ReleaseError, match=said):
        folder.publish(make_package(tmp_path, **{"version": "2.0", **arguments}))
    assert (tmp_path / "shelf/metadata/timestamp.json").read_bytes() == before


def test_keys_are_never_overwritten_nor_read_by_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("THREEDANCE_RELEASE_PASSPHRASE", "open sesame")
    make_keys(tmp_path / "keys")
    assert {oct(path.stat().st_mode & 0o777) for path in (tmp_path / "keys").glob("*.pem")} == {"0o600"}
    assert b"ENCRYPTED" in (tmp_path / "keys/release.pem").read_bytes()
    with pytest.raises(ReleaseError, match="holds keys already"):
        make_keys(tmp_path / "keys")
    monkeypatch.setenv("THREEDANCE_RELEASE_PASSPHRASE", "wrong")
    with pytest.raises(ReleaseError, match="cannot be opened"):
        Keys(tmp_path / "keys").release()


def test_no_private_key_reaches_the_folder_of_releases(system: System) -> None:
    system.publish(make_package(system.folder, "2.0"))
    files = [path for path in system.shelf.rglob("*") if path.is_file()]
    assert files
    assert not [path for path in files if b"PRIVATE KEY" in path.read_bytes()]
    assert json.loads((system.shelf / "metadata/1.root.json").read_bytes())["signed"]["consistent_snapshot"]


def ago(*, days: int) -> datetime.datetime:
    """Returns so many days before now."""
    return datetime.datetime.now(datetime.UTC).replace(microsecond=0) - datetime.timedelta(days=days)
