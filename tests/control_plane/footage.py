"""Segments as an agent makes them: real H.264 in fragments, encrypted by the scheme, with manifests. See `tests.media`."""

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7
from nacl.public import PublicKey, SealedBox

from shared.protocol.config import RecipientKey
from shared.protocol.ids import CameraId, ClassSessionId, SegmentId, new_id
from shared.protocol.manifest import FragmentRecord, SealedBlob, SegmentManifest
from shared.protocol.media import AudioFormat, ClockEstimate, ClockMethod, VideoFormat
from tests.media import make_video

MOVFLAGS = "frag_keyframe+empty_moov+default_base_moof+skip_trailer+negative_cts_offsets+frag_discont"
FPS = 30
TICKS = 90_000
START_AT = datetime(2026, 11, 21, 12, 3, tzinfo=UTC)
_FILMS: "dict[tuple[int, int, tuple[int, int]], Film]" = {}


@dataclass(frozen=True)
class Film:
    """An init section and fragments of one second, all in clear."""

    init: bytes
    fragments: list[bytes]


@dataclass(frozen=True)
class Cut:
    """One segment: the encrypted object and its manifest."""

    content: bytes
    manifest: SegmentManifest
    key: bytes


def film(folder: Path, *, seconds: int, first: int = 0, size: tuple[int, int] = (320, 180)) -> Film:
    """Returns numbered pictures at 30 a second, each second a fragment; made once in each process."""
    if (seconds, first, size) not in _FILMS:
        _FILMS[seconds, first, size] = _film(folder, seconds, first, size)
    return _FILMS[seconds, first, size]


def _film(folder: Path, seconds: int, first: int, size: tuple[int, int]) -> Film:
    path = make_video(
        folder / f"film-{first}-{size[0]}.mp4",
        seconds=seconds,
        gop=FPS,
        fps=FPS,
        first=first,
        size=size,
        options={"movflags": MOVFLAGS},
    )
    return film_of(path)


def film_of(path: Path) -> Film:
    """Returns the init section and fragments of a fragmented MP4 file."""
    data, at = path.read_bytes(), 0
    parts: list[tuple[bytes, bytes]] = []
    while at < len(data):
        length = int.from_bytes(data[at : at + 4])
        parts.append((data[at + 4 : at + 8], data[at : at + length]))
        at += length
    media = [part for kind, part in parts if kind in (b"moof", b"mdat")]
    return Film(
        b"".join(part for kind, part in parts if kind in (b"ftyp", b"moov")),
        [moof + mdat for moof, mdat in zip(media[::2], media[1::2], strict=True)],
    )


def clock(*, start_at: datetime = START_AT, pts_90k: int = 0, **changes: Any) -> ClockEstimate:
    """Returns the line on which media time `pts_90k` is `start_at`."""
    values: dict[str, Any] = {
        "method": ClockMethod.RTCP_SR,
        "anchor_pts_90k": pts_90k,
        "anchor_at": start_at,
        "rate_ppb": 0,
        "error_bound_us": 600,
        "provisional": False,
    }
    return ClockEstimate(**values | changes)


def sealed(key: bytes, plain: bytes, content: bytearray) -> SealedBlob:
    """Encrypts a blob as an agent does (AES-128-CBC, an IV of its own, PKCS#7) and appends it to an object."""
    iv = os.urandom(16)
    padder, encryptor = PKCS7(128).padder(), Cipher(algorithms.AES(key), modes.CBC(iv)).encryptor()
    body = encryptor.update(padder.update(plain) + padder.finalize()) + encryptor.finalize()
    blob = SealedBlob(
        offset_bytes=len(content), size_bytes=len(body), iv=iv, sha256=hashlib.sha256(body).hexdigest()
    )
    content.extend(body)
    return blob


def cut(
    footage: Film,
    *,
    first: int,
    count: int,
    class_session_id: UUID,
    camera_id: UUID,
    recipient: RecipientKey,
    sequence: int,
    run: int = 0,
    line: ClockEstimate | None = None,
    audio: AudioFormat | None = None,
    **changes: Any,
) -> Cut:
    """Returns fragments `first` to `first + count` as one segment."""
    key = os.urandom(16)
    content = bytearray()
    init = sealed(key, footage.init, content)
    records = tuple(
        FragmentRecord(
            blob=sealed(key, plain, content), pts_90k=index * TICKS, duration_90k=TICKS, frames=FPS
        )
        for index, plain in enumerate(footage.fragments[first : first + count], start=first)
    )
    values: dict[str, Any] = {
        "segment_id": SegmentId(new_id()),
        "class_session_id": ClassSessionId(class_session_id),
        "camera_id": CameraId(camera_id),
        "sequence": sequence,
        "run": run,
        "size_bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
        "recipient_key_id": recipient.id,
        "sealed_key": bytes(SealedBox(PublicKey(recipient.public_key)).encrypt(key)),
        "init": init,
        "init_sha256": hashlib.sha256(footage.init).hexdigest(),
        "fragments": records,
        "video": VideoFormat(codec="h264", codec_string="avc1.42c00d", width=320, height=180, fps=float(FPS)),
        "audio": audio,
        "clock": line or clock(),
        "closed_at": START_AT,
    }
    return Cut(bytes(content), SegmentManifest(**values | changes), key)


def cuts(footage: Film, *, each: int, first_sequence: int = 1, **values: Any) -> Sequence[Cut]:
    """Returns a film as consecutive segments of `each` fragments."""
    starts = range(0, len(footage.fragments), each)
    return [
        cut(footage, first=start, count=each, sequence=first_sequence + index, **values)
        for index, start in enumerate(starts)
    ]
