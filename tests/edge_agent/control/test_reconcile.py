"""Steps between two configurations: they lead there, and touch nothing else."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET

from edge_agent.control.reconcile import (
    ConfigStep,
    DescribeCamera,
    DropRecording,
    ReplaceCamera,
    SetRecipient,
    SetRecording,
    SetSpool,
    SetUpload,
    StartCamera,
    StopCamera,
    reconcile,
    touched_cameras,
)
from shared.protocol.config import (
    AgentBody,
    CameraConfig,
    FileSource,
    HttpSource,
    Position,
    RecipientKey,
    RecordingOrder,
    RtspSource,
    SpoolPolicy,
    UploadPolicy,
    UploadWindow,
)
from shared.protocol.ids import CameraId, ClassSessionId, RecipientKeyId, RoomId, StudioId

T0 = datetime(2026, 1, 1, tzinfo=UTC)
NIGHT = UploadWindow(opens="22:00", closes="06:00", time_zone="Europe/Berlin")


def _uid(number: int) -> UUID:
    return UUID(int=number)


ROOM = RoomId(_uid(1))
SOURCES = (
    RtspSource(url="rtsp://192.168.1.2/a"),
    HttpSource(url="http://192.168.1.3/b"),
    FileSource(name="c.mp4"),
)

cameras = st.lists(
    st.builds(
        CameraConfig,
        id=st.integers(1, 5).map(lambda n: CameraId(_uid(n))),
        room_id=st.just(ROOM),
        name=st.sampled_from(["Left", "Right"]),
        position=st.sampled_from(Position),
        source=st.sampled_from(SOURCES),
        sealed_credentials=st.sampled_from([None, b"a"]),
        sealed_tail=st.sampled_from([UNSET, b"b"]),
        record_audio=st.booleans(),
        offset_us=st.integers(-2, 2),
    ),
    unique_by=lambda c: c.id,
    max_size=4,
).map(tuple)
orders = st.lists(
    st.builds(
        RecordingOrder,
        class_session_id=st.integers(1, 4).map(lambda n: ClassSessionId(_uid(n))),
        room_id=st.just(ROOM),
        start_at=st.just(T0),
        stop_at=st.sampled_from([None, T0 + timedelta(hours=1)]),
    ),
    unique_by=lambda o: o.class_session_id,
    max_size=3,
).map(tuple)
bodies = st.builds(
    AgentBody,
    studio_id=st.just(StudioId(_uid(1))),
    recipient=st.integers(1, 2).map(
        lambda n: RecipientKey(id=RecipientKeyId(_uid(n)), public_key=bytes([n]) * 32)
    ),
    cameras=cameras,
    recordings=orders,
    upload=st.sampled_from([UploadPolicy(), UploadPolicy(max_bytes_per_s=9), UploadPolicy(window=NIGHT)]),
    spool=st.sampled_from([SpoolPolicy(), SpoolPolicy(keep_committed_s=9)]),
)


def _take(body: AgentBody, actions: tuple[ConfigStep, ...]) -> AgentBody:
    """Does what the actions say to a body, as the agent does to itself."""
    held = {camera.id: camera for camera in body.cameras}
    running = {order.class_session_id: order for order in body.recordings}
    recipient, upload, spool = body.recipient, body.upload, body.spool
    for action in actions:
        match action:
            case StartCamera():
                assert action.camera.id not in held
                held[action.camera.id] = action.camera
            case ReplaceCamera() | DescribeCamera():
                assert action.camera.id in held
                held[action.camera.id] = action.camera
            case StopCamera():
                del held[action.camera_id]
            case SetRecording():
                running[action.order.class_session_id] = action.order
            case DropRecording():
                del running[action.class_session_id]
            case SetRecipient():
                recipient = action.recipient
            case SetUpload():
                upload = action.policy
            case SetSpool():
                spool = action.policy
    return AgentBody(
        studio_id=body.studio_id,
        recipient=recipient,
        cameras=tuple(sorted(held.values(), key=lambda c: c.id)),
        recordings=tuple(sorted(running.values(), key=lambda o: o.class_session_id)),
        upload=upload,
        spool=spool,
    )


def _sorted(body: AgentBody) -> AgentBody:
    return msgspec.structs.replace(
        body,
        cameras=tuple(sorted(body.cameras, key=lambda c: c.id)),
        recordings=tuple(sorted(body.recordings, key=lambda o: o.class_session_id)),
    )


@given(bodies, bodies)
def test_the_steps_lead_from_one_configuration_to_the_other(old: AgentBody, new: AgentBody) -> None:
    assert _take(old, reconcile(old, new)) == _sorted(new)


@given(bodies)
def test_from_nothing_everything_is_set(new: AgentBody) -> None:
    empty = AgentBody(studio_id=new.studio_id, recipient=new.recipient)
    assert _take(empty, reconcile(None, new)) == _sorted(new)


@given(bodies)
def test_the_same_configuration_asks_for_nothing(body: AgentBody) -> None:
    assert reconcile(body, _sorted(body)) == ()


@given(bodies, bodies)
def test_a_camera_read_in_the_same_way_is_not_touched(old: AgentBody, new: AgentBody) -> None:
    def way(camera: CameraConfig) -> object:
        return camera.source, camera.sealed_credentials, camera.sealed_tail, camera.record_audio

    before = {c.id: way(c) for c in old.cameras}
    same = {c.id for c in new.cameras if before.get(c.id) == way(c)}
    assert not same & touched_cameras(reconcile(old, new))


@given(bodies, bodies)
def test_cameras_are_there_before_a_recording_begins(old: AgentBody, new: AgentBody) -> None:
    kinds = [type(action) for action in reconcile(old, new)]
    last_camera = max((i for i, kind in enumerate(kinds) if kind in (StartCamera, ReplaceCamera)), default=-1)
    assert all(i > last_camera for i, kind in enumerate(kinds) if kind is SetRecording)


@given(bodies)
def test_a_new_retention_touches_no_camera_and_no_recording(body: AgentBody) -> None:
    new = msgspec.structs.replace(body, spool=SpoolPolicy(keep_committed_s=77))
    assert reconcile(body, new) == (SetSpool(SpoolPolicy(keep_committed_s=77)),)
