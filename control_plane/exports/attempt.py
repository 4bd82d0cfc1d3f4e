"""One attempt to write a package, by one worker. Everything is asked again with every segment and every part."""

import hashlib
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from django.db.models import QuerySet

from control_plane.common.actors import Actor, ActorKind
from control_plane.common.errors import ControlPlaneError
from control_plane.common.leases import renew
from control_plane.common.scoping import studio_scope
from control_plane.exports.footage import FootagePlan, OpenSegment
from control_plane.exports.keys import EXPORT_KEYS
from control_plane.exports.models import Export, ExportPart, ExportState
from control_plane.exports.roster_file import roster_csv
from control_plane.exports.sealing import seal_part
from control_plane.keys import vault
from control_plane.recordings.models import ClassSession
from control_plane.recordings.playback.views import playable_segment
from control_plane.sharing.egress import NOTHING_YET, EgressKind, require_egress
from control_plane.storage.deletion_queue import schedule_deletion
from control_plane.storage.models import DeletionReason
from control_plane.storage.stores import open_store, storage

JOB = "exports.write"
LEASE = timedelta(minutes=5)
"""Longer than any one segment takes to read, decode and encode."""


class Stopped(Exception):  # no error
    """The export was cancelled, or belongs to another worker."""


@dataclass(slots=True)
class Attempt:
    """One attempt. `entry_id`: its audit event. `done_bytes` counts footage that was opened, `size_bytes` the package."""

    export: Export
    token: UUID
    entry_id: UUID
    content_key: bytes
    plan: FootagePlan
    done_bytes: int = 0
    size_bytes: int = 0
    parts: int = 0

    def opened(self, segment_id: UUID) -> OpenSegment:
        """Returns a segment to read.

        Raises:
            Stopped: the export does not run any more.
            NotFound: the segment is damaged or gone, or the class may not be exported any more.
            ControlPlaneError: the footage may not leave, or its key or store does not open.
        """
        with studio_scope(self.export.studio_id):
            self.done_bytes += self.plan.size_of(segment_id)
            class_session = self._may_go_on()
            segment = playable_segment(class_session, segment_id)
            with vault.release_keys(
                requester(self.export), EXPORT_KEYS, class_session, entry_id=self.entry_id
            ) as release:
                content_key = release.content_key(bytes(segment.wrapped_key), segment_id=segment.id)
            return OpenSegment(segment, content_key, open_store(segment.store_id))

    def roster(self) -> bytes:
        """Returns the names of the dancers as CSV.

        Raises:
            Stopped, ControlPlaneError: as `opened`, or the requester may not see dancers.
        """
        with studio_scope(self.export.studio_id):
            return roster_csv(self._may_go_on(), reader=requester(self.export))

    def store_part(self, plain: bytes) -> None:
        """Encrypts the next part of the package and stores it.

        Raises:
            Stopped, ControlPlaneError: as `opened`.
        """
        sealed = seal_part(self.content_key, self.export.id, self.parts, plain)
        with studio_scope(self.export.studio_id):
            self._may_go_on()
            part = ExportPart(
                studio_id=self.export.studio_id,
                export=self.export,
                number=self.parts,
                store_id=storage().store_id,
                object_key=f"{self.export.studio_id}/exports/{self.export.id}/{self.token.hex[:8]}-{self.parts}.part",
                size_bytes=len(sealed),
                sha256=hashlib.sha256(sealed).hexdigest(),
            )
            # Before the object: an object without a row would never be deleted.
            part.save(force_insert=True)
            store = open_store(part.store_id)
        try:
            store.put(part.object_key, [sealed], size_bytes=len(sealed), sha256=part.sha256)
            with studio_scope(self.export.studio_id):
                self._may_go_on()
                ExportPart.objects.filter(pk=part.pk).update(plain_bytes=len(plain))
        except (Stopped, ControlPlaneError):
            # If the export ended during the upload, its deletion may have run before the object was there.
            with studio_scope(self.export.studio_id):
                schedule_deletion([(part.store_id, part.object_key)], reason=DeletionReason.SHREDDED)
            raise
        self.parts += 1
        self.size_bytes += len(plain)

    def _may_go_on(self) -> ClassSession:
        """Renews the lease and asks all that is asked at each act; returns the class as it is now. In scope."""
        if not renew(running(self.export), self.token, lease=LEASE, done_bytes=self.done_bytes):
            raise Stopped
        current: ClassSession = ClassSession.objects.get(pk=self.export.class_session_id)
        require_egress(requester(self.export), current, EgressKind.EXPORT, NOTHING_YET)
        return current


def requester(export: Export) -> Actor:
    """Returns the person who requested an export, as whom its job acts."""
    return Actor(ActorKind.USER, id=export.requested_by, job=JOB)


def running(export: Export) -> QuerySet[Export]:
    """Returns the row of an export if it runs."""
    found: QuerySet[Export] = Export.objects.filter(pk=export.pk, state=ExportState.RUNNING)
    return found
