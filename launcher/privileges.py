"""The account that a control plane runs as when root starts it: the owner of its state folder, and nobody else's.

Root starts one for its convenience (a port below 1024, a system folder, a container), not because anything of it needs
root. So the whole of it, supervisor included, becomes the owner of the state folder before it does anything there; so
does every other command on that folder. A new folder is given to the system account `threedance`.
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
from launcher.errors import NoServerAccount, StateUnusable
from launcher.mount_namespace import open_program
from launcher.parent_death import kept_bond

NAME = "threedance"
COMMENT = "3Dance control plane"
ELSEWHERE = "/var/lib/threedance"
CONTENT = ("keys", "postgres", "postgres.part", "valkey", "objects", "run", "logs", "disk-reserve")
"""What a state folder consists of; whatever else lies in it is somebody else's and left alone."""
PYCACHE = Path("/var/cache/threedance")
MAKE_TIMEOUT_S = 30
MAKE_TRIES = 5
_PR_SET_NO_NEW_PRIVS = 38


@dataclass(frozen=True)
class Account:
    """Somebody who is not root. `name` is empty where the system knows none for the number."""

    uid: int
    gid: int
    name: str = ""

    @classmethod
    def of(cls, state: Path) -> "Account | None":
        """Returns the owner of a state folder; None where it is not there, or root's."""
        try:
            told = state.stat()
        except OSError:
            return None
        if told.st_uid == 0:
            return None
        try:
            entry = pwd.getpwuid(told.st_uid)
        except KeyError:
            return cls(told.st_uid, told.st_gid)
        return cls(told.st_uid, entry.pw_gid, entry.pw_name)

    @classmethod
    def found(cls) -> "Account | None":
        """Returns the system account `threedance`, or None where there is none."""
        try:
            entry = pwd.getpwnam(NAME)
        except KeyError:
            return None
        return cls(entry.pw_uid, entry.pw_gid, entry.pw_name)

    def require_way_to(self, state: Path) -> None:
        """Passes where the account can come to a state folder.

        Raises:
            StateUnusable: it cannot.
        """
        if not passable(state, self.uid):
            raise StateUnusable(
                f"the account {self.name or self.uid}, which runs the control plane for root, cannot enter {state}",
                f"Give a --state that others may pass through, such as {ELSEWHERE}, or run this as a normal user.",
            )

    @classmethod
    def made(cls, note: Callable[[str], None] = lambda text: None) -> "Account":
        """Returns the system account `threedance`, made where there is none: no password, no shell, no home.

        Args:
            note: told in words where it was made.

        Raises:
            NoServerAccount: it cannot be made; the message says why.
        """
        if (account := cls.found()) is not None:
            return account
        error = ""
        for turn in range(MAKE_TRIES):
            error = _make()
            # Another process may have been faster, or hold the lock of the file for a moment.
            if (account := cls.found()) is not None:
                note(f"made the system account {NAME}, which runs the control plane for root")
                return account
            time.sleep(0.2 * turn)
        raise NoServerAccount(error)


def enter(state: Path) -> None:
    """Becomes the owner of a state folder, where root calls this and the folder has an owner who is not root.

    Raises:
        SupervisorError: that is not possible; the message says why.
    """
    account = Account.of(state) if os.geteuid() == 0 else None
    if account is not None:
        _become(account, state)


