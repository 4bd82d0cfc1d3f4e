"""The whole way of a class, over a real port: pair, configure, record, upload, complete, and play it with FFmpeg."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import av
import httpx
import pytest
from django.conf import settings
from django.test import Client

from control_plane.administration import services as studios
from control_plane.audit.models import Entry
from control_plane.audit.selectors import verify_chain
from control_plane.common.scoping import studio_scope
from control_plane.fleet import pairing
from control_plane.fleet import services as fleet
from control_plane.fleet.models import Agent
from control_plane.recordings import services as recordings
from control_plane.recordings.models import ClassSession, ClassState
from shared.protocol.codec import decode, encode
from shared.protocol.config import AgentConfig
from shared.protocol.ids import ClassSessionId
from shared.protocol.messages import Heartbeat
from shared.protocol.status import AgentStatus, RecordingState, RecordingStatus, SpoolStatus
from shared.protocol.upload import (
    CommitAnswer,
    CommitItem,
    CommitRequest,
    IntentAnswer,
    IntentRequest,
    PutTarget,
    TrackTally,
)
from tests.control_plane.agent_client import AgentClient
from tests.control_plane.conftest import Cast
from tests.control_plane.footage import START_AT, Cut, cuts, film
from tests.control_plane.live import serve
from tests.media import number_of

POSITIONS = ("left", "centre", "right")


@pytest.fixture
def address(committed: Cast) -> Iterator[str]:
    with serve() as url:
        yield url


def upload(agent_client: AgentClient, segments: Sequence[Cut]) -> None:
    answers = agent_client.post(
        "intent", IntentRequest(manifests=tuple(s.manifest for s in segments)), IntentAnswer
    )
    for target, segment in zip(answers.answers, segments, strict=True):
        assert isinstance(target, PutTarget)
        put = httpx.put(
            f"{agent_client.address}{target.url}", content=segment.content, headers=target.headers
        )
        assert put.status_code == 201, put.text
    items = tuple(
        CommitItem(
            segment_id=s.manifest.segment_id, size_bytes=s.manifest.size_bytes, sha256=s.manifest.sha256
        )
        for s in segments
    )
    receipts = agent_client.post("commit", CommitRequest(items=items), CommitAnswer)
    assert [type(item).__name__ for item in receipts.answers] == ["AlreadyCommitted"] * len(segments)


def heartbeat(class_id: ClassSessionId, state: RecordingState, made: int) -> Heartbeat:
    return Heartbeat(
        status=AgentStatus(
            now_at=START_AT,
            uptime_s=1,
            clock_offset_ms=0,
            cameras=(),
            recordings=(
                RecordingStatus(
                    class_session_id=class_id,
                    state=state,
                    cameras_recording=3 if state is RecordingState.RECORDING else 0,
                    first_picture_at=START_AT,
                    tally=TrackTally(
                        class_session_id=class_id, segments_made=made, segments_pending=0, gaps_pending=0
                    ),
                ),
            ),
            spool=SpoolStatus(bytes_used=0, bytes_free=10**9, segments_pending=0, behind_s=0),
        )
    )


def played(url: str, cookie: str) -> list[int]:
    with av.open(
        url,
        options={
            "headers": f"Cookie: {cookie}\r\n",
            "protocol_whitelist": "http,tcp,crypto",
            "live_start_index": "0",
        },
    ) as container:
        return [number_of(frame) for frame in container.decode(video=0)]


def test_a_class_is_recorded_uploaded_and_played_back_picture_by_picture(
    committed: Cast, address: str, tmp_path: Path, client: Client
) -> None:
    cast, agent_client = committed, AgentClient(address)
    alice = cast.alice.actor
    with studio_scope(cast.studio.id):
        room = studios.create_room(cast.studio, name="Big room", actor=alice)
        code = pairing.create_pairing_code(cast.studio, actor=alice).text
    agent_client.pair(code)
    with studio_scope(cast.studio.id):
        agent = Agent.objects.get(pk=agent_client.agent_id)
        cameras = {
            position: fleet.add_camera(
                room,
                agent,
                name=f"{position} wall",
                position=position,
                address=f"rtsp://user:secret@10.0.0.1/{position}",
                actor=alice,
            )
            for position in POSITIONS
        }
        session = recordings.start_class(room, title="Ballet", actor=cast.ivan.actor)

    config = decode(agent_client.call("GET", "config").content, AgentConfig)
    (order,) = config.body.recordings
    assert order.class_session_id == session.id
    assert order.stop_at is None
    assert "secret" not in encode(config).decode()

    footage = film(tmp_path, seconds=4)
    segments = {
        position: cuts(
            footage,
            each=2,
            class_session_id=session.id,
            camera_id=camera.id,
            recipient=config.body.recipient,
        )
        for position, camera in cameras.items()
    }
    agent_client.call("POST", "report", heartbeat(ClassSessionId(session.id), RecordingState.RECORDING, 2))
    with studio_scope(cast.studio.id):
        assert ClassSession.objects.get().state == ClassState.RECORDING
        recordings.stop_class(session, actor=cast.ivan.actor)
    for made in segments.values():
        upload(agent_client, made)
    agent_client.call("POST", "report", heartbeat(ClassSessionId(session.id), RecordingState.FINISHED, 6))
    with studio_scope(cast.studio.id):
        assert ClassSession.objects.get().state == ClassState.COMPLETE
    assert decode(agent_client.call("GET", "config").content, AgentConfig).body.recordings == ()

    client.force_login(cast.ivan, backend=settings.AUTHENTICATION_BACKENDS[0])
    cookie = f"{settings.SESSION_COOKIE_NAME}={client.cookies[settings.SESSION_COOKIE_NAME].value}"
    folder = f"{address}/studio/{cast.studio.slug}/classes/{session.id}"
    timeline = httpx.get(f"{folder}/timeline.json", headers={"Cookie": cookie}).json()
    assert timeline["class"]["duration_s"] == 4.0
    assert [track["gaps"] for track in timeline["tracks"]] == [[], [], []]
    for track in timeline["tracks"]:
        assert played(f"{address}{track['playlist_url']}", cookie) == list(range(120))

    with studio_scope(cast.studio.id):
        acts = list(Entry.objects.order_by("sequence").values_list("action", flat=True))
    assert acts.count("class.replayed") == 1
    assert acts.count("footage.committed") == 3
    assert verify_chain(cast.studio.id)[1] is None
    stored = b"".join(path.read_bytes() for path in settings_objects())
    assert b"moof" not in stored
    assert b"ftyp" not in stored


def settings_objects() -> list[Path]:
    root = Path(settings.OBJECT_STORE_URL.removeprefix("file://"))
    return [path for path in root.rglob("*.seg") if path.is_file()]
