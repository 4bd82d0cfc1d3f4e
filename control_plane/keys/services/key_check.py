"""Checks that root key, key shares and database belong together; marks destroyed keys in a restored database."""

from dataclasses import dataclass, field
from uuid import UUID

from control_plane.access import access
from control_plane.access.permissions import MAINTAIN
from control_plane.common.actors import Actor
from control_plane.common.scoping import studio_scope
from control_plane.keys import keyring
from control_plane.keys.configured import key_share_store
from control_plane.keys.errors import KeyDestroyed, KeyRefused
from control_plane.keys.models import StudioKey, TombstoneKind
from control_plane.keys.services.generations import (
    count_outdated,
    destroy_generation,
    replace_generation,
    wrapped_columns,
)
from control_plane.keys.services.tombstones import destroy_recorded_shares, record_tombstone
from control_plane.tenancy.models import Studio
from control_plane.tenancy.selectors import studio_ids

TOMBSTONES = {
    keyring.CLASS: TombstoneKind.CLASS,
    keyring.CLIP: TombstoneKind.CLIP,
    keyring.EXPORT: TombstoneKind.EXPORT,
}
"""Of the keys that have a share of their own."""
RESTORED = "destroyed before this database was restored"
MAX_LISTED = 100


@dataclass
class KeyCheckReport:
    """Result of a check. `lost`: the first ids whose share is missing or whose key does not open."""

    open: int = 0
    destroyed: int = 0
    marked: bool = False
    outdated: int = 0
    lost: list[str] = field(default_factory=list)


def check_all_keys(*, actor: Actor, mark_destroyed: bool = False) -> KeyCheckReport:
    """Checks every key of every studio; `mark_destroyed` marks keys as destroyed whose share is.

    Raises:
        KeysUnavailable: the root key or the share store does not answer.
        Forbidden: `actor` may not maintain studios.
    """
    report = KeyCheckReport(marked=mark_destroyed)
    for studio_id in studio_ids("check of keys"):
        with studio_scope(UUID(str(studio_id))):
            studio = Studio.objects.get()
            access.require(actor, MAINTAIN, studio)
            destroy_recorded_shares(again=True)
            _check_generations(report, actor, mark_destroyed, studio)
            _check_rows(report, actor, mark_destroyed, studio)
            report.outdated += count_outdated()
    return report


def _check_generations(report: KeyCheckReport, actor: Actor, mark_destroyed: bool, studio: Studio) -> None:
    for key in StudioKey.objects.filter(destroyed_at=None):
        try:
            keyring.generation_key(key)
            report.open += 1
        except KeyDestroyed:
            report.destroyed += 1
            if mark_destroyed:
                destroy_generation(key, actor=actor, reason=RESTORED)
                if key.retired_at is None:
                    # Otherwise agents would go on sealing to it, and nobody could open their segments.
                    replace_generation(studio, actor=actor)
        except KeyRefused:
            _report_lost(report, f"keys {key.id}")


def _check_rows(report: KeyCheckReport, actor: Actor, mark_destroyed: bool, studio: Studio) -> None:
    for model, column, kind in wrapped_columns():
        rows = model._default_manager.exclude(**{column: b""}).order_by("pk").values_list("pk", column)
        for pk, wrapped in rows.iterator(chunk_size=500):
            try:
                keyring.unwrap(wrapped, kind=kind, id_=UUID(str(pk)))
                report.open += 1
            except KeyDestroyed:
                if kind in TOMBSTONES and _has_share(UUID(str(pk))):
                    # The share lives, so the class was not destroyed: its generation ended after a rotation, and this
                    # database is older than that. A newer one opens the class; without its share it could not.
                    _report_lost(report, f"{kind} {pk}")
                    continue
                report.destroyed += 1
                if mark_destroyed:
                    model._default_manager.filter(pk=pk).update(**{column: b""})
                    if kind in TOMBSTONES:
                        id_ = UUID(str(studio.id))
                        record_tombstone(
                            TOMBSTONES[kind], UUID(str(pk)), reason=RESTORED, actor=actor, studio_id=id_
                        )
            except KeyRefused:
                _report_lost(report, f"{kind} {pk}")


def _has_share(id_: UUID) -> bool:
    try:
        key_share_store().get(id_)
    except KeyRefused:
        return False
    return True


def _report_lost(report: KeyCheckReport, what: str) -> None:
    if len(report.lost) < MAX_LISTED:
        report.lost.append(what)
