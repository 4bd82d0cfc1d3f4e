"""A heartbeat out of bounds is refused by naming the field, never by an internal error."""

import pytest
from msgspec.structs import replace

from control_plane.fleet.status_limits import out_of_range, truncated_status
from shared.protocol.codec import encode
from shared.protocol.ids import ClassSessionId, SegmentId, new_id
from shared.protocol.messages import Heartbeat, Hello, Report
from shared.protocol.status import QuarantinedSegment, RecordingStatus
from tests.shared.examples import EXAMPLES, REPORTED, STATUS, TALLY

RECORDING: RecordingStatus = STATUS.recordings[0]
PAIR = EXAMPLES["pair_request"][1]


def test_the_examples_fit() -> None:
    for name in ("hello", "report", "heartbeat", "pair_request"):
        assert out_of_range(EXAMPLES[name][1]) == ""


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("protocol", Hello(protocol=2**15, agent_version="1", reported=REPORTED)),
        ("protocol", Hello(protocol=-1, agent_version="1", reported=REPORTED)),
        ("agent_version", Hello(protocol=1, agent_version="1\0", reported=REPORTED)),
        ("reported.version", Report(reported=replace(REPORTED, version=2**31))),
        ("reported.failed_version", Report(reported=replace(REPORTED, failed_version=2**31))),
        ("protocol", replace(PAIR, protocol=2**40)),
        ("host.model", replace(PAIR, host=replace(PAIR.host, model="a\0"))),
        *(
            (f"status.recordings[0].{name}", Heartbeat(status=replace(STATUS, recordings=(recording,))))
            for name, recording in (
                ("cameras_recording", replace(RECORDING, cameras_recording=2**15)),
                ("tally.segments_made", replace(RECORDING, tally=replace(TALLY, segments_made=2**31))),
                ("tally.gaps_pending", replace(RECORDING, tally=replace(TALLY, gaps_pending=2**31))),
            )
        ),
    ],
)
def test_what_no_column_takes_is_named(name: str, said: Hello | Report | Heartbeat) -> None:
    assert out_of_range(said).startswith(f"{name}: ")


def test_what_is_kept_of_a_heartbeat_has_a_length_that_a_page_can_show() -> None:
    camera = replace(STATUS.cameras[0], error_detail="d" * 10_000)
    refusal = QuarantinedSegment(
        segment_id=SegmentId(new_id()),
        class_session_id=ClassSessionId(new_id()),
        camera_id=camera.camera_id,
        reason="r" * 10_000,
    )
    said = replace(
        STATUS,
        cameras=(camera,) * 1000,
        recordings=(RECORDING,) * 1000,
        upload=replace(
            STATUS.upload,
            problem="p" * 10_000,
            hint="h" * 10_000,
            newest=(refusal,) * 90,
        ),
    )
    assert len(encode(said)) > 1 << 20
    kept = truncated_status(said)
    assert len(encode(kept)) < 150_000
    assert kept.cameras[0].error_detail == "d" * 500
    assert (kept.spool, kept.now_at, kept.upload.quarantined) == (
        said.spool,
        said.now_at,
        said.upload.quarantined,
    )


def test_an_honest_heartbeat_is_kept_whole() -> None:
    assert truncated_status(STATUS) == STATUS
