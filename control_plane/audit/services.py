"""Writes of the audit chain."""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import Model
from django.utils import timezone

from control_plane.audit.chain import GENESIS, Link, canonical, link_hash
from control_plane.audit.events import AuditEvent
from control_plane.audit.models import ChainHead, Entry
from control_plane.common.actors import Actor, ActorKind
from control_plane.common.client_network import network_hash
from control_plane.common.errors import ScopeMismatch
from control_plane.common.scoping import (
    Scope,
    capability_scope,
    current_scope,
    defer_to_scope_end,
    studio_scope,
)

_STUDIO_FIRST, _PLATFORM_LAST = 0, 1


def record(
    action: AuditEvent,
    *,
    actor: Actor,
    studio_id: UUID | None,
    object_type: str,
    object_id: UUID | str,
    details: Mapping[str, Any] | None = None,
) -> Entry:
    """Adds an entry to the chain of `studio_id` (None: the platform's), in the caller's transaction.

    Inside a scope the entry is appended last, just before the scope closes: the chain's head is locked from then to the
    commit, and not while a page is rendered or a store is read. A transaction that cannot write its entry is rolled back.
    Without a scope the entry is written immediately, and the head stays locked until the caller's transaction ends.

    Args:
        object_type: label of the object, such as `recordings.ClassSession`.
        details: pseudonymous facts as text, whole numbers, booleans, null, lists and mappings of these. No names, no
            addresses, no secrets.

    Returns:
        The entry. `sequence` is 0 until the scope closes.

    Raises:
        ValueError: `details` holds another type.
        ScopeMismatch: another studio is in scope.
    """
    open_studio = current_scope().studio_id
    if studio_id is not None and open_studio not in (None, studio_id):
        raise ScopeMismatch(f"an entry for studio {studio_id} requested inside {current_scope()}")
    link = Link(
        studio_id=studio_id,
        sequence=0,
        occurred_at=timezone.now(),
        action=action.code,
        actor_kind=actor.kind.value,
        actor_id=actor.id,
        actor_job=actor.job,
        object_type=object_type,
        object_id=str(object_id),
        details=_details(action, actor, studio_id, details or {}),
        previous_hash=GENESIS,
    )
    canonical(link)  # a value without a canonical form is refused here, not when the scope closes
    entry = Entry(**_fields(link), hash=GENESIS)
    order = _PLATFORM_LAST if studio_id is None else _STUDIO_FIRST
    if not defer_to_scope_end(lambda: _append(entry), order=order):
        _append(entry)
    return entry


def record_for(
    action: AuditEvent, obj: Model, *, actor: Actor, details: Mapping[str, Any] | None = None
) -> Entry:
    """Adds an entry about a row to the chain of its studio, or to the platform's for a row without a studio.

    The row may be deleted, but its key must be set. Use `record` without a row, or for another chain than the row's own.

    Raises:
        ValueError, ScopeMismatch: as `record`.
    """
    return record(
        action,
        actor=actor,
        studio_id=getattr(obj, "studio_id", None),
        object_type=obj._meta.label,
        object_id=str(obj.pk),
        details=details,
    )


def chain_scope(studio_id: UUID | None) -> AbstractContextManager[None]:
    """Returns the scope in which one chain can be read and extended."""
    return capability_scope("platform_audit", "on") if studio_id is None else studio_scope(studio_id)


def _details(
    action: AuditEvent, actor: Actor, studio_id: UUID | None, details: Mapping[str, Any]
) -> dict[str, Any]:
    """Returns the details; for a read by a person with the reader's network as a keyed hash."""
    if not action.is_read or actor.kind is not ActorKind.USER or studio_id is None:
        return dict(details)
    network = network_hash(studio_id)
    return {**details, "network": network} if network else dict(details)


def _append(entry: Entry) -> None:
    if current_scope() == _scope_of(entry.studio_id):
        _append_here(entry)  # a savepoint would add two round trips while the head is locked
    else:
        with chain_scope(entry.studio_id):
            _append_here(entry)


def _scope_of(studio_id: UUID | None) -> Scope:
    return Scope(capability=("platform_audit", "on")) if studio_id is None else Scope(studio_id=studio_id)


def _append_here(entry: Entry) -> None:
    head = _locked_head(entry.studio_id)
    entry.sequence, entry.previous_hash = head.sequence + 1, bytes(head.hash)
    entry.hash = link_hash(Link(**{name: getattr(entry, name) for name in Link.__dataclass_fields__}))
    columns, values = [], []
    for field in Entry._meta.concrete_fields:
        columns.append(f'"{field.column}"')
        values.append(field.get_db_prep_save(field.pre_save(entry, add=True), connection))
    names, places = ", ".join(columns), ", ".join(["%s"] * len(values))
    move = "UPDATE audit_chainhead SET sequence = %s, hash = %s WHERE id = %s"
    with connection.cursor() as cursor:
        # One round trip for both, because others wait for the head.
        cursor.execute(
            f"WITH moved AS ({move}) INSERT INTO audit_entry ({names}) VALUES ({places})",  # noqa: S608  # of the model
            [entry.sequence, entry.hash, head.pk, *values],
        )
    entry._state.adding = False


def _locked_head(studio_id: UUID | None) -> ChainHead:
    head: ChainHead | None = ChainHead.objects.select_for_update().first()
    if head is None:
        ChainHead.objects.bulk_create([ChainHead(studio_id=studio_id, hash=GENESIS)], ignore_conflicts=True)
        head = ChainHead.objects.select_for_update().get()
    return head


def _fields(link: Link) -> dict[str, Any]:
    return {name: getattr(link, name) for name in Link.__dataclass_fields__}
