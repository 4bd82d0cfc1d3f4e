"""Writes one segment: encrypt, append, sync; a fragment is durable when `append` returns."""

import contextlib
import errno
import hashlib
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import msgspec

from edge_agent.checksummed_lines import to_line
from edge_agent.errors import SpoolBroken, SpoolError, SpoolFull
from edge_agent.spool.cipher import Sealed, SegmentCipher
from edge_agent.spool.journal import JournalEntry, JournalHeader, manifest_of
from edge_agent.spool.layout import CLOSED, JOURNAL, MANIFEST, OPEN
from edge_agent.spool.spool import Spool
from shared.protocol.config import RecipientKey
from shared.protocol.ids import CameraId, ClassSessionId, SegmentId, new_id
from shared.protocol.manifest import FragmentRecord, SealedBlob, SegmentManifest
from shared.protocol.media import AudioFormat, ClockEstimate, VideoFormat

FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


@dataclass(frozen=True)
class Fragment:
    """One moof+mdat in plain. `duration_90k` reaches to the next fragment's first picture."""

    data: bytes
    pts_90k: int
    duration_90k: int
    frames: int
    starts_with_key: bool


class SegmentWriter:
    """One open segment of one camera, written by one thread.

    A failed `append` leaves exactly what was durable before, and may be repeated. Nothing is written before the first
    fragment.
    """

    def __init__(
        self,
        spool: Spool,
        *,
        class_session_id: ClassSessionId,
        camera_id: CameraId,
        run: int,
        recipient: RecipientKey,
        init: bytes,
        video: VideoFormat,
        audio: AudioFormat | None,
    ) -> None:
        self._spool = spool
        self._files = spool.files
        self._cipher = SegmentCipher(recipient)
        self._hash = hashlib.sha256()
        self._object = self._journal = -1
        self._size_bytes = self._journal_bytes = 0
        self._torn = False
        self._fragments: list[FragmentRecord] = []
        self._clock: ClockEstimate | None = None
        self._init = self._cipher.seal(init)
        # The sequence number is allocated with the first fragment: an empty segment uses none.
        self.header = JournalHeader(
            segment_id=SegmentId(new_id()),
            class_session_id=class_session_id,
            camera_id=camera_id,
            sequence=0,
            run=run,
            recipient_key_id=recipient.id,
            sealed_key=self._cipher.sealed_key,
            init=_blob(self._init, 0),
            init_sha256=hashlib.sha256(init).hexdigest(),
            video=video,
            audio=audio,
        )

    @property
    def fragments(self) -> int:
        """How many fragments are durable."""
        return len(self._fragments)

    @property
    def first_pts_90k(self) -> int | None:
        """Where the segment begins, or None while it is empty."""
        return self._fragments[0].pts_90k if self._fragments else None

    def append(self, fragment: Fragment, clock: ClockEstimate) -> None:
        """Encrypts and writes one fragment; durable when this returns.

        Raises:
            SpoolFull: there is no space; nothing of the fragment is kept.
            SpoolBroken: the disk refuses; nothing of the fragment is kept.
        """
        blobs = [] if self._fragments else [self._init]
        sealed = self._cipher.seal(fragment.data)
        blobs.append(sealed)
        if sum(len(blob.data) for blob in blobs) > self._spool.available_bytes():
            raise SpoolFull("no space: the spool's limit, or what must stay free on the disk, is reached")
        record = FragmentRecord(
            blob=_blob(sealed, self._size_bytes + (0 if self._fragments else len(self._init.data))),
            pts_90k=fragment.pts_90k,
            duration_90k=fragment.duration_90k,
            frames=fragment.frames,
        )
        entry = to_line(JournalEntry(fragment=record, clock=clock))
        try:
            if self._torn:
                self._truncate()
            if self._journal < 0:
                self._open_files()
            lines = entry if self._fragments else to_line(self.header) + entry
            self._write(blobs, lines)
        except OSError as error:
            self._undo()
            raise spool_error(error) from error
        for blob in blobs:
            self._hash.update(blob.data)
            self._size_bytes += len(blob.data)
        self._journal_bytes += len(lines)
        self._fragments.append(record)
        self._clock = clock
        self._spool.note_open_size(self.header.segment_id, self._size_bytes)

    def _write(self, blobs: list[Sealed], lines: bytes) -> None:
        files = self._files
        for blob in blobs:
            files.append(self._object, blob.data)
        files.append(self._journal, memoryview(lines))
        # Object first: the journal must never list bytes that are not durable. Hashes catch a disk that reorders writes.
        files.sync(self._object)
        files.sync(self._journal)
        if not self._fragments:
            # The content of a new file survives a power cut only if its folder entry does.
            files.sync_folder(self._path(OPEN).parent)

    def _open_files(self) -> None:
        if not self.header.sequence:
            sequence = self._spool.allocate_sequence(self.header.camera_id)
            self.header = msgspec.structs.replace(self.header, sequence=sequence)
        self._files.ensure_folder(self._spool.layout.camera(self.header.camera_id))
        if self._object < 0:
            self._object = self._files.open_append(self._path(OPEN))
        self._journal = self._files.open_append(self._path(JOURNAL))

    def _undo(self) -> None:
        """Truncates what a failed write left. If the disk refuses that too, the next write starts with it."""
        self._torn = True
        with contextlib.suppress(OSError):
            self._truncate()

    def _truncate(self) -> None:
        # Journal first: bytes that it does not list belong to nothing.
        for descriptor, size in ((self._journal, self._journal_bytes), (self._object, self._size_bytes)):
            if descriptor >= 0:
                self._files.truncate(descriptor, size)
                self._files.sync(descriptor)
        self._torn = False

    def close(self, clock: ClockEstimate | None, closed_at: datetime) -> SegmentManifest | None:
        """Closes the segment, hands it to the spool and returns its manifest; None if it is empty. Always forgets the key.

        If the disk refuses, the spool retries; otherwise recovery closes the segment at the next start.

        Args:
            clock: the clock of the run as known now; None: as with the last fragment.
            closed_at: UTC now.
        """
        self._cipher.forget()
        clock = clock or self._clock
        if not self._fragments or clock is None:
            self._discard()
            return None
        manifest = manifest_of(
            self.header,
            self._fragments,
            clock=clock,
            sha256=self._hash.hexdigest(),
            closed_at=closed_at,
        )
        for descriptor in (self._object, self._journal):
            self._files.close(descriptor)
        self._object = self._journal = -1
        self._spool.add_closed(manifest, lambda: self._finalize(manifest))
        return manifest

    def _finalize(self, manifest: SegmentManifest) -> None:
        """Renames the closed files to their final names. Idempotent."""
        files = self._files
        if self._torn:
            descriptor = files.open_append(self._path(OPEN))
            try:
                files.truncate(descriptor, manifest.size_bytes)
                files.sync(descriptor)
            finally:
                files.close(descriptor)
            self._torn = False
        files.write(self._path(MANIFEST), to_line(manifest))
        if not self._path(CLOSED).exists():
            files.rename(self._path(OPEN), self._path(CLOSED))
        files.sync_folder(self._path(CLOSED).parent)
        with contextlib.suppress(FileNotFoundError):
            files.remove(self._path(JOURNAL))

    def _discard(self) -> None:
        gone = True
        for descriptor, suffix in ((self._journal, JOURNAL), (self._object, OPEN)):
            if descriptor >= 0:
                self._files.close(descriptor)
                try:
                    self._files.remove(self._path(suffix))
                except OSError:
                    gone = False
        self._object = self._journal = -1
        # If a file could not be removed its number stays used: the next start will find the file.
        if gone and self.header.sequence:
            self._spool.release_sequence(self.header.camera_id, self.header.sequence)

    def _path(self, suffix: str) -> Path:
        header = self.header
        return self._spool.layout.segment(header.camera_id, header.sequence, header.segment_id, suffix)


def spool_error(error: OSError) -> SpoolError:
    """Returns our error for what the disk answered."""
    text = error.strerror or str(error)
    return (
        SpoolFull(f"no space: {text}")
        if error.errno in FULL
        else SpoolBroken(f"the disk refuses a write: {text}")
    )


def _blob(sealed: Sealed, offset_bytes: int) -> SealedBlob:
    return SealedBlob(
        offset_bytes=offset_bytes, size_bytes=len(sealed.data), iv=sealed.iv, sha256=sealed.sha256
    )
