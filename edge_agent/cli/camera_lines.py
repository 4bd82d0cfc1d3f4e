"""`run` on a terminal: a line per camera when its state changes."""

from collections.abc import Callable
from pathlib import Path

from rich.text import Text

from edge_agent.cli.console import err, in_state
from edge_agent.local.status_socket import LocalStatus
from shared.protocol.ids import CameraId
from shared.protocol.status import CAMERA_HINTS, CameraState, CameraStatus, camera_fault


class CameraLines:
    """Prints changes of each camera. A retry that fails as before is no change."""

    def __init__(self, state: Path, *, show: Callable[[Text], object] | None = None) -> None:
        """Args:
        state: the state folder, for commands in hints.
        show: prints a line; None: to standard error, where the log goes.
        """
        self._state = state
        self._show = show or (lambda line: err.print(line, soft_wrap=True))
        self._known: dict[CameraId, object] = {}

    def update(self, status: LocalStatus) -> None:
        """Prints a line for each camera whose state has changed."""
        names = {camera.camera_id: f"{camera.name} ({camera.position})" for camera in status.cameras}
        cameras = status.status.cameras
        for camera in cameras:
            is_known = camera.camera_id in self._known
            facts = _facts(camera)
            if is_known and (facts is None or self._known[camera.camera_id] == facts):
                continue
            self._known[camera.camera_id] = facts
            self._print(names.get(camera.camera_id, str(camera.camera_id)), camera)
        there = {camera.camera_id for camera in cameras}
        self._known = {camera_id: facts for camera_id, facts in self._known.items() if camera_id in there}

    def _print(self, name: str, camera: CameraStatus) -> None:
        if camera.error is not None:
            fault = camera_fault(camera.error, camera.error_detail)
            self._show(Text.assemble("camera ", (name, "bold"), ": ", (fault, "red")))
            hint = in_state(CAMERA_HINTS[camera.error], self._state)
            self._show(Text.assemble(("  what to do: ", "bold"), hint))
            return
        line = Text.assemble("camera ", (name, "bold"), ": ")
        if camera.state is CameraState.CONNECTED and camera.video is not None:
            video = camera.video
            sound = "sound" if camera.audio is not None else "no sound"
            line.append("connected", "green")
            line.append(f", {video.codec} {video.width}x{video.height}, {sound}")
        else:
            line.append("connecting", "yellow")
        self._show(line)


def _facts(camera: CameraStatus) -> object:
    """Returns the state that a line shows; None while a camera is connecting, which is no news."""
    if camera.error is not None:
        return camera.error
    if camera.state is CameraState.CONNECTED and camera.video is not None:
        return camera.video.codec, camera.video.width, camera.video.height, camera.audio is not None
    return None
