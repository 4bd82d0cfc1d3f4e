"""Computes the steps from one configuration to another; pure. Steps touch only what differs."""

from collections.abc import Iterable
from dataclasses import dataclass

from shared.protocol.config import (
    AgentBody,
    CameraConfig,
    RecipientKey,
    RecordingOrder,
    SpoolPolicy,
    UploadPolicy,
)
from shared.protocol.ids import CameraId, ClassSessionId


@dataclass(frozen=True)
class StopCamera:
    """The camera was removed."""

    camera_id: CameraId


@dataclass(frozen=True)
class StartCamera:
    """The camera is new."""

    camera: CameraConfig


@dataclass(frozen=True)
class ReplaceCamera:
    """The camera is read differently (address, credentials, sound): reconnect it."""

    camera: CameraConfig


@dataclass(frozen=True)
class DescribeCamera:
    """Only name, position, room or measured delay of the camera changed: no reconnect."""

    camera: CameraConfig


@dataclass(frozen=True)
class DropRecording:
    """The order was withdrawn: the control plane has all of the class, or gave it up."""

    class_session_id: ClassSessionId


@dataclass(frozen=True)
class SetRecording:
    """The order is new, or its start or stop changed."""

    order: RecordingOrder


@dataclass(frozen=True)
class SetRecipient:
    """Content keys of segments opened from now on are sealed to this key."""

    recipient: RecipientKey


@dataclass(frozen=True)
class SetUpload:
    """The upload policy changed."""

    policy: UploadPolicy


@dataclass(frozen=True)
class SetSpool:
    """The spool policy changed."""

    policy: SpoolPolicy


ConfigStep = (
    StopCamera
    | StartCamera
    | ReplaceCamera
    | DescribeCamera
    | DropRecording
    | SetRecording
    | SetRecipient
    | SetUpload
    | SetSpool
)


def reconcile(old: AgentBody | None, new: AgentBody) -> tuple[ConfigStep, ...]:
    """Returns the steps from `old` (None: from nothing) to `new`, in order.

    Keys and limits come first, then removals, then additions: a new recording finds its cameras running.
    """
    return (
        *_limits(old, new),
        *_endings(old, new),
        *_cameras(old, new),
        *(
            SetRecording(order)
            for order in new.recordings
            if old is None or _orders(old).get(order.class_session_id) != order
        ),
    )


def remaining_step(step: ConfigStep, new: AgentBody) -> ConfigStep | None:
    """Returns the step to retry under `new` for one that failed under an older configuration; None if it is obsolete."""
    match step:
        case StopCamera():
            return None if any(camera.id == step.camera_id for camera in new.cameras) else step
        case DropRecording():
            return None if step.class_session_id in _orders(new) else step
        case ReplaceCamera() | DescribeCamera():
            step = StartCamera(step.camera)
    return step if step in reconcile(None, new) else None


def touched_cameras(actions: Iterable[ConfigStep]) -> frozenset[CameraId]:
    """Returns the cameras that the steps connect or disconnect."""
    touched: set[CameraId] = set()
    for action in actions:
        match action:
            case StartCamera() | ReplaceCamera():
                touched.add(action.camera.id)
            case StopCamera():
                touched.add(action.camera_id)
            case _:
                pass
    return frozenset(touched)


def _limits(old: AgentBody | None, new: AgentBody) -> Iterable[ConfigStep]:
    if old is None or old.recipient != new.recipient:
        yield SetRecipient(new.recipient)
    if old is None or old.upload != new.upload:
        yield SetUpload(new.upload)
    if old is None or old.spool != new.spool:
        yield SetSpool(new.spool)


def _endings(old: AgentBody | None, new: AgentBody) -> Iterable[ConfigStep]:
    if old is None:
        return
    kept_orders = _orders(new)
    for order in old.recordings:
        if order.class_session_id not in kept_orders:
            yield DropRecording(order.class_session_id)
    kept_cameras = {camera.id for camera in new.cameras}
    for camera in old.cameras:
        if camera.id not in kept_cameras:
            yield StopCamera(camera.id)


def _cameras(old: AgentBody | None, new: AgentBody) -> Iterable[ConfigStep]:
    before = {camera.id: camera for camera in old.cameras} if old else {}
    for camera in new.cameras:
        was = before.get(camera.id)
        if was is None:
            yield StartCamera(camera)
        elif _way_of_reading(was) != _way_of_reading(camera):
            yield ReplaceCamera(camera)
        elif was != camera:
            yield DescribeCamera(camera)


def _way_of_reading(camera: CameraConfig) -> object:
    return (camera.source, camera.sealed_credentials, camera.sealed_tail, camera.record_audio)


def _orders(body: AgentBody) -> dict[ClassSessionId, RecordingOrder]:
    return {order.class_session_id: order for order in body.recordings}
