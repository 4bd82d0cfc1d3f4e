"""Why stretches of a track are missing, in words for people; pure."""

from enum import StrEnum

from shared.protocol.manifest import GapReason


class InferredReason(StrEnum):
    """Why a stretch is missing where no agent said so: found by the control plane."""

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
    GapReason.PACKETS_DROPPED: "the network or the box lost pictures",
    GapReason.AGENT_STOPPED: "the box was stopped or restarted",
    GapReason.AGENT_LATE: "the box heard of the class late",
    GapReason.CLOCK_STEP: "the camera's clock was set",
    GapReason.DISK_FULL: "the box's disk was full",
    GapReason.DISK_ERROR: "the box's disk failed",
    GapReason.SEGMENT_CORRUPT: "footage was damaged on the box's disk",
    InferredReason.KEY_FRAME: "recording begins and ends at a key frame",
    InferredReason.PENDING: "still on the box",
    InferredReason.UNREPORTED: "missing, and nobody said why",
    InferredReason.AGENT_LOST: "the box was given up before it had uploaded this",
    InferredReason.STORE_MISSING: "recorded, and lost from the store since",
    InferredReason.STORE_DAMAGED: "recorded, and damaged in the store since",
}


def label(reason: str) -> str:
    """Returns the words for a reason; an unknown one is shown as it is."""
    return _WORDS.get(reason, reason.replace("_", " "))


_WORDS = {reason.value: words for reason, words in LABELS.items()}
