"""A disk whose power can be cut: it keeps what POSIX promises, and of the rest whatever a throw of dice leaves.

`PoweredFiles` does everything on a real folder and keeps books beside it: what of each file and each name has been
synced, and what only waits. `cut` makes a folder as it may be found after the power came back: synced bytes and names
are there; each write that waited may be there, gone, cut at a sector or turned to zeros; each new name, rename and
removal that waited may have happened or not, whatever happened to the others. SQLite's own files are taken as they
are: it syncs each transaction itself. Source of the method: Pillai et al., "All File Systems Are Not Created Equal"
(OSDI 2014), and SQLite's crash tests.
"""

import copy
import errno
import os
import random
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from unittest.mock import patch

from edge_agent.files import Files
from edge_agent.spool.index import Index

SECTOR_BYTES = 512
INDEX_WRITES = (
    "add_segment",
    "add_segments",
    "mark",
    "refuse",
    "mark_removed",
    "requeue",
    "mark_stored",
    "add_gap",
    "settle_gaps",
    "prune",
)


@dataclass
class _File:
    """A file by its content; names lie in folders."""

    synced: bytes = b""
    waiting: list[tuple[int, bytes | None]] = field(default_factory=list)
    """Writes by offset; None as data: a cut to that size."""
    size_bytes: int = 0


@dataclass
class _Folder:
    synced: dict[str, "_File | _Folder"] = field(default_factory=dict)
    now: dict[str, "_File | _Folder"] = field(default_factory=dict)
    waiting: list[tuple[str | None, str | None, "_File | _Folder"]] = field(default_factory=list)
    """Changes of names as (name that goes, name that comes, what bears it)."""


@dataclass(frozen=True)
class Moment:
    """Content of the disk before one step, and the promises made by then."""

    step: str
    root: _Folder
    index: dict[str, bytes]
    promised: object


