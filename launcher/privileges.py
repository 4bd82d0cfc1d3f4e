"""Drops root privileges: a control plane that root starts runs as the owner of its state folder.

Root starts one for convenience (a port below 1024, a system folder, a container); nothing in it needs root. All of it,
the launcher included, therefore becomes the owner of the state folder before it touches that folder. So does every other
command on the folder. A new folder is given to the system account `threedance`.
"""

import ctypes
import os
import pwd
import shutil
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from control_plane.config.env import PREFIX, SECRETS
from launcher.errors import ServiceAccountUnusable, StateUnusable
from launcher.mount_namespace import expose_program
from launcher.parent_death import preserved_parent_death_signal

NAME = "threedance"
COMMENT = "3Dance control plane"
SUGGESTED_STATE = "/var/lib/threedance"
STATE_ENTRIES = ("keys", "postgres", "postgres.part", "valkey", "objects", "run", "logs", "disk-reserve")
"""The entries of a state folder; anything else in it belongs to others and is left alone."""
PYCACHE = Path("/var/cache/threedance")
USERADD_TIMEOUT_S = 30
USERADD_ATTEMPTS = 5
_PR_SET_NO_NEW_PRIVS = 38


@dataclass(frozen=True)
class UnixAccount:
    """An account other than root. `name` is empty if the system has none for the number."""

    uid: int
    gid: int
    name: str = ""

    @classmethod
    def owner_of(cls, state: Path) -> "UnixAccount | None":
        """Returns the owner of a state folder; None if it is missing or root owns it."""
        try:
            status = state.stat()
        except OSError:
            return None
        if status.st_uid == 0:
            return None
        try:
            entry = pwd.getpwuid(status.st_uid)
        except KeyError:
            return cls(status.st_uid, status.st_gid)
        return cls(status.st_uid, entry.pw_gid, entry.pw_name)

    @classmethod
    def find(cls) -> "UnixAccount | None":
        """Returns the system account `threedance`; None if there is none."""
        try:
            entry = pwd.getpwnam(NAME)
        except KeyError:
            return None
        return cls(entry.pw_uid, entry.pw_gid, entry.pw_name)

    def require_access_to(self, state: Path) -> None:
        """Checks that the account can reach a state folder.

        Raises:
            StateUnusable: it cannot.
        """
        if not is_traversable(state, self.uid):
            raise StateUnusable(
                f"the account {self.name or self.uid}, which runs the control plane for root, cannot enter {state}",
                f"Give a --state that others may pass through, such as {SUGGESTED_STATE}, or run this as a normal user.",
            )

    @classmethod
    def ensure(cls, note: Callable[[str], None] = lambda text: None) -> "UnixAccount":
        """Returns the system account `threedance`, created if it is missing: no password, no shell, no home.

        Args:
            note: called with a text if it was created.

        Raises:
            ServiceAccountUnusable: it cannot be created; the message gives the reason.
        """
        if (account := cls.find()) is not None:
            return account
        error = ""
        for attempt in range(USERADD_ATTEMPTS):
            error = _create_account()
            # Another process may have created it, or may hold the lock of /etc/passwd for a moment.
            if (account := cls.find()) is not None:
                note(f"made the system account {NAME}, which runs the control plane for root")
                return account
            time.sleep(0.2 * attempt)
        raise ServiceAccountUnusable(error)


def drop_to_owner(state: Path) -> None:
    """Changes this process to the owner of a state folder, if root runs it and another account owns the folder.

    Raises:
        LauncherError: this is not possible; the message gives the reason.
    """
    account = UnixAccount.owner_of(state) if os.geteuid() == 0 else None
    if account is not None:
        _switch_to(account, state)