def adopt(state: Path, account: Account, note: Callable[[str], None] = lambda text: None) -> None:
    """Gives a folder of root's to an account, the folder itself last, so that a run that was cut short goes on.

    Follows no symbolic link, and gives away no file that has another name elsewhere: parts of an old folder were open to
    an account that others shared.

    Raises:
        StateUnusable: it is no state folder, or holds something that must not be given away.
        OSError: the system refuses.
    """
    entries = {entry.name for entry in os.scandir(state)}
    if state.stat().st_mode & stat.S_IWOTH or (entries and not entries & set(CONTENT)):
        raise StateUnusable(
            f"{state} is not empty, and no state folder of a control plane",
            f"Give a folder of its own with --state, such as {ELSEWHERE}.",
        )
    if entries:
        note(f"giving {state} to the account {account.name or account.uid}, once")
    folder = os.open(state, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        for name in sorted(entries & set(CONTENT)):
            _give(name, folder, account)
        os.fchmod(folder, 0o711)
        os.fchown(folder, account.uid, account.gid)
    finally:
        os.close(folder)


def _give(name: str, folder: int, account: Account) -> None:
    _chown(name, folder, account)
    for _, folders, files, within in os.fwalk(name, dir_fd=folder, follow_symlinks=False):
        for entry in (*folders, *files):
            _chown(entry, within, account)


def _chown(name: str, folder: int, account: Account) -> None:
    told = os.stat(name, dir_fd=folder, follow_symlinks=False)
    if told.st_uid == account.uid and told.st_gid == account.gid:
        return
    if stat.S_ISREG(told.st_mode) and told.st_nlink > 1:
        raise StateUnusable(
            f"the file {name} in the state folder has a second name elsewhere, and is not given away",
            f"Find it with: find / -xdev -inum {told.st_ino}; and copy it in place of the link.",
        )
    os.chown(name, account.uid, account.gid, dir_fd=folder, follow_symlinks=False)


def _become(account: Account, state: Path) -> None:
    """Changes this process into the account, for good.

    Raises:
        NoServerAccount: the system refuses.
        SupervisorError: the account could not run the program, or enter the folder.
    """
    account.require_way_to(state)
    secrets = _unreadable_secrets(account)
    open_program(account.uid, account.name or str(account.uid))
    _move_pycache(account)
    try:
        with kept_bond():
            if account.name:
                os.initgroups(account.name, account.gid)
            else:
                os.setgroups([account.gid])
            os.setresgid(account.gid, account.gid, account.gid)
            os.setresuid(account.uid, account.uid, account.uid)
            if sys.platform == "linux":
                ctypes.CDLL(None).prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    except OSError as error:
        raise NoServerAccount(
            f"root here may not become {account.name or account.uid}: {error.strerror}"
        ) from error
    for name in [name for name in os.environ if name.startswith(("XDG_", "SUDO_"))]:
        del os.environ[name]
    for name in secrets:
        del os.environ[f"{name}_FILE"]
    os.environ.update(secrets, HOME=str(state), USER=account.name, LOGNAME=account.name)


def passable(path: Path, uid: int) -> bool:
    """Says whether an account can come to `path`: every folder above it that is there lets others pass, or is its own."""
    there = (parent.stat() for parent in path.absolute().parents if parent.exists())
    return all(one.st_mode & stat.S_IXOTH or one.st_uid == uid for one in there)


def _make() -> str:
    """Makes the account with what this system has for it; returns why it could not, or an empty text."""
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
                step, capture_output=True, text=True, timeout=MAKE_TIMEOUT_S, check=False, env={"PATH": path}
            )
        return (done.stderr or done.stdout).strip() if done.returncode else ""
    return "this system has neither useradd nor adduser"


def _unreadable_secrets(account: Account) -> dict[str, str]:
    """Returns the secrets in files that root may read and the account may not, by their variables' own names."""
    found = {}
    for name in (PREFIX + secret.upper() for secret in SECRETS):
        path = Path(os.environ.get(f"{name}_FILE", ""))
        if not path.is_file():
            continue
        told = path.stat()
        if not (told.st_uid == account.uid or told.st_mode & stat.S_IROTH) or not passable(path, account.uid):
            found[name] = path.read_text(encoding="utf-8").strip()
    return found


def _move_pycache(account: Account) -> None:
    """Where compiled modules are kept apart, and root's are not the account's to write, gives it a place of its own."""
    kept = os.environ.get("PYTHONPYCACHEPREFIX")
    if not kept or (Path(kept).exists() and Path(kept).stat().st_uid == account.uid):
        return
    own = PYCACHE / f"pycache-{account.uid}"
    PYCACHE.mkdir(parents=True, exist_ok=True, mode=0o711)
    own.mkdir(exist_ok=True, mode=0o700)
    os.chown(own, account.uid, account.gid, follow_symlinks=False)
    os.environ["PYTHONPYCACHEPREFIX"] = sys.pycache_prefix = str(own)
