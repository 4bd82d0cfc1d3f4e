"""The configuration on disk: tried, proven, rolled back, and found again after a crash."""

from pathlib import Path

import msgspec
import pytest

from edge_agent.control.config_store import ConfigStore
from shared.protocol.config import AgentConfig, config_document
from shared.protocol.ids import AgentId, new_id
from shared.protocol.status import ConfigStatus, Reported
from tests.shared.examples import BODY

AGENT = AgentId(new_id())


def _config(version: int) -> AgentConfig:
    return config_document(AGENT, version, msgspec.structs.replace(BODY, recordings=()))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "config"


def _store(folder: Path) -> ConfigStore:
    store = ConfigStore(folder, AGENT)
    store.load()
    return store


def _proven(folder: Path, version: int) -> ConfigStore:
    store = _store(folder)
    store.stage(_config(version))
    store.accept()
    return store


def test_an_agent_that_knows_nothing_says_so(folder: Path) -> None:
    store = _store(folder)
    assert store.newest is None
    assert store.reported() == Reported(version=0, hash=None, status=ConfigStatus.APPLIED)


def test_a_candidate_is_on_disk_before_it_is_in_force(folder: Path) -> None:
    store = _proven(folder, 12)
    store.stage(_config(13))
    again = _store(folder)
    assert again.applied == _config(12)
    assert again.candidate == _config(13)
    assert again.newest == (13, _config(13).hash)
    assert again.reported().status is ConfigStatus.APPLYING


def test_a_proven_candidate_is_what_the_next_start_finds(folder: Path) -> None:
    _proven(folder, 13)
    again = _store(folder)
    assert (again.applied, again.candidate) == (_config(13), None)
    assert again.reported() == Reported(version=13, hash=_config(13).hash, status=ConfigStatus.APPLIED)


def test_a_rejected_candidate_leaves_the_last_good_one_and_is_not_tried_again(folder: Path) -> None:
    _proven(folder, 12)
    store = _store(folder)
    store.stage(_config(13))
    store.reject("no frames")
    for found in (store, _store(folder)):
        assert found.applied == _config(12)
        assert found.newest == (13, _config(13).hash)
        assert found.reported() == Reported(
            version=12,
            hash=_config(12).hash,
            status=ConfigStatus.FAILED,
            error="no frames",
            failed_version=13,
        )


def test_a_later_success_clears_the_failure(folder: Path) -> None:
    store = _proven(folder, 12)
    store.stage(_config(13))
    store.reject("no frames")
    store.stage(_config(14))
    store.accept()
    assert _store(folder).reported().status is ConfigStatus.APPLIED


def test_a_candidate_that_brings_the_agent_down_twice_is_given_up(folder: Path) -> None:
    _proven(folder, 12).stage(_config(13))
    assert _store(folder).candidate == _config(13)
    assert _store(folder).candidate == _config(13)
    third = _store(folder)
    assert third.candidate is None
    assert third.applied == _config(12)
    assert third.reported().failed_version == 13


def test_the_only_configuration_there_is_is_tried_for_ever(folder: Path) -> None:
    _store(folder).stage(_config(1))
    for _ in range(5):
        assert _store(folder).candidate == _config(1)


def test_a_crash_between_proving_and_forgetting_the_candidate_is_harmless(folder: Path) -> None:
    store = _store(folder)
    store.stage(_config(13))
    candidate = (folder / "candidate.json").read_bytes()
    store.accept()
    (folder / "candidate.json").write_bytes(candidate)
    again = _store(folder)
    assert (again.applied, again.candidate) == (_config(13), None)


@pytest.mark.parametrize("damage", [b"", b"{", b"null", b"\xff\x00"])
def test_a_damaged_file_is_set_aside(folder: Path, damage: bytes) -> None:
    _proven(folder, 12)
    (folder / "applied.json").write_bytes(damage)
    assert _store(folder).applied is None
    assert (folder / "applied.set-aside.json").exists()


def test_the_configuration_of_another_agent_is_not_taken(folder: Path) -> None:
    _proven(folder, 12)
    other = ConfigStore(folder, AgentId(new_id()))
    other.load()
    assert (other.applied, other.candidate, other.newest) == (None, None, None)


def test_credentials_stay_sealed_on_the_disk(folder: Path) -> None:
    store = _store(folder)
    store.stage(_config(1))
    assert store.candidate is not None
    assert store.candidate.body.cameras[0].sealed_credentials == b"sealed"
    assert b"password" not in (folder / "candidate.json").read_bytes()
