"""Writes one segment: encrypt, append, sync; a fragment is durable when `append` returns."""

import contextlib
import hashlib
import os
from datetime import datetime
from pathlib import Path

import msgspec

from edge_agent.durable import write_file
from edge_agent.errors import SpoolFull
from edge_agent.spool.cipher import Sealed, SegmentCipher
from edge_agent.spool.disk import spool_error
from edge_agent.spool.journal import JournalEntry, JournalHeader, journal_line, manifest_of
from edge_agent.spool.layout import CLOSED, JOURNAL, MANIFEST, OPEN
from edge_agent.spool.segmenter import Fragment
from edge_agent.spool.spool import Spool
from shared.protocol.codec import encode
from shared.protocol.config import RecipientKey
from shared.protocol.ids import CameraId, ClassSessionId, SegmentId, new_id
from shared.protocol.manifest import FragmentRecord, SealedBlob, SegmentManifest
from shared.protocol.media import AudioFormat, ClockEstimate, VideoFormat


class SegmentWriter:
    """One open segment of one camera, written by one thread.

    A failed `append` leaves exactly what was durable before, and may be tried again. Nothing is on the disk before the
    first fragment.
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
        self._cipher = SegmentCipher(recipient)
        self._hash = hashlib.sha256()
        self._object = self._journal = -1
        self._size_bytes = self._journal_bytes = 0
        self._fragments: list[FragmentRecord] = []
        self._clock: ClockEstimate | None = None
        self._init = self._cipher.seal(init)
        # Its number is taken with the first fragment: an empty segment uses none up.
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
            SpoolFull: there is no room; nothing of the fragment is kept.
            SpoolBroken: the disk refuses; nothing of the fragment is kept.
        """
        blobs = [] if self._fragments else [self._init]
        sealed = self._cipher.seal(fragment.data)
        blobs.append(sealed)
        if sum(len(blob.data) for blob in blobs) > self._spool.room_bytes():
            raise SpoolFull("no room: the spool's limit, or what must stay free on the disk, is reached")
        record = FragmentRecord(
            blob=_blob(sealed, self._size_bytes + (0 if self._fragments else len(self._init.data))),
            pts_90k=fragment.pts_90k,
            duration_90k=fragment.duration_90k,
            frames=fragment.frames,
        )
        entry = journal_line(JournalEntry(fragment=record, clock=clock))
        try:
            if self._object < 0:
                self._open_files()
            lines = entry if self._fragments else journal_line(self.header) + entry
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
        self._spool.segment_growing(self.header.segment_id, self._size_bytes)

    def _write(self, blobs: list[Sealed], lines: bytes) -> None:
        disk = self._spool.disk
        for blob in blobs:
            disk.append(self._object, blob.data)
        disk.append(self._journal, memoryview(lines))
        # In this order: a journal never vouches for bytes that are not there. Hashes catch what reorders it.
        disk.sync(self._object)
        disk.sync(self._journal)

    def _open_files(self) -> None:
        sequence = self._spool.take_sequence(self.header.camera_id)
        self.header = msgspec.structs.replace(self.header, sequence=sequence)
        header, layout = self.header, self._spool.layout
        layout.camera(header.camera_id).mkdir(mode=0o700, exist_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        self._object = os.open(self._path(OPEN), flags, 0o600)
        self._journal = os.open(self._path(JOURNAL), flags, 0o600)

    def _undo(self) -> None:
        with contextlib.suppress(OSError):
            for descriptor, size in ((self._object, self._size_bytes), (self._journal, self._journal_bytes)):
                if descriptor >= 0:
                    os.ftruncate(descriptor, size)
        if not self._fragments:
            self._discard()

    def close(self, clock: ClockEstimate | None, closed_at: datetime) -> SegmentManifest | None:
        """Closes the segment and hands it to the spool; None where it is empty. The key is forgotten whatever happens.

        A disk that refuses is tried again by the spool; the next start would close the segment, too.

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
            os.close(descriptor)
        self._object = self._journal = -1
        self._spool.segment_closed(manifest, lambda: self._settle(manifest))
        return manifest

    def _settle(self, manifest: SegmentManifest) -> None:
        """Gives the closed files their final names. Done twice it does no harm."""
        write_file(self._path(MANIFEST), encode(manifest))
        if not self._path(CLOSED).exists():
            self._spool.disk.rename(self._path(OPEN), self._path(CLOSED))
        self._path(JOURNAL).unlink(missing_ok=True)

    def _discard(self) -> None:
        for descriptor, suffix in ((self._object, OPEN), (self._journal, JOURNAL)):
            if descriptor >= 0:
                with contextlib.suppress(OSError):
                    os.close(descriptor)
                    self._path(suffix).unlink()
        self._object = self._journal = -1
        if self.header.sequence:
            self._spool.return_sequence(self.header.camera_id, self.header.sequence)
            self.header = msgspec.structs.replace(self.header, sequence=0)

    def _path(self, suffix: str) -> Path:
        header = self.header
        return self._spool.layout.segment(header.camera_id, header.sequence, header.segment_id, suffix)


def _blob(sealed: Sealed, offset_bytes: int) -> SealedBlob:
    return SealedBlob(
        offset_bytes=offset_bytes, size_bytes=len(sealed.data), iv=sealed.iv, sha256=sealed.sha256
    )
