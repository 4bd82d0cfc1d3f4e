"""Does what a box says of itself fit where it is kept? Pure: so that one wrong number is an answer, and no fault of ours."""

from collections.abc import Iterator

import msgspec

from shared.protocol.messages import FromAgent, Heartbeat, Hello, SendingAgain
from shared.protocol.pairing import PairRequest
from shared.protocol.status import AgentStatus, Reported

LARGEST_SMALL = 2**15 - 1
LARGEST_COUNT = 2**31 - 1
"""What the columns take."""

MOST_CAMERAS_SHOWN, MOST_RECORDINGS_SHOWN, MOST_REFUSALS_SHOWN = 64, 100, 8
LONGEST_TEXT = 500
"""Of what is kept of a heartbeat, to be shown: at most 150 kB of a message of 1 MiB, for each agent on a page of all."""


def shown_part(status: AgentStatus) -> AgentStatus:
    """Returns as much of a heartbeat as is kept: lists and texts of a length that a page can show."""
    replace = msgspec.structs.replace
    upload = status.upload
    return replace(
        status,
        cameras=tuple(
            replace(camera, error_detail=camera.error_detail[:LONGEST_TEXT])
            for camera in status.cameras[:MOST_CAMERAS_SHOWN]
        ),
        recordings=status.recordings[:MOST_RECORDINGS_SHOWN],
        upload=replace(
            upload,
            problem=upload.problem[:LONGEST_TEXT],
            hint=upload.hint[:LONGEST_TEXT],
            newest=tuple(
                replace(item, reason=item.reason[:LONGEST_TEXT])
                for item in upload.newest[:MOST_REFUSALS_SHOWN]
            ),
        ),
    )


def unfit(said: FromAgent | PairRequest) -> str:
    """Returns what cannot be kept, naming the field; empty where all of it can."""
    for name, value, largest in _numbers(said):
        if not 0 <= value <= largest:
            return f"{name}: {value} is not between 0 and {largest}"
    for name, text in _texts(said):
        if "\0" in text:
            return f"{name}: it holds a zero character"
    return ""


def _numbers(said: FromAgent | PairRequest) -> Iterator[tuple[str, int, int]]:
    if isinstance(said, Hello | PairRequest):
        yield "protocol", said.protocol, LARGEST_SMALL
    if isinstance(said, PairRequest | SendingAgain):
        return
    if not isinstance(said, Heartbeat):
        yield from _configuration(said.reported)
        return
    for number, recording in enumerate(said.status.recordings):
        name, tally = f"status.recordings[{number}]", recording.tally
        yield f"{name}.cameras_recording", recording.cameras_recording, LARGEST_SMALL
        yield f"{name}.tally.segments_made", tally.segments_made, LARGEST_COUNT
        yield f"{name}.tally.segments_pending", tally.segments_pending, LARGEST_COUNT
        yield f"{name}.tally.gaps_pending", tally.gaps_pending, LARGEST_COUNT


def _configuration(reported: Reported) -> Iterator[tuple[str, int, int]]:
    yield "reported.version", reported.version, LARGEST_COUNT
    yield "reported.failed_version", reported.failed_version or 0, LARGEST_COUNT


def _texts(said: FromAgent | PairRequest) -> Iterator[tuple[str, str]]:
    if isinstance(said, Hello | PairRequest):
        yield "agent_version", said.agent_version
    if isinstance(said, PairRequest):
        host = said.host
        yield from ((f"host.{name}", getattr(host, name)) for name in ("hostname", "model", "os", "python"))
