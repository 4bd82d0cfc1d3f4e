"""The Unix account of the servers: our own, or the owner of the state folder where root starts a server, as the tests do."""

import hashlib
import os
import shutil
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path

from launcher.errors import ServiceAccountUnusable, SocketPathTooLong, StateUnusable
from launcher.privileges import UnixAccount, is_traversable

SOCKET_PATH_LIMIT_BYTES = 107
"""Longest path in `sockaddr_un`. Source: unix(7)."""


@dataclass(frozen=True)
class ServiceAccount:
    """The account of a server process. `uid` is None if it is our own."""

    uid: int | None = None
    gid: int | None = None

    @classmethod
    def of(cls, state: Path) -> "ServiceAccount":
        """Returns our own account; for root the owner of a state folder, or the system account if that is root.

        PostgreSQL refuses to run as root.
        """
        if os.geteuid() != 0:
            return cls()
        account = UnixAccount.owner_of(state) or UnixAccount.find()
        return cls(account.uid, account.gid) if account is not None else cls()

    def make_owned_folder(self, path: Path, mode: int = 0o700) -> Path:
        """Creates folder `path` if it is missing, gives it to the account, and returns it.

        Raises:
            StateUnusable: it is a link, or the folder of a third account. Short socket folders are in a place where
                every account may write.
        """
        path.mkdir(parents=True, exist_ok=True)
        found = path.lstat()
        if stat.S_ISLNK(found.st_mode) or found.st_uid not in (os.geteuid(), self.uid):
            raise StateUnusable(
                f"{path} is a link or belongs to another account (uid {found.st_uid})",
                "Remove it and start again.",
            )
        if self.uid is not None and self.gid is not None:
            os.chown(path, self.uid, self.gid)
        path.chmod(mode)
        return path

    def popen_options(self) -> dict[str, int | list[int]]:
        """Returns the arguments of `subprocess.Popen` that run the child as this account."""
        if self.uid is None or self.gid is None:
            return {}
        return {"user": self.uid, "group": self.gid, "extra_groups": []}

    def can_reach(self, path: Path) -> bool:
        """Returns whether the account can reach `path`."""
        return self.uid is None or is_traversable(path, self.uid)

    def reachable_copy(self, source: Path, name: str) -> Path:
        """Returns `source`, or a copy in a reachable folder if the account cannot reach it.

        The copy is kept for the next start and replaced when the source changes.
        """
        if self.can_reach(source / "x"):
            return source
        target = Path(tempfile.gettempdir()) / "threedance-servers" / name
        stamp = target / ".from"
        wanted = f"{source} {source.stat().st_mtime_ns}"
        if target.is_symlink() or (target.exists() and target.stat().st_uid != 0):
            raise ServiceAccountUnusable(f"{target} belongs to somebody else; remove it")
        if not stamp.is_file() or stamp.read_text() != wanted:
            shutil.rmtree(target, ignore_errors=True)
            target.parent.mkdir(parents=True, exist_ok=True, mode=0o711)
            shutil.copytree(source, target, symlinks=True)
            target.chmod(0o711)
            stamp.write_text(wanted)
        return target


def socket_folder(state: Path, name: str, longest_file: str, account: ServiceAccount) -> Path:
    """Returns the folder for a unix socket: in `state` if the path fits and can be reached, else one with a short path.

    The creator of the socket creates the folder, by `ServiceAccount.make_owned_folder`.

    Raises:
        SocketPathTooLong: not even the short path fits.
    """
    folder = state / "run" / name
    fits = len(os.fsencode(folder / longest_file)) <= SOCKET_PATH_LIMIT_BYTES
    listed = "," in str(folder)  # PostgreSQL's clients take a comma for the end of a host's name
    if not fits or listed or not account.can_reach(folder / longest_file):
        mark = hashlib.sha256(os.fsencode(state)).hexdigest()[:10]
        uid = os.geteuid() if account.uid is None else account.uid
        folder = Path(tempfile.gettempdir()) / f"3d-{uid}-{mark}-{name}"
        if len(os.fsencode(folder / longest_file)) > SOCKET_PATH_LIMIT_BYTES:
            raise SocketPathTooLong(folder / longest_file, SOCKET_PATH_LIMIT_BYTES)
    return folder
