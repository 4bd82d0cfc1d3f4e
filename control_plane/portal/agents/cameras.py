"""Data of a camera's card: the admin's settings and the agent's current report."""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from control_plane.fleet.models import Agent, Camera
from shared.protocol.config import Position
from shared.protocol.status import CAMERA_HINTS, CameraState, CameraStatus, camera_fault

_ORDER = [item.value for item in Position]
_STATES = {
    CameraState.CONNECTING: gettext_noop("Connecting"),
    CameraState.CONNECTED: gettext_noop("Connected"),
    CameraState.RETRYING: gettext_noop("Retrying"),
}
_CODECS = {"h264": "H.264", "h265": "H.265"}


@dataclass(frozen=True, slots=True)
class CameraCard:
    """One camera. `state` is a `CameraState`, `unknown` without a status report, or `disabled`."""

    id: UUID
    name: str
    position: str
    state: str
    state_text: str
    facts: str
    error_text: str
    hint: str

    @property
    def is_connected(self) -> bool:
        """Whether the camera sends pictures."""
        return self.state == CameraState.CONNECTED

    @property
    def order(self) -> tuple[int, str]:
        """Sort key: position on the wall, then name."""
        return _ORDER.index(self.position), self.name


def camera_card(camera: Camera, agent: Agent, statuses: Mapping[UUID, CameraStatus]) -> CameraCard:
    """Returns the card of `camera`, from its agent's last status report (`statuses`, by camera)."""
    status = statuses.get(camera.id)
    if not camera.enabled:
        state, text, hint = "disabled", _("Off"), ""
    elif status is None:
        state, text = "unknown", _("No status")
        if agent.stopped_at:
            text, hint = (
                _("Agent stopped"),
                _("%(agent)s is stopped. Start it on its computer.") % {"agent": agent.name},
            )
        elif agent.is_online:
            hint = _("The agent has not connected to this camera yet.")
        else:
            hint = _("%(agent)s is not connected. Check its power and network.") % {"agent": agent.name}
    else:
        state, text = status.state.value, _(_STATES[status.state])
        hint = CAMERA_HINTS[status.error] if status.error else ""
    if camera.credentials_are_stale:
        hint = _("The credentials were encrypted for another agent. Enter them again.")
    if camera.tail_is_stale:
        hint = _("The secret part of the address was encrypted for another agent. Enter the address again.")
    if camera.is_beyond_agent and camera.enabled:
        state, text = "unknown", _("Update required")
        hint = _(
            "The software of %(agent)s does not support a camera address with secrets. Update it to use this camera."
        ) % {"agent": agent.name}
    return CameraCard(
        id=camera.id,
        name=camera.name,
        position=camera.position,
        state=state,
        state_text=text,
        facts=_facts(camera, status),
        error_text=_error(status),
        hint=hint,
    )


def _error(status: CameraStatus | None) -> str:
    if status is None or status.error is None:
        return ""
    return camera_fault(status.error, status.error_detail)


def _facts(camera: Camera, status: CameraStatus | None) -> str:
    parts = [camera.get_position_display()]
    if status and status.video:
        video = status.video
        parts += [
            f"{video.width} × {video.height}",
            f"{status.fps or video.fps:.4g} fps",
            _CODECS[video.codec],
        ]
    if status and status.bits_per_s:
        parts.append(f"{status.bits_per_s / 1e6:.1f} Mb/s")
    if status and status.audio:
        parts.append(_("sound"))
    elif status and status.error is None and status.error_detail:
        parts.append(status.error_detail)
    return " · ".join(parts)
