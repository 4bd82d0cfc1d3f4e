"""pytest plugin (`-p tests.servers`): one PostgreSQL and one Valkey for the run, one database for each worker.

Loaded before Django's settings are, because it writes the variables that these read. The process that starts the run
starts the servers; workers of pytest-xdist find them by their state folder. Tests connect as the *application* role; the
migrations ran as the owner, once, in a database that all others are copied from.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from launcher.postgres import EmbeddedPostgres
from launcher.privileges import UnixAccount
from launcher.state_folder import ServiceUrls, control_plane_environment, prepare_state_folder
from launcher.valkey import EmbeddedValkey

STATE_VARIABLE = "THREEDANCE_TEST_STATE"
TEMPLATE = "threedance_template"
WORKER = os.environ.get("PYTEST_XDIST_WORKER", "main")
DATABASE = f"threedance_{WORKER}"
VALKEY_DATABASE = int(WORKER.removeprefix("gw")) % 15 + 1 if WORKER.startswith("gw") else 0
"""Each worker counts tries and remembers tokens on its own: what one forgets between two tests is not another's."""

_starts_servers = STATE_VARIABLE not in os.environ
if _starts_servers:
    _made = Path(tempfile.mkdtemp(prefix="threedance-tests-"))
    os.environ[STATE_VARIABLE] = str(prepare_state_folder(_made))
    if os.geteuid() == 0:
        # PostgreSQL refuses to be root: it runs as the account that root's control planes run as.
        UnixAccount.ensure(lambda text: print(text, file=sys.stderr))
STATE = Path(os.environ[STATE_VARIABLE])
POSTGRES = EmbeddedPostgres(STATE, durable=False)
VALKEY = EmbeddedValkey(STATE)


def database_environment(database: str) -> dict[str, str]:
    """Returns the variables of a control plane that uses one database of the run's server."""
    urls = POSTGRES.urls(database)
    objects = STATE / "objects" / WORKER
    objects.mkdir(parents=True, exist_ok=True)
    cache = VALKEY.urls().cache.replace("?db=0", f"?db={VALKEY_DATABASE}")
    addresses = ServiceUrls(urls.application, urls.owner, cache, "http://testserver")
    return control_plane_environment(STATE, addresses) | {
        "THREEDANCE_PUBLIC_URL": "http://testserver",
        "THREEDANCE_ALLOWED_HOSTS": "testserver,localhost,127.0.0.1",
        "THREEDANCE_OBJECT_STORE": f"file://{objects}",
        "THREEDANCE_LOG_LEVEL": "WARNING",
    }


os.environ.update(database_environment(DATABASE))


def migrate_template() -> None:
    """Makes the database that all others are copied from, as the owner."""
    POSTGRES.create_database(TEMPLATE)
    done = subprocess.run(
        [sys.executable, "-m", "django", "migrate", "--verbosity", "0"],
        env=database_environment(TEMPLATE) | {"THREEDANCE_DATABASE_ROLE": "owner"},
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    if done.returncode:
        pytest.exit(f"the migrations failed:\n{done.stdout}{done.stderr}", returncode=3)


def drop_database(name: str) -> None:
    """Removes a database and ends its connections."""
    with psycopg.connect(POSTGRES.urls("postgres").superuser, autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


def renew_database() -> None:
    """Makes this worker's database anew, as the migrations left it."""
    drop_database(DATABASE)
    POSTGRES.create_database(DATABASE, template=TEMPLATE)


def start() -> None:
    """Starts both, with the migrated template in it."""
    POSTGRES.start()
    VALKEY.start()
    migrate_template()


def stop() -> None:
    """Stops both and removes their folder."""
    VALKEY.stop()
    POSTGRES.stop()
    shutil.rmtree(STATE, ignore_errors=True)


def pytest_configure(config: pytest.Config) -> None:
    """Starts the servers, in the process that owns the run."""
    if _starts_servers and not config.option.collectonly:
        start()


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stops them, and removes their folder."""
    if _starts_servers:
        stop()
