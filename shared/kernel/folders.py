"""Folders of a user's files, resolved only when needed: containers often have no home folder.

Source: XDG Base Directory Specification of freedesktop.org.
"""

import os
from pathlib import Path


class NoHome(Exception):
    """This user has no home folder: neither `HOME` nor an entry in the list of users."""

    def __init__(self) -> None:
        super().__init__("this user has no home folder")


def state_base() -> Path:
    """Returns the folder of persistent state: `XDG_STATE_HOME`, or `.local/state` in the home.

    Raises:
        NoHome: this user has no home.
    """
    return _base("XDG_STATE_HOME", ".local/state")


def cache_base() -> Path:
    """Returns the folder of caches: `XDG_CACHE_HOME`, or `.cache` in the home.

    Raises:
        NoHome: this user has no home.
    """
    return _base("XDG_CACHE_HOME", ".cache")


def expanded(path: Path) -> Path:
    """Returns `path` with a leading `~` replaced by the home.

    Raises:
        NoHome: `path` begins with `~`, and this user has no home.
    """
    if not path.parts or not path.parts[0].startswith("~"):
        return path
    try:
        return path.expanduser()
    except RuntimeError as error:
        if path.parts[0] != "~":
            return path  # No such user: the path is a file of this name.
        raise NoHome from error


def _base(variable: str, under_home: str) -> Path:
    named = os.environ.get(variable, "")
    # The specification ignores relative paths, whose folder would depend on the working directory.
    return Path(named) if os.path.isabs(named) else expanded(Path("~")) / under_home
