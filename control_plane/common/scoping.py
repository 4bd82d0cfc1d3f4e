"""Tenant scope: which studio's rows the running code may touch. One context variable, and settings in PostgreSQL.

A scope is a transaction. On entry it sets the values that the row security policies of `rls` compare with
(`set_config(..., true)`, which ends with the transaction); on exit it restores the previous ones. The scope closes
*before* the commit, so `on_commit` callbacks run outside of it and must open their own. Writes that take a contended
lock are deferred to the end of the transaction with `defer_to_scope_end`.

    with studio_scope(studio_id):            # rows of one studio, read and write
    with user_scope(user_id):                # read: a person's own memberships and their studios
    with platform_scope("nightly fsck"):     # read: the list of studios, nothing in them
    with capability_scope("pairing_hash", hash_hex):  # read: the row that the holder of this value may see
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
    "consent_hash",
    "share_public_id",
    "api_key_hash",
    "account_memberships",
)
"""Further settings that a policy of one table may compare with."""


@dataclass(frozen=True, slots=True)
class Scope:
    """The open scope. At most one field is set; none: no scope is open."""

    studio_id: UUID | None = None
    user_id: UUID | None = None
    platform: str = ""
    """The name of a sweep over all studios."""
    capability: tuple[str, str] | None = None

    def settings(self) -> dict[str, str]:
        """Returns the value of every database setting in this scope; empty means no access."""
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
class _DeferredWrite:
    """A write that is deferred to the end of the scope. Its marks roll back with their savepoints."""

    order: int
    deferred_mark: "_SavepointMark"
    write: Callable[[], None]
    written_mark: "_SavepointMark | None" = None


_deferred: contextvars.ContextVar[list[_DeferredWrite] | None] = contextvars.ContextVar(
    "threedance_deferred", default=None
)


def current_scope() -> Scope:
    """Returns the open scope, or `CLOSED`."""
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
    """Defers `write` to the end of the outermost open scope, in its transaction; returns whether a scope is open.

    `write` is called again if its result was rolled back with a savepoint, but the deferral was not. An exception in it
    rolls back the transaction. It is not called if an exception leaves the scope, nor if the savepoint of the deferral was
    rolled back. `order` is the order of locks in every transaction, lowest first.
    """
    waiting = _deferred.get()
    if waiting is None:
        return False
    waiting.append(_DeferredWrite(order, _mark_savepoint(), write))
    return True


def flush_deferred() -> None:
    """Runs deferred writes now, for code in the open scope that reads these rows."""
    waiting = _deferred.get()
    if not waiting:
        return
    # On rollback of a savepoint, Django drops the callbacks registered in it. So a mark that is still registered shows
    # that its savepoint was not rolled back.
    kept = {id(function) for _, function, *_ in connection.run_on_commit}
    waiting[:] = [item for item in waiting if id(item.deferred_mark) in kept]
    due = [item for item in waiting if item.written_mark is None or id(item.written_mark) not in kept]
    # Mark all of them first: a deferred write may read such rows itself and call this function again.
    for item in due:
        item.written_mark = _mark_savepoint()
    for item in sorted(due, key=attrgetter("order")):
        item.write()


def _mark_savepoint() -> "_SavepointMark":
    mark = _SavepointMark()
    transaction.on_commit(mark)
    return mark


class _SavepointMark:
    def __call__(self) -> None:
        """Does nothing; only its registration matters, see `flush_deferred`."""


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
    """Opens what a person may see before choosing a studio: their memberships and the studios of these.

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
    """Opens the list of studios for a sweep named `reason`. No row inside a studio can be read.

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
            _apply_settings(scope)
        token = _current.set(scope)
        outermost = _deferred.set([]) if _deferred.get() is None else None
        try:
            yield
            if outermost is not None and not connection.needs_rollback:
                flush_deferred()
        finally:
            _current.reset(token)
            if outermost is not None:
                _deferred.reset(outermost)
        # The end of the transaction, or the rollback after an exception, restores the settings; otherwise do it here.
        if scope != outer and inside_a_transaction and not connection.needs_rollback:
            _apply_settings(outer)


def _apply_settings(scope: Scope) -> None:
    # All settings are set each time. Empty ones are literals, so that only few parameters are bound.
    settings = scope.settings()
    calls = ", ".join(
        f"set_config('{name}', {'%s' if value else chr(39) * 2}, true)" for name, value in settings.items()
    )
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {calls}", [value for value in settings.values() if value])


def in_scope_sql() -> tuple[str, list[UUID]]:
    """Returns the SQL condition that limits a table called `this` to the studio, or the person, in scope.

    Raises:
        ScopeMissing: neither is in scope.
    """
    user_id = _current.get().user_id
    return ("this.user_id = %s", [user_id]) if user_id else ("this.studio_id = %s", [current_studio_id()])


class CurrentStudio(Expression):
    """The studio in scope, resolved when the query is compiled, so a stored queryset never keeps a studio."""

    def __init__(self) -> None:
        super().__init__(output_field=UUIDField())

    def as_sql(self, compiler: SQLCompiler, connection: Any) -> tuple[str, list[Any]]:  # type: ignore[override]
        """Returns a placeholder and the id.

        Raises:
            ScopeMissing: no studio is in scope.
        """
        return "%s", [current_studio_id()]


class CurrentUser(Expression):
    """The person of the open `user_scope`, resolved when the query is compiled."""

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
    """True for the studio in scope; under other scopes row security alone decides."""

    conditional = True

    def __init__(self, studio_id: F | Expression) -> None:
        super().__init__(output_field=BooleanField())
        self.studio_id: Any = studio_id

    def get_source_expressions(self) -> list[Any]:
        """Returns the id's expression."""
        return [self.studio_id]

    def set_source_expressions(self, exprs: Any) -> None:
        """Sets the resolved expression of the id."""
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
    """The rows that an open `capability_scope` allows; row security alone decides."""

    def get_queryset(self) -> QuerySet[Any]:
        """Returns the rows found.

        Raises:
            ScopeMissing: no capability is open.
        """
        if _current.get().capability is None:
            raise ScopeMissing("no capability is open; open capability_scope(name, value) around this")
        return super().get_queryset()
