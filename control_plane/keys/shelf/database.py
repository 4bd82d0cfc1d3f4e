"""A key shelf in a PostgreSQL database of its own, for several servers: never the one that holds everything else.

A copy of the whole database server (a base backup, archived WAL) holds every database in it. Where such copies are
made of the main server, the shelf needs a server of its own, without an archive of its log.
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
from control_plane.keys.shelf.shelf import HALF_BYTES, new_half

TIMEOUT_S = 5.0
MOST_CONNECTIONS = 4
BATCH = 500
TABLE = (
    "CREATE TABLE IF NOT EXISTS key_shelf (id uuid PRIMARY KEY, half bytea, destroyed_at timestamptz,"
    " made_at timestamptz NOT NULL DEFAULT now(), CHECK ((half IS NULL) = (destroyed_at IS NOT NULL)),"
    " CHECK (octet_length(half) = 32))"
    " WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 50)"
)

STRANGERS = (
    "SELECT count(*), min(relname) FROM pg_class WHERE relkind IN ('r', 'p') AND relname <> 'key_shelf'"
    " AND relnamespace <> 'information_schema'::regnamespace"
    " AND relnamespace NOT IN (SELECT oid FROM pg_namespace WHERE nspname ~ '^pg_')"
)
"""Whatever else is kept in the database: it says that backups are made of it."""


class DatabaseShelf:
    """The table `key_shelf` of one database. Its connections are made at the first use, so also after a fork."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._lock = threading.Lock()
        self._pool: tuple[int, ConnectionPool[psycopg.Connection[Any]]] | None = None

    def __repr__(self) -> str:
        return "DatabaseShelf(postgresql)"

    def misplaced(self) -> str:
        """See `KeyShelf.misplaced`."""
        with self._connection() as connection:
            row = connection.execute(STRANGERS).fetchone()
        if row is None or not row[0]:
            return ""
        return (
            f"its database holds other tables as well ({row[1]}, {row[0]} in all), so backups of it are made"
        )

    def prepare(self) -> None:
        """Makes the table where there is none.

        Raises:
            KeysUnavailable: the database does not answer, or does not allow it.
        """
        with self._connection() as connection:
            connection.execute(TABLE)

    def place(self, id_: UUID) -> bytes:
        """See `KeyShelf.place`."""
        half = new_half()
        if not self._write(id_, half):
            self.take(id_)
            raise KeyRefused(f"the key shelf has an entry {id_} already")
        return half

    def take(self, id_: UUID) -> bytes:
        """See `KeyShelf.take`."""
        with self._connection() as connection:
            row = connection.execute("SELECT half FROM key_shelf WHERE id = %s", [id_]).fetchone()
        if row is None:
            raise KeyLost(f"the key shelf has no entry {id_}: bring it back from its copy")
        if row[0] is None:
            raise KeyDestroyed("the key was destroyed: nobody can see this recording any more")
        return bytes(row[0])

    def destroy(self, ids: Iterable[UUID]) -> int:
        """See `KeyShelf.destroy`."""
        wanted, lived = list(ids), 0
        with self._connection() as connection:
            for start in range(0, len(wanted), BATCH):
                some = wanted[start : start + BATCH]
                connection.execute(
                    "INSERT INTO key_shelf (id, half, destroyed_at) SELECT unnest(%s::uuid[]), NULL, now()"
                    " ON CONFLICT (id) DO NOTHING",
                    [some],
                )
                lived += connection.execute(
                    "UPDATE key_shelf SET half = NULL, destroyed_at = now() WHERE id = ANY(%s) AND half IS NOT NULL",
                    [some],
                ).rowcount
            if lived:
                # The old row versions still hold it. Not FULL, which would keep every viewer waiting.
                connection.execute("VACUUM key_shelf")
        return lived

    def entries(self) -> Iterator[tuple[UUID, bytes | None]]:
        """See `KeyShelf.entries`."""
        with self._connection() as connection:
            rows = connection.execute("SELECT id, half FROM key_shelf ORDER BY id").fetchall()
        for id_, half in rows:
            yield id_, None if half is None else bytes(half)

    def keep(self, id_: UUID, half: bytes) -> None:
        """See `KeyShelf.keep`."""
        if len(half) != HALF_BYTES:
            raise ValueError(f"an entry of the key shelf has {HALF_BYTES} bytes")
        self._write(id_, half)

    def close(self) -> None:
        """Gives the connections back; the next use makes new ones."""
        with self._lock:
            if self._pool is not None and self._pool[0] == os.getpid():
                self._pool[1].close()
            self._pool = None

    def _write(self, id_: UUID, half: bytes) -> bool:
        with self._connection() as connection:
            made = connection.execute(
                "INSERT INTO key_shelf (id, half) VALUES (%s, %s) ON CONFLICT (id) DO NOTHING", [id_, half]
            )
            return made.rowcount == 1

    @contextmanager
    def _connection(self) -> Iterator[psycopg.Connection[Any]]:
        try:
            with self._opened().connection() as connection:
                yield connection
        except (psycopg.Error, PoolTimeout) as error:
            raise KeysUnavailable(
                f"the key shelf's database does not answer ({type(error).__name__})"
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
                "application_name": "threedance-shelf",
                "options": "-c statement_timeout=60s -c synchronous_commit=on",
            },
            open=True,
        )
