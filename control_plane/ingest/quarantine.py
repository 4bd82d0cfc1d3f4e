"""Quarantines permanently refused manifests: audited once, and remembered so that their bytes are not read again."""

from collections.abc import Iterable
from uuid import UUID

import msgspec

from control_plane.audit.services import record
from control_plane.fleet.authentication import Caller
from control_plane.fleet.models import Agent
from control_plane.ingest.audit_events import SEGMENT_QUARANTINED
from control_plane.ingest.models import PendingSegment, QuarantinedSegment
from control_plane.ingest.targets import LIFETIME
from control_plane.recordings.models import Segment
from control_plane.storage.deletion_queue import schedule_deletion
from control_plane.storage.models import DeletionReason
from shared.protocol.codec import encode
from shared.protocol.errors import Code
from shared.protocol.manifest import SegmentManifest
from shared.protocol.upload import CommitItem, Refused

MAX_QUARANTINED = 500
"""Rows per agent; further refusals are answered without a row."""


def refused(
    item: SegmentManifest | CommitItem, code: Code, detail: str, *, retryable: bool = False
) -> Refused:
    """Returns the refusal of one segment."""
    return Refused(segment_id=item.segment_id, code=code, detail=detail, retryable=retryable)


def stored_form(manifest: SegmentManifest) -> str:
    """Returns a manifest as JSON without its content key.

    A sealed key in a backup would open with the studio's key alone, long after its class was shredded.
    """
    without_key = msgspec.structs.replace(manifest, sealed_key=bytes(len(manifest.sealed_key)))
    return encode(without_key).decode()


def quarantine(
    manifest: SegmentManifest, code: Code, agent: Agent, caller: Caller, *, detail: str = ""
) -> Refused:
    """Stores and audits a permanently refused manifest, once; returns the refusal. In scope."""
    of_agent = QuarantinedSegment.objects.filter(agent=agent)
    if of_agent.filter(segment_id=manifest.segment_id, sha256=manifest.sha256).exists():
        return refused(manifest, code, detail)
    if of_agent.count() >= MAX_QUARANTINED:
        return refused(manifest, code, detail)
    _, made = QuarantinedSegment.objects.get_or_create(
        agent=agent,
        segment_id=manifest.segment_id,
        sha256=manifest.sha256,
        defaults={
            "studio_id": agent.studio_id,
            "code": code.value,
            "detail": detail,
            "manifest_json": stored_form(manifest),
        },
    )
    if made:
        record(
            SEGMENT_QUARANTINED,
            actor=caller.actor,
            studio_id=agent.studio_id,
            object_type="recordings.Segment",
            object_id=manifest.segment_id,
            details={"code": code.value, "sha256": manifest.sha256},
        )
    return refused(manifest, code, detail)


def quarantined_refusals(
    manifests: Iterable[SegmentManifest], agent: Agent
) -> dict[tuple[UUID, str], Refused]:
    """Returns the refusals of quarantined manifests whose content key does not open, by id and object hash. In scope.

    Sending them again cannot change that, so their bytes are neither accepted nor read back a second time.
    """
    found = {(item.segment_id, item.sha256): item for item in manifests}
    rows = QuarantinedSegment.objects.filter(
        agent=agent, segment_id__in=[id_ for id_, _ in found], code=Code.SEGMENT_CORRUPT.value
    ).defer("manifest_json")
    keys = [((row.segment_id, row.sha256), row.detail) for row in rows]
    return {key: refused(found[key], Code.SEGMENT_CORRUPT, detail) for key, detail in keys if key in found}


def drop_pending(pending: Iterable[PendingSegment]) -> None:
    """Deletes permanently refused pending segments, and schedules deletion of their objects. In scope.

    Objects that a committed segment names are kept: it has the same key if it has the same id.
    """
    rows = list(pending)
    keys = [row.object_key for row in rows]
    known = set(Segment.objects.filter(object_key__in=keys).values_list("object_key", flat=True))
    schedule_deletion(
        [(row.store_id, row.object_key) for row in rows if row.object_key not in known],
        reason=DeletionReason.NEVER_SENT,
        # A signed upload address may still be valid for this long.
        after=LIFETIME,
    )
    PendingSegment.objects.filter(pk__in=[row.pk for row in rows]).delete()
