"""Key shares in a PostgreSQL database of their own, for several servers; never in the database of everything else.

A base backup or archived WAL contains every database of a server. Where such backups are made of the main server, the
key shares need a server of their own, without WAL archiving.
"""

import os
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import psycopg
from psycopg_pool import ConnectionPool, PoolTimeout

from control_plane.keys.errors import KeyDestroyed, KeyLost, KeyRefused, KeysUnavailable
from control_plane.keys.shares.store import SHARE_BYTES, new_share

TIMEOUT_S = 5.0
MOST_CONNECTIONS = 4
BATCH = 500
TABLE = (
    "CREATE TABLE IF NOT EXISTS key_shares (id uuid PRIMARY KEY, share bytea, destroyed_at timestamptz,"
    " made_at timestamptz NOT NULL DEFAULT now(), CHECK ((share IS NULL) = (destroyed_at IS NOT NULL)),"
    " CHECK (octet_length(share) = 32))"
    " WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 50)"
)

OTHER_TABLES = (
    "SELECT count(*), min(relname) FROM pg_class WHERE relkind IN ('r', 'p') AND relname <> 'key_shares'"
    " AND relnamespace <> 'information_schema'::regnamespace"
    " AND relnamespace NOT IN (SELECT oid FROM pg_namespace WHERE nspname ~ '^pg_')"
)
"""Counts other tables in the database: they show that backups of it are made."""


class DatabaseShareStore:
    """The table `key_shares` of one database. Connects on first use, so each process after a fork has its own pool."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._lock = threading.Lock()
        self._pool: tuple[int, ConnectionPool[psycopg.Connection[Any]]] | None = None

    def __repr__(self) -> str:
        return "DatabaseShareStore(postgresql)"

    def backup_risk(self) -> str:
        """See `KeyShareStore.backup_risk`."""
        with self._connection() as connection:
            row = connection.execute(OTHER_TABLES).fetchone()
        if row is None or not row[0]:
            return ""
        return (
            f"its database holds other tables as well ({row[1]}, {row[0]} in all), so backups of it are made"
        )

    def prepare(self) -> None:
        """Creates the table unless it exists.

        Raises:
            KeysUnavailable: the database does not answer, or refuses.
        """
        with self._connection() as connection:
            connection.execute(TABLE)

    def create(self, id_: UUID) -> bytes:
        """See `KeyShareStore.create`."""
        share = new_share()
        if not self._write(id_, share):
            self.get(id_)
            raise KeyRefused(f"there is a key share {id_} already")
        return share

    def get(self, id_: UUID) -> bytes:
        """See `KeyShareStore.get`."""
        with self._connection() as connection:
            row = connection.execute("SELECT share FROM key_shares WHERE id = %s", [id_]).fetchone()
        if row is None:
            raise KeyLost(f"there is no key share {id_}: restore it from the copy")
        if row[0] is None:
            raise KeyDestroyed("the key was destroyed: nobody can see this recording any more")
        return bytes(row[0])

    def destroy(self, ids: Iterable[UUID]) -> int:
        """See `KeyShareStore.destroy`."""
        wanted, lived = list(ids), 0
        with self._connection() as connection:
            for start in range(0, len(wanted), BATCH):
                some = wanted[start : start + BATCH]
                connection.execute(
                    "INSERT INTO key_shares (id, share, destroyed_at) SELECT unnest(%s::uuid[]), NULL, now()"
                    " ON CONFLICT (id) DO NOTHING",
                    [some],
                )
                lived += connection.execute(
                    "UPDATE key_shares SET share = NULL, destroyed_at = now() WHERE id = ANY(%s) AND share IS NOT NULL",
                    [some],
                ).rowcount
            if lived:
                # Dead row versions still contain the share. Plain VACUUM: FULL would lock out every viewer.
                connection.execute("VACUUM key_shares")
        return lived

    def entries(self) -> Iterator[tuple[UUID, bytes | None]]:
        """See `KeyShareStore.entries`."""
        with self._connection() as connection:
            rows = connection.execute("SELECT id, share FROM key_shares ORDER BY id").fetchall()
        for id_, share in rows:
            yield id_, None if share is None else bytes(share)

    def restore(self, id_: UUID, share: bytes) -> None:
        """See `KeyShareStore.restore`."""
        if len(share) != SHARE_BYTES:
            raise ValueError(f"a key share has {SHARE_BYTES} bytes")
        self._write(id_, share)

    def close(self) -> None:
        """Closes the pool; the next use opens a new one."""
        with self._lock:
            if self._pool is not None and self._pool[0] == os.getpid():
                self._pool[1].close()
            self._pool = None

    def _write(self, id_: UUID, share: bytes) -> bool:
        with self._connection() as connection:
            made = connection.execute(
                "INSERT INTO key_shares (id, share) VALUES (%s, %s) ON CONFLICT (id) DO NOTHING", [id_, share]
            )
            return made.rowcount == 1

    @contextmanager
    def _connection(self) -> Iterator[psycopg.Connection[Any]]:
        try:
            with self._opened().connection() as connection:
                yield connection
        except (psycopg.Error, PoolTimeout) as error:
            raise KeysUnavailable(
                f"the key share database does not answer ({type(error).__name__})"
            ) from error

    def _opened(self) -> ConnectionPool[psycopg.Connection[Any]]:
        with self._lock:
            if self._pool is None or self._pool[0] != os.getpid():
                self._pool = (os.getpid(), self._new_pool())
            return self._pool[1]

    def _new_pool(self) -> ConnectionPool[psycopg.Connection[Any]]:
        return ConnectionPool(
            self._url,
            min_size=0,
            max_size=MOST_CONNECTIONS,
            timeout=TIMEOUT_S,
            kwargs={
                "autocommit": True,
                "connect_timeout": 5,
                "application_name": "threedance-key-shares",
                "options": "-c statement_timeout=60s -c synchronous_commit=on",
            },
            open=True,
        )
