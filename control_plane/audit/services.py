"""Writing of the audit chain."""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any
from uuid import UUID

from django.utils import timezone

from control_plane.audit.catalogue import Action
from control_plane.audit.chain import GENESIS, Link, link_hash
from control_plane.audit.models import ChainHead, Entry
from control_plane.common.actors import Actor
from control_plane.common.scoping import capability_scope, studio_scope


def record(
    action: Action,
    *,
    actor: Actor,
    studio_id: UUID | None,
    object_type: str,
    object_id: UUID | str,
    details: Mapping[str, Any] | None = None,
) -> Entry:
    """Adds an entry to the chain of `studio_id` (None: the platform's), in the caller's transaction.

    The chain's head stays locked until that transaction ends: two acts of one studio are recorded one after the other.

    Args:
        object_type: label of what was acted on, such as `recordings.ClassSession`.
        details: pseudonymous facts as text, whole numbers, booleans, null, lists and mappings of these. No names, no
            addresses, no secrets.

    Raises:
        ValueError: `details` holds something else.
        ScopeMismatch: another studio is in scope.
    """
    with chain_scope(studio_id):
        ChainHead.objects.bulk_create([ChainHead(studio_id=studio_id, hash=GENESIS)], ignore_conflicts=True)
        head = ChainHead.objects.select_for_update().get()
        link = Link(
            studio_id=studio_id,
            sequence=head.sequence + 1,
            occurred_at=timezone.now(),
            action=action.value,
            actor_kind=actor.kind.value,
            actor_id=actor.id,
            actor_job=actor.job,
            object_type=object_type,
            object_id=str(object_id),
            details=dict(details or {}),
            previous_hash=bytes(head.hash),
        )
        hash_ = link_hash(link)
        entry = Entry(**{name: getattr(link, name) for name in link.__dataclass_fields__}, hash=hash_)
        entry.save(force_insert=True)
        ChainHead.objects.update(sequence=link.sequence, hash=hash_)
        return entry


def chain_scope(studio_id: UUID | None) -> AbstractContextManager[None]:
    """Returns the scope in which one chain can be read and added to."""
    return capability_scope("platform_audit", "on") if studio_id is None else studio_scope(studio_id)
