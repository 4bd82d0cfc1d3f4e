"""When an update may begin: pure."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from shared.protocol.config import AgentBody
from shared.protocol.status import RecordingState, RecordingStatus

NEAR = timedelta(minutes=15)
"""Longer than an update takes that is taken back after its five minutes."""


def is_quiet(body: AgentBody | None, recordings: Iterable[RecordingStatus], now_at: datetime) -> bool:
    """Returns whether no class is recorded at `now_at`, and none begins within `NEAR`."""
    if any(recording.state is RecordingState.RECORDING for recording in recordings):
        return False
    orders = body.recordings if body is not None else ()
    return not any(
        order.start_at <= now_at + NEAR and (order.stop_at is None or order.stop_at > now_at)
        for order in orders
    )
