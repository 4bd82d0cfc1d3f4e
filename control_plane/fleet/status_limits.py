"""Validates what an agent reports against column limits, so that a wrong number is answered with 400 and not 500. Pure."""

from collections.abc import Iterator

import msgspec

from shared.protocol.messages import FromAgent, Heartbeat, Hello, SendingAgain
from shared.protocol.pairing import PairRequest
from shared.protocol.status import AgentStatus, Reported

MAX_SMALL_INTEGER = 2**15 - 1
MAX_INTEGER = 2**31 - 1
"""Limits of the integer columns."""

MAX_CAMERAS_KEPT, MAX_RECORDINGS_KEPT, MAX_REFUSALS_KEPT = 64, 100, 8
MAX_TEXT_LENGTH = 500
"""Per text of a stored heartbeat. Pages list all agents, so at most 150 kB of a 1 MiB message is stored for each."""


def truncated_status(status: AgentStatus) -> AgentStatus:
    """Returns the part of a heartbeat that is stored: lists and texts truncated to what a page can show."""
    replace = msgspec.structs.replace
    upload = status.upload
    return replace(
        status,
        cameras=tuple(
            replace(camera, error_detail=camera.error_detail[:MAX_TEXT_LENGTH])
            for camera in status.cameras[:MAX_CAMERAS_KEPT]
        ),
        recordings=status.recordings[:MAX_RECORDINGS_KEPT],
        upload=replace(
            upload,
            problem=upload.problem[:MAX_TEXT_LENGTH],
            hint=upload.hint[:MAX_TEXT_LENGTH],
            newest=tuple(
                replace(item, reason=item.reason[:MAX_TEXT_LENGTH])
                for item in upload.newest[:MAX_REFUSALS_KEPT]
            ),
        ),
    )


def out_of_range(message: FromAgent | PairRequest) -> str:
    """Returns the first value that cannot be stored, with its field name; empty if all can."""
    for name, value, largest in _numbers(message):
        if not 0 <= value <= largest:
            return f"{name}: {value} is not between 0 and {largest}"
    for name, text in _texts(message):
        if "\0" in text:
            return f"{name}: contains a NUL character"
    return ""


def _numbers(message: FromAgent | PairRequest) -> Iterator[tuple[str, int, int]]:
    if isinstance(message, Hello | PairRequest):
        yield "protocol", message.protocol, MAX_SMALL_INTEGER
    if isinstance(message, PairRequest | SendingAgain):
        return
    if not isinstance(message, Heartbeat):
        yield from _configuration(message.reported)
        return
    for number, recording in enumerate(message.status.recordings):
        name, tally = f"status.recordings[{number}]", recording.tally
        yield f"{name}.cameras_recording", recording.cameras_recording, MAX_SMALL_INTEGER
        yield f"{name}.tally.segments_made", tally.segments_made, MAX_INTEGER
        yield f"{name}.tally.segments_pending", tally.segments_pending, MAX_INTEGER
        yield f"{name}.tally.gaps_pending", tally.gaps_pending, MAX_INTEGER


def _configuration(reported: Reported) -> Iterator[tuple[str, int, int]]:
    yield "reported.version", reported.version, MAX_INTEGER
    yield "reported.failed_version", reported.failed_version or 0, MAX_INTEGER


def _texts(message: FromAgent | PairRequest) -> Iterator[tuple[str, str]]:
    if isinstance(message, Hello | PairRequest):
        yield "agent_version", message.agent_version
    if isinstance(message, PairRequest):
        host = message.host
        yield from ((f"host.{name}", getattr(host, name)) for name in ("hostname", "model", "os", "python"))
