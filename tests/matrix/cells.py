"""One cell: ask, judge the status, look through the whole answer, and look whether another's rows changed."""

import gzip
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from types import MappingProxyType
from typing import Any
from urllib.parse import unquote
from uuid import UUID

from django.db import connection, transaction
from django.test.client import ClientHandler, RequestFactory

from control_plane.common.scoping import studio_scope
from tests.matrix.actors import Asker
from tests.matrix.calls import Call
from tests.matrix.tenant import Tenant, tenant_tables
from tests.matrix.world import World

_UUID = re.compile(rb"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_HTML, _JSON = "text/html,application/xhtml+xml", "application/json"


@dataclass
class Tally:
    """A request, and the faults of its answer."""

    cells: int = 0
    faults: list[str] = field(default_factory=list)
    leaks: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Answer:
    """All that came back."""

    status: int
    headers: bytes
    body: bytes

    @property
    def everything(self) -> bytes:
        """Headers and decoded body."""
        return self.headers + b"\n" + self.body


class Desk:
    """Sends calls to the whole of Django, middleware included, and takes back what a call changed."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._handler = ClientHandler(enforce_csrf_checks=False)
        self._requests = RequestFactory()
        self._calls = 0
        self.before: dict[str, dict[str, tuple[int, int]]] = {}
        """The rows of both studios, as they are when a test begins."""
        self.begin()

    def begin(self) -> None:
        """Takes the rows as they are now for what they were when the test began."""
        self.before = {tenant.name: fingerprint(tenant.studio.id) for tenant in self.world.tenants}

    def changes(self, since: dict[str, int]) -> dict[str, set[str]]:
        """Returns studio -> the tables in which its rows are not what they were when the test began.

        Args:
            since: what `written` said; tables that nothing was written to from then on are not read.
        """
        touched = {table for table, count in written().items() if count != since[table]}
        if not touched:
            return {}
        return {
            tenant.name: changed(self.before[tenant.name], fingerprint(tenant.studio.id, touched))
            for tenant in self.world.tenants
        }

    def ask(
        self,
        asker: Asker,
        method: str,
        call: Call,
        *,
        page: bool = True,
        headers: Mapping[str, str] = MappingProxyType({}),
    ) -> Answer:
        """Sends one request; an exception is a 500, as it is in production.

        Args:
            page: whether a browser asks.
            headers: more of them, or others than those of the asker, as they stand in the environment of a server.
        """
        self._calls += 1
        at = self._calls
        # An address of its own for each call: no limit of tries from one address is in the way.
        address = f"10.{at >> 16 & 255}.{at >> 8 & 255}.{at & 255}"
        sent: dict[str, Any] = {
            "HTTP_ACCEPT": _HTML if page else _JSON,
            "REMOTE_ADDR": address,
            **asker.headers(),
            **headers,
        }
        request = self._requests.generic(method, call.path, call.body, content_type=call.content_type, **sent)
        try:
            response: Any = self._handler(request.environ)
        except Exception as error:
            return Answer(500, b"", f"{type(error).__name__}: {error}".encode())
        body = b"".join(response.streaming_content) if response.streaming else response.content
        if response.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        lines = [f"{name}: {value}" for name, value in response.headers.items()]
        lines += [morsel.OutputString() for morsel in response.cookies.values()]
        head = "\n".join(lines)
        return Answer(response.status_code, f"{head}\n{unquote(head)}".encode(), body)


def leaks(
    answer: Answer, asker: Asker, call: Call, tenants: list[Tenant], *, known: frozenset[str] = frozenset()
) -> Iterator[str]:
    """Yields what of `tenants` stands in an answer; what the asker sent does not count, nor the ids in `known`."""
    sent = unquote(call.path).encode() + call.body
    for tenant in tenants:
        text = answer.everything
        for found in set(re.findall(re.escape(tenant.prefix) + rb"[\w-]+", text, re.IGNORECASE)):
            if found not in sent and not _is_own(found, asker):
                yield f"the word {found.decode()} of the studio {tenant.name}"
        for found in {match.decode() for match in _UUID.findall(text)} & tenant.rows - known:
            if found.encode() not in sent:
                yield f"the id {found} of a row of the studio {tenant.name}"
        for piece in tenant.raw:
            if piece in text or piece.hex().encode() in text:
                yield f"bytes of a key or of footage of the studio {tenant.name}"
                break


def forbidden_houses(world: World, asker: Asker, studio: str) -> list[Tenant]:
    """Returns the studios of which nothing may be met in an answer to an address of `studio` (empty: of none)."""
    allowed = {asker.agent_of, asker.visits, *(asker.roles if asker.signed_in else ())}
    if studio and studio in allowed:
        # Members of both sees nothing of the one under the address of the other.
        allowed = {studio}
    return [tenant for tenant in world.tenants if tenant.name not in allowed]


def _is_own(found: bytes, asker: Asker) -> bool:
    return asker.user is not None and found.decode() in asker.user.email + asker.user.display_name


def fingerprint(studio_id: UUID, tables: Iterable[str] | None = None) -> dict[str, tuple[int, int]]:
    """Returns for each of `tables` (None: all) how many rows a studio has there, and a hash of them."""
    chosen = sorted(_oids() if tables is None else tables)
    parts = " UNION ALL ".join(
        f"SELECT '{table}', count(*), coalesce(sum(hashtextextended(t::text, 0)), 0) FROM {table} t"  # noqa: S608
        " WHERE studio_id = %s"
        for table in chosen
    )
    with studio_scope(studio_id), connection.cursor() as cursor:
        cursor.execute(parts, [studio_id] * len(chosen))
        return {table: (count, hash_) for table, count, hash_ in cursor.fetchall()}


def changed(before: dict[str, tuple[int, int]], after: dict[str, tuple[int, int]]) -> set[str]:
    """Returns the tables whose rows are not the same."""
    return {table for table, rows in after.items() if before[table] != rows}


def written() -> dict[str, int]:
    """Returns for each table of studios how many rows the open transaction has written there so far.

    PostgreSQL counts each write, of whatever studio and by whatever role, and never takes one back where a savepoint is:
    a table whose count has not moved holds what it held, so its rows need not be read again.
    """
    oids = _oids()
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_stat_get_xact_tuples_inserted(t) + pg_stat_get_xact_tuples_updated(t)"
            " + pg_stat_get_xact_tuples_deleted(t) FROM unnest(%s::oid[]) WITH ORDINALITY AS u(t, n) ORDER BY n",
            [list(oids.values())],
        )
        return dict(zip(oids, (count for (count,) in cursor.fetchall()), strict=True))


@cache
def _oids() -> dict[str, int]:
    tables = tenant_tables()
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname, oid::bigint FROM pg_class WHERE relname = ANY(%s) AND relkind = 'r'", [tables]
        )
        found = dict(cursor.fetchall())
    return {table: found[table] for table in tables}


class Undo:
    """A savepoint that is always rolled back."""

    def __enter__(self) -> None:
        self._atomic = transaction.atomic()
        self._atomic.__enter__()

    def __exit__(self, *error: object) -> None:
        transaction.set_rollback(True)
        self._atomic.__exit__(None, None, None)
