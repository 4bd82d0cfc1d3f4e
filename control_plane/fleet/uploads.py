"""Upload window and bandwidth limit of an agent, set by its studio."""

from dataclasses import dataclass

import msgspec

from control_plane.access import access
from control_plane.audit.services import record_for
from control_plane.common.actors import Actor
from control_plane.common.errors import BadRequest
from control_plane.common.scoping import studio_scope
from control_plane.fleet.audit_events import AGENT_CHANGED
from control_plane.fleet.desired import publish_config
from control_plane.fleet.models import Agent
from control_plane.fleet.permissions import MANAGE_AGENTS
from shared.protocol.config import UPLOAD_WINDOW_SINCE, UploadPolicy

MIN_BYTES_PER_S = 12_500
"""With a lower limit a segment would not be uploaded before its address expires."""
MAX_BYTES_PER_S = 1_250_000_000


@dataclass(frozen=True, slots=True)
class UploadLimits:
    """Upload settings of an agent: times of day (`22:00`; both empty: any time) and a rate limit (None: none)."""

    opens: str = ""
    closes: str = ""
    max_bytes_per_s: int | None = None


def upload_limits(agent: Agent) -> UploadLimits:
    """Returns the upload settings of an agent."""
    return UploadLimits(agent.upload_opens, agent.upload_closes, agent.upload_max_bytes_per_s)


def is_too_old_for_window(agent: Agent) -> bool:
    """Returns whether an upload window is set that the agent's software does not support."""
    return bool(agent.upload_opens) and agent.protocol < UPLOAD_WINDOW_SINCE


def set_upload_limits(agent: Agent, limits: UploadLimits, *, actor: Actor) -> Agent:
    """Restricts an agent's uploads to these times of day, in the studio's time zone, and to a rate.

    Raises:
        BadRequest: a value is invalid; the text is shown to people.
        NotFound, Forbidden: `actor` may not manage agents.
    """
    with studio_scope(agent.studio_id):
        access.require(actor, MANAGE_AGENTS, agent)
        _check(limits)
        if limits == upload_limits(agent):
            return agent
        agent.upload_opens, agent.upload_closes = limits.opens, limits.closes
        agent.upload_max_bytes_per_s = limits.max_bytes_per_s
        agent.save(update_fields=["upload_opens", "upload_closes", "upload_max_bytes_per_s"])
        publish_config(agent)
        record_for(
            AGENT_CHANGED,
            agent,
            actor=actor,
            details={
                "fields": ["upload_limits"],
                "opens": limits.opens,
                "closes": limits.closes,
                "max_bytes_per_s": limits.max_bytes_per_s,
            },
        )
    return agent


def _check(limits: UploadLimits) -> None:
    if bool(limits.opens) != bool(limits.closes):
        raise BadRequest("Give both times, or neither for uploads at any time.")
    if limits.opens and limits.opens == limits.closes:
        raise BadRequest(f"Both times are {limits.opens}. Leave both empty for uploads at any time.")
    most = limits.max_bytes_per_s
    if most is not None and not MIN_BYTES_PER_S <= most <= MAX_BYTES_PER_S:
        raise BadRequest("Give a speed from 0.1 to 10000 Mbit/s, or 0 for no limit.")
    window = {"opens": limits.opens, "closes": limits.closes, "time_zone": "UTC"}
    try:
        msgspec.convert({"window": window} if limits.opens else {}, UploadPolicy)
    except msgspec.ValidationError as error:
        raise BadRequest("Give times such as 22:00 and 06:00.") from error
