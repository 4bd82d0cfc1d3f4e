"""Wrapped keys open as what they are, for whom they are, and never otherwise."""

import stat
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from control_plane.keys import key_wrapping, seal
from control_plane.keys.errors import KeyRefused
from control_plane.keys.roots.file import FileRootKey, create_root_key

A, B = UUID(int=1), UUID(int=2)


@given(secret=st.binary(min_size=1, max_size=64))
def test_what_is_wrapped_comes_back(secret: bytes) -> None:
    key = key_wrapping.new_key()
    wrapped = key_wrapping.wrap(key, secret, kind="class", id_=A)
    assert secret not in wrapped or len(secret) < 4
    assert key_wrapping.unwrap(key, wrapped, kind="class", id_=A) == secret


def test_a_wrapped_key_opens_for_nothing_else() -> None:
    key = key_wrapping.new_key()
    wrapped = key_wrapping.wrap(key, b"secret", kind="class", id_=A)
    for other_key, kind, id_ in (
        (key, "class", B),
        (key, "segment", A),
        (key_wrapping.new_key(), "class", A),
    ):
        with pytest.raises(KeyRefused):
            key_wrapping.unwrap(other_key, wrapped, kind=kind, id_=id_)


def test_a_key_with_a_half_is_another_for_each_key_half_kind_and_id() -> None:
    key, share = key_wrapping.new_key(), key_wrapping.new_key()
    asked = [
        (key, share, "class", A),
        (key_wrapping.new_key(), share, "class", A),
        (key, key_wrapping.new_key(), "class", A),
        (key, bytes(32), "class", A),
        (key, share, "studio", A),
        (key, share, "class", B),
    ]
    made = {key_wrapping.combine_with_share(*both, kind=kind, id_=id_) for *both, kind, id_ in asked}
    assert len(made | {key, share}) == len(asked) + 2


@given(position=st.integers(0, 34), bit=st.integers(0, 7))
def test_one_changed_bit_closes_it(position: int, bit: int) -> None:
    key = key_wrapping.new_key()
    wrapped = bytearray(key_wrapping.wrap(key, b"secret", kind="class", id_=A))
    wrapped[position] ^= 1 << bit
    with pytest.raises(KeyRefused):
        key_wrapping.unwrap(key, bytes(wrapped), kind="class", id_=A)


@pytest.mark.parametrize("damaged", [b"", b"\1", b"\1" * 12])
def test_a_cut_wrapped_key_is_refused(damaged: bytes) -> None:
    with pytest.raises(KeyRefused):
        key_wrapping.unwrap(key_wrapping.new_key(), damaged, kind="class", id_=A)


def test_wrapping_twice_never_gives_the_same_bytes() -> None:
    key = key_wrapping.new_key()
    assert len({key_wrapping.wrap(key, b"s", kind="class", id_=A) for _ in range(100)}) == 100


def test_a_root_key_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "root.key"
    assert create_root_key(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    before = path.read_bytes()
    assert not create_root_key(path)
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]
    root = FileRootKey(path)
    again = FileRootKey(path)
    assert again.unwrap(root.wrap(b"secret", kind="studio", id_=A), kind="studio", id_=A) == b"secret"
    assert root.id == again.id
    assert root.seed() == again.seed()
    assert key_wrapping.derive(again.seed() or b"", "one") != key_wrapping.derive(
        again.seed() or b"", "other"
    )


def test_the_root_keys_repr_holds_no_key(tmp_path: Path) -> None:
    create_root_key(tmp_path / "root.key")
    assert repr(FileRootKey(tmp_path / "root.key")).startswith("FileRootKey(root-")


@pytest.mark.parametrize(
    ("content", "mode", "reason"),
    [
        (b'{"id":"a","key":"AAAA"}', 0o600, "3 bytes"),
        (b"not json", 0o600, "no root key"),
        (b'{"id":"a","key":"AAAA","extra":1}', 0o600, "no root key"),
        (b'{"id":"a","key":"*"}', 0o600, "no root key"),
        (b"", 0o644, "chmod 600"),
    ],
)
def test_an_unfit_root_key_file_is_refused(tmp_path: Path, content: bytes, mode: int, reason: str) -> None:
    path = tmp_path / "root.key"
    path.write_bytes(content)
    path.chmod(mode)
    with pytest.raises(KeyRefused, match=reason):
        FileRootKey(path)


def test_a_missing_root_key_file_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(KeyRefused, match="init_keys"):
        FileRootKey(tmp_path / "none")


def test_a_seal_opens_with_its_private_half_only() -> None:
    pair = seal.new_key_pair()
    sealed = seal.seal(pair.public, b"0123456789abcdef")
    assert len(sealed) == 64
    assert seal.open_seal(pair.private, sealed) == b"0123456789abcdef"
    with pytest.raises(KeyRefused):
        seal.open_seal(seal.new_key_pair().private, sealed)
    with pytest.raises(KeyRefused):
        seal.open_seal(pair.private, sealed[:-1])
    with pytest.raises(KeyRefused):
        seal.seal(b"short", b"x")
