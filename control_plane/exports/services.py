"""Writes of exports by people: request, approve, cancel, delete."""

from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

from django.db import transaction

from control_plane.access import access
from control_plane.audit.services import record_for
from control_plane.common.actors import Actor, ActorKind
from control_plane.common.errors import BadRequest, Conflict, Forbidden
from control_plane.common.scoping import studio_scope
from control_plane.exports import tasks
from control_plane.exports.audit_events import EXPORT_APPROVED, EXPORT_REQUESTED
from control_plane.exports.models import OPEN, Export, ExportState
from control_plane.exports.removal import end_export
from control_plane.exports.sources import MOST_ANGLES
from control_plane.keys import vault
from control_plane.people.permissions import VIEW_DANCERS
from control_plane.plans.rate_limits import require_rate
from control_plane.recordings.models import ClassSession
from control_plane.recordings.part_choice import choose_part
from control_plane.recordings.permissions import EXPORT
from control_plane.sharing.egress import NOTHING_YET, EgressKind, egress_policy, require_egress
from control_plane.tenancy.models import Studio
from control_plane.tenancy.permissions import MANAGE_STUDIO

MOST_OPEN = 5
"""Exports of a studio that wait or run at the same time."""


@dataclass(frozen=True, slots=True)
class ExportFacts:
    """The wishes of the person who exports.

    Attributes:
        track_ids: the cameras; empty: all.
        from_s, to_s: the bounds in seconds of class time; None: the start, the end.
        whole_fragments: nothing is encoded again; up to 2 s at each end may be missing.
        side_by_side: one more file with all angles in a grid.
        burn_in_time: the time of day is drawn into that file.
        with_roster: the names of the dancers, for who may see them.
    """

    track_ids: Collection[UUID] = ()
    from_s: float | None = None
    to_s: float | None = None
    whole_fragments: bool = False
    side_by_side: bool = False
    burn_in_time: bool = False
    with_roster: bool = False


def request_export(class_session: ClassSession, facts: ExportFacts, *, actor: Actor) -> Export:
    """Requests an export of a class, or a part of it. A job writes it; where the studio demands it, after an approval.

    Raises:
        BadRequest: a value is out of its bounds; the message names it.
        Conflict: the class is not complete yet, or too many exports are open.
        EgressRefused: something stops this class from being exported now.
        NotFound, Forbidden: `actor` may not export this class, or not see the dancers whose names are wished for.
        TooManyRequests: too many were requested within an hour.
    """
    with studio_scope(class_session.studio_id):
        require_egress(actor, class_session, EgressKind.EXPORT, NOTHING_YET)
        if facts.with_roster:
            access.require(actor, VIEW_DANCERS, class_session)
        require_rate(EXPORT_REQUESTED, actor=actor)
        if actor.kind is not ActorKind.USER or actor.id is None:
            raise Forbidden("Only a person can export a class.")
        if not class_session.has_ended:
            raise Conflict("This class is not complete yet. Export it when its footage has arrived.")
        # One request at a time, so that the limit holds.
        Studio.objects.select_for_update(no_key=True).get(pk=class_session.studio_id)
        if Export.objects.filter(state__in=OPEN).count() >= MOST_OPEN:
            raise Conflict(f"{MOST_OPEN} exports are open. Wait until one is ready, or cancel one.")
        part, _ = choose_part(class_session, facts.track_ids, facts.from_s, facts.to_s)
        if facts.side_by_side and len(part.track_ids) > MOST_ANGLES:
            raise BadRequest(f"Side by side there is room for {MOST_ANGLES} cameras. Choose fewer.")
        export = Export(
            studio_id=class_session.studio_id,
            class_session=class_session,
            requested_by=actor.id,
            track_ids=sorted(part.track_ids),
            from_at=part.from_at,
            to_at=part.to_at,
            whole_fragments=facts.whole_fragments,
            side_by_side=facts.side_by_side,
            burn_in_time=facts.burn_in_time and facts.side_by_side,
            with_roster=facts.with_roster,
        )
        export.wrapped_key = vault.new_class_key(
            export.id, actor=actor, permission=EXPORT, subject=class_session, kind=vault.EXPORT
        )
        export.save(force_insert=True)
        details = {
            "export": str(export.id),
            "cameras": len(part.track_ids),
            "whole": part.from_at is None and part.to_at is None,
            "roster": facts.with_roster,
        }
        record_for(EXPORT_REQUESTED, class_session, actor=actor, details=details)
        if not egress_policy().export_approval:
            _queue(export)
    return export


def approve_export(export: Export, *, actor: Actor) -> None:
    """Lets a waiting export go on.

    Raises:
        Conflict: it does not wait.
        Forbidden: `actor` requested it, or is no admin of the studio.
        NotFound: `actor` may not see it.
    """
    with studio_scope(export.studio_id):
        row: Export = Export.objects.select_for_update(of=("self",)).get(pk=export.pk)
        access.require(actor, EXPORT, row)
        access.require(actor, MANAGE_STUDIO, Studio.objects.get(pk=row.studio_id))
        if actor.kind is not ActorKind.USER or actor.id == row.requested_by:
            raise Forbidden("A second person has to approve this export.")
        if row.state != ExportState.WAITING:
            raise Conflict("This export does not wait for approval.")
        Export.objects.filter(pk=row.pk).update(approved_by=actor.id)
        record_for(EXPORT_APPROVED, row.class_session, actor=actor, details={"export": str(row.id)})
        _queue(row)


def delete_export(export: Export, *, actor: Actor) -> None:
    """Cancels an open export, or deletes a finished one: its key is destroyed, then its objects. Idempotent.

    Raises:
        Forbidden: `actor` neither requested it nor is an admin of the studio.
        NotFound: `actor` may not see it.
    """
    with studio_scope(export.studio_id):
        row: Export = Export.objects.select_for_update(of=("self",)).get(pk=export.pk)
        access.require(actor, EXPORT, row)
        if actor.id != row.requested_by:
            access.require(actor, MANAGE_STUDIO, Studio.objects.get(pk=row.studio_id))
        end_export(row, ExportState.CANCELLED, reason="A person deleted this export.", actor=actor)


def _queue(export: Export) -> None:
    export.transition(ExportState.QUEUED)
    studio_id, export_id = str(export.studio_id), str(export.id)
    transaction.on_commit(lambda: tasks.write_export.delay(studio=studio_id, export_id=export_id))
