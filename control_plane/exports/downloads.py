"""Downloads of packages: everything is asked at the start and again before each part."""

from collections.abc import Iterator
from dataclasses import dataclass
from uuid import UUID

from django.db import connection
from django.db.models import F
from django.utils import timezone

from control_plane.access import access
from control_plane.audit.services import record_for
from control_plane.common.actors import Actor
from control_plane.common.errors import NotFound
from control_plane.common.scoping import studio_scope
from control_plane.exports.audit_events import EXPORT_DOWNLOADED
from control_plane.exports.keys import EXPORT_KEYS
from control_plane.exports.models import Export, ExportPart, ExportState
from control_plane.exports.sealing import PART_BYTES, open_part
from control_plane.keys import vault
from control_plane.people.permissions import VIEW_DANCERS
from control_plane.sharing.egress import EgressKind, EgressRequest, count_egress, require_egress
from control_plane.storage.objects import ObjectStore
from control_plane.storage.stores import open_store


@dataclass(frozen=True, slots=True)
class Download:
    """One download that has begun, of `size_bytes`."""

    export: Export
    actor: Actor
    address: str
    content_key: bytes

    def chunks(self, first: int, last: int) -> Iterator[bytes]:
        """Yields the bytes from `first` to `last`, a part at a time. May be read in another thread, outside of any scope.

        Raises:
            NotFound, Forbidden: it may not go on.
            ControlPlaneError: a part is damaged, or the store does not answer.
        """
        for number in range(first // PART_BYTES, last // PART_BYTES + 1):
            begin = number * PART_BYTES
            try:
                with studio_scope(self.export.studio_id):
                    size_bytes = min(last + 1 - begin, PART_BYTES) - max(first - begin, 0)
                    part, store = self._next(number, size_bytes)
            finally:
                connection.close()
            with store.open(part.object_key) as chunks:
                plain = open_part(self.content_key, self.export.id, number, b"".join(chunks))
            yield plain[max(first - begin, 0) : last + 1 - begin]

    def _next(self, number: int, size_bytes: int) -> tuple[ExportPart, ObjectStore]:
        export = ready_export(self.export.pk)
        request = EgressRequest(address=self.address, size_bytes=size_bytes)
        _require_download(self.actor, export, request)
        count_egress(export.id, size_bytes, timezone.now())
        part = ExportPart.objects.get(export=export, number=number)
        return part, open_store(part.store_id)


def open_download(export: Export, *, actor: Actor, address: str) -> Download:
    """Begins a download, and writes its audit event.

    Args:
        address: where the bytes go.

    Raises:
        EgressRefused: something stops this class from being exported now.
        NotFound, Forbidden: there is no finished export, or `actor` may not export the class, or not see the dancers whose
            names are in it.
    """
    with studio_scope(export.studio_id):
        row = ready_export(export.pk)
        request = EgressRequest(address=address)
        _require_download(actor, row, request)
        details = {"export": str(row.id), "bytes": row.size_bytes}
        entry = record_for(EXPORT_DOWNLOADED, row.class_session, actor=actor, details=details)
        with vault.release_keys(actor, EXPORT_KEYS, row, entry_id=entry.id) as release:
            content_key = release.content_key(bytes(row.wrapped_content_key), segment_id=row.id)
        Export.objects.filter(pk=row.pk).update(downloads=F("downloads") + 1)
    return Download(row, actor, address, content_key)


def ready_export(export_id: UUID) -> Export:
    """Returns a finished export whose time is not over, in scope.

    Raises:
        NotFound: there is none.
    """
    found: Export | None = (
        Export.objects.filter(pk=export_id, state=ExportState.READY, expires_at__gt=timezone.now())
        .select_related("class_session")
        .first()
    )
    if found is None:
        raise NotFound("There is no such export, or it has expired.")
    return found


def _require_download(actor: Actor, export: Export, request: EgressRequest) -> None:
    require_egress(actor, export.class_session, EgressKind.EXPORT, request)
    # The reader may be another person than the requester, and permissions may have ended since.
    if export.with_roster:
        access.require(actor, VIEW_DANCERS, export.class_session)
