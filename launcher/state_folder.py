"""The one folder that holds everything, and what the processes are told of it."""

import os
import pwd
from pathlib import Path
from typing import NamedTuple

from control_plane.storage.roots.file import create_root_key
from launcher.errors import StateUnusable
from launcher.postgres import secret_file
from shared.kernel.folders import NoHome, expanded
from shared.kernel.service import VARIABLES as SERVICE_VARIABLES


class Addresses(NamedTuple):
    """Where the servers of one state folder are."""

    database: str
    database_owner: str
    valkey: str
    public: str


def default_state() -> Path:
    """Returns the state folder where none is named: the user's own, or the system's when root runs this.

    Raises:
        StateUnusable: this user has no home, as often in a container.
    """
    if os.geteuid() == 0:
        return Path("/var/lib/threedance")
    base = os.environ.get("XDG_STATE_HOME")
    if not base:
        try:
            home = pwd.getpwuid(os.getuid()).pw_dir
        except KeyError:
            home = os.environ.get("HOME", "")
        if not home:
            raise StateUnusable(
                "this user has no home folder, and so no place for the state",
                "Name one: --state DIR, or THREEDANCE_STATE=DIR.",
            )
        base = str(Path(home) / ".local" / "state")
    return Path(base) / "threedance"


def state_folder(state: Path | None) -> Path:
    """Returns the absolute path of the state folder that is named, or of the usual one.

    Raises:
        StateUnusable: it needs a home folder, and this user has none.
    """
    try:
        return expanded(state or default_state()).absolute()
    except NoHome as error:
        raise StateUnusable(
            f"{error}, and so {state} names no folder",
            "Name one without `~`: --state DIR, or THREEDANCE_STATE=DIR.",
        ) from error


def prepare_state(state: Path) -> Path:
    """Makes the folder and its secrets where they are not there yet, and returns its absolute path.

    Raises:
        StateUnusable: it cannot be written; the message says why.
    """
    state = state_folder(state)
    try:
        for name, mode in (("", 0o711), ("keys", 0o700), ("run", 0o711), ("logs", 0o700), ("objects", 0o700)):
            folder = state / name
            folder.mkdir(parents=True, exist_ok=True)
            folder.chmod(mode)
        secret_file(state / "keys" / "django-secret")
        create_root_key(state / "keys" / "root.key")
    except OSError as error:
        raise StateUnusable(
            f"the state folder {state} cannot be used: {error.strerror}", "Give another one with --state DIR."
        ) from error
    return state


def environment(state: Path, addresses: Addresses) -> dict[str, str]:
    """Returns the variables that tell a process of the control plane where everything is.

    What the caller has set itself (an object store of its own, a log level) stays.
    """
    ours = {
        "THREEDANCE_STATE": str(state),
        "THREEDANCE_SECRET_KEY_FILE": str(state / "keys" / "django-secret"),
        "THREEDANCE_ROOT_KEY_FILE": str(state / "keys" / "root.key"),
        "THREEDANCE_DATABASE_URL": addresses.database,
        "THREEDANCE_DATABASE_OWNER_URL": addresses.database_owner,
        "THREEDANCE_VALKEY_URL": addresses.valkey,
        "DJANGO_SETTINGS_MODULE": "control_plane.config.settings",
    }
    if addresses.public:
        ours["THREEDANCE_PUBLIC_URL"] = addresses.public
    # A variable is given in one of two ways: ours replaces the caller's, whichever it used.
    # A root key elsewhere is the caller's choice; ours is then no more than the file that is not used.
    replaced = {name.removesuffix("_FILE") for name in ours} - {"THREEDANCE_ROOT_KEY"}
    kept = {
        name: value
        for name, value in os.environ.items()
        if name.removesuffix("_FILE") not in replaced and name not in SERVICE_VARIABLES
    }
    return {**kept, **ours}
