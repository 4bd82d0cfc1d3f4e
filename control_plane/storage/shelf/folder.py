"""A key shelf in a folder: a small file for each entry, durable before its name is, overwritten where it lies.

An empty file is the mark of an entry that was destroyed. On flash and on file systems that copy on write (btrfs, ZFS)
the old bytes may outlive the overwriting inside the device or in a snapshot: keep the folder out of both, as out of
backups, or on an encrypted disk. Several processes of one machine may use it; several machines need `database`.
"""

import hashlib
import os
import secrets
from collections.abc import Iterable, Iterator
from pathlib import Path
from uuid import UUID

from control_plane.storage.errors import KeyDestroyed, KeyLost, KeyRefused, KeysUnavailable
from control_plane.storage.shelf.shelf import HALF_BYTES, new_half

CHECK_BYTES = 8
NO_BACKUP = ".nobackup"
README = """This is 3Dance's key shelf: halves of keys, without which no recording can be seen.

Keep it OUT of the backups of the database and of the recordings: what is destroyed here must not lie in a backup.
Keep one copy of it elsewhere, always the newest alone: threedance manage key_shelf copy FOLDER
Lost, with all copies of it: every recording is lost with it.
"""


class FolderShelf:
    """The entries of one folder, mode 0700."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __repr__(self) -> str:
        return f"FolderShelf({self._folder})"

    @property
    def folder(self) -> Path:
        """Where it lies."""
        return self._folder

    def place(self, id_: UUID) -> bytes:
        """See `KeyShelf.place`."""
        half = new_half()
        if not self._write(id_, half):
            self.take(id_)  # says which: destroyed or damaged
            raise KeyRefused(f"the key shelf has an entry {id_} already")
        return half

    def take(self, id_: UUID) -> bytes:
        """See `KeyShelf.take`."""
        half = _read(self._path(id_))
        if half is None:
            raise KeyDestroyed("the key was destroyed: nobody can see this recording any more")
        return half

    def destroy(self, ids: Iterable[UUID]) -> int:
        """See `KeyShelf.destroy`."""
        return sum([self._destroy(id_) for id_ in ids])

    def entries(self) -> Iterator[tuple[UUID, bytes | None]]:
        """See `KeyShelf.entries`."""
        if not self._folder.is_dir():
            return
        for shard in sorted(path for path in self._folder.iterdir() if path.is_dir()):
            for path in sorted(shard.iterdir()):
                if not path.name.startswith("."):
                    yield UUID(path.name), _read(path)

    def keep(self, id_: UUID, half: bytes) -> None:
        """See `KeyShelf.keep`."""
        self._write(id_, half)

    def prepare(self) -> None:
        """Makes the folder with its words for whoever finds it.

        Raises:
            KeysUnavailable: it cannot be written.
        """
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            for name, text in ((NO_BACKUP, ""), ("README", README)):
                if not (self._folder / name).exists():
                    (self._folder / name).write_text(text)
        except OSError as error:
            raise _unavailable(self._folder, error) from error

    def _path(self, id_: UUID) -> Path:
        # By the last digits: those of a UUIDv7 are random, the first are the time.
        return self._folder / id_.hex[-2:] / id_.hex

    def _write(self, id_: UUID, half: bytes) -> bool:
        path = self._path(id_)
        part = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        try:
            if not path.parent.is_dir():
                self.prepare()
                path.parent.mkdir(mode=0o700, exist_ok=True)
                _sync_folder(self._folder)
            with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(half + _check(half))
                file.flush()
                os.fsync(file.fileno())
            try:
                os.link(part, path)
            except FileExistsError:
                return False
            finally:
                part.unlink()
            _sync_folder(path.parent)
        except OSError as error:
            raise _unavailable(path, error) from error
        return True

    def _destroy(self, id_: UUID) -> bool:
        path = self._path(id_)
        try:
            lived = self._overwrite(path) if path.exists() else False
            if not path.exists():
                path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                os.close(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600))
                _sync_folder(path.parent)
        except OSError as error:
            raise _unavailable(path, error) from error
        return lived

    def _overwrite(self, path: Path) -> bool:
        with path.open("r+b", buffering=0) as file:
            size = os.fstat(file.fileno()).st_size
            if size:
                for filling in (os.urandom(size), bytes(size)):
                    file.seek(0)
                    file.write(filling)
                    os.fsync(file.fileno())
                file.truncate(0)
                os.fsync(file.fileno())
        return size > 0


def _read(path: Path) -> bytes | None:
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise KeyLost(
            f"the key shelf has no entry {path.name}: bring it back from its copy (`threedance manage key_shelf restore`)"
        ) from error
    except OSError as error:
        raise _unavailable(path, error) from error
    if not data:
        return None
    half = data[:HALF_BYTES]
    if data[HALF_BYTES:] == _check(half):
        return half
    if not any(data) or not path.stat().st_size:
        return None  # read while it was being destroyed
    raise KeyLost(f"the entry {path.name} of the key shelf is damaged: bring it back from its copy")


def _check(half: bytes) -> bytes:
    return hashlib.sha256(b"threedance/shelf/" + half).digest()[:CHECK_BYTES]


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _unavailable(path: Path, error: OSError) -> KeysUnavailable:
    return KeysUnavailable(f"the key shelf at {path} cannot be used: {error.strerror}")
