"""A program in a folder that is closed to others, opened for the one process that is about to become another account.

Root's own home is closed (0700), and Python, a checkout or an environment may well lie in it. Instead of opening it to
everybody, the process gets a mount namespace of its own in which the closed folder shows the program and nothing else.
Source: mount_namespaces(7), mount(2).
"""

import ctypes
import os
import stat
import sys
from pathlib import Path

from launcher.errors import ProgramClosed

_CLONE_NEWNS = 0x0002_0000
_MS_NOSUID, _MS_NODEV, _MS_BIND, _MS_REC, _MS_SLAVE = 2, 4, 4096, 16_384, 1 << 19


def open_program(uid: int, name: str) -> None:
    """Makes sure that an account can run this program, for this process and those that it starts; only root may call it.

    Raises:
        ProgramClosed: it cannot, and nothing can be done about it from here.
    """
    program = _program()
    samples = [*program, Path(__file__).absolute(), Path(sys.executable).resolve()]
    if unreadable := next((path for path in samples if not _is_readable(path.stat(), uid)), None):
        raise ProgramClosed(name, unreadable, "it is closed to others")
    closed = {folder for path in program if (folder := _closed_above(path, uid)) is not None}
    if not closed:
        return
    # A folder within another closed one comes with that.
    outermost = {folder for folder in closed if not closed & set(folder.parents)}
    try:
        _show_only(program, outermost)
    except OSError as error:
        raise ProgramClosed(name, min(outermost), error.strerror or str(error)) from error


def _program() -> list[Path]:
    """Returns the folders that Python and this program are in, outermost first, none within another."""
    here = Path(__file__).absolute().parents[1]
    told = [sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix, str(here), *sys.path]
    folders = {Path(one).absolute() for one in told if one}
    folders |= {folder.resolve() for folder in folders}
    folders |= {Path(sys.executable).absolute().parent, Path(sys.executable).resolve().parent}
    there = sorted(folder for folder in folders if folder.is_dir())
    return [folder for folder in there if not set(folder.parents) & set(there)]


def _closed_above(path: Path, uid: int) -> Path | None:
    """Returns the outermost folder above `path` that an account cannot pass through; None where there is none."""
    return next((folder for folder in reversed(path.parents) if not _passes(folder.stat(), uid)), None)


def _passes(told: os.stat_result, uid: int) -> bool:
    return bool(told.st_mode & stat.S_IXOTH) or told.st_uid == uid


def _is_readable(told: os.stat_result, uid: int) -> bool:
    wanted = stat.S_IROTH | (stat.S_IXOTH if stat.S_ISDIR(told.st_mode) else 0)
    return told.st_uid == uid or told.st_mode & wanted == wanted


def _show_only(program: list[Path], closed: set[Path]) -> None:
    """Has this process see in each closed folder the parts of the program that are there, and nothing else.

    Raises:
        OSError: the system does not allow it, as in most containers.
    """
    libc = ctypes.CDLL(None, use_errno=True)

    def call(result: int) -> None:
        if result:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))

    call(libc.unshare(_CLONE_NEWNS))
    umask = os.umask(0o022)
    # What is mounted elsewhere later is seen here; what is mounted here is not seen elsewhere.
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