def transfer_ownership(
    state: Path, account: UnixAccount, note: Callable[[str], None] = lambda text: None
) -> None:
    """Gives a folder that root owns to an account. The folder itself comes last, so that an interrupted call is resumed.

    Follows no symbolic link and gives away no file with a second hard link: parts of an old folder were writable by an
    account that others shared, which could have linked files of root there.

    Raises:
        StateUnusable: it is no state folder, or holds a file that must not be given away.
        OSError: the system refuses.
    """
    entries = {entry.name for entry in os.scandir(state)}
    if state.stat().st_mode & stat.S_IWOTH or (entries and not entries & set(STATE_ENTRIES)):
        raise StateUnusable(
            f"{state} is not empty, and no state folder of a control plane",
            f"Give a folder of its own with --state, such as {SUGGESTED_STATE}.",
        )
    if entries:
        note(f"giving {state} to the account {account.name or account.uid}, once")
    folder = os.open(state, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        for name in sorted(entries & set(STATE_ENTRIES)):
            _chown_tree(name, folder, account)
        os.fchmod(folder, 0o711)
        os.fchown(folder, account.uid, account.gid)
    finally:
        os.close(folder)


def _chown_tree(name: str, folder: int, account: UnixAccount) -> None:
    _chown(name, folder, account)
    for _, folders, files, within in os.fwalk(name, dir_fd=folder, follow_symlinks=False):
        for entry in (*folders, *files):
            _chown(entry, within, account)


def _chown(name: str, folder: int, account: UnixAccount) -> None:
    status = os.stat(name, dir_fd=folder, follow_symlinks=False)
    if status.st_uid == account.uid and status.st_gid == account.gid:
        return
    if stat.S_ISREG(status.st_mode) and status.st_nlink > 1:
        raise StateUnusable(
            f"the file {name} in the state folder has a second name elsewhere, and is not given away",
            f"Find it with: find / -xdev -inum {status.st_ino}; and copy it in place of the link.",
        )
    os.chown(name, account.uid, account.gid, dir_fd=folder, follow_symlinks=False)


def _switch_to(account: UnixAccount, state: Path) -> None:
    """Changes this process to the account, irrevocably.

    Raises:
        ServiceAccountUnusable: the system refuses.
        LauncherError: the account could not run this program or reach the folder.
    """
    account.require_access_to(state)
    secrets = _unreadable_secrets(account)
    expose_program(account.uid, account.name or str(account.uid))
    _move_pycache(account)
    try:
        with preserved_parent_death_signal():
            if account.name:
                os.initgroups(account.name, account.gid)
            else:
                os.setgroups([account.gid])
            os.setresgid(account.gid, account.gid, account.gid)
            os.setresuid(account.uid, account.uid, account.uid)
            if sys.platform == "linux":
                ctypes.CDLL(None).prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    except OSError as error:
        raise ServiceAccountUnusable(
            f"root here may not become {account.name or account.uid}: {error.strerror}"
        ) from error
    for name in [name for name in os.environ if name.startswith(("XDG_", "SUDO_"))]:
        del os.environ[name]
    for name in secrets:
        del os.environ[f"{name}_FILE"]
    os.environ.update(secrets, HOME=str(state), USER=account.name, LOGNAME=account.name)


def is_traversable(path: Path, uid: int) -> bool:
    """Returns whether an account can reach `path`: it owns each existing parent folder or may traverse it."""
    parents = (parent.stat() for parent in path.absolute().parents if parent.exists())
    return all(one.st_mode & stat.S_IXOTH or one.st_uid == uid for one in parents)


def _create_account() -> str:
    """Creates the account with the tools of this system. Returns the reason of a failure, or an empty text."""
    commands: list[list[list[str]]] = [
        [
            [
                "useradd", "--system", "--user-group", "--no-create-home", "--home-dir", "/nonexistent",
                "--shell", "/usr/sbin/nologin", "--comment", COMMENT, NAME,
            ]
        ],
        [
            ["addgroup", "-S", NAME],
            ["adduser", "-S", "-D", "-H", "-h", "/nonexistent", "-s", "/sbin/nologin", "-g", COMMENT, "-G", NAME, NAME],
        ],
    ]  # fmt: skip
    path = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"))
    for steps in commands:
        if shutil.which(steps[-1][0], path=path) is None:
            continue
        for step in steps:
            done = subprocess.run(
                step,
                capture_output=True,
                text=True,
                timeout=USERADD_TIMEOUT_S,
                check=False,
                env={"PATH": path},
            )
        return (done.stderr or done.stdout).strip() if done.returncode else ""
    return "this system has neither useradd nor adduser"


def _unreadable_secrets(account: UnixAccount) -> dict[str, str]:
    """Returns the secrets in files that root may read and the account may not, by the names of their variables."""
    found = {}
    for name in (PREFIX + secret.upper() for secret in SECRETS):
        path = Path(os.environ.get(f"{name}_FILE", ""))
        if not path.is_file():
            continue
        status = path.stat()
        if not (status.st_uid == account.uid or status.st_mode & stat.S_IROTH) or not is_traversable(
            path, account.uid
        ):
            found[name] = path.read_text(encoding="utf-8").strip()
    return found


def _move_pycache(account: UnixAccount) -> None:
    """Gives the account a bytecode cache of its own if there is a common one that it may not write."""
    prefix = os.environ.get("PYTHONPYCACHEPREFIX")
    if not prefix or (Path(prefix).exists() and Path(prefix).stat().st_uid == account.uid):
        return
    own = PYCACHE / f"pycache-{account.uid}"
    PYCACHE.mkdir(parents=True, exist_ok=True, mode=0o711)
    own.mkdir(exist_ok=True, mode=0o700)
    os.chown(own, account.uid, account.gid, follow_symlinks=False)
    os.environ["PYTHONPYCACHEPREFIX"] = sys.pycache_prefix = str(own)
