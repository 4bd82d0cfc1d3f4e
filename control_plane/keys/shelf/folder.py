"""A key shelf in a folder: a small file for each entry, durable before its name is, overwritten where it lies.

An empty file is the mark of an entry that was destroyed. On flash and on file systems that copy on write (btrfs, ZFS)
the old bytes may outlive the overwriting inside the device or in a snapshot: keep the folder out of both, as out of
backups, or on an encrypted disk. Several processes of one machine may use it; several machines need `database`.
"""

import fcntl
import hashlib
import os
import re
import secrets
from collections.abc import Iterable, Iterator
from pathlib import Path
from uuid import UUID

from control_plane.keys.errors import KeyDestroyed, KeyLost, KeyRefused, KeysUnavailable
from control_plane.keys.shelf.shelf import HALF_BYTES, new_half

CHECK_BYTES = 8
NAME = re.compile(r"[0-9a-f]{32}")
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

    def misplaced(self) -> str:
        """See `KeyShelf.misplaced`."""
        for folder in (self._folder.absolute(), *self._folder.absolute().parents):
            if (folder / "PG_VERSION").is_file():
                return f"{self._folder} lies among the files of a database ({folder})"
        return ""

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
        damaged = []
        try:
            for path in sorted(self._folder.glob("??/*")):
                # A part that was being written, or what somebody else has left here, is no entry.
                if not NAME.fullmatch(path.name):
                    continue
                try:
                    half = _read(path)
                except KeyLost:
                    damaged.append(path.name)
                else:
                    yield UUID(path.name), half
        except OSError as error:
            raise _unavailable(self._folder, error) from error
        if damaged:
            raise KeyLost(
                f"{len(damaged)} entries of the key shelf at {self._folder} are damaged, {', '.join(damaged[:5])}:"
                " bring them back from its copy (`threedance manage key_shelf restore`)"
            )

    def keep(self, id_: UUID, half: bytes) -> None:
        """See `KeyShelf.keep`."""
        if not self._write(id_, half):
            self._mend(id_, half)

    def prepare(self) -> None:
        """Makes the folder with its words for whoever finds it.

        Raises:
            KeysUnavailable: it cannot be written.
        """
        try:
            if not self._folder.is_dir():
                self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                _sync_folder(self._folder.parent)
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
            self._make_place(path)
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
            self._make_place(path)
            # Made where it is not there, so that whoever puts one here at this moment finds the mark, or is found.
            lived = self._overwrite(path)
            for part in path.parent.glob(f".{path.name}.*"):
                # Of a copy that was cut short: the same half, under another name.
                self._overwrite(part)
                part.unlink(missing_ok=True)
            _sync_folder(path.parent)
        except OSError as error:
            raise _unavailable(path, error) from error
        return lived

    def _mend(self, id_: UUID, half: bytes) -> None:
        """Writes an entry anew where it is damaged; one that was destroyed is whole."""
        path = self._path(id_)
        try:
            with open(os.open(path, os.O_RDWR), "r+b", buffering=0) as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                try:
                    _read(path)
                except KeyLost:
                    file.write(half + _check(half))
                    file.truncate(HALF_BYTES + CHECK_BYTES)
                    os.fsync(file.fileno())
        except OSError as error:
            raise _unavailable(path, error) from error

    def _make_place(self, path: Path) -> None:
        if not path.parent.is_dir():
            self.prepare()
            path.parent.mkdir(mode=0o700, exist_ok=True)
        # Also where another process has just made it, and has not come so far.
        _sync_folder(self._folder)

    def _overwrite(self, path: Path) -> bool:
        with open(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+b", buffering=0) as file:
            fcntl.flock(file, fcntl.LOCK_EX)
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
