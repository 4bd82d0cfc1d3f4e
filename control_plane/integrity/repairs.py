"""Requests damaged segments again from the agent that recorded them.

A request is state (`SegmentDamage.repair`), read again whenever the agent connects, so a lost, duplicated or late message
changes nothing. The new copy gets its own key: the row is repointed only after the copy was read back, and only then the
deletion of the old object is scheduled. Call inside `studio_scope`.
"""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from django.db.models import Q
from django.utils import timezone

from control_plane.access import access
from control_plane.access.permissions import MAINTAIN
from control_plane.audit.services import record_for
from control_plane.common.actors import Actor
from control_plane.fleet.announcements import Topic, announce_on_commit
from control_plane.fleet.events import ResendAnswered, ResendWanted
from control_plane.fleet.models import Agent, AgentState
from control_plane.fleet.permissions import REPORT
from control_plane.integrity.audit_events import FOOTAGE_REPAIRED
from control_plane.recordings.damage_models import RepairState, SegmentDamage
from control_plane.recordings.models import ClassSession, Segment
from control_plane.recordings.permissions import UPLOAD
from control_plane.recordings.segment_factory import ObjectLocation
from control_plane.recordings.selectors import class_timeline
from control_plane.recordings.services import infer_gaps, lock_class
from control_plane.storage.deletion_queue import schedule_deletion
from control_plane.storage.models import DeletionReason, MigrationFailure
from control_plane.tenancy.models import Studio
from shared.protocol.ids import SegmentId
from shared.protocol.messages import SEND_AGAIN_MOST
from shared.protocol.upload import TARGET_LIFETIME_S

RESEND_TIMEOUT = timedelta(days=1)
"""A promised segment that has not arrived after this time is requested again."""


def request_resends(*, actor: Actor, lost_too: bool = False) -> int:
    """Requests the damaged segments of the studio in scope from their agents; returns how many are requested.

    Args:
        lost_too: also those of which the agent reported no intact copy.

    Raises:
        Forbidden, NotFound: `actor` may not maintain the studio.
    """
    access.require(actor, MAINTAIN, Studio.objects.get())
    overdue = Q(repair=RepairState.COMING, answered_at__lt=timezone.now() - RESEND_TIMEOUT)
    due = Q(repair=RepairState.OPEN) | overdue | (Q(repair=RepairState.LOST) if lost_too else Q())
    trusted = Agent.objects.exclude(state=AgentState.REVOKED).values("id")
    due_rows = SegmentDamage.objects.filter(due, agent__in=trusted)
    SegmentDamage.transition_rows(due_rows, RepairState.ASKED, answered_at=None)
    asked = SegmentDamage.objects.filter(repair=RepairState.ASKED, agent__in=trusted)
    for agent_id in asked.order_by().values_list("agent_id", flat=True).distinct():
        announce_on_commit(agent_id, Topic.FOOTAGE)
    return int(asked.count())


def wanted_segments(question: ResendWanted) -> tuple[SegmentId, ...]:
    """Returns the segments that an agent is to send again, the longest damaged first."""
    asked = SegmentDamage.objects.filter(agent=question.agent_id, repair=RepairState.ASKED).order_by(
        "created_at", "id"
    )
    return tuple(asked.values_list("segment_id", flat=True)[:SEND_AGAIN_MOST])


def apply_answer(answered: ResendAnswered) -> None:
    """Stores an agent's answer for the segments that it was asked for; ignores other segments.

    Raises:
        Forbidden, NotFound: the actor may not report for the agent.
    """
    agent, answer = answered.agent, answered.answer
    access.require(answered.actor, REPORT, agent)
    asked = SegmentDamage.objects.filter(agent=agent, repair=RepairState.ASKED)
    now = timezone.now()
    SegmentDamage.transition_rows(
        asked.filter(segment_id__in=answer.coming), RepairState.COMING, answered_at=now
    )
    lost = (*answer.gone, *answer.damaged)
    SegmentDamage.transition_rows(asked.filter(segment_id__in=lost), RepairState.LOST, answered_at=now)


def damage_ids(segment_ids: Sequence[UUID], agent: Agent) -> dict[UUID, UUID]:
    """Returns the damaged ones among some segments of an agent, with the ids of their damage rows."""
    found = SegmentDamage.objects.filter(segment_id__in=list(segment_ids), agent=agent)
    return dict(found.values_list("segment_id", "id"))


def replace_segments(
    class_session: ClassSession, agent: Agent, arrived: Sequence[tuple[UUID, ObjectLocation]], *, actor: Actor
) -> list[UUID]:
    """Repoints damaged segments to their new, verified copies; returns those that were damaged.

    Intact segments keep their object, and deletion of the new copy is scheduled.

    Raises:
        NotFound, Forbidden: `actor` may not upload to this class.
    """
    access.require(actor, UPLOAD, class_session)
    class_session = lock_class(class_session.id)
    places = dict(arrived)
    rows = Segment.objects.filter(pk__in=list(places), agent=agent, class_session=class_session)
    old: list[tuple[UUID | None, str]] = []
    replaced: list[UUID] = []
    is_living = bool(class_session.wrapped_key)
    for row in rows.select_for_update(of=("self",)).defer("fragments_json", "wrapped_key").order_by("id"):
        place = places[row.id]
        if is_living and SegmentDamage.objects.filter(segment_id=row.id).delete()[0]:
            old.append((row.store_id, row.object_key))
            row.store_id, row.object_key = place
            row.save(update_fields=["store", "object_key"])
            replaced.append(row.id)
        elif place != (row.store_id, row.object_key):
            old.append((place.store_id, place.key))
    # A presigned URL for one of the old keys may stay valid this long.
    schedule_deletion(old, reason=DeletionReason.REPLACED, after=timedelta(seconds=TARGET_LIFETIME_S))
    if replaced:
        MigrationFailure.objects.filter(segment_id__in=replaced).delete()
        record_for(
            FOOTAGE_REPAIRED,
            class_session,
            actor=actor,
            details={"segments": [str(id_) for id_ in replaced], "how": "sent_again"},
        )
        if class_session.has_ended:
            infer_gaps(class_session, class_timeline(class_session))
    return replaced
