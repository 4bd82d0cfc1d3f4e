"""One recording order: every camera of the room, from its start to its stop."""

from collections.abc import Mapping

from edge_agent.capture.camera import Camera
from edge_agent.spool.spool import Spool
from edge_agent.status import StatusBoard
from shared.protocol.config import RecipientKey, RecordingOrder
from shared.protocol.ids import CameraId
from shared.protocol.status import RecordingStatus


class Recording:
    """Records one class from all cameras of its room.

    `core` makes one for each order of the configuration, whatever its times: `run` waits for `start_at` by the spool's
    clock, records until `stop_at`, and returns when nothing more will be cut. An order met again after a restart goes
    on where it was; one that is finished already returns at once. Cancelling `run` closes the open segments and leaves
    the rest for the next start (the agent is going down, or the order was withdrawn).
    """

    def __init__(
        self,
        order: RecordingOrder,
        *,
        spool: Spool,
        recipient: RecipientKey,
        board: StatusBoard,
        cameras: Mapping[CameraId, Camera],
    ) -> None:
        """Args:
        order: what to record.
        spool: where segments go; its clock says when it is time.
        recipient: to whom content keys are sealed.
        board: where closed segments are counted per camera.
        cameras: the cameras of the order's room; they run on their own.
        """

    def set_order(self, order: RecordingOrder) -> None:
        """Takes a changed order of the same class: this is how a recording is stopped. From the event loop."""

    def set_recipient(self, recipient: RecipientKey) -> None:
        """Seals the keys of segments from the next one on to another key."""

    def set_cameras(self, cameras: Mapping[CameraId, Camera]) -> None:
        """Takes the room's cameras as they are now. A new `Camera` under a known id goes on with the same track."""

    async def run(self) -> None:
        """Records to the end of the order."""

    def status(self) -> RecordingStatus:
        """Returns how far this order is. Any time, also before `run` and after it."""
        raise NotImplementedError
