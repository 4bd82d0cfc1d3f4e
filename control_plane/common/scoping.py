"""Which studio's rows the running code may touch: one context variable here, one setting in PostgreSQL.

A scope is a transaction. On entry it tells the database (`set_config(..., true)`, gone at the transaction's end) what
the row security policies of `rls` compare with; on exit it puts back what was there. The scope is closed *before* the
commit, so `on_commit` callbacks run outside of it and must open their own. What must be written last in the
transaction, because it holds a lock that everybody needs, is handed to `defer_to_scope_end`.

    with studio_scope(studio_id):            # rows of one studio, read and write
    with user_scope(user_id):                # read: a person's own memberships and their studios
    with platform_scope("nightly fsck"):     # read: the list of studios, nothing in them
    with capability_scope("pairing_hash", hash_hex):  # read: the row that whoever holds this value may find
"""

import contextlib
import contextvars
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from operator import attrgetter
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.db.models import BooleanField, Expression, F, Manager, Q, QuerySet, UUIDField
from django.db.models.sql.compiler import SQLCompiler

from control_plane.common.errors import ScopeMismatch, ScopeMissing

CAPABILITIES = (
    "pairing_hash",
    "platform_audit",
    "platform_checkpoints",
    "provider_id",
    "provider_domain",
    "invitation_hash",
    "api_key_hash",
    "account_memberships",
)
"""Settings, next to the scopes' own, that an extra policy of one table may compare with."""


@dataclass(frozen=True, slots=True)
class Scope:
    """The open scope. At most one field is set; none: no scope is open."""

    studio_id: UUID | None = None
    user_id: UUID | None = None
    platform: str = ""
    """The reason given by a sweep over all studios."""
    capability: tuple[str, str] | None = None

    def settings(self) -> dict[str, str]:
        """Returns the value of every database setting under this scope; empty means closed."""
        values = {
            "threedance.studio_id": str(self.studio_id or ""),
            "threedance.user_id": str(self.user_id or ""),
            "threedance.platform": "on" if self.platform else "",
        }
        values |= {f"threedance.{name}": "" for name in CAPABILITIES}
        if self.capability:
            name, value = self.capability
            values[f"threedance.{name}"] = value
        return values


CLOSED = Scope()
_current: contextvars.ContextVar[Scope] = contextvars.ContextVar("threedance_scope", default=CLOSED)


@dataclass(slots=True)
class _Last:
    """A write that is deferred to the end of the scope. `asked` and `written` roll back with their savepoints."""

    order: int
    asked: "_Stamp"
    write: Callable[[], None]
    written: "_Stamp | None" = None


_last: contextvars.ContextVar[list[_Last] | None] = contextvars.ContextVar("threedance_last", default=None)


def current_scope() -> Scope:
    """Returns the open scope; `CLOSED` where there is none."""
    return _current.get()


def current_studio_id() -> UUID:
    """Returns the id of the studio in scope.

    Raises:
        ScopeMissing: no studio is in scope.
    """
    studio_id = _current.get().studio_id
    if studio_id is None:
        raise ScopeMissing("no studio is in scope; open studio_scope(studio_id) around this")
    return studio_id


def defer_to_scope_end(write: Callable[[], None], *, order: int = 0) -> bool:
    """Has `write` called at the end of the outermost open scope and in its transaction; says whether one is open.

    It is called once more where what it wrote stood in a savepoint that has been rolled back, and this call did not. An
    exception of it undoes the transaction. It is not called when the scope is left by an exception, nor when the
    savepoint that was open at this call has been rolled back by then. Where several locks are taken, `order` is theirs
    in every transaction, lowest first.
    """
    waiting = _last.get()
    if waiting is None:
        return False
    waiting.append(_Last(order, _stamped(), write))
    return True


def flush_deferred() -> None:
    """Calls now what `defer_to_scope_end` was given: whoever reads these rows in the open scope is to find them."""
    waiting = _last.get()
    if not waiting:
        return
    # Django forgets what was registered in a savepoint that is rolled back; what is still there was not.
    kept = {id(function) for _, function, *_ in connection.run_on_commit}
    waiting[:] = [item for item in waiting if id(item.asked) in kept]
    due = [item for item in waiting if item.written is None or id(item.written) not in kept]
    # All at first: what writes may read the log itself, and comes by here again.
    for item in due:
        item.written = _stamped()
    for item in sorted(due, key=attrgetter("order")):
        item.write()


def _stamped() -> "_Stamp":
    stamp = _Stamp()
    transaction.on_commit(stamp)
    return stamp


class _Stamp:
    def __call__(self) -> None:
        """Does nothing: see `defer_to_scope_end`."""


@contextlib.contextmanager
def studio_scope(studio_id: UUID) -> Iterator[None]:
    """Opens one studio for reading and writing, in a transaction.

    Inside a scope of the same studio this is a savepoint. Inside `user_scope` it replaces it for its duration.

    Raises:
        ScopeMismatch: another studio, or a sweep over all of them, is open.
    """
    outer = _current.get()
    if outer.platform or outer.capability or outer.studio_id not in (None, studio_id):
        raise ScopeMismatch(f"studio {studio_id} asked for inside {outer}")
    with _opened(Scope(studio_id=studio_id), outer):
        yield


@contextlib.contextmanager
def user_scope(user_id: UUID) -> Iterator[None]:
    """Opens what a person may see before a studio is chosen: own memberships and the studios they lead to.

    Raises:
        ScopeMismatch: another kind of scope is open.
    """
    outer = _current.get()
    if outer not in (CLOSED, Scope(user_id=user_id)):
        raise ScopeMismatch(f"user {user_id} asked for inside {outer}")
    with _opened(Scope(user_id=user_id), outer):
        yield


