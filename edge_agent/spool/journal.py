"""The journal of an open segment lists its durable fragments, so that recovery needs no key and no heuristics.

Its lines are those of `edge_agent.checksummed_lines`: the first a `JournalHeader`, each further one a `JournalEntry`. A
line that is cut or wrong ends the journal.
"""

from datetime import datetime
from pathlib import Path
from typing import TypeVar

import msgspec

from edge_agent.checksummed_lines import Damaged, from_line
from shared.protocol.ids import CameraId, ClassSessionId, RecipientKeyId, SegmentId
from shared.protocol.manifest import FragmentRecord, SealedBlob, SegmentManifest
from shared.protocol.media import AudioFormat, ClockEstimate, VideoFormat

T = TypeVar("T")


class JournalHeader(msgspec.Struct, frozen=True, kw_only=True):
    """The part of a manifest that is known when a segment starts."""

    segment_id: SegmentId
    class_session_id: ClassSessionId
    camera_id: CameraId
    sequence: int
    run: int
    recipient_key_id: RecipientKeyId
    sealed_key: bytes
    init: SealedBlob
    init_sha256: str
    video: VideoFormat
    audio: AudioFormat | None


class JournalEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One durable fragment, and the clock of the run as it was known then."""

    fragment: FragmentRecord
    clock: ClockEstimate


def read_journal(path: Path) -> tuple[JournalHeader | None, list[JournalEntry]]:
    """Returns header and entries up to the first bad line; without a header nothing of the segment is durable."""
    lines = path.read_bytes().split(b"\n")[:-1]
    header = _value(lines[0], JournalHeader) if lines else None
    entries: list[JournalEntry] = []
    for line in lines[1:] if header else ():
        entry = _value(line, JournalEntry)
        if entry is None:
            break
        entries.append(entry)
    return header, entries


def manifest_of(
    header: JournalHeader,
    fragments: list[FragmentRecord],
    *,
    clock: ClockEstimate,
    sha256: str,
    closed_at: datetime,
    recovered: bool = False,
) -> SegmentManifest:
    """Returns the manifest of a segment, built from its journal."""
    last = fragments[-1].blob
    return SegmentManifest(
        segment_id=header.segment_id,
        class_session_id=header.class_session_id,
        camera_id=header.camera_id,
        sequence=header.sequence,
        run=header.run,
        size_bytes=last.offset_bytes + last.size_bytes,
        sha256=sha256,
        recipient_key_id=header.recipient_key_id,
        sealed_key=header.sealed_key,
        init=header.init,
        init_sha256=header.init_sha256,
        fragments=tuple(fragments),
        video=header.video,
        audio=header.audio,
        clock=clock,
        closed_at=closed_at,
        recovered=recovered,
    )


def _value(line: bytes, type_: type[T]) -> T | None:
    try:
        return from_line(line, type_)
    except Damaged:
        return None
