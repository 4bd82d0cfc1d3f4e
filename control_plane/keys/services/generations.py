"""Writes of keys: a new generation of a studio's, what is re-wrapped under it, and the end of old ones.

Re-wrapping touches rows, never media. What is left to do is what still stands under an older generation, so a job that
dies goes on where it was; a row that somebody else holds is left for the next batch (SKIP LOCKED).
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
from control_plane.audit.catalogue import Action as Act
from control_plane.audit.services import record_for
from control_plane.common.actors import Actor
from control_plane.common.models import StudioOwned
from control_plane.common.scoping import current_studio_id, studio_scope
from control_plane.keys import keyring
from control_plane.keys.errors import KeyDestroyed, KeyLost
from control_plane.keys.events import GenerationNeeded, StudioKeyRotated
from control_plane.keys.models import KeyTombstone, Shredded, StudioKey
from control_plane.keys.selectors import current_key
from control_plane.keys.services.tombstones import record_tombstone
from control_plane.plans.rate_limits import require_rate
from control_plane.tenancy.models import Studio

log = logging.getLogger(__name__)

BATCH = 200


def rotate_studio_key(studio: Studio, *, actor: Actor) -> StudioKey:
    """Makes a new generation of the studio's keys; the one before still opens what was sealed to it.

    Boxes are told at once; rows are re-wrapped by `rewrap_batch`, which a job calls until nothing is left.

    Raises:
        NotFound, Forbidden: `actor` may not manage the studio.
        TooManyRequests: the studio has had `rate_limits.RATES` of them within an hour.
        KeysUnavailable, KeyRefused: root key or shelf cannot be used; all is as it was.
    """
    with studio_scope(studio.id):
        access.require(actor, access.Action.MANAGE_STUDIO, studio)
        require_rate(Act.STUDIO_KEY_MADE, actor=actor)
        return follow_with(studio, actor=actor)


def follow_with(studio: Studio, *, actor: Actor) -> StudioKey:
    """Puts a new generation in the place of the current one; the caller has asked `access` and opened the scope."""
    keyring.alone(studio.id)
    StudioKey.objects.filter(retired_at__isnull=True).update(retired_at=timezone.now())
    key = keyring.new_generation(studio)
    key.save(force_insert=True)
    StudioKeyRotated(studio.id).publish()
    record_key(key, actor)
    return key


def alone(studio_id: UUID) -> None:
    """Locks the keys of a studio until the transaction ends: nobody wraps under what is about to be destroyed."""
    keyring.alone(studio_id)


def record_key(key: StudioKey, actor: Actor) -> None:
    """Puts a new generation on record."""
    record_for(Act.STUDIO_KEY_MADE, key, actor=actor, details={"root_key": key.root_key_id})


def rewrap_batch(*, actor: Actor, most: int = BATCH) -> int:
    """Brings some of what is wrapped under older generations under the current one; returns how many rows it did.

    0: nothing is left, or others are at it. A row whose key is lost or destroyed is passed over. Inside `studio_scope`;
    the scope's end commits the batch.

    Raises:
        KeyRefused, KeysUnavailable: a row does not open, or root key or shelf do not answer; the batch is as it was.
        NotFound, Forbidden: `actor` may not maintain the studio.
    """
    studio = keyring.alone(current_studio_id())
    access.require(actor, access.Action.MAINTAIN, studio)
    key, done = current_key(), 0
    for model, column, kind in wrapped_columns():
        rows = _older(model, column, key).select_for_update(skip_locked=True, of=("self",))[: most - done]
        for row in rows:
            try:
                wrapped = _rewrapped(bytes(getattr(row, column)), kind, UUID(str(row.pk)), key)
            except (KeyLost, KeyDestroyed) as error:
                # `check_keys` names it; the others do not wait for it, and its generation is kept.
                log.error("a wrapped key is not to be had", extra={"row": str(row.pk), "why": error.detail})
                continue
            model._default_manager.filter(pk=row.pk).update(**{column: wrapped})
            done += 1
        if done >= most:
            break
    if done and not left_on_older():
        record_for(Act.STUDIO_KEYS_REWRAPPED, key, actor=actor)
    return done


def _rewrapped(held: bytes, kind: str, id_: UUID, key: StudioKey) -> bytes:
    secret = keyring.unwrap(held, kind=kind, id_=id_)
    if kind == keyring.CLASS and not keyring.is_shelved(held):
        keyring.shelve(id_)
    return keyring.wrap(secret, kind=kind, id_=id_, key=key)


def left_on_older() -> int:
    """Returns how many rows of the studio in scope are still wrapped under an older generation."""
    key = current_key()
    return sum(_older(model, column, key).count() for model, column, _ in wrapped_columns())


def destroy_due_generations(*, actor: Actor) -> list[UUID]:
    """Destroys retired generations that nothing needs any more; returns their ids. Inside `studio_scope`.

    Not before `RETIRED_KEYS_DAYS` after the next one came, so that backups of that age still open; nor while a row is
    wrapped under an older generation, or an app answers `GenerationNeeded` with yes.

    Raises:
        NotFound, Forbidden: `actor` may not maintain the studio.
    """
    access.require(actor, access.Action.MAINTAIN, keyring.alone(current_studio_id()))
    due = StudioKey.objects.filter(
        destroyed_at=None, retired_at__lt=timezone.now() - timedelta(days=settings.RETIRED_KEYS_DAYS)
    )
    gone: list[UUID] = []
    if not due.exists() or left_on_older():
        return gone
    for generation in due.select_for_update():
        if not any(GenerationNeeded(generation).answers()):
            destroy_generation(generation, actor=actor, reason="retired")
            gone.append(generation.id)
    return gone


def destroy_generation(key: StudioKey, *, actor: Actor, reason: str) -> KeyTombstone:
    """Empties a generation and has its half on the shelf destroyed at the commit. Part of another service's act."""
    StudioKey.objects.filter(pk=key.pk).update(
        wrapped_key=b"", wrapped_private_key=b"", destroyed_at=timezone.now()
    )
    return record_tombstone(Shredded.GENERATION, key.id, reason=reason, actor=actor, studio_id=key.studio_id)


def wrapped_columns() -> list[tuple[type[Model], str, str]]:
    """Returns model, column and kind of each column that a model declares in `studio_wrapped`."""
    return [
        (model, column, kind)
        for model in apps.get_models()
        if issubclass(model, StudioOwned)
        for column, kind in model.studio_wrapped.items()
    ]


class _Start(Func):
    """The first bytes of a bytea column: form and generation of what is wrapped."""

    function = "substring"
    template = "%(function)s(%(expressions)s from 1 for 17)"
    output_field = BinaryField()


def _older(model: type[Model], column: str, key: StudioKey) -> QuerySet[Any]:
    rows = model._default_manager.annotate(key_start=_Start(column)).exclude(**{column: b""})
    for form in keyring.FORMS:
        rows = rows.exclude(key_start=form + bytes(key.id.bytes))
    return rows.order_by("pk")
