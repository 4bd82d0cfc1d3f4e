"""Writes of key generations: makes one, re-wraps rows under it, destroys old ones.

Re-wrapping touches rows, never media. The remaining work is found by each row's generation prefix, so an interrupted
job continues where it stopped. SKIP LOCKED leaves rows that another transaction holds to the next batch.
"""

import logging
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.apps import apps
from django.conf import settings
from django.db.models import BinaryField, Func, Model, QuerySet
from django.utils import timezone

from control_plane.access import access
from control_plane.access.permissions import MAINTAIN
from control_plane.audit.services import record_for
from control_plane.common.actors import Actor
from control_plane.common.models import StudioOwned
from control_plane.common.scoping import current_studio_id, studio_scope
from control_plane.keys import keyring
from control_plane.keys.audit_events import STUDIO_KEY_MADE, STUDIO_KEYS_REWRAPPED
from control_plane.keys.errors import KeyDestroyed, KeyLost
from control_plane.keys.events import GenerationNeeded, StudioKeyRotated
from control_plane.keys.models import KeyTombstone, StudioKey, TombstoneKind
from control_plane.keys.selectors import current_key
from control_plane.keys.services.tombstones import record_tombstone
from control_plane.plans.rate_limits import require_rate
from control_plane.tenancy.models import Studio
from control_plane.tenancy.permissions import MANAGE_STUDIO

log = logging.getLogger(__name__)

BATCH = 200


def rotate_studio_key(studio: Studio, *, actor: Actor) -> StudioKey:
    """Makes a new generation of the studio's keys; the previous one still opens what was sealed to it.

    Agents are notified at once. A periodic task re-wraps the rows with `rewrap_batch` until none is left.

    Raises:
        NotFound, Forbidden: `actor` may not manage the studio.
        TooManyRequests: the studio has reached `rate_limits.RATES` for new keys within an hour.
        KeysUnavailable, KeyRefused: the root key or the share store cannot be used; nothing has changed.
    """
    with studio_scope(studio.id):
        access.require(actor, MANAGE_STUDIO, studio)
        require_rate(STUDIO_KEY_MADE, actor=actor)
        return replace_generation(studio, actor=actor)


def replace_generation(studio: Studio, *, actor: Actor) -> StudioKey:
    """Replaces the current generation. The caller has checked `access` and opened the scope."""
    keyring.lock_keys(studio.id)
    StudioKey.objects.filter(retired_at__isnull=True).update(retired_at=timezone.now())
    key = keyring.new_generation(studio)
    key.save(force_insert=True)
    StudioKeyRotated(studio.id).publish()
    record_key(key, actor)
    return key


def lock_keys(studio_id: UUID) -> None:
    """Locks the studio's keys until the transaction ends, so that nothing is wrapped under a key being destroyed."""
    keyring.lock_keys(studio_id)


def record_key(key: StudioKey, actor: Actor) -> None:
    """Writes the audit event of a new generation."""
    record_for(STUDIO_KEY_MADE, key, actor=actor, details={"root_key": key.root_key_id})


def rewrap_batch(*, actor: Actor, most: int = BATCH) -> int:
    """Re-wraps up to `most` rows of older generations under the current one; returns the number of rows.

    0 means that nothing is left, or that other transactions hold the rest. Skips a row whose key is lost or destroyed.
    Inside `studio_scope`; the end of the scope commits the batch.

    Raises:
        KeyRefused, KeysUnavailable: a row does not open, or the root key or share store is unavailable; nothing has changed.
        NotFound, Forbidden: `actor` may not maintain the studio.
    """
    studio = keyring.lock_keys(current_studio_id())
    access.require(actor, MAINTAIN, studio)
    key, done = current_key(), 0
    for model, column, kind in wrapped_columns():
        rows = _outdated_rows(model, column, key).select_for_update(skip_locked=True, of=("self",))[
            : most - done
        ]
        for row in rows:
            try:
                wrapped = _rewrapped(bytes(getattr(row, column)), kind, UUID(str(row.pk)), key)
            except (KeyLost, KeyDestroyed) as error:
                # `check_keys` reports this row. The other rows go on; the old generation is kept because of it.
                log.error("wrapped key is lost or destroyed", extra={"row": str(row.pk), "why": error.detail})
                continue
            model._default_manager.filter(pk=row.pk).update(**{column: wrapped})
            done += 1
        if done >= most:
            break
    if done and not count_outdated():
        record_for(STUDIO_KEYS_REWRAPPED, key, actor=actor)
    return done


def _rewrapped(held: bytes, kind: str, id_: UUID, key: StudioKey) -> bytes:
    secret = keyring.unwrap(held, kind=kind, id_=id_)
    if kind == keyring.CLASS and not keyring.needs_share(held):
        keyring.ensure_share(id_)
    return keyring.wrap(secret, kind=kind, id_=id_, key=key)


def count_outdated() -> int:
    """Returns how many rows of the studio in scope are still wrapped under an older generation."""
    key = current_key()
    return sum(_outdated_rows(model, column, key).count() for model, column, _ in wrapped_columns())


def destroy_due_generations(*, actor: Actor) -> list[UUID]:
    """Destroys retired generations that are no longer needed; returns their ids. Inside `studio_scope`.

    A generation is kept for `RETIRED_KEYS_DAYS` after its retirement, so that backups of that age still open. It is also
    kept while a row is wrapped under an older generation, or while an app answers `GenerationNeeded` with yes.

    Raises:
        NotFound, Forbidden: `actor` may not maintain the studio.
    """
    access.require(actor, MAINTAIN, keyring.lock_keys(current_studio_id()))
    due = StudioKey.objects.filter(
        destroyed_at=None, retired_at__lt=timezone.now() - timedelta(days=settings.RETIRED_KEYS_DAYS)
    )
    gone: list[UUID] = []
    if not due.exists() or count_outdated():
        return gone
    for generation in due.select_for_update():
        if not any(GenerationNeeded(generation).answers()):
            destroy_generation(generation, actor=actor, reason="retired")
            gone.append(generation.id)
    return gone


def destroy_generation(key: StudioKey, *, actor: Actor, reason: str) -> KeyTombstone:
    """Empties a generation, and destroys its share after the commit. Called within another service's write."""
    StudioKey.objects.filter(pk=key.pk).update(
        wrapped_key=b"", wrapped_private_key=b"", destroyed_at=timezone.now()
    )
    return record_tombstone(
        TombstoneKind.GENERATION, key.id, reason=reason, actor=actor, studio_id=key.studio_id
    )


def wrapped_columns() -> list[tuple[type[Model], str, str]]:
    """Returns model, column and kind of every column that models declare in `studio_wrapped`."""
    return [
        (model, column, kind)
        for model in apps.get_models()
        if issubclass(model, StudioOwned)
        for column, kind in model.studio_wrapped.items()
    ]


class _Prefix(Func):
    """The first 17 bytes of a bytea column: the format byte and the generation's id of a wrapped key."""

    function = "substring"
    template = "%(function)s(%(expressions)s from 1 for 17)"
    output_field = BinaryField()


def _outdated_rows(model: type[Model], column: str, key: StudioKey) -> QuerySet[Any]:
    rows = model._default_manager.annotate(key_prefix=_Prefix(column)).exclude(**{column: b""})
    for form in keyring.FORMS:
        rows = rows.exclude(key_prefix=form + bytes(key.id.bytes))
    return rows.order_by("pk")
