"""A status of a running agent, for the tests of what shows one."""

from datetime import UTC, datetime

import msgspec

from edge_agent.local.status_socket import LocalCamera, LocalStatus
from shared.protocol.config import Position
from shared.protocol.ids import RoomId, new_id
from shared.protocol.status import ConfigStatus, Reported
from tests.shared.examples import STATUS


def local_status(**changes: object) -> LocalStatus:
    cameras = tuple(
        LocalCamera(camera_id=c.camera_id, room_id=RoomId(new_id()), name=name, position=position)
        for c, name, position in zip(
            STATUS.cameras, ("Left wall", "Mirror", "Right wall"), Position, strict=True
        )
    )
    status = LocalStatus(
        pid=1,
        agent_version="0.1.0",
        started_at=datetime(2026, 1, 1, tzinfo=UTC),
        address="https://studio.example",
        studio_name="Demo Dance",
        fingerprint="0123-4567-89ab-cdef",
        link_up=True,
        link_error="",
        configuration=Reported(version=12, hash="0" * 64, status=ConfigStatus.APPLIED),
        cameras=cameras,
        bytes_sent=0,
        clock_error_us=12_300,
        status=STATUS,
    )
    return msgspec.structs.replace(status, **changes)
