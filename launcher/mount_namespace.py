"""Exposes a program in a closed folder to one process that is about to become another account.

Root's home is closed (0700), and it may well contain Python, a checkout or an environment. Instead of opening it to all
accounts, the process gets a mount namespace of its own. In it the closed folder contains the program and nothing else.
Source: mount_namespaces(7), mount(2).
"""

import ctypes
import os
import stat
import sys
from pathlib import Path

from launcher.errors import ProgramNotExecutable

_CLONE_NEWNS = 0x0002_0000
_MS_NOSUID, _MS_NODEV, _MS_BIND, _MS_REC, _MS_SLAVE = 2, 4, 4096, 16_384, 1 << 19


def expose_program(uid: int, name: str) -> None:
    """Ensures that an account can run this program, for this process and its descendants. Only root may call this.

    Raises:
        ProgramNotExecutable: it cannot, and this process cannot change that.
    """
    program = _program()
    samples = [*program, Path(__file__).absolute(), Path(sys.executable).resolve()]
    if unreadable := next((path for path in samples if not _is_readable(path.stat(), uid)), None):
        raise ProgramNotExecutable(name, unreadable, "it is closed to others")
    closed = {folder for path in program if (folder := _first_untraversable(path, uid)) is not None}
    if not closed:
        return
    # A folder within another closed one is exposed together with that.
    outermost = {folder for folder in closed if not closed & set(folder.parents)}
    try:
        _mount_only(program, outermost)
    except OSError as error:
        raise ProgramNotExecutable(name, min(outermost), error.strerror or str(error)) from error


def _program() -> list[Path]:
    """Returns the folders of Python and of this program, sorted, none within another."""
    here = Path(__file__).absolute().parents[1]
    candidates = [sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix, str(here), *sys.path]
    folders = {Path(one).absolute() for one in candidates if one}
    folders |= {folder.resolve() for folder in folders}
    folders |= {Path(sys.executable).absolute().parent, Path(sys.executable).resolve().parent}
    existing = sorted(folder for folder in folders if folder.is_dir())
    return [folder for folder in existing if not set(folder.parents) & set(existing)]


def _first_untraversable(path: Path, uid: int) -> Path | None:
    """Returns the outermost parent folder of `path` that an account cannot traverse; None if there is none."""
    return next((folder for folder in reversed(path.parents) if not _may_traverse(folder.stat(), uid)), None)


def _may_traverse(status: os.stat_result, uid: int) -> bool:
    return bool(status.st_mode & stat.S_IXOTH) or status.st_uid == uid


def _is_readable(status: os.stat_result, uid: int) -> bool:
    wanted = stat.S_IROTH | (stat.S_IXOTH if stat.S_ISDIR(status.st_mode) else 0)
    return status.st_uid == uid or status.st_mode & wanted == wanted


def _mount_only(program: list[Path], closed: set[Path]) -> None:
    """Replaces each closed folder, for this process, by one that contains the program's parts of it and nothing else.

    Raises:
        OSError: the system does not allow this, as in most containers.
    """
    libc = ctypes.CDLL(None, use_errno=True)

    def call(result: int) -> None:
        if result:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))

    call(libc.unshare(_CLONE_NEWNS))
    umask = os.umask(0o022)
    # Slave propagation: later mounts of the system appear here, mounts made here appear nowhere else.
    call(libc.mount(b"none", b"/", None, _MS_REC | _MS_SLAVE, None))
    for folder in closed:
        parts = {path: os.open(path, os.O_PATH) for path in program if folder in path.parents}
        call(libc.mount(b"none", os.fsencode(folder), b"tmpfs", _MS_NOSUID | _MS_NODEV, b"mode=0711,size=1m"))
        for path, descriptor in parts.items():
            path.mkdir(parents=True)
            source = f"/proc/self/fd/{descriptor}".encode()
            call(libc.mount(source, os.fsencode(path), None, _MS_BIND | _MS_REC | _MS_NOSUID, None))
            os.close(descriptor)
    os.umask(umask)
    try:
        os.chdir(Path.cwd())
    except OSError:
        os.chdir("/")
