"""Stores the messages that agents send, by websocket or by HTTP."""

from itertools import chain
from uuid import UUID

from django.utils import timezone

from control_plane.access import access
from control_plane.audit.services import record
from control_plane.common.actors import Actor
from control_plane.common.scoping import studio_scope
from control_plane.fleet.audit_events import AGENT_DUPLICATED
from control_plane.fleet.authentication import Caller
from control_plane.fleet.desired import negotiate_protocol
from control_plane.fleet.events import HeartbeatReceived, ResendAnswered, ResendWanted
from control_plane.fleet.models import Agent, AgentState, ReportedConfig, StatusReport
from control_plane.fleet.permissions import REPORT
from control_plane.fleet.status_limits import truncated_status
from shared.protocol.codec import encode
from shared.protocol.ids import SegmentId
from shared.protocol.messages import FromAgent, Heartbeat, Hello, Report, SendingAgain
from shared.protocol.status import AgentStatus, Reported


def apply_message(message: FromAgent, caller: Caller) -> None:
    """Stores one message of an agent; ignores messages of a revoked agent.

    Raises:
        Forbidden, NotFound: the caller may not report.
    """
    with studio_scope(caller.studio_id):
        agent: Agent = Agent.objects.get(pk=caller.agent_id)
        if not agent.is_trusted:
            # The socket of a revoked agent closes within seconds; messages until then are ignored.
            return
        access.require(caller.actor, REPORT, agent)
        # Lock order: the agent row before the audit chain. A heartbeat may end a class and take the chain lock, and an
        # edit of the agent takes the agent row first and then waits for the chain.
        _touch_agent(agent, caller)
        match message:
            case Hello():
                agent.agent_version = message.agent_version[:40]
                agent.save(update_fields=["agent_version"])
                _store_reported_config(agent, message.reported)
                negotiate_protocol(agent, message.protocol)
            case Report():
                _store_reported_config(agent, message.reported)
            case Heartbeat():
                _store_status(agent, message.status, caller.actor)
            case SendingAgain():
                ResendAnswered(agent, message, caller.actor).publish()


def lost_footage(agent_id: UUID) -> tuple[SegmentId, ...]:
    """Returns the damaged segments to request from an agent again. Call inside the studio's scope."""
    return tuple(chain.from_iterable(ResendWanted(agent_id).answers()))


def open_link(hello: Hello, caller: Caller, link_id: UUID) -> None:
    """Stores that an agent opened a websocket, and its first message."""
    with studio_scope(caller.studio_id):
        apply_message(hello, caller)
        trusted = Agent.objects.filter(pk=caller.agent_id).exclude(state=AgentState.REVOKED)
        trusted.update(link_id=link_id, linked_at=timezone.now())


def close_link(caller: Caller, link_id: UUID, *, was_stopped: bool = False) -> None:
    """Stores that a websocket closed, unless a newer one is open.

    Args:
        caller: the agent of the websocket.
        link_id: the id of the websocket.
        was_stopped: the agent reported that it is stopping. Otherwise it has `OFFLINE_AFTER` to reconnect.
    """
    with studio_scope(caller.studio_id):
        changes = {"stopped_at": timezone.now()} if was_stopped else {}
        Agent.objects.filter(pk=caller.agent_id, link_id=link_id).update(link_id=None, **changes)


def report_duplicate(caller: Caller, other_address: str) -> None:
    """Raises the alarm that two machines use one agent identity. Both keep recording. Idempotent."""
    with studio_scope(caller.studio_id):
        changed = Agent.objects.filter(pk=caller.agent_id, duplicate_at=None).update(
            duplicate_at=timezone.now(),
            duplicate_detail=f"seen at {caller.address} and at {other_address}"[:200],
        )
        if changed:
            record(
                AGENT_DUPLICATED,
                actor=caller.actor,
                studio_id=caller.studio_id,
                object_type="fleet.Agent",
                object_id=caller.agent_id,
            )


def _touch_agent(agent: Agent, caller: Caller) -> None:
    # 5,000 agents report twice a minute, so each table gets one statement per message.
    Agent.touch_and_transition(
        Agent.objects.filter(pk=agent.pk),
        AgentState.ACTIVE,
        last_seen_at=timezone.now(),
        last_address=caller.address[:64],
        stopped_at=None,
    )


def _store_reported_config(agent: Agent, reported: Reported) -> None:
    _upsert(
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


def _upsert(row: ReportedConfig | StatusReport, fields: list[str]) -> None:
    """Inserts or overwrites the one row that an agent has in this table."""
    type(row).objects.bulk_create([row], update_conflicts=True, unique_fields=["agent"], update_fields=fields)


def _store_status(agent: Agent, status: AgentStatus, actor: Actor) -> None:
    _upsert(
        StatusReport(
            studio_id=agent.studio_id,
            agent=agent,
            body=encode(truncated_status(status)).decode(),
            received_at=timezone.now(),
        ),
        ["body", "received_at"],
    )
    HeartbeatReceived(agent, status, actor).publish()
