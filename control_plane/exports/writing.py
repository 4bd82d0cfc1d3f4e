"""The job that writes a package: reads footage, makes files, encrypts them in parts and stores these.

A worker that dies leaves parts without a finished export: the next attempt removes them and begins anew, with a new content
key. Memory: a part, and the fragments and pictures of the moment.
"""

from datetime import timedelta
from uuid import UUID

from django.db.models import F
from django.utils import timezone

from control_plane.audit.services import record_for
from control_plane.common.errors import ControlPlaneError, Forbidden, NotFound, Unavailable
from control_plane.common.leases import claim, renew
from control_plane.common.scoping import studio_scope
from control_plane.exports.attempt import LEASE, Attempt, Stopped, requester, running
from control_plane.exports.audit_events import EXPORT_STARTED
from control_plane.exports.contents import package_files
from control_plane.exports.footage import FootageDamaged, plan_footage
from control_plane.exports.keys import EXPORT_KEYS
from control_plane.exports.media.angle import Bounds
from control_plane.exports.media.fragment_reader import MediaError
from control_plane.exports.models import Export, ExportState, Failure
from control_plane.exports.package import package_bytes
from control_plane.exports.removal import SYSTEM, drop_parts, end_export
from control_plane.exports.sealing import PART_BYTES
from control_plane.keys import vault
from control_plane.keys.errors import KeyDestroyed, KeyRefused
from control_plane.sharing.egress import NOTHING_YET, EgressKind, require_egress

LIFETIME = timedelta(days=7)
MOST_ATTEMPTS = 5
RETRY_AFTER = timedelta(minutes=2)


class _Hopeless(Exception):  # no error
    """There is no package to write, for the reason of `failure`."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure)
        self.failure = failure


def write_package(studio_id: UUID, export_id: UUID) -> None:
    """Writes the package of a queued export.

    What cannot be written fails with its reason; if a store is away, it is tried again later.
    """
    with studio_scope(studio_id):
        export = Export.objects.filter(pk=export_id).select_related("class_session").first()
        token = _claim(export) if export else None
    if export is None or token is None:
        return
    try:
        attempt = _begin(export, token)
        _write(attempt)
        _finish(attempt)
    except Stopped:
        return
    except Unavailable:
        _retry_later(export, token)
    except _Hopeless as hopeless:
        _fail(export, hopeless.failure)
    except (FootageDamaged, KeyRefused, MediaError):
        _fail(export, Failure.DAMAGED)
    except (NotFound, Forbidden, KeyDestroyed):
        _fail(export, Failure.REFUSED)
    except ControlPlaneError:
        _fail(export, Failure.STORE)


def _claim(export: Export) -> UUID | None:
    mine = Export.objects.filter(pk=export.pk)
    if export.state == ExportState.QUEUED and not Export.transition_rows(mine, ExportState.RUNNING):
        return None
    return claim(running(export), lease=LEASE)


def _begin(export: Export, token: UUID) -> Attempt:
    """Removes what an earlier attempt left, and plans."""
    # An export that exhausts the memory of its worker would otherwise do so again and again.
    if export.attempts >= MOST_ATTEMPTS:
        raise _Hopeless(Failure.BROKEN)
    with studio_scope(export.studio_id):
        drop_parts(export)
        authorization = require_egress(
            requester(export), export.class_session, EgressKind.EXPORT, NOTHING_YET
        )
        bounds = Bounds(export.from_at, export.to_at, whole_fragments=export.whole_fragments)
        plan = plan_footage(export.class_session, export.track_ids, bounds)
        if not plan.angles:
            raise _Hopeless(Failure.EMPTY)
        details = {"export": str(export.id), "bytes": plan.size_bytes}
        entry = record_for(EXPORT_STARTED, export.class_session, actor=authorization.actor, details=details)
        with vault.release_keys(authorization.actor, EXPORT_KEYS, export, entry_id=entry.id) as release:
            content_key, wrapped = release.new_content_key()
        passes = 2 if export.side_by_side else 1
        values = {
            "attempts": F("attempts") + 1,
            "wrapped_content_key": wrapped,
            "done_bytes": 0,
            "total_bytes": plan.size_bytes * passes,
        }
        if not renew(running(export), token, lease=LEASE, **values):
            raise Stopped
    return Attempt(export, token, entry.id, content_key, plan)


def _write(attempt: Attempt) -> None:
    waiting = bytearray()
    files = package_files(attempt.export, attempt.plan, attempt.opened, attempt.roster)
    for data in package_bytes(files, made_at=timezone.now()):
        waiting += data
        while len(waiting) >= PART_BYTES:
            attempt.store_part(bytes(waiting[:PART_BYTES]))
            del waiting[:PART_BYTES]
    if waiting:
        attempt.store_part(bytes(waiting))


def _finish(attempt: Attempt) -> None:
    export, now = attempt.export, timezone.now()
    with studio_scope(export.studio_id):
        Export.transition_rows(
            running(export).filter(lease_token=attempt.token),
            ExportState.READY,
            size_bytes=attempt.size_bytes,
            done_bytes=F("total_bytes"),
            finished_at=now,
            expires_at=now + LIFETIME,
            lease_token=None,
            lease_until=None,
        )


def _retry_later(export: Export, token: UUID) -> None:
    with studio_scope(export.studio_id):
        mine = running(export).filter(lease_token=token)
        row = mine.select_related("class_session").first()
        if row is not None and row.attempts < MOST_ATTEMPTS:
            values = {"lease_token": None, "lease_until": None, "retry_at": timezone.now() + RETRY_AFTER}
            Export.transition_rows(mine, ExportState.QUEUED, **values)
            return
    if row is not None:
        _fail(row, Failure.STORE)


def _fail(export: Export, failure: Failure) -> None:
    with studio_scope(export.studio_id):
        row = Export.objects.filter(pk=export.pk).select_related("class_session").first()
        if row is not None:
            reason = f"It failed: {failure.value}."
            end_export(row, ExportState.FAILED, reason=reason, actor=SYSTEM, failure=failure)
