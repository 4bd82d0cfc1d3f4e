"""Lines that `run` prints about cameras: each change once, with what to do."""

from pathlib import Path

import msgspec

from edge_agent.cli.camera_lines import CameraLines
from shared.protocol.status import CameraError, CameraState, CameraStatus
from tests.edge_agent.cli.local_status import local_status
from tests.shared.examples import STATUS


def test_run_says_of_each_camera_what_is_new_and_only_that() -> None:
    shown: list[str] = []
    lines = CameraLines(Path("/srv/state"), show=lambda line: shown.append(line.plain))

    def look(*cameras: CameraStatus) -> list[str]:
        shown.clear()
        lines.update(local_status(status=msgspec.structs.replace(STATUS, cameras=cameras)))
        return list(shown)

    works, fails = STATUS.cameras[1], STATUS.cameras[0]
    assert works.video is not None
    tried = msgspec.structs.replace(works, state=CameraState.CONNECTING, video=None, audio=None)
    again = msgspec.structs.replace(fails, state=CameraState.CONNECTING)
    gone = msgspec.structs.replace(fails, error=CameraError.NOT_ON_LIST, error_detail="class.mp4")
    assert look(tried) == ["camera Mirror (centre): connecting"]
    assert look(tried) == []
    assert look(works, fails) == [
        "camera Mirror (centre): connected, h264 1280x720, sound",
        "camera Left wall (left): The camera refused user or password. (401 Unauthorized)",
        "  what to do: Enter them again on the camera's page.",
    ]
    assert look(works, again) == look(works, fails) == look(works, again) == []
    assert look(works, gone) == [
        "camera Left wall (left): The agent has no media file of this name. (class.mp4)",
        "  what to do: Add it on the agent: threedance-agent media add NAME FILE --state /srv/state",
    ]
    assert look(msgspec.structs.replace(works, audio=None)) == [
        "camera Mirror (centre): connected, h264 1280x720, no sound"
    ]
    # Taken away and added again, it is a camera like any new one.
    assert len(look(works, fails)) == 3
