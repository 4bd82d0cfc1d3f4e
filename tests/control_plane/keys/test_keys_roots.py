"""One suite for every holder of a root key: a file, the transit engine of Vault or OpenBao, and a KMS (moto's server)."""

import logging
import stat
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from control_plane.keys.errors import KeyRefused, KeysUnavailable, RootRefused
from control_plane.keys.roots import file as files
from control_plane.keys.roots.file import FileRootKey, create_root_key
from control_plane.keys.roots.kms import KmsRootKey
from control_plane.keys.roots.root_key import RootKey, RootKeyring
from control_plane.keys.roots.transit import TransitRootKey
from tests.rigs.ports import refusing_port
from tests.rigs.transit import Transit, transit

A, B = UUID(int=1), UUID(int=2)


@pytest.fixture
def vault() -> Iterator[Transit]:
    with transit() as state:
        yield state


@pytest.fixture
def token(tmp_path: Path) -> Path:
    path = tmp_path / "token"
    path.write_text("s.first\n")
    return path


@pytest.fixture(scope="module")
def kms_endpoint() -> Iterator[str]:
    server = pytest.importorskip("moto.server", reason="moto is not installed")
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    running = server.ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    running.start()
    host, port = running.get_host_and_port()
    yield f"http://{host}:{port}"
    running.stop()


