"""What agents say of themselves, written down: by websocket or by HTTP, the same functions."""

from itertools import chain
from uuid import UUID

from django.db.models import Case, F, Value, When
from django.utils import timezone

from control_plane.access import access
from control_plane.audit.catalogue import Action as Act
from control_plane.audit.services import record
from control_plane.common.actors import Actor
from control_plane.common.scoping import studio_scope
from control_plane.fleet.authentication import Caller
from control_plane.fleet.desired import agree_on_words
from control_plane.fleet.events import HeartbeatReceived, ResendAnswered, ResendWanted
from control_plane.fleet.fit import shown_part
from control_plane.fleet.models import Agent, AgentState, ReportedConfig, StatusReport
from shared.protocol.codec import encode
from shared.protocol.ids import SegmentId
from shared.protocol.messages import FromAgent, Heartbeat, Hello, Report, SendingAgain
from shared.protocol.status import AgentStatus, Reported


def take(message: FromAgent, caller: Caller) -> None:
    """Writes down one message of an agent; of one that was revoked, nothing.

    Raises:
        Forbidden, NotFound: the caller may not report.
    """
    with studio_scope(caller.studio_id):
        agent: Agent = Agent.objects.get(pk=caller.agent_id)
        if not agent.is_trusted:
            # A socket is closed within moments of the revocation; what comes meanwhile is nobody's word.
            return
        access.require(caller.actor, access.Action.REPORT, agent)
        # First: a heartbeat may end a class, and then holds the audit chain, for which whoever edits the agent waits.
        _seen(agent, caller)
        match message:
            case Hello():
                agent.agent_version = message.agent_version[:40]
                agent.save(update_fields=["agent_version"])
                _take_reported(agent, message.reported)
                agree_on_words(agent, message.protocol)
            case Report():
                _take_reported(agent, message.reported)
            case Heartbeat():
                _take_status(agent, message.status, caller.actor)
            case SendingAgain():
                ResendAnswered(agent, message, caller.actor).publish()


def lost_footage(agent_id: UUID) -> tuple[SegmentId, ...]:
    """Returns the segments that a box is to be asked to send again; inside the studio's scope."""
    return tuple(chain.from_iterable(ResendWanted(agent_id).answers()))


def greet(hello: Hello, caller: Caller, link_id: UUID) -> None:
    """Writes down that a websocket of an agent stands, and what it said first."""
    with studio_scope(caller.studio_id):
        take(hello, caller)
        trusted = Agent.objects.filter(pk=caller.agent_id).exclude(state=AgentState.REVOKED)
        trusted.update(link_id=link_id, linked_at=timezone.now())


def close_link(caller: Caller, link_id: UUID, *, was_stopped: bool = False) -> None:
    """Notes that a websocket is gone, unless another one is open by now.

    Args:
        caller: whose it was.
        link_id: which one.
        was_stopped: the agent said goodbye. Else its line broke, and it has `SILENT_AFTER` to come back.
    """
    with studio_scope(caller.studio_id):
        changes = {"stopped_at": timezone.now()} if was_stopped else {}
        Agent.objects.filter(pk=caller.agent_id, link_id=link_id).update(link_id=None, **changes)


def report_duplicate(caller: Caller, other_address: str) -> None:
    """Raises the alarm that two boxes speak with one identity; both go on recording. Once more is harmless."""
    with studio_scope(caller.studio_id):
        changed = Agent.objects.filter(pk=caller.agent_id, duplicate_at=None).update(
            duplicate_at=timezone.now(),
            duplicate_detail=f"seen at {caller.address} and at {other_address}"[:200],
        )
        if changed:
            record(
                Act.AGENT_DUPLICATED,
                actor=caller.actor,
                studio_id=caller.studio_id,
                object_type="fleet.Agent",
                object_id=caller.agent_id,
            )


def _seen(agent: Agent, caller: Caller) -> None:
    # 5,000 boxes say something twice a minute: one statement for each table is what that allows.
    state = Case(When(state=AgentState.PENDING, then=Value(AgentState.ACTIVE.value)), default=F("state"))
    Agent.objects.filter(pk=agent.pk).update(
        last_seen_at=timezone.now(), last_address=caller.address[:64], state=state, stopped_at=None
    )


def _take_reported(agent: Agent, reported: Reported) -> None:
    _put(
        ReportedConfig(
            studio_id=agent.studio_id,
            agent=agent,
            version=reported.version,
            hash=reported.hash or "",
            status=reported.status.value,
            error=reported.error.replace("\0", "")[:2000],
            failed_version=reported.failed_version,
            received_at=timezone.now(),
        ),
        ["version", "hash", "status", "error", "failed_version", "received_at"],
    )


def _put(row: ReportedConfig | StatusReport, fields: list[str]) -> None:
    """Writes the one row of an agent, over the one that stands there."""
    type(row).objects.bulk_create([row], update_conflicts=True, unique_fields=["agent"], update_fields=fields)


def _take_status(agent: Agent, status: AgentStatus, actor: Actor) -> None:
    _put(
        StatusReport(
            studio_id=agent.studio_id,
            agent=agent,
            body=encode(shown_part(status)).decode(),
            received_at=timezone.now(),
        ),
        ["body", "received_at"],
    )
    HeartbeatReceived(agent, status, actor).publish()