@contextlib.contextmanager
def platform_scope(reason: str) -> Iterator[None]:
    """Opens the list of studios for a sweep; `reason` says which. No row inside a studio can be read.

    Raises:
        ScopeMismatch: any scope is open.
    """
    outer = _current.get()
    if outer != CLOSED:
        raise ScopeMismatch(f"a sweep over all studios ({reason}) asked for inside {outer}")
    with _opened(Scope(platform=reason), outer):
        yield


@contextlib.contextmanager
def capability_scope(name: str, value: str) -> Iterator[None]:
    """Opens the rows whose policy compares with setting `name` (one of `CAPABILITIES`), in place of any open scope.

    Raises:
        ValueError: no policy can compare with `name`.
    """
    if name not in CAPABILITIES:
        raise ValueError(f"{name!r} is not one of {CAPABILITIES}")
    with _opened(Scope(capability=(name, value)), _current.get()):
        yield


@contextlib.contextmanager
def _opened(scope: Scope, outer: Scope) -> Iterator[None]:
    inside_a_transaction = connection.in_atomic_block
    with transaction.atomic():
        if scope != outer:
            _tell_database(scope)
        token = _current.set(scope)
        outermost = _last.set([]) if _last.get() is None else None
        try:
            yield
            if outermost is not None and not connection.needs_rollback:
                flush_deferred()
        finally:
            _current.reset(token)
            if outermost is not None:
                _last.reset(outermost)
        # The end of the transaction, or the rollback after an exception, puts the settings back; else we must.
        if scope != outer and inside_a_transaction and not connection.needs_rollback:
            _tell_database(outer)


def _tell_database(scope: Scope) -> None:
    # What is closed stands in the statement as it is: all of it is told each time, and little of it is bound.
    settings = scope.settings()
    calls = ", ".join(
        f"set_config('{name}', {'%s' if value else chr(39) * 2}, true)" for name, value in settings.items()
    )
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {calls}", [value for value in settings.values() if value])


def in_scope_sql() -> tuple[str, list[UUID]]:
    """Returns what a statement by hand asks of a studio's table called `this`: the studio, or the person, in scope.

    Raises:
        ScopeMissing: neither is in scope.
    """
    user_id = _current.get().user_id
    return ("this.user_id = %s", [user_id]) if user_id else ("this.studio_id = %s", [current_studio_id()])


class CurrentStudio(Expression):
    """The studio in scope, looked up when the query is compiled: a stored queryset never remembers a studio."""

    def __init__(self) -> None:
        super().__init__(output_field=UUIDField())

    def as_sql(self, compiler: SQLCompiler, connection: Any) -> tuple[str, list[Any]]:  # type: ignore[override]
        """Returns a placeholder and the id.

        Raises:
            ScopeMissing: no studio is in scope.
        """
        return "%s", [current_studio_id()]


class CurrentUser(Expression):
    """The person of the open `user_scope`, looked up when the query is compiled."""

    def __init__(self) -> None:
        super().__init__(output_field=UUIDField())

    def as_sql(self, compiler: SQLCompiler, connection: Any) -> tuple[str, list[Any]]:  # type: ignore[override]
        """Returns a placeholder and the id.

        Raises:
            ScopeMissing: no `user_scope` is open.
        """
        user_id = _current.get().user_id
        if user_id is None:
            raise ScopeMissing("no person is in scope; open user_scope(user_id) around this")
        return "%s", [user_id]


class InStudioScope(Expression):
    """True for the studio in scope; under the other scopes, whatever row security lets through."""

    conditional = True

    def __init__(self, studio_id: F | Expression) -> None:
        super().__init__(output_field=BooleanField())
        self.studio_id: Any = studio_id

    def get_source_expressions(self) -> list[Any]:
        """Returns the id's expression."""
        return [self.studio_id]

    def set_source_expressions(self, exprs: Any) -> None:
        """Takes the resolved id's expression."""
        (self.studio_id,) = exprs

    def as_sql(self, compiler: SQLCompiler, connection: Any) -> tuple[str, list[Any]]:  # type: ignore[override]
        """Returns the comparison.

        Raises:
            ScopeMissing: no scope is open.
        """
        scope = _current.get()
        if scope == CLOSED:
            raise ScopeMissing(
                "no scope is open; open studio_scope, user_scope or platform_scope around this"
            )
        if scope.studio_id is None:
            return "TRUE", []
        sql, params = compiler.compile(self.studio_id)
        return f"({sql} = %s)", [*params, scope.studio_id]


class ScopedManager(Manager[Any]):
    """Rows of the studio in scope. A query compiled without one raises `ScopeMissing`."""

    def get_queryset(self) -> QuerySet[Any]:
        """Returns the rows of the studio in scope."""
        return super().get_queryset().filter(studio_id=CurrentStudio())


class StudioManager(Manager[Any]):
    """Studios: the one in scope, or those that the open user or platform scope may see."""

    def get_queryset(self) -> QuerySet[Any]:
        """Returns the studios in scope."""
        return super().get_queryset().filter(Q(InStudioScope(F("pk"))))


class OwnManager(Manager[Any]):
    """Rows of the person of the open `user_scope`, in any studio."""

    def get_queryset(self) -> QuerySet[Any]:
        """Returns the person's own rows."""
        return super().get_queryset().filter(user_id=CurrentUser())


class CapabilityManager(Manager[Any]):
    """The rows that an open `capability_scope` lets through; row security alone decides."""

    def get_queryset(self) -> QuerySet[Any]:
        """Returns the rows found.

        Raises:
            ScopeMissing: no capability is open.
        """
        if _current.get().capability is None:
            raise ScopeMissing("no capability is open; open capability_scope(name, value) around this")
        return super().get_queryset()
