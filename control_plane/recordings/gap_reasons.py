"""Reasons of gaps and their labels; pure."""

from enum import StrEnum

from shared.protocol.manifest import GapReason


class InferredReason(StrEnum):
    """Reason of a gap that no agent reported, inferred by the control plane."""

    KEY_FRAME = "key_frame"
    PENDING = "pending"
    UNREPORTED = "unreported"
    AGENT_LOST = "agent_lost"
    STORE_MISSING = "store_missing"
    STORE_DAMAGED = "store_damaged"


INFERRED = frozenset(item.value for item in InferredReason)

LABELS: dict[GapReason | InferredReason, str] = {
    GapReason.CAMERA_LATE: "the camera came late",
    GapReason.CAMERA_OFFLINE: "camera offline",
    GapReason.CAMERA_SILENT: "the camera sent nothing",
    GapReason.CAMERA_REFUSED: "the camera refused user or password",
    GapReason.CAMERA_UNSUPPORTED: "the camera's format cannot be recorded",
    GapReason.PACKETS_DROPPED: "the network or the agent lost pictures",
    GapReason.AGENT_STOPPED: "the agent was stopped or restarted",
    GapReason.AGENT_LATE: "the agent received the order to record late",
    GapReason.CLOCK_STEP: "the camera's clock was set",
    GapReason.DISK_FULL: "the agent's disk was full",
    GapReason.DISK_ERROR: "the agent's disk failed",
    GapReason.SEGMENT_CORRUPT: "footage was damaged on the agent's disk",
    InferredReason.KEY_FRAME: "recording begins and ends at a key frame",
    InferredReason.PENDING: "still on the agent",
    InferredReason.UNREPORTED: "missing for an unknown reason",
    InferredReason.AGENT_LOST: "the agent was removed before it had uploaded this",
    InferredReason.STORE_MISSING: "recorded, later lost from the store",
    InferredReason.STORE_DAMAGED: "recorded, later damaged in the store",
}


def label(reason: str) -> str:
    """Returns the label of a reason; an unknown reason is its own label."""
    return _LABELS.get(reason, reason.replace("_", " "))


_LABELS = {reason.value: words for reason, words in LABELS.items()}
