"""The agent's disk holds ciphertext, and nothing that opens it."""

from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7
from nacl.public import SealedBox

from edge_agent.spool import cipher
from edge_agent.spool.cipher import SegmentCipher
from tests.edge_agent.spool.recorded_class import Studio, read_media
from tests.media import make_video

MARKS = (b"ftyp", b"moov", b"moof", b"mdat", b"avcC", b"hvcC", b"esds", b"trun")


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_video(tmp_path_factory.mktemp("media") / "clip.mp4", audio="aac")


def test_neither_picture_nor_key_is_anywhere_in_the_state_folder(
    tmp_path: Path, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys: list[bytes] = []

    class Watched(SealedBox[Any]):
        def encrypt(self, plaintext: bytes, *args: Any, **kwargs: Any) -> Any:
            keys.append(plaintext)
            return super().encrypt(plaintext, *args, **kwargs)

    monkeypatch.setattr(cipher, "SealedBox", Watched)
    studio = Studio(tmp_path / "state")
    info, packets = read_media(clip, 15)
    run = studio.connect(info)
    spool, order, recorder = studio.begin()
    studio.play(run, packets, recorder)
    # Also while a segment is open.
    _scan(studio.state, keys, packets[0].data)
    studio.finish(recorder, order)
    spool.close()
    assert len(keys) >= 3
    _scan(studio.state, keys, packets[0].data)


def _scan(state: Path, keys: list[bytes], key_frame: object) -> None:
    picture = bytes(memoryview(key_frame))[-64:]  # type: ignore[arg-type]
    scanned = 0
    for path in state.rglob("*"):
        if not path.is_file():
            continue
        data = path.read_bytes()
        scanned += len(data)
        assert picture not in data, path
        for key in keys:
            assert key not in data, path
            assert key.hex().encode() not in data, path
        if path.suffix in (".seg", ".part"):
            # Four given bytes turn up in a megabyte of noise once in four thousand times; eight never do.
            found = [mark for mark in MARKS if mark in data]
            assert len(found) <= 1, (path, found)
            assert b"\x00\x00\x00\x01\x67" not in data
            assert b"\x00\x00\x00\x01\x65" not in data
        else:
            assert not [mark for mark in MARKS if mark in data], path
    assert scanned > 50_000


def test_a_forgotten_key_encrypts_nothing_more(tmp_path: Path) -> None:
    sealer = SegmentCipher(Studio(tmp_path).recipient)
    first, second = sealer.seal(b"x" * 100), sealer.seal(b"x" * 100)
    assert first.iv != second.iv
    assert bytes(first.data) != bytes(second.data)
    sealer.forget()
    with pytest.raises(ValueError, match="forgotten"):
        sealer.seal(b"x")


@pytest.mark.parametrize("size", [0, 1, 15, 16, 17, 31, 32, 4096, 100_003])
def test_padding_made_by_hand_is_pkcs7(tmp_path: Path, size: int) -> None:
    studio = Studio(tmp_path)
    sealer = SegmentCipher(studio.recipient)
    plain = bytes(range(256)) * (size // 256 + 1)
    plain = plain[:size]
    sealed = sealer.seal(plain)
    key = SealedBox(studio.key).decrypt(sealer.sealed_key)
    decryptor = Cipher(algorithms.AES128(key), modes.CBC(sealed.iv)).decryptor()
    unpadder = PKCS7(128).unpadder()
    opened = unpadder.update(decryptor.update(sealed.data) + decryptor.finalize()) + unpadder.finalize()
    assert opened == plain
    assert len(sealed.data) == size // 16 * 16 + 16
