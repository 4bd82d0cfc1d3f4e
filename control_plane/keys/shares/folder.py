"""Key shares in a folder: one small file per share, synced before it is linked, overwritten in place when destroyed.

An empty file marks a destroyed share. On flash and copy-on-write file systems (btrfs, ZFS) old bytes may survive in
the device or in a snapshot: exclude the folder from snapshots as from backups, or put it on an encrypted disk. Several
processes of one machine may use it; several machines need `database`.
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
from control_plane.keys.shares.store import SHARE_BYTES, new_share

CHECK_BYTES = 8
NAME = re.compile(r"[0-9a-f]{32}")
NO_BACKUP = ".nobackup"
README = """3Dance key shares: parts of keys, without which no recording can be played.

Keep this folder OUT of the backups of database and recordings: a share that is destroyed here must not survive in one.
Keep one copy of it elsewhere, and only the newest: threedance manage key_shares copy FOLDER
If this folder and its copy are lost, every recording is lost.
"""


class FolderShareStore:
    """The key shares of one folder, mode 0700."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __repr__(self) -> str:
        return f"FolderShareStore({self._folder})"

    @property
    def folder(self) -> Path:
        """The folder's path."""
        return self._folder

    def backup_risk(self) -> str:
        """See `KeyShareStore.backup_risk`."""
        for folder in (self._folder.absolute(), *self._folder.absolute().parents):
            if (folder / "PG_VERSION").is_file():
                return f"{self._folder} is among the files of a database ({folder})"
        return ""

    def create(self, id_: UUID) -> bytes:
        """See `KeyShareStore.create`."""
        share = new_share()
        if not self._write(id_, share):
            self.get(id_)  # raises the more specific error: destroyed or damaged
            raise KeyRefused(f"there is a key share {id_} already")
        return share

    def get(self, id_: UUID) -> bytes:
        """See `KeyShareStore.get`."""
        share = _read(self._path(id_))
        if share is None:
            raise KeyDestroyed("the key was destroyed: nobody can see this recording any more")
        return share

    def destroy(self, ids: Iterable[UUID]) -> int:
        """See `KeyShareStore.destroy`."""
        return sum([self._destroy(id_) for id_ in ids])

    def entries(self) -> Iterator[tuple[UUID, bytes | None]]:
        """See `KeyShareStore.entries`."""
        if not self._folder.is_dir():
            return
        damaged = []
        try:
            for path in sorted(self._folder.glob("??/*")):
                # Temporary files and foreign files are not shares.
                if not NAME.fullmatch(path.name):
                    continue
                try:
                    share = _read(path)
                except KeyLost:
                    damaged.append(path.name)
                else:
                    yield UUID(path.name), share
        except OSError as error:
            raise _unavailable(self._folder, error) from error
        if damaged:
            raise KeyLost(
                f"{len(damaged)} key shares in {self._folder} are damaged: {', '.join(damaged[:5])};"
                " restore them from the copy (`threedance manage key_shares restore FOLDER`)"
            )

    def restore(self, id_: UUID, share: bytes) -> None:
        """See `KeyShareStore.restore`."""
        if not self._write(id_, share):
            self._repair(id_, share)

    def prepare(self) -> None:
        """Creates the folder with a README and a marker for backup programs.

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
        # Subfolders by the last digits: the first digits of a UUIDv7 are the time, so they would all be equal.
        return self._folder / id_.hex[-2:] / id_.hex

    def _write(self, id_: UUID, share: bytes) -> bool:
        path = self._path(id_)
        part = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        try:
            self._make_subfolder(path)
            with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(share + _check(share))
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
            self._make_subfolder(path)
            # Creates the file if missing: a concurrent `restore` then either finds the mark, or its share is overwritten.
            lived = self._overwrite(path)
            for part in path.parent.glob(f".{path.name}.*"):
                # Left by an interrupted copy: the same share under a temporary name.
                self._overwrite(part)
                part.unlink(missing_ok=True)
            _sync_folder(path.parent)
        except OSError as error:
            raise _unavailable(path, error) from error
        return lived

    def _repair(self, id_: UUID, share: bytes) -> None:
        """Rewrites a damaged share. One that was destroyed is not damaged."""
        path = self._path(id_)
        try:
            with open(os.open(path, os.O_RDWR), "r+b", buffering=0) as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                try:
                    _read(path)
                except KeyLost:
                    file.write(share + _check(share))
                    file.truncate(SHARE_BYTES + CHECK_BYTES)
                    os.fsync(file.fileno())
        except OSError as error:
            raise _unavailable(path, error) from error

    def _make_subfolder(self, path: Path) -> None:
        if not path.parent.is_dir():
            self.prepare()
            path.parent.mkdir(mode=0o700, exist_ok=True)
        # Also when another process has just created the subfolder and has not synced it yet.
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
            f"there is no key share {path.name}: restore it from the copy (`threedance manage key_shares restore FOLDER`)"
        ) from error
    except OSError as error:
        raise _unavailable(path, error) from error
    if not data:
        return None
    share = data[:SHARE_BYTES]
    if data[SHARE_BYTES:] == _check(share):
        return share
    if not any(data) or not path.stat().st_size:
        return None  # read while it was being overwritten
    raise KeyLost(f"the key share {path.name} is damaged: restore it from the copy")


def _check(share: bytes) -> bytes:
    return hashlib.sha256(b"threedance/key-share/" + share).digest()[:CHECK_BYTES]


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _unavailable(path: Path, error: OSError) -> KeysUnavailable:
    return KeysUnavailable(f"the key shares at {path} cannot be used: {error.strerror}")
