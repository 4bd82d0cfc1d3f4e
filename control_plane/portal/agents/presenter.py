"""Data of an agent's card: connection, problems, and upload backlog."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from control_plane.common.actors import Actor
from control_plane.common.dates import format_clock, format_short_moment
from control_plane.common.humanize import format_duration, format_size
from control_plane.fleet.models import Agent, AgentState, Camera
from control_plane.fleet.selectors import (
    camera_statuses,
    fresh_status,
    is_acknowledged,
    visible_agents,
    visible_cameras,
)
from control_plane.fleet.uploads import is_too_old_for_window, upload_limits
from control_plane.portal.agents.cameras import CameraCard, camera_card
from shared.protocol.media import ClockMethod
from shared.protocol.status import AgentStatus, ConfigStatus, WindowState
from shared.protocol.timing import ERROR_BOUND_MOST_US

BYTES_PER_MBIT = 125_000
CLOCK_OFF_MS = 2000
"""A larger clock offset is reported on the card. It does no harm to recordings, but confuses readers of the agent's logs."""


@dataclass(frozen=True, slots=True)
class AgentCard:
    """One agent. `figures` are names and values in display order; `problem` is empty for a healthy agent, `note` for an
    agent whose uploads need no remark."""

    id: UUID
    name: str
    state: str
    is_connected: bool
    is_stopped: bool
    is_revoked: bool
    last_seen_at: datetime | None
    version: str
    fingerprint: str
    rooms_text: str
    problem: str
    note: str
    cameras: list[CameraCard]
    figures: list[tuple[str, str]]


def agent_cards(actor: Actor) -> list[AgentCard]:
    """Returns the agents that `actor` may see, recording agents first."""
    cameras: dict[UUID, list[Camera]] = defaultdict(list)
    for camera in visible_cameras(actor):
        cameras[camera.agent_id].append(camera)
    cards = [_card(agent, cameras[agent.id]) for agent in visible_agents(actor)]
    return sorted(cards, key=lambda card: (card.is_revoked, card.name))


def limits_text(agent: Agent) -> str:
    """Returns an agent's upload schedule and rate limit, to follow the word "uploads": `from 22:00 until 06:00, ...`."""
    limits = upload_limits(agent)
    when = f"from {limits.opens} until {limits.closes}" if limits.opens else "at any time"
    if limits.max_bytes_per_s is None:
        return when
    return f"{when}, at most {limits.max_bytes_per_s / BYTES_PER_MBIT:g} Mbit/s"


def window_note(agent: Agent, status: AgentStatus | None) -> str:
    """Returns the current effect of an agent's upload schedule as a sentence, or an empty text."""
    if is_too_old_for_window(agent):
        return _(
            "This agent's software does not support upload windows, so it uploads at any time. Update it."
        )
    match status.upload.window if status else WindowState.ANY_TIME:
        case WindowState.WAITS:
            opens_at = status.upload.opens_at if status else None
            opens = f", from {format_clock(opens_at)}" if opens_at else ""
            return _("Waiting for the upload window%(opens)s. The agent keeps its recordings until then.") % {
                "opens": opens
            }
        case WindowState.OVERRULED:
            return _("Uploading outside the upload window, because the agent's disk is nearly full.")
        case WindowState.UNUSABLE:
            return _(
                "Uploads at any time: the agent does not know the time or the studio's time zone "
                "yet. If this persists, install tzdata on it."
            )
    return ""


def _card(agent: Agent, cameras: list[Camera]) -> AgentCard:
    status = fresh_status(agent)
    statuses = camera_statuses(agent)
    cards = [camera_card(camera, agent, statuses) for camera in cameras]
    rooms = sorted({camera.room.name for camera in cameras})
    return AgentCard(
        id=agent.id,
        name=agent.name,
        state=agent.state,
        is_connected=agent.is_online and agent.is_trusted,
        is_stopped=agent.stopped_at is not None,
        is_revoked=not agent.is_trusted,
        last_seen_at=agent.last_seen_at,
        version=agent.agent_version,
        fingerprint=agent.fingerprint,
        rooms_text=", ".join(rooms) or "no room yet",
        problem=_problem(agent, status),
        note="" if agent.state == AgentState.REVOKED else window_note(agent, status),
        cameras=sorted(cards, key=lambda card: card.order),
        figures=_figures(agent, status),
    )


