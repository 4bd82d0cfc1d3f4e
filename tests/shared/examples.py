"""One full example of each frame and body, with fixed values: the golden vectors are these, encoded."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from shared.protocol import config, errors, ids, manifest, media, messages, pairing, status, upload

AT = datetime(2026, 11, 21, 10, 0, 0, 123456, tzinfo=UTC)


def uid(number: int) -> UUID:
    """Returns a fixed id."""
    return UUID(f"018f0000-0000-7000-8000-{number:012x}")


SHA = "ab" * 32
CLOCK = media.ClockEstimate(
    method=media.ClockMethod.RTCP_SR,
    anchor_pts_90k=900_000,
    anchor_at=AT,
    rate_ppb=-1200,
    error_bound_us=900,
    provisional=False,
)
VIDEO = media.VideoFormat(codec="h264", codec_string="avc1.64001f", width=1280, height=720, fps=30.0)
AUDIO = media.AudioFormat(
    codec_string="mp4a.40.2", sample_rate_hz=48_000, channels=1, transcoded_from="pcm_mulaw"
)
BODY = config.AgentBody(
    studio_id=ids.StudioId(uid(1)),
    recipient=config.RecipientKey(id=ids.RecipientKeyId(uid(2)), public_key=bytes(range(32))),
    cameras=(
        config.CameraConfig(
            id=ids.CameraId(uid(3)),
            room_id=ids.RoomId(uid(4)),
            name="Left wall",
            position=config.Position.LEFT,
            source=config.RtspSource(url="rtsp://192.168.1.20:554/main"),
            sealed_credentials=b"sealed",
            offset_us=-1500,
        ),
        config.CameraConfig(
            id=ids.CameraId(uid(5)),
            room_id=ids.RoomId(uid(4)),
            name="Centre",
            position=config.Position.CENTRE,
            source=config.HttpSource(url="http://192.168.1.21/live.ts"),
        ),
        config.CameraConfig(
            id=ids.CameraId(uid(6)),
            room_id=ids.RoomId(uid(4)),
            name="Right wall",
            position=config.Position.RIGHT,
            source=config.FileSource(name="rehearsal.mp4"),
            record_audio=False,
        ),
        config.CameraConfig(
            id=ids.CameraId(uid(12)),
            room_id=ids.RoomId(uid(4)),
            name="Door",
            position=config.Position.RIGHT,
            source=config.HttpSource(url="http://192.168.1.22/flv?"),
            sealed_tail=b"sealed",
        ),
    ),
    recordings=(
        config.RecordingOrder(
            class_session_id=ids.ClassSessionId(uid(7)),
            room_id=ids.RoomId(uid(4)),
            start_at=AT,
            stop_at=AT + timedelta(hours=1),
        ),
    ),
    upload=config.UploadPolicy(
        max_bytes_per_s=1_000_000,
        window=config.UploadWindow(opens="22:00", closes="06:00", time_zone="Europe/Berlin"),
    ),
)
CONFIG = config.config_document(ids.AgentId(uid(8)), 12, BODY)
REPORTED = status.Reported(version=12, hash=CONFIG.hash, status=status.ConfigStatus.APPLIED)
MANIFEST = manifest.SegmentManifest(
    segment_id=ids.SegmentId(uid(9)),
    class_session_id=ids.ClassSessionId(uid(7)),
    camera_id=ids.CameraId(uid(3)),
    sequence=42,
    run=1,
    size_bytes=3_008,
    sha256=SHA,
    recipient_key_id=ids.RecipientKeyId(uid(2)),
    sealed_key=bytes(64),
    init=manifest.SealedBlob(offset_bytes=0, size_bytes=1_008, iv=bytes(16), sha256=SHA),
    init_sha256=SHA,
    fragments=(
        manifest.FragmentRecord(
            blob=manifest.SealedBlob(offset_bytes=1_008, size_bytes=2_000, iv=bytes(16), sha256=SHA),
            pts_90k=900_000,
            duration_90k=180_000,
            frames=60,
        ),
    ),
    video=VIDEO,
    audio=AUDIO,
    clock=CLOCK,
    closed_at=AT,
)
GAP = manifest.GapRecord(
    gap_id=ids.GapId(uid(10)),
    class_session_id=ids.ClassSessionId(uid(7)),
    camera_id=ids.CameraId(uid(3)),
    from_at=AT,
    to_at=AT + timedelta(seconds=4),
    reason=manifest.GapReason.CAMERA_OFFLINE,
    detail="connection refused",
)
TALLY = upload.TrackTally(
    class_session_id=ids.ClassSessionId(uid(7)), segments_made=30, segments_pending=2, gaps_pending=0
)
STATUS = status.AgentStatus(
    now_at=AT,
    uptime_s=61.5,
    clock_offset_ms=-3600_000.0,
    cameras=(
        status.CameraStatus(
            camera_id=ids.CameraId(uid(3)),
            state=status.CameraState.RETRYING,
            error=status.CameraError.REFUSED,
            error_detail="401 Unauthorized",
            failures_in_row=3,
        ),
        status.CameraStatus(
            camera_id=ids.CameraId(uid(5)),
            state=status.CameraState.CONNECTED,
            video=VIDEO,
            audio=AUDIO,
            clock=CLOCK,
            fps=29.97,
            bits_per_s=4_800_000,
            segments_closed=30,
            last_segment_at=AT,
        ),
        status.CameraStatus(
            camera_id=ids.CameraId(uid(6)),
            state=status.CameraState.RETRYING,
            error=status.CameraError.REDIRECTED,
            error_detail="it redirects to rtsp://192.168.1.30:554/main",
            failures_in_row=12,
        ),
    ),
    recordings=(
        status.RecordingStatus(
            class_session_id=ids.ClassSessionId(uid(7)),
            state=status.RecordingState.RECORDING,
            cameras_recording=2,
            first_picture_at=AT,
            tally=TALLY,
        ),
    ),
    spool=status.SpoolStatus(
        bytes_used=10**9, bytes_free=10**11, segments_pending=2, behind_s=7.5, hours_left=41.5
    ),
    upload=status.UploadStatus(
        window=status.WindowState.WAITS, opens_at=datetime.fromisoformat("2026-11-21T22:00:00+01:00")
    ),
    update="0.2.0: installed",
)

EXAMPLES: dict[str, tuple[Any, Any]] = {
    "hello": (
        messages.FromAgent,
        messages.Hello(
            protocol=1,
            agent_version="0.1.0",
            reported=status.Reported(version=0, hash=None, status=status.ConfigStatus.APPLIED),
        ),
    ),
    "report": (messages.FromAgent, messages.Report(reported=REPORTED)),
    "heartbeat": (messages.FromAgent, messages.Heartbeat(status=STATUS)),
    "welcome": (messages.ToAgent, messages.Welcome(protocol=1, server_time_at=AT)),
    "desired": (messages.ToAgent, messages.pushed(CONFIG, protocol=3)),
    "revoked": (messages.ToAgent, messages.Revoked(revocation="header.claims.signature")),
    "send_again": (messages.ToAgent, messages.SendAgain(segment_ids=(ids.SegmentId(uid(9)),))),
    "sending_again": (
        messages.FromAgent,
        messages.SendingAgain(
            coming=(ids.SegmentId(uid(9)),),
            gone=(ids.SegmentId(uid(10)),),
            damaged=(ids.SegmentId(uid(11)),),
        ),
    ),
    "fault": (messages.ToAgent, messages.Fault(code=errors.Code.BAD_REQUEST, detail="not JSON")),
    "pair_request": (
        pairing.PairRequest,
        pairing.PairRequest(
            code="BCDFGHJK",
            identity_key=bytes(32),
            sealing_key=bytes(32),
            protocol=1,
            agent_version="0.1.0",
            host=pairing.HostFacts(
                hostname="box",
                model="NUC",
                os="Linux 6.1",
                python="3.11.7",
                cpu_count=4,
                memory_bytes=8 * 2**30,
            ),
        ),
    ),
    "pair_answer": (
        pairing.PairAnswer,
        pairing.PairAnswer(
            agent_id=ids.AgentId(uid(8)),
            studio_id=ids.StudioId(uid(1)),
            studio_name="Demo Dance",
            audience="https://studio.example",
            revocation_key=bytes(32),
            server_time_at=AT,
        ),
    ),
    "intent": (upload.IntentRequest, upload.IntentRequest(manifests=(MANIFEST,))),
    "intent_answer": (
        upload.IntentAnswer,
        upload.IntentAnswer(
            answers=(
                upload.PutTarget(
                    segment_id=ids.SegmentId(uid(9)),
                    url="https://store.example/a",
                    headers={"If-None-Match": "*"},
                    expires_at=AT,
                ),
                upload.AlreadyCommitted(segment_id=ids.SegmentId(uid(11))),
                upload.Refused(segment_id=ids.SegmentId(uid(12)), code=errors.Code.SEGMENT_HASH_CONFLICT),
            )
        ),
    ),
    "commit": (
        upload.CommitRequest,
        upload.CommitRequest(
            items=(upload.CommitItem(segment_id=ids.SegmentId(uid(9)), size_bytes=3_008, sha256=SHA),)
        ),
    ),
    "commit_answer": (
        upload.CommitAnswer,
        upload.CommitAnswer(answers=(upload.AlreadyCommitted(segment_id=ids.SegmentId(uid(9))),)),
    ),
    "gaps": (upload.GapsRequest, upload.GapsRequest(gaps=(GAP,))),
    "gaps_answer": (upload.GapsAnswer, upload.GapsAnswer(settled=(ids.GapId(uid(10)),))),
    "problem": (
        errors.Problem,
        # Its texts are not part of the protocol: they are those of the vectors of all versions.
        errors.Problem(
            title="The pairing code was used already",
            status=409,
            code=errors.Code.PAIRING_CODE_USED,
            detail="BCDF-GHJK was used at 10:00",
            hint="Make a new code under Agents -> Add agent; a code pairs one box.",
        ),
    ),
}