class PoweredFiles(Files):
    """The file system of one folder, with its power switch.

    Args:
        root: the folder; what is in it now counts as synced.
        witness: called before each step; what it returns is kept with the moment.
        fail_at: the number of the step that is refused, from 0; None: none is.
        error: with which errno.
        fail_for: how many steps in a row are refused.
    """

    def __init__(
        self,
        root: Path,
        witness: Callable[[], object] = lambda: None,
        *,
        fail_at: int | None = None,
        error: int = errno.EIO,
        fail_for: int = 1,
    ) -> None:
        self.root = root
        self.moments: list[Moment] = []
        self.refused = 0
        self._steps = 0
        self._witness = witness
        self._failing = range(fail_at, fail_at + fail_for) if fail_at is not None else range(0)
        self._error = error
        self._tree = _as_found(root)
        self._open: dict[int, _File] = {}

    def step(self, what: str) -> None:
        """Counts a step, and keeps the moment before it."""
        index = {
            path.name: path.read_bytes()
            for path in self.root.glob("index.sqlite*")
            if not path.name.endswith("-shm")
        }
        self.moments.append(Moment(what, copy.deepcopy(self._tree), index, self._witness()))
        self._steps += 1

    def refuse_if_due(self) -> None:
        """Refuses the step that was counted last, where it is one of those to be refused.

        Raises:
            OSError: it is.
        """
        if self._steps - 1 in self._failing:
            self.refused += 1
            raise OSError(self._error, os.strerror(self._error))

    def _take(self, what: str) -> None:
        self.step(what)
        self.refuse_if_due()

    def make_folder(self, folder: Path) -> None:
        self._take(f"mkdir {folder.name}")
        super().make_folder(folder)
        if folder != self.root and self.root in folder.parents:
            self._name(folder.parent, None, folder.name, _Folder())

    def open_append(self, path: Path, *, mode: int = 0o600) -> int:
        self._take(f"open {path.suffix}")
        descriptor = super().open_append(path, mode=mode)
        known = self._folder(path.parent).now.get(path.name)
        if known is None:
            known = _File()
            self._name(path.parent, None, path.name, known)
        assert isinstance(known, _File)
        self._open[descriptor] = known
        return descriptor

    def append(self, descriptor: int, data: memoryview) -> None:
        self.step("append")
        try:
            self.refuse_if_due()
        except OSError:
            self._append(descriptor, data[: len(data) // 2])
            raise
        self._append(descriptor, data)

    def _append(self, descriptor: int, data: memoryview) -> None:
        super().append(descriptor, data)
        file = self._open[descriptor]
        file.waiting.append((file.size_bytes, bytes(data)))
        file.size_bytes += len(data)

    def truncate(self, descriptor: int, size_bytes: int) -> None:
        self._take("truncate")
        super().truncate(descriptor, size_bytes)
        file = self._open[descriptor]
        file.waiting.append((size_bytes, None))
        file.size_bytes = size_bytes

    def sync(self, descriptor: int) -> None:
        self._take("sync")
        file = self._open[descriptor]
        for offset, data in file.waiting:
            file.synced = _written(file.synced, offset, data)
        file.waiting.clear()

    def close(self, descriptor: int) -> None:
        super().close(descriptor)
        del self._open[descriptor]

    def rename(self, old: Path, new: Path) -> None:
        self._take(f"rename {old.suffix} to {new.suffix}")
        super().rename(old, new)
        node = self._folder(old.parent).now.get(old.name)
        if node is not None:
            self._name(old.parent, old.name, new.name, node)

    def remove(self, path: Path) -> None:
        self._take(f"remove {path.suffix}")
        super().remove(path)
        node = self._folder(path.parent).now.get(path.name)
        if node is not None:
            self._name(path.parent, path.name, None, node)

    def sync_folder(self, folder: Path) -> None:
        self._take(f"sync folder {folder.name}")
        if folder != self.root and self.root not in folder.parents:
            return
        known = self._folder(folder)
        known.synced = dict(known.now)
        known.waiting.clear()

    def _folder(self, path: Path) -> _Folder:
        node: _File | _Folder = self._tree
        for part in path.relative_to(self.root).parts:
            assert isinstance(node, _Folder)
            node = node.now[part]
        assert isinstance(node, _Folder)
        return node

    def _name(self, folder: Path, goes: str | None, comes: str | None, node: "_File | _Folder") -> None:
        known = self._folder(folder)
        known.waiting.append((goes, comes, node))
        _renamed(known.now, goes, comes, node)


def cut(moment: Moment, into: Path, dice: random.Random, *, keep: float, with_index: bool = True) -> None:
    """Makes in `into` what a power cut at `moment` may leave.

    Args:
        keep: the chance of each thing that was not synced to be there; 0 and 1 are the two clean extremes.
        with_index: whether SQLite's files survive.
    """
    _restore(moment.root, into, dice, keep)
    if with_index:
        for name, data in moment.index.items():
            (into / name).write_bytes(data)


@contextmanager
def index_steps(files: PoweredFiles) -> Iterator[None]:
    """Counts each write to the index as a step of `files`, so that the power can go before it and after it."""

    def counted(name: str) -> Callable[..., object]:
        write = getattr(Index, name)

        def method(self: Index, *args: object) -> object:
            files.step(f"index {name}")
            try:
                files.refuse_if_due()
            except OSError as error:
                raise sqlite3.OperationalError("database or disk is full") from error
            return write(self, *args)

        return method

    with ExitStack() as stack:
        for name in INDEX_WRITES:
            stack.enter_context(patch.object(Index, name, counted(name)))
        yield


def _restore(folder: _Folder, into: Path, dice: random.Random, keep: float) -> None:
    into.mkdir(exist_ok=True)
    names = dict(folder.synced)
    for goes, comes, node in folder.waiting:
        if dice.random() < keep:
            _renamed(names, goes, comes, node)
    for name, node in names.items():
        if isinstance(node, _Folder):
            _restore(node, into / name, dice, keep)
        else:
            (into / name).write_bytes(_content(node, dice, keep))


def _content(file: _File, dice: random.Random, keep: float) -> bytes:
    content = file.synced
    for offset, data in file.waiting:
        if dice.random() < keep:
            content = _written(content, offset, data)
        elif data and 0 < keep < 1:
            kind = dice.randrange(3)
            if kind == 0:
                content = _written(
                    content, offset, data[: dice.randrange(len(data)) // SECTOR_BYTES * SECTOR_BYTES]
                )
            elif kind == 1:
                content = _written(content, offset, bytes(len(data)))
    return content


def _written(content: bytes, offset: int, data: bytes | None) -> bytes:
    if data is None:
        return content[:offset].ljust(offset, b"\0")
    return content[:offset].ljust(offset, b"\0") + data + content[offset + len(data) :]


def _renamed(
    names: dict[str, "_File | _Folder"], goes: str | None, comes: str | None, node: "_File | _Folder"
) -> None:
    if goes is not None:
        names.pop(goes, None)
    if comes is not None:
        names[comes] = node


def _as_found(folder: Path) -> _Folder:
    found = _Folder()
    for path in folder.iterdir() if folder.exists() else ():
        if path.is_dir():
            found.now[path.name] = _as_found(path)
        elif not path.name.startswith("index.sqlite") and path.name != "lock":
            content = path.read_bytes()
            found.now[path.name] = _File(synced=content, size_bytes=len(content))
    found.synced = dict(found.now)
    return found
