"""A root key in a file of mode 0600, with its predecessors. A changed file is read again at the next use.

`python -m control_plane.keys.roots.file PATH` creates the file if it is missing; the launcher calls it.
"""

import base64
import os
import secrets
import sys
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

import msgspec

from control_plane.keys.errors import KeyRefused, RootRefused
from control_plane.keys.key_wrapping import KEY_BYTES, new_key, unwrap, wrap

MOST_KEYS = 8


class _Secret(msgspec.Struct, frozen=True):
    """Has a `repr` without the key, for tracebacks and logs."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}(...)"


class _Key(_Secret, frozen=True, forbid_unknown_fields=True):
    id: str
    key: str


class _RootFile(_Secret, frozen=True, forbid_unknown_fields=True):
    """`keys`: the first one wraps, all unwrap. `seed`: the platform's own keys are derived from it; it never changes."""

    keys: list[_Key]
    seed: str


class _FirstForm(_Secret, frozen=True, forbid_unknown_fields=True):
    """The first file format: one key, which also was the seed."""

    id: str
    key: str


@dataclass(frozen=True)
class _Content:
    keys: tuple[tuple[str, bytes], ...] = field(repr=False)
    seed: bytes = field(repr=False)


class FileRootKey:
    """The keys of one file. The file may be replaced while this object is in use."""

    kind = "a file on the server"

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp, self._content = _stamp(path), _read(path)

    def __repr__(self) -> str:
        return f"FileRootKey({self._content.keys[0][0]})"

    @property
    def path(self) -> Path:
        """The file's path."""
        return self._path

    @property
    def id(self) -> str:
        """See `RootKey.id`."""
        return self._now().keys[0][0]

    @property
    def ids(self) -> list[str]:
        """The ids of all keys in the file, the current one first."""
        return [id_ for id_, _ in self._now().keys]

    def holds(self, id_: str) -> bool:
        """See `RootKey.holds`."""
        return id_ in self.ids

    def wrap(self, secret: bytes, *, kind: str, id_: UUID) -> bytes:
        """See `RootKey.wrap`."""
        return wrap(self._now().keys[0][1], secret, kind=kind, id_=id_)

    def unwrap(self, wrapped: bytes, *, kind: str, id_: UUID) -> bytes:
        """See `RootKey.unwrap`."""
        *others, last = self._now().keys
        for _, key in others:
            try:
                return unwrap(key, wrapped, kind=kind, id_=id_)
            except KeyRefused:
                continue
        return unwrap(last[1], wrapped, kind=kind, id_=id_)

    def seed(self) -> bytes | None:
        """See `RootKey.seed`."""
        return self._now().seed

    def _now(self) -> _Content:
        stamp = _stamp(self._path)
        if stamp != self._stamp:
            # Two threads that get here at once read the same content.
            self._content = _read(self._path)
            self._stamp = stamp
        return self._content


def create_root_key(path: Path) -> bool:
    """Writes a new root key to `path` (mode 0600) unless the file exists; returns whether it did.

    Raises:
        OSError: the file cannot be written; nothing is left of it.
    """
    if path.exists():
        return False
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    part = _written_part(path, _RootFile(keys=[_new()], seed=_text(new_key())))
    try:
        os.link(part, path)
    except FileExistsError:
        return False
    finally:
        part.unlink(missing_ok=True)
    _sync_folder(path.parent)
    return True


def add_root_key(path: Path) -> str:
    """Adds a new key in front of those in the file, atomically; returns its id. The others still unwrap.

    Raises:
        KeyRefused: the file cannot be used, or holds `MOST_KEYS` keys already.
        OSError: it cannot be written; it is unchanged.
    """
    content, new = _read(path), _new()
    if len(content.keys) >= MOST_KEYS:
        raise KeyRefused(f"{path} holds {MOST_KEYS} keys: `threedance manage rotate_root --drop-old` first")
    _replace(path, _Content(((new.id, base64.b64decode(new.key)), *content.keys), content.seed))
    return new.id


def drop_older_keys(path: Path) -> list[str]:
    """Removes all keys but the current one from the file; returns the removed ids.

    The caller has checked that nothing is wrapped under them any more.

    Raises:
        KeyRefused, OSError: see `add_root_key`.
    """
    content = _read(path)
    _replace(path, _Content(content.keys[:1], content.seed))
    return [id_ for id_, _ in content.keys[1:]]


def set_seed(path: Path, seed: bytes) -> None:
    """Replaces the seed in the file, after the root key has moved back to a file.

    Raises:
        KeyRefused, OSError: see `add_root_key`.
    """
    _replace(path, _Content(_read(path).keys, seed))


def _read(path: Path) -> _Content:
    try:
        if path.stat().st_mode & 0o077:
            raise RootRefused(f"the root key file {path} can be read by others: chmod 600 it")
        file = _decoded(path.read_bytes())
        keys = tuple((item.id, base64.b64decode(item.key, validate=True)) for item in file.keys)
        seed = base64.b64decode(file.seed, validate=True)
    except OSError as error:
        raise RootRefused(
            f"the root key file {path} cannot be read ({error.strerror}): `threedance manage init_keys` makes one"
        ) from error
    except (msgspec.MsgspecError, ValueError) as error:
        raise RootRefused(f"the root key file {path} holds no root key") from error
    if not keys:
        raise RootRefused(f"the root key file {path} holds no root key")
    for length in (len(key) for _, key in keys):
        if length != KEY_BYTES:
            raise RootRefused(f"the root key file {path} holds a key of {length} bytes, not {KEY_BYTES}")
    return _Content(keys, seed)


def _decoded(data: bytes) -> _RootFile:
    try:
        return msgspec.json.decode(data, type=_RootFile)
    except msgspec.ValidationError:
        first = msgspec.json.decode(data, type=_FirstForm)
        return _RootFile(keys=[_Key(first.id, first.key)], seed=first.key)


def _stamp(path: Path) -> tuple[int, int, int]:
    try:
        found = path.stat()
    except OSError:
        return (0, 0, 0)
    return (found.st_ino, found.st_mtime_ns, found.st_mode)


def _new() -> _Key:
    return _Key(id=f"root-{secrets.token_hex(4)}", key=_text(new_key()))


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _replace(path: Path, content: _Content) -> None:
    file = _RootFile(
        keys=[_Key(id_, _text(key)) for id_, key in content.keys],
        seed=_text(content.seed),
    )
    _written_part(path, file).rename(path)
    _sync_folder(path.parent)


def _written_part(path: Path, content: _RootFile) -> Path:
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(msgspec.json.encode(content))
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        part.unlink(missing_ok=True)
        raise
    return part


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


if __name__ == "__main__":
    create_root_key(Path(sys.argv[1]))