def _problem(agent: Agent, status: AgentStatus | None) -> str:
    if agent.duplicate_at:
        return _(
            "Two computers use this agent's identity: %(duplicate_detail)s. Revoke it and pair both again."
        ) % {"duplicate_detail": agent.duplicate_detail}
    if agent.state == AgentState.REPLACED:
        return _("Replaced. It is listed until it has uploaded its remaining footage.")
    if agent.state == AgentState.REVOKED:
        return ""
    reported = getattr(agent, "reported", None)
    if reported and reported.status == ConfigStatus.FAILED:
        return _("The newest settings failed; the previous ones are active: %(error)s") % {
            "error": reported.error
        }
    if status and status.spool.full:
        return _(
            "The agent's disk is full. Recording has stopped until footage is uploaded or "
            "disk space is freed."
        )
    if status and status.upload.problem:
        return _("Uploads fail: %(problem)s. %(hint)s The agent keeps its recordings.") % {
            "problem": status.upload.problem,
            "hint": status.upload.hint,
        }
    if status and status.upload.quarantined:
        count, newest = status.upload.quarantined, status.upload.newest
        text = ngettext(
            "%(count)s segment was refused and stays on the agent. All others are uploaded.",
            "%(count)s segments were refused and stay on the agent. All others are uploaded.",
            count,
        ) % {"count": count}
        reason = " " + _("Last reason: %(reason)s.") % {"reason": newest[0].reason} if newest else ""
        return f"{text}{reason} " + _("The agent tries again after its next start.")
    if agent.stopped_at:
        since = format_short_moment(agent.stopped_at)
        return _(
            "Stopped on its computer on %(since)s. It does not record until it is started "
            "there: threedance-agent run"
        ) % {"since": since}
    if agent.last_seen_at is None:
        return _("Paired, never connected. Start it on its computer: threedance-agent run")
    return ""


def _dated_within(status: AgentStatus) -> str:
    """Describes the largest clock error of pictures that are dated by arrival; empty if there are none."""
    clocks = [camera.clock for camera in status.cameras if camera.clock is not None]
    errors_us = [clock.error_bound_us for clock in clocks if clock.method is ClockMethod.ARRIVAL]
    if not errors_us:
        return ""
    worst_us = max(errors_us)
    if worst_us >= ERROR_BOUND_MOST_US:
        return _("before the server's time was known")
    worst = format_duration(worst_us / 1e6) if worst_us >= 1_000_000 else f"{worst_us / 1000:.0f} ms"
    return _("within %(bound)s of the server's time") % {"bound": worst}


def _figures(agent: Agent, status: AgentStatus | None) -> list[tuple[str, str]]:
    figures: list[tuple[str, str]] = []
    desired = getattr(agent, "desired", None)
    if desired:
        settings = _("active") if is_acknowledged(agent) else _("pending")
        text = _("version %(version)s, %(state)s") % {"version": desired.version, "state": settings}
        figures.append((_("Settings"), text))
    if agent.state != AgentState.REVOKED:
        figures.append((_("Uploads"), limits_text(agent)))
    if status is None:
        return figures
    spool = status.spool
    behind = format_duration(spool.behind_s) if spool.segments_pending else _("up to date")
    figures += [
        (_("Upload delay"), behind),
        (_("Segments to upload"), str(spool.segments_pending)),
        (_("Buffer used"), format_size(spool.bytes_used)),
        (_("Disk free"), format_size(spool.bytes_free)),
        (
            _("Recording time left"),
            _("unknown") if spool.hours_left is None else format_duration(spool.hours_left * 3600),
        ),
        (_("Uptime"), format_duration(status.uptime_s)),
    ]
    if status.update:
        figures.append((_("Last update"), status.update))
    if dated := _dated_within(status):
        figures.append((_("Timestamps"), dated))
    if abs(status.clock_offset_ms) > CLOCK_OFF_MS:
        figures.append(
            (
                _("Agent clock"),
                _("off by %(time)s") % {"time": format_duration(abs(status.clock_offset_ms) / 1000)},
            )
        )
    return figures
