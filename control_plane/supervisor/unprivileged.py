"""Who runs the servers: we ourselves, or an unprivileged account when we are root, since PostgreSQL refuses root."""

import hashlib
import os
import pwd
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from control_plane.supervisor.errors import NoServerAccount, SocketPathTooLong

ACCOUNT = "nobody"
SOCKET_PATH_LIMIT_BYTES = 107
"""What fits into `sockaddr_un`. Source: unix(7)."""


@dataclass(frozen=True)
class Runner:
    """The account of a server process. `uid` is None where it is our own."""

    uid: int | None = None
    gid: int | None = None

    @classmethod
    def current(cls) -> "Runner":
        """Returns ourselves, or the unprivileged account when we are root.

        Raises:
            NoServerAccount: we are root and the account does not exist.
        """
        if os.geteuid() != 0:
            return cls()
        try:
            entry = pwd.getpwnam(ACCOUNT)
        except KeyError as error:
            raise NoServerAccount(ACCOUNT) from error
        return cls(entry.pw_uid, entry.pw_gid)

    def own(self, path: Path, mode: int = 0o700) -> Path:
        """Makes folder `path` if it is not there, gives it to the account, and returns it."""
        path.mkdir(parents=True, exist_ok=True)
        if self.uid is not None and self.gid is not None:
            os.chown(path, self.uid, self.gid)
        path.chmod(mode)
        return path

    def process_options(self) -> dict[str, int | list[int]]:
        """Returns the arguments of `subprocess.Popen` that make the child this account."""
        if self.uid is None or self.gid is None:
            return {}
        return {"user": self.uid, "group": self.gid, "extra_groups": []}

    def reachable(self, path: Path) -> bool:
        """Says whether the account can come to `path`: every folder above it that is there lets others pass."""
        if self.uid is None:
            return True
        there = (parent.stat() for parent in path.parents if parent.exists())
        return all(one.st_mode & 0o001 or one.st_uid == self.uid for one in there)

    def usable_copy(self, source: Path, name: str) -> Path:
        """Returns `source`, or where the account cannot reach it, a copy in a folder that it can.

        The copy is kept for the next start and renewed when the source is newer.
        """
        if self.reachable(source / "x"):
            return source
        target = Path(tempfile.gettempdir()) / "threedance-servers" / name
        stamp = target / ".from"
        wanted = f"{source} {source.stat().st_mtime_ns}"
        if target.is_symlink() or (target.exists() and target.stat().st_uid != 0):
            raise NoServerAccount(f"{ACCOUNT}: {target} belongs to somebody else; remove it")
        if not stamp.is_file() or stamp.read_text() != wanted:
            shutil.rmtree(target, ignore_errors=True)
            target.parent.mkdir(parents=True, exist_ok=True, mode=0o711)
            shutil.copytree(source, target, symlinks=True)
            target.chmod(0o711)
            stamp.write_text(wanted)
        return target


def socket_folder(state: Path, name: str, longest_file: str, runner: Runner) -> Path:
    """Returns a private folder for a unix socket: in `state` where the path fits and can be reached, else a short one.

    Raises:
        SocketPathTooLong: not even the short one fits.
    """
    (state / "run").mkdir(parents=True, exist_ok=True)
    folder = state / "run" / name
    fits = len(os.fsencode(folder / longest_file)) <= SOCKET_PATH_LIMIT_BYTES
    listed = "," in str(folder)  # PostgreSQL's clients take a comma for the end of a host's name
    if not fits or listed or not runner.reachable(folder / longest_file):
        mark = hashlib.sha256(os.fsencode(state)).hexdigest()[:10]
        folder = Path(tempfile.gettempdir()) / f"3d-{os.geteuid()}-{mark}-{name}"
        if len(os.fsencode(folder / longest_file)) > SOCKET_PATH_LIMIT_BYTES:
            raise SocketPathTooLong(folder / longest_file, SOCKET_PATH_LIMIT_BYTES)
    return runner.own(folder)
