"""Who runs the servers: we ourselves, or, where root starts one alone as the tests do, the account of the state folder."""

import hashlib
import os
import shutil
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path

from launcher.errors import NoServerAccount, SocketPathTooLong, StateUnusable
from launcher.privileges import Account, passable

SOCKET_PATH_LIMIT_BYTES = 107
"""What fits into `sockaddr_un`. Source: unix(7)."""


@dataclass(frozen=True)
class Runner:
    """The account of a server process. `uid` is None where it is our own."""

    uid: int | None = None
    gid: int | None = None

    @classmethod
    def of(cls, state: Path) -> "Runner":
        """Returns ourselves, or where we are root the owner of a state folder; root's own is the system account's.

        PostgreSQL refuses to be root.
        """
        if os.geteuid() != 0:
            return cls()
        account = Account.of(state) or Account.found()
        return cls(account.uid, account.gid) if account is not None else cls()

    def own(self, path: Path, mode: int = 0o700) -> Path:
        """Makes folder `path` if it is not there, gives it to the account, and returns it.

        Raises:
            StateUnusable: there is a link, or a folder of an account that is neither this one nor ours; short socket
                folders lie where everybody may write.
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

    def process_options(self) -> dict[str, int | list[int]]:
        """Returns the arguments of `subprocess.Popen` that make the child this account."""
        if self.uid is None or self.gid is None:
            return {}
        return {"user": self.uid, "group": self.gid, "extra_groups": []}

    def reachable(self, path: Path) -> bool:
        """Says whether the account can come to `path`."""
        return self.uid is None or passable(path, self.uid)

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
            raise NoServerAccount(f"{target} belongs to somebody else; remove it")
        if not stamp.is_file() or stamp.read_text() != wanted:
            shutil.rmtree(target, ignore_errors=True)
            target.parent.mkdir(parents=True, exist_ok=True, mode=0o711)
            shutil.copytree(source, target, symlinks=True)
            target.chmod(0o711)
            stamp.write_text(wanted)
        return target


def socket_folder(state: Path, name: str, longest_file: str, runner: Runner) -> Path:
    """Returns where a unix socket belongs: in `state` where the path fits and can be reached, else a short folder.

    Who makes the socket makes the folder, with `Runner.own`.

    Raises:
        SocketPathTooLong: not even the short one fits.
    """
    folder = state / "run" / name
    fits = len(os.fsencode(folder / longest_file)) <= SOCKET_PATH_LIMIT_BYTES
    listed = "," in str(folder)  # PostgreSQL's clients take a comma for the end of a host's name
    if not fits or listed or not runner.reachable(folder / longest_file):
        mark = hashlib.sha256(os.fsencode(state)).hexdigest()[:10]
        uid = os.geteuid() if runner.uid is None else runner.uid
        folder = Path(tempfile.gettempdir()) / f"3d-{uid}-{mark}-{name}"
        if len(os.fsencode(folder / longest_file)) > SOCKET_PATH_LIMIT_BYTES:
            raise SocketPathTooLong(folder / longest_file, SOCKET_PATH_LIMIT_BYTES)
    return folder
