"""System checks of a deployment, with ids and hints; some of them stop the start."""

from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, run_checks  # noqa: A004
from django.core.management.base import SystemCheckError
from django.db import DatabaseError, connections

from control_plane.common.errors import ControlPlaneError
from control_plane.config.env import file_mode_fault
from control_plane.keys.configured import key_share_store, root_key
from control_plane.keys.platform_secret import derive_secret
from control_plane.storage.configured import require_separate_key_shares

SECRET_KEY_BYTES = 32
ROLE_FACTS = (
    "SELECT rolname, rolsuper, rolbypassrls,"
    " EXISTS (SELECT 1 FROM pg_class WHERE relkind IN ('r', 'p') AND relowner = r.oid)"
    " OR EXISTS (SELECT 1 FROM pg_database WHERE datname = current_database()"
    " AND pg_has_role(r.oid, datdba, 'MEMBER'))"
    " FROM pg_roles r WHERE rolname = current_user"
)


def check_secret_key(**kwargs: Any) -> list[CheckMessage]:
    """The secret key exists and is long."""
    if len(settings.ENV.secret_key.encode()) >= SECRET_KEY_BYTES:
        return []
    return [
        Error(
            "THREEDANCE_SECRET_KEY is missing or shorter than 32 bytes",
            hint="Set it, or THREEDANCE_SECRET_KEY_FILE to a file of 64 random characters; `threedance up` creates one.",
            id="threedance.E010",
        )
    ]


def check_root_key(**kwargs: Any) -> list[CheckMessage]:
    """The root key is available: its file exists and only its owner can read it, or its holder answers."""
    if settings.ROOT_KEY_URL:
        return _check_holder()
    fault = file_mode_fault(settings.ROOT_KEY_FILE)
    if not fault:
        return []
    return [
        Error(
            f"the root key file {settings.ROOT_KEY_FILE} {fault}",
            hint="Create one with `threedance manage init_keys`, or `chmod 600` it. Without it no footage can be opened.",
            id="threedance.E011",
        )
    ]


def _check_holder() -> list[CheckMessage]:
    try:
        # Read the seed once here, so that requests do not wait for a remote holder.
        _, _, _ = root_key().id, key_share_store(), derive_secret("start")
    except (ControlPlaneError, ValueError, DatabaseError) as error:
        return [
            Error(
                f"the root key of THREEDANCE_ROOT_KEY, the key shares or the seed cannot be used: {error}",
                hint="`threedance manage init_keys` creates what is missing; docs/design/keys.md explains the addresses.",
                id="threedance.E011",
            )
        ]
    return []


def check_key_share_store(**kwargs: Any) -> list[CheckMessage]:
    """Key shares are kept apart from everything that is backed up; otherwise destroying a key would destroy nothing."""
    try:
        require_separate_key_shares()
    except (ControlPlaneError, ValueError) as error:
        return [
            Error(
                f"THREEDANCE_KEY_SHARES: {error}",
                hint="Use a folder of its own (file:///folder), or a database with nothing else in it (postgresql://...),"
                " excluded from all backups; docs/design/keys.md explains why.",
                id="threedance.E016",
            )
        ]
    return []


def check_database_url(**kwargs: Any) -> list[CheckMessage]:
    """The database's address is set for the role of this process."""
    if settings.ENV.database() is not None and settings.DATABASE_APPLICATION_ROLE:
        return []
    return [
        Error(
            "THREEDANCE_DATABASE_URL is not set (nor, for migrations, THREEDANCE_DATABASE_OWNER_URL)",
            hint="postgresql://user:password@host:port/name; `threedance up` sets both.",
            id="threedance.E012",
        )
    ]


def check_assets(**kwargs: Any) -> list[CheckMessage]:
    """The web assets are built."""
    if settings.ASSETS_DIR.is_dir() and any(settings.ASSETS_DIR.iterdir()):
        return []
    return [
        Warning(
            "the web assets are not built: the replay page will not work",
            hint="Run `nox -s assets`; a released wheel has them.",
            id="threedance.W013",
        )
    ]


def check_releases(**kwargs: Any) -> list[CheckMessage]:
    """The folder of releases, if configured, contains releases."""
    folder = settings.FLEET_RELEASES
    if folder is None or (folder / "metadata" / "timestamp.json").is_file():
        return []
    return [
        Warning(
            f"THREEDANCE_RELEASES={folder} contains no releases: agents find no updates",
            hint="`python -m deploy.agent publish` creates such a folder; copy all of it here.",
            id="threedance.W017",
        )
    ]


def check_mail(**kwargs: Any) -> list[CheckMessage]:
    """A mail server is configured."""
    if settings.ENV.email_url:
        return []
    return [
        Warning(
            "THREEDANCE_EMAIL_URL is not set: no mail is sent, so people cannot reset their passwords",
            hint="smtp://user:password@host:587?from=studio@example.org; until then `threedance"
            " sign-in-link EMAIL` prints sign-in links.",
            id="threedance.W015",
        )
    ]


def check_application_role(databases: Sequence[str] | None = None, **kwargs: Any) -> list[CheckMessage]:
    """Row security binds the role that serves requests: no superuser, no BYPASSRLS, owner of nothing."""
    if settings.DATABASE_AS_OWNER:
        return []
    found: list[CheckMessage] = []
    for alias in databases or ():
        name, superuser, bypass, owner = role_facts(alias)
        rules = (
            (superuser, "is a superuser"),
            (bypass, "has BYPASSRLS"),
            (owner, "owns the database or tables"),
        )
        found += [
            Error(
                f"the application's database role {name} {fault}: row level security would not apply",
                hint="Give THREEDANCE_DATABASE_URL a role of its own; migrate as the owner"
                " (THREEDANCE_DATABASE_ROLE=owner).",
                id="threedance.E014",
            )
            for broken, fault in rules
            if broken
        ]
    return found


def role_facts(alias: str) -> tuple[str, bool, bool, bool]:
    """Returns the connected role's name, and whether it is a superuser, has BYPASSRLS, or owns database or tables."""
    with connections[alias].cursor() as cursor:
        cursor.execute(ROLE_FACTS)
        name, superuser, bypass, owner = cursor.fetchone()
    return name, superuser, bypass, owner


def refuse_unsafe_start() -> None:
    """Stops a serving process whose deployment fails a check.

    Raises:
        SystemCheckError: names every failed check, with hints.
    """
    found = [
        *check_secret_key(),
        *check_root_key(),
        *check_key_share_store(),
        *check_database_url(),
        *check_assets(),
        *run_checks(databases=["default"]),
    ]
    # A worker forks after this; connections and pools of its parent would break in its children.
    connections.close_all()
    for connection in connections.all(initialized_only=True):
        connection.close_pool()  # type: ignore[attr-defined]
    errors = [message for message in found if message.is_serious()]
    if errors:
        raise SystemCheckError(
            "\n".join(f"{error.id}: {error.msg}\n\tHINT: {error.hint}" for error in errors)
        )
