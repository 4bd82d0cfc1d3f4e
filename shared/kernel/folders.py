"""Where programs keep the files of a user, looked up only when it is needed: in a container there is often no home.

Source: XDG Base Directory Specification of freedesktop.org.
"""

import os
from pathlib import Path


class NoHome(Exception):
    """This user has no home folder: neither `HOME` nor an entry in the list of users."""

    def __init__(self) -> None:
        super().__init__("this user has no home folder")


def state_base() -> Path:
    """Returns the folder for what has to outlive a restart: `XDG_STATE_HOME`, or `.local/state` in the home.

    Raises:
        NoHome: this user has none.
    """
    return _base("XDG_STATE_HOME", ".local/state")


def cache_base() -> Path:
    """Returns the folder for what can be made again: `XDG_CACHE_HOME`, or `.cache` in the home.

    Raises:
        NoHome: this user has none.
    """
    return _base("XDG_CACHE_HOME", ".cache")


def expanded(path: Path) -> Path:
    """Returns `path` with the home in the place of a leading `~`.

    Raises:
        NoHome: it begins with `~`, and this user has none.
    """
    if not path.parts or not path.parts[0].startswith("~"):
        return path
    try:
        return path.expanduser()
    except RuntimeError as error:
        if path.parts[0] != "~":
            return path  # A file of this name: there is no such user.
        raise NoHome from error


def _base(variable: str, under_home: str) -> Path:
    named = os.environ.get(variable, "")
    # The specification has relative paths ignored: they would mean another folder wherever a program starts.
    return Path(named) if os.path.isabs(named) else expanded(Path("~")) / under_home
