"""Stores objects as files in one folder: temporary file, fsync, hard link."""

import contextlib
import hashlib
import os
import secrets
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from control_plane.storage.errors import (
    ObjectExists,
    ObjectMismatch,
    ObjectMissing,
    StoreRefused,
    StoreUnavailable,
)
from control_plane.storage.objects import CHUNK_BYTES, ObjectFacts, SignedRequest, checked_key

INCOMING = ".incoming"
"""Folder of unfinished writes; no object's key can begin with a dot."""


class LocalStore:
    """One folder on this machine. Files are 0600, folders 0700. Several processes may use it at once.

    A write is: temporary file, fsync, hard link under the key (which fails if the key exists), fsync of the folders.
    After a crash the object is complete or absent; unfinished writes are in `.incoming`.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._incoming = root / INCOMING

    def require_exists(self) -> None:
        """See `ObjectStore.require_exists`."""
        if not self.root.is_dir():
            raise StoreUnavailable(f"the object folder {self.root} does not exist")

    def put(self, key: str, chunks: Iterable[bytes], *, size_bytes: int, sha256: str) -> None:
        """See `ObjectStore.put`."""
        path = self._path(key)
        if path.exists():
            raise ObjectExists(f"object {key} exists")
        with _map_errors(key):
            self._incoming.mkdir(mode=0o700, parents=True, exist_ok=True)
            part = self._incoming / secrets.token_hex(16)
            try:
                _write(part, chunks, size_bytes=size_bytes, sha256=sha256)
                self._make_folders(path.parent)
                try:
                    os.link(part, path)
                except FileExistsError:
                    raise ObjectExists(f"object {key} exists") from None
                _sync_folder(path.parent)
            finally:
                part.unlink(missing_ok=True)

    def open(
        self, key: str, *, offset_bytes: int = 0, size_bytes: int | None = None
    ) -> AbstractContextManager[Iterator[bytes]]:
        """See `ObjectStore.open`."""
        return self._opened(self._path(key), key, offset_bytes, size_bytes)

    def head(self, key: str) -> ObjectFacts:
        """See `ObjectStore.head`."""
        with _map_errors(key):
            facts = self._path(key).stat()
        return ObjectFacts(facts.st_size, datetime.fromtimestamp(facts.st_mtime, UTC))

    def sha256(self, key: str) -> str:
        """See `ObjectStore.sha256`."""
        with _map_errors(key), self._path(key).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def delete(self, key: str) -> None:
        """See `ObjectStore.delete`."""
        path = self._path(key)
        with _map_errors(key), contextlib.suppress(FileNotFoundError):
            path.unlink()
            _sync_folder(path.parent)

    def presign_put(
        self, key: str, *, size_bytes: int, sha256: str, lifetime: timedelta
    ) -> SignedRequest | None:
        """Returns None: the control plane receives the bytes itself."""
        return None

    def presign_get(self, key: str, *, lifetime: timedelta) -> SignedRequest | None:
        """Returns None: the control plane sends the bytes itself."""
        return None

    def sweep_incoming(self, *, before_s: float, most: int, dry_run: bool = False) -> int:
        """Removes unfinished writes last touched before a time (seconds since 1970); returns how many."""
        try:
            entries = list(os.scandir(self._incoming))
        except FileNotFoundError:
            return 0
        old = [entry.path for entry in entries if _touched_s(entry) < before_s][:most]
        for path in old if not dry_run else ():
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
        return len(old)

    def _path(self, key: str) -> Path:
        return self.root / checked_key(key)

    def _make_folders(self, folder: Path) -> None:
        if folder.is_dir():
            return
        self._make_folders(folder.parent)
        with contextlib.suppress(FileExistsError):
            folder.mkdir(mode=0o700)
        _sync_folder(folder.parent)

    @contextlib.contextmanager
    def _opened(
        self, path: Path, key: str, offset_bytes: int, size_bytes: int | None
    ) -> Iterator[Iterator[bytes]]:
        with contextlib.ExitStack() as stack:
            with _map_errors(key):
                file = stack.enter_context(path.open("rb"))
                available = os.fstat(file.fileno()).st_size - offset_bytes
                file.seek(offset_bytes)
            wanted = available if size_bytes is None else size_bytes
            if available < wanted or available < 0:
                raise ObjectMismatch(f"object {key} is shorter than the requested range")

            def chunks() -> Iterator[bytes]:
                left = wanted
                while left and (chunk := file.read(min(CHUNK_BYTES, left))):
                    left -= len(chunk)
                    yield chunk

            yield chunks()


def _touched_s(entry: "os.DirEntry[str]") -> float:
    try:
        return entry.stat(follow_symlinks=False).st_mtime
    except FileNotFoundError:
        return float("inf")  # finished or deleted meanwhile


def _write(part: Path, chunks: Iterable[bytes], *, size_bytes: int, sha256: str) -> None:
    digest, written = hashlib.sha256(), 0
    with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        for chunk in chunks:
            written += len(chunk)
            if written > size_bytes:
                break
            digest.update(chunk)
            file.write(chunk)
        if written != size_bytes or digest.hexdigest() != sha256:
            raise ObjectMismatch(f"the bytes are not the {size_bytes} announced bytes")
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _map_errors(key: str) -> Iterator[None]:
    """Maps errors of the operating system to errors of object stores."""
    try:
        yield
    except FileNotFoundError as error:
        raise ObjectMissing(f"object {key} does not exist") from error
    except PermissionError as error:
        raise StoreRefused(f"the object folder refuses: {error.strerror}") from error
    except OSError as error:
        raise StoreUnavailable(f"the object folder fails: {error.strerror}") from error
