"""Segments with true hashes and any other property that a test asks for; the pictures are random bytes."""

import hashlib
import os
from datetime import UTC, datetime
from uuid import UUID

from nacl.public import PublicKey, SealedBox

from shared.protocol.ids import CameraId, ClassSessionId, RecipientKeyId, SegmentId, new_id
from shared.protocol.manifest import FragmentRecord, SealedBlob, SegmentManifest
from shared.protocol.media import ClockEstimate, ClockMethod, VideoFormat
from tests.bench.hostile.ground import PairedAgent

SECOND_90K = 90_000


def segment(
    agent: PairedAgent,
    sequence: int,
    *,
    camera: int = 0,
    fragments: int,
    apart_90k: int = SECOND_90K,
    init_bytes: int = 1024,
    fragment_bytes: int = 16,
    opens: bool = True,
    content: bytes = b"",
) -> tuple[SegmentManifest, bytes]:
    """Returns a segment of the agent's class under way, and its bytes.

    Args:
        agent: whose it is.
        sequence: its number within its track.
        camera: index of the camera in `agent.camera_ids`.
        fragments: how many it has.
        apart_90k: from the beginning of one to that of the next, in ticks.
        init_bytes: size of the init section.
        fragment_bytes: size of each fragment.
        opens: whether the sealed content key can be opened.
        content: the bytes, padded or cut to the size; random ones where it is empty.
    """
    sha256 = "ab" * 32
    init = SealedBlob(offset_bytes=0, size_bytes=init_bytes, iv=bytes(16), sha256=sha256)
    size_bytes = init_bytes + fragments * fragment_bytes
    content = (content or os.urandom(min(size_bytes, 1 << 20))).ljust(size_bytes, b"\0")[:size_bytes]
    records = tuple(
        FragmentRecord(
            blob=SealedBlob(
                offset_bytes=init_bytes + index * fragment_bytes,
                size_bytes=fragment_bytes,
                iv=bytes(16),
                sha256=sha256,
            ),
            pts_90k=(sequence * fragments + index) * apart_90k,
            duration_90k=SECOND_90K,
            frames=30,
        )
        for index in range(fragments)
    )
    key = SealedBox(PublicKey(agent.recipient_public_key)).encrypt(os.urandom(16))
    manifest = SegmentManifest(
        segment_id=SegmentId(new_id()),
        class_session_id=ClassSessionId(UUID(agent.class_id)),
        camera_id=CameraId(UUID(agent.camera_ids[camera])),
        sequence=sequence,
        run=0,
        size_bytes=size_bytes,
        sha256=hashlib.sha256(content).hexdigest(),
        recipient_key_id=RecipientKeyId(UUID(agent.recipient_key_id)),
        sealed_key=bytes(key) if opens else bytes(64),
        init=init,
        init_sha256=sha256,
        fragments=records,
        video=VideoFormat(codec="h264", codec_string="avc1.42c00d", width=1280, height=720, fps=30.0),
        audio=None,
        clock=ClockEstimate(
            method=ClockMethod.ARRIVAL,
            anchor_pts_90k=0,
            anchor_at=datetime.now(UTC),
            rate_ppb=0,
            error_bound_us=20_000,
            provisional=False,
        ),
        closed_at=datetime.now(UTC),
    )
    return manifest, content
