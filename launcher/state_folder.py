"""The state folder: everything that a control plane stores, and the environment that tells its processes where it is."""

import os
import pwd
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from launcher.errors import StateUnusable
from launcher.postgres import read_or_create_secret
from shared.kernel.folders import NoHome, expanded
from shared.kernel.service import VARIABLES as SERVICE_VARIABLES

ROOT_KEY_TIMEOUT_S = 60.0


class ServiceUrls(NamedTuple):
    """Addresses of the servers of one state folder."""

    database: str
    database_owner: str
    valkey: str
    public: str


def default_state_folder() -> Path:
    """Returns the default state folder: the user's own, or the system's for root.

    Raises:
        StateUnusable: the user has no home folder, as often in a container.
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


def resolve_state_folder(state: Path | None) -> Path:
    """Returns the absolute path of `state`, or of the default state folder.

    Raises:
        StateUnusable: the path needs a home folder, and the user has none.
    """
    try:
        return expanded(state or default_state_folder()).absolute()
    except NoHome as error:
        raise StateUnusable(
            f"{error}, and so {state} names no folder",
            "Name one without `~`: --state DIR, or THREEDANCE_STATE=DIR.",
        ) from error


def prepare_state_folder(state: Path) -> Path:
    """Creates the folder and its secrets where they are missing, and returns its absolute path.

    Raises:
        StateUnusable: it cannot be written; the message gives the reason.
    """
    state = resolve_state_folder(state)
    try:
        for name, mode in (("", 0o711), ("keys", 0o700), ("run", 0o711), ("logs", 0o700), ("objects", 0o700)):
            folder = state / name
            folder.mkdir(parents=True, exist_ok=True)
            folder.chmod(mode)
        read_or_create_secret(state / "keys" / "django-secret")
        _create_root_key(state / "keys" / "root.key")
    except OSError as error:
        raise StateUnusable(
            f"the state folder {state} cannot be used: {error.strerror}", "Give another one with --state DIR."
        ) from error
    return state


def control_plane_environment(state: Path, addresses: ServiceUrls) -> dict[str, str]:
    """Returns the environment of a process of the control plane: the caller's, with the addresses and keys of the folder.

    Settings of the caller (an object store, a log level) stay.
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
    # A secret is given as NAME or as NAME_FILE: ours replaces both forms of the caller's. A root key in a KMS is the
    # caller's choice and stays; the file is then not used.
    replaced = {name.removesuffix("_FILE") for name in ours} - {"THREEDANCE_ROOT_KEY"}
    kept = {
        name: value
        for name, value in os.environ.items()
        if name.removesuffix("_FILE") not in replaced and name not in SERVICE_VARIABLES
    }
    return {**kept, **ours}


def _create_root_key(path: Path) -> None:
    """Creates the file of the root key where it is missing. The control plane's own program does: it knows the format.

    Raises:
        StateUnusable: the file cannot be created.
    """
    if path.exists():
        return
    done = subprocess.run(
        [sys.executable, "-m", "control_plane.keys.roots.file", str(path)],
        capture_output=True, text=True, timeout=ROOT_KEY_TIMEOUT_S, check=False,
    )  # fmt: skip
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise StateUnusable(
            f"the root key {path} cannot be created: {reason}", "Give another one with --state DIR."
        )