@pytest.fixture
def kms(kms_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Callable[[], KmsRootKey]:
    boto3 = pytest.importorskip("boto3")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    client = boto3.client("kms", region_name="eu-central-1", endpoint_url=kms_endpoint)

    def made() -> KmsRootKey:
        key_id = client.create_key()["KeyMetadata"]["KeyId"]
        return KmsRootKey(f"kms://eu-central-1/{key_id}?endpoint={kms_endpoint}")

    return made


@pytest.fixture(params=["file", "transit", "kms"])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> RootKey:
    match request.param:
        case "file":
            create_root_key(tmp_path / "root.key")
            return FileRootKey(tmp_path / "root.key")
        case "transit":
            state: Transit = request.getfixturevalue("vault")
            return TransitRootKey(state.url, token_file=request.getfixturevalue("token"))
    made: Callable[[], KmsRootKey] = request.getfixturevalue("kms")
    return made()


# --- what every holder does -----------------------------------------------------------------------------------------


def test_what_is_wrapped_comes_back_and_never_looks_the_same_twice(root: RootKey) -> None:
    wrapped = [root.wrap(b"secret" * 6, kind="studio", id_=A) for _ in range(3)]
    assert len(set(wrapped)) == 3
    assert all(b"secret" not in item for item in wrapped)
    assert {root.unwrap(item, kind="studio", id_=A) for item in wrapped} == {b"secret" * 6}
    assert root.holds(root.id)
    assert not root.holds("root-of-somebody-else")
    assert len(root.id) <= 200
    assert root.kind


def test_it_opens_for_nothing_else(root: RootKey) -> None:
    wrapped = root.wrap(b"secret", kind="studio", id_=A)
    for kind, id_ in (("studio", B), ("platform-seed", A)):
        with pytest.raises(KeyRefused):
            root.unwrap(wrapped, kind=kind, id_=id_)


def test_a_root_key_that_cannot_be_used_is_no_fault_of_what_is_opened(tmp_path: Path) -> None:
    """Else what an agent sends meanwhile is taken for damaged."""
    path = tmp_path / "root.key"
    create_root_key(path)
    ring = RootKeyring(FileRootKey(path))
    wrapped = ring.wrap(b"secret", kind="studio", id_=A)
    with pytest.raises(RootRefused, match="THREEDANCE_ROOT_KEY_OLDER"):
        ring.unwrap(wrapped, root_key_id="root-gone", kind="studio", id_=A)
    path.unlink()
    with pytest.raises(RootRefused, match="cannot be read"):
        ring.unwrap(wrapped, root_key_id="root-gone", kind="studio", id_=A)


def test_what_stands_in_the_file_is_shown_nowhere(tmp_path: Path) -> None:
    create_root_key(tmp_path / "root.key")
    text = (tmp_path / "root.key").read_text()
    decoded = files._decoded(text.encode())
    for shown in (repr(decoded), repr(decoded.keys), repr(FileRootKey(tmp_path / "root.key")._now())):
        assert decoded.seed not in shown
        assert decoded.keys[0].key not in shown


def test_damaged_bytes_are_refused_with_words(root: RootKey) -> None:
    wrapped = bytearray(root.wrap(b"secret", kind="studio", id_=A))
    wrapped[-5] ^= 1
    for damaged in (bytes(wrapped), b"", b"\xff\xfe", b"vault:v1:", b"vault:v9:AAAA"):
        with pytest.raises(KeyRefused) as caught:
            root.unwrap(damaged, kind="studio", id_=A)
        assert caught.value.detail


def test_many_threads_use_one(root: RootKey) -> None:
    wrapped = root.wrap(b"secret", kind="studio", id_=A)
    found: list[bytes] = []
    threads = [
        threading.Thread(target=lambda: found.append(root.unwrap(wrapped, kind="studio", id_=A)))
        for _ in range(16)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert found == [b"secret"] * 16


# --- several beside each other --------------------------------------------------------------------------------------


def test_a_ring_wraps_with_the_current_and_opens_with_whichever_it_was(
    tmp_path: Path, vault: Transit, token: Path
) -> None:
    create_root_key(tmp_path / "root.key")
    old, new = FileRootKey(tmp_path / "root.key"), TransitRootKey(vault.url, token_file=token)
    wrapped = RootKeyring(old).wrap(b"secret", kind="studio", id_=A)
    ring = RootKeyring(new, (old,))
    assert ring.unwrap(wrapped, root_key_id=old.id, kind="studio", id_=A) == b"secret"
    again = ring.wrap(b"secret", kind="studio", id_=A)
    assert again.startswith(b"vault:v1:")
    assert ring.unwrap(again, root_key_id=ring.id, kind="studio", id_=A) == b"secret"
    with pytest.raises(KeyRefused, match="THREEDANCE_ROOT_KEY_OLDER"):
        RootKeyring(new).unwrap(wrapped, root_key_id=old.id, kind="studio", id_=A)


# --- the file -------------------------------------------------------------------------------------------------------


def test_a_file_takes_a_new_key_in_front_and_the_others_still_open(tmp_path: Path) -> None:
    path = tmp_path / "root.key"
    create_root_key(path)
    root = FileRootKey(path)
    first, seed, wrapped = root.id, root.seed(), root.wrap(b"s", kind="studio", id_=A)
    new = files.add_root_key(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert root.id == new != first, "a changed file is noticed by what is in use"
    assert root.holds(first)
    assert root.seed() == seed
    assert root.unwrap(wrapped, kind="studio", id_=A) == b"s"
    assert files.drop_older_keys(path) == [first]
    assert not root.holds(first)
    assert root.seed() == seed
    with pytest.raises(KeyRefused):
        root.unwrap(wrapped, kind="studio", id_=A)


def test_a_file_holds_no_end_of_keys(tmp_path: Path) -> None:
    create_root_key(tmp_path / "root.key")
    for _ in range(files.MOST_KEYS - 1):
        files.add_root_key(tmp_path / "root.key")
    with pytest.raises(KeyRefused, match="--drop-old"):
        files.add_root_key(tmp_path / "root.key")


# --- Vault and OpenBao ----------------------------------------------------------------------------------------------


def test_a_new_version_wraps_and_the_old_one_opens(vault: Transit, token: Path) -> None:
    root = TransitRootKey(vault.url, token_file=token)
    before, wrapped = root.id, root.wrap(b"s", kind="studio", id_=A)
    vault.rotate()
    later = TransitRootKey(vault.url, token_file=token)
    assert later.id != before
    assert later.holds(before)
    assert later.wrap(b"s", kind="studio", id_=A).startswith(b"vault:v2:")
    assert later.unwrap(wrapped, kind="studio", id_=A) == b"s"


def test_what_passes_is_tried_again(vault: Transit, token: Path) -> None:
    root = TransitRootKey(vault.url, token_file=token)
    wrapped = root.wrap(b"s", kind="studio", id_=A)
    vault.refuse = [503, 429]
    assert root.unwrap(wrapped, kind="studio", id_=A) == b"s"


def test_a_sealed_one_is_away_and_says_so_in_time(vault: Transit, token: Path) -> None:
    root = TransitRootKey(vault.url, token_file=token)
    wrapped = root.wrap(b"s", kind="studio", id_=A)
    vault.sealed = True
    began_s = time.monotonic()
    with pytest.raises(KeysUnavailable, match="sealed"):
        root.unwrap(wrapped, kind="studio", id_=A)
    assert time.monotonic() - began_s < 12
    vault.sealed = False
    assert root.unwrap(wrapped, kind="studio", id_=A) == b"s"


def test_one_that_hangs_or_is_gone_is_away(token: Path) -> None:
    with refusing_port() as port:
        root = TransitRootKey(f"vault+http://127.0.0.1:{port}/transit/threedance", token_file=token)
        with pytest.raises(KeysUnavailable, match="does not answer"):
            root.wrap(b"s", kind="studio", id_=A)


def test_a_renewed_token_is_taken_and_a_refused_one_is_named(vault: Transit, token: Path) -> None:
    root = TransitRootKey(vault.url, token_file=token)
    wrapped = root.wrap(b"s", kind="studio", id_=A)
    vault.tokens = {"s.second"}
    with pytest.raises(RootRefused, match=r"token.*policy"):
        root.unwrap(wrapped, kind="studio", id_=A)
    token.write_text("s.second")
    assert root.unwrap(wrapped, kind="studio", id_=A) == b"s"
    token.unlink()
    vault.tokens = {"s.third"}
    with pytest.raises(RootRefused, match="THREEDANCE_ROOT_KEY_TOKEN_FILE"):
        root.unwrap(wrapped, kind="studio", id_=A)


def test_a_key_that_binds_nothing_and_one_that_is_not_there_are_refused(vault: Transit, token: Path) -> None:
    vault.type = "rsa-4096"
    with pytest.raises(RootRefused, match="aes256-gcm96"):
        _ = TransitRootKey(vault.url, token_file=token).id
    with pytest.raises(RootRefused, match="no transit key nobody"):
        _ = TransitRootKey(vault.url.replace("threedance", "nobody"), token_file=token).id


@pytest.mark.parametrize(
    "url",
    [
        "vault+http://vault.example:8200/transit/key",
        "vault+https://host/onlymount",
        "vault+https:///transit/key",
        "vault+https://host/transit/key?what=else",
        "https://host/transit/key",
    ],
)
def test_a_wrong_address_is_refused_with_the_right_form(url: str, token: Path) -> None:
    with pytest.raises(ValueError, match="vault"):
        TransitRootKey(url, token_file=token)


def test_no_token_stands_in_what_is_shown(vault: Transit, token: Path) -> None:
    root = TransitRootKey(vault.url, token_file=token)
    vault.refuse = [400]
    with pytest.raises(RootRefused) as caught:
        root.wrap(b"s", kind="studio", id_=A)
    assert "s.first" not in f"{root!r} {caught.value.detail} {caught.value.__cause__!r}"


# --- a KMS ----------------------------------------------------------------------------------------------------------


def test_a_key_that_the_kms_does_not_know_is_refused(kms: Any, kms_endpoint: str) -> None:
    with pytest.raises(RootRefused, match="kms:Encrypt"):
        KmsRootKey(f"kms://eu-central-1/no-such-key?endpoint={kms_endpoint}").wrap(b"s", kind="studio", id_=A)


def test_another_key_of_the_kms_opens_nothing(kms: Any) -> None:
    one, two = kms(), kms()
    with pytest.raises(KeyRefused):
        two.unwrap(one.wrap(b"s", kind="studio", id_=A), kind="studio", id_=A)


def test_a_kms_that_is_gone_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("boto3")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with refusing_port() as port:
        root = KmsRootKey(f"kms://eu-central-1/key?endpoint=http://127.0.0.1:{port}")
        with pytest.raises(KeysUnavailable, match="does not answer"):
            root.wrap(b"s", kind="studio", id_=A)


@pytest.mark.parametrize("url", ["kms://", "kms://eu-central-1", "kms://eu-central-1/key?what=else"])
def test_a_wrong_address_of_a_kms_is_refused_with_the_right_form(url: str) -> None:
    with pytest.raises(ValueError, match="kms://region/key-id"):
        KmsRootKey(url)
