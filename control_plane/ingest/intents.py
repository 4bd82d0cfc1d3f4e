"""One request of an agent that announces segments: for each, whether it is here, where to put it, or why it is not taken.

What all segments of the request ask of the database is asked once, before the first is looked at.
"""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from uuid import UUID

from django.core.cache import cache
from django.db.models import Count, Sum

from control_plane.fleet.authentication import Caller
from control_plane.fleet.models import Agent
from control_plane.ingest.manifests import MAX_SEQUENCE, invalid_reason
from control_plane.ingest.models import PendingSegment
from control_plane.ingest.quarantine import quarantine, quarantined_refusals, refused, unsealed
from control_plane.ingest.targets import LIFETIME, put_target
from control_plane.integrity.repairs import damage_ids
from control_plane.keys import vault
from control_plane.plans.models import Limit
from control_plane.plans.quotas import allowance
from control_plane.recordings import services as recordings
from control_plane.recordings.footage_limits import FootageLimits
from control_plane.recordings.models import ClassSession, Segment, Track
from control_plane.recordings.segment_factory import ObjectLocation
from control_plane.recordings.selectors import stored_bytes
from control_plane.storage.deletion_queue import cancel_deletion, schedule_deletion
from control_plane.storage.models import DeletionReason, StudioStorage
from control_plane.storage.stores import region_mismatch
from shared.protocol.codec import encode
from shared.protocol.errors import Code
from shared.protocol.manifest import SegmentManifest
from shared.protocol.upload import AlreadyCommitted, PutTarget, Refused

CLASS_IS_FULL = "The class holds as much footage as cameras can have made in its time."
ANNOUNCED_TOO_MUCH = "This agent has announced as much as it may before some of it is committed."
MAX_PENDING, MAX_PENDING_BYTES = 1024, 8 << 30
"""Announced by one agent and not committed. Honest ones have 320 at most: 256 without a receipt and a batch."""
STORAGE_IS_FULL = (
    "The storage of this studio's plan is used up. The agent keeps what it records until there is room."
)
USAGE_CACHE_S = 60
"""How old the sum of a studio's bytes may be where it is held against its plan."""
MIN_OVERDRAFT_BYTES = 20 * 10**9

IntentResult = PutTarget | AlreadyCommitted | Refused


def overdraft_bytes(most: int) -> int:
    """Returns by how much classes that were begun in time may go over a plan's storage: a tenth, and 20 GB at least."""
    return max(most // 10, MIN_OVERDRAFT_BYTES)


def recordable_class(class_session_id: UUID, agent: Agent) -> ClassSession | None:
    """Returns a class that an agent records and that was not destroyed. In scope."""
    found: ClassSession | None = (
        ClassSession.objects.filter(pk=class_session_id, agent_recordings__agent=agent)
        .exclude(wrapped_key=b"")
        .first()
    )
    return found


def committed_hashes(segment_ids: Sequence[UUID], agent: Agent) -> dict[UUID, str]:
    """Returns the hashes of those segments of an agent that are here, by id. In scope."""
    rows = Segment.objects.filter(pk__in=segment_ids, agent=agent).values_list("id", "sha256")
    return dict(rows)


@dataclass(frozen=True, slots=True)
class _Class:
    """A class that the agent records: what it can hold, and the tracks that were asked for, by camera."""

    row: ClassSession
    limits: FootageLimits
    tracks: dict[UUID, Track | None]


@dataclass(frozen=True, slots=True)
class _AcceptedSegment:
    """A segment that is to come: its class, and the key that its object will have."""

    manifest: SegmentManifest
    class_session: ClassSession
    fault_id: UUID | None
    """It takes the place of a damaged one."""
    key: str


class Intent:
    """Announces the segments of one request. In scope, in one transaction."""

    def __init__(
        self, agent: Agent, caller: Caller, chosen: StudioStorage, manifests: Sequence[SegmentManifest]
    ) -> None:
        self._agent, self._caller, self._chosen, self._manifests = agent, caller, chosen, manifests
        ids = [manifest.segment_id for manifest in manifests]
        self._committed, self._faults = committed_hashes(ids, agent), damage_ids(ids, agent)
        self._condemned = quarantined_refusals(manifests, agent)
        others = Segment.objects.filter(pk__in=ids).exclude(agent=agent)
        self._of_others = set(others.values_list("pk", flat=True))
        self._places = _sequence_owners(manifests, agent)
        announced = PendingSegment.objects.filter(agent=agent)
        self._pending = set(announced.filter(pk__in=ids).values_list("pk", flat=True))
        total = announced.aggregate(count=Count("pk"), size_bytes=Sum("size_bytes"))
        self._count, self._size_bytes = total["count"], total["size_bytes"] or 0
        self._overdrawn: bool | None = None
        self._classes: dict[UUID, _Class | None] = {}

    def announced(self) -> list[IntentResult]:
        """Returns for each segment where it goes, or why it does not."""
        looked_at = [self._look_at(manifest) for manifest in self._manifests]
        pended = iter(self._pended([item for item in looked_at if isinstance(item, _AcceptedSegment)]))
        return [next(pended) if isinstance(item, _AcceptedSegment) else item for item in looked_at]

    def _look_at(self, manifest: SegmentManifest) -> _AcceptedSegment | AlreadyCommitted | Refused:
        sha256 = self._committed.get(manifest.segment_id)
        fault_id = self._faults.get(manifest.segment_id) if sha256 is not None else None
        if sha256 is not None and sha256 != manifest.sha256:
            return quarantine(manifest, Code.SEGMENT_HASH_CONFLICT, self._agent, self._caller)
        if sha256 is not None and fault_id is None:
            return AlreadyCommitted(segment_id=manifest.segment_id)
        if refusal := self._condemned.get((manifest.segment_id, manifest.sha256)):
            return refusal
        if text := invalid_reason(manifest):
            return refused(manifest, Code.BAD_REQUEST, text)
        of = self._class(manifest)
        if of is None or of.tracks[manifest.camera_id] is None:
            return refused(
                manifest, Code.SEGMENT_NOT_WANTED, "This agent does not record this camera for this class."
            )
        if fault_id is None and (refusal := self._out_of_place(manifest, of)):
            return refusal
        if refusal := self._unstorable(manifest):
            return refusal
        # Keys are immutable: what takes the place of a damaged object has one of its own.
        again = f"-{fault_id.hex}" if fault_id else ""
        key = f"{self._agent.studio_id}/{of.row.id}/{manifest.segment_id}{again}.seg"
        return _AcceptedSegment(manifest, of.row, fault_id, key)

    def _class(self, manifest: SegmentManifest) -> _Class | None:
        """Returns the class of a segment, with the track of its camera."""
        class_id = manifest.class_session_id
        if class_id not in self._classes:
            row = recordable_class(class_id, self._agent)
            self._classes[class_id] = _Class(row, recordings.class_limits(row), {}) if row else None
        found = self._classes[class_id]
        if found is not None and manifest.camera_id not in found.tracks:
            found.tracks[manifest.camera_id] = recordings.track_for(
                found.row, self._agent, manifest.camera_id
            )
        return found

    def _out_of_place(self, manifest: SegmentManifest, of: _Class) -> Refused | None:
        """Returns why a new segment cannot be taken: its place has another one, or its class is full."""
        if not recordings.segments_within_limits(of.row, [manifest], limits=of.limits):
            return refused(manifest, Code.TOO_MANY_REQUESTS, CLASS_IS_FULL, retryable=True)
        if manifest.segment_id in self._of_others:
            # Another box's: its bytes would be taken for a bad upload of these, and deleted at the commit.
            return quarantine(manifest, Code.SEGMENT_HASH_CONFLICT, self._agent, self._caller)
        place = manifest.camera_id, manifest.sequence
        if self._places.get(place, manifest.segment_id) != manifest.segment_id:
            return quarantine(manifest, Code.SEGMENT_SEQUENCE_CONFLICT, self._agent, self._caller)
        return None

    def _unstorable(self, manifest: SegmentManifest) -> Refused | None:
        """Returns why a segment has no place in the store now; the agent keeps it and asks again."""
        if text := region_mismatch(self._chosen.store, self._chosen.region):
            return refused(manifest, Code.STORE_UNAVAILABLE, text, retryable=True)
        if manifest.segment_id in self._pending:
            return None
        if self._is_overdrawn():
            return refused(manifest, Code.TOO_MANY_REQUESTS, STORAGE_IS_FULL, retryable=True)
        if self._count >= MAX_PENDING or self._size_bytes + manifest.size_bytes > MAX_PENDING_BYTES:
            return refused(manifest, Code.TOO_MANY_REQUESTS, ANNOUNCED_TOO_MUCH, retryable=True)
        self._count += 1
        self._size_bytes += manifest.size_bytes
        return None

    def _pended(self, wanted: Sequence[_AcceptedSegment]) -> list[IntentResult]:
        """Notes what is to come, and returns where each goes."""
        if not wanted:
            return []
        going = cancel_deletion(self._chosen.store_id, [item.key for item in wanted])
        coming = [item for item in wanted if item.key not in going]
        self._add([item for item in coming if item.manifest.segment_id not in self._pending])
        rows = PendingSegment.objects.in_bulk([item.manifest.segment_id for item in wanted])
        return [
            refused(
                item.manifest, Code.STORE_UNAVAILABLE, "An older object is being deleted.", retryable=True
            )
            if item.key in going
            else self._target(item, rows.get(item.manifest.segment_id))
            for item in wanted
        ]

    def _add(self, new: Sequence[_AcceptedSegment]) -> None:
        with ExitStack() as stack:
            openings: dict[UUID, vault.Opening] = {}
            rows = {}
            for item in new:
                manifest, class_session = item.manifest, item.class_session
                # The content key of what was committed once is here already.
                if item.fault_id is None and class_session.id not in openings:
                    openings[class_session.id] = stack.enter_context(
                        vault.opening(self._caller.actor, vault.Purpose.INGEST, class_session)
                    )
                if manifest.segment_id in rows:
                    continue
                rows[manifest.segment_id] = PendingSegment(
                    id=manifest.segment_id,
                    studio_id=self._agent.studio_id,
                    agent=self._agent,
                    class_session=class_session,
                    sha256=manifest.sha256,
                    size_bytes=manifest.size_bytes,
                    store_id=self._chosen.store_id,
                    object_key=item.key,
                    manifest_json=encode(unsealed(manifest)).decode(),
                    wrapped_seal=b""
                    if item.fault_id
                    else openings[class_session.id].held(manifest.sealed_key, segment_id=manifest.segment_id),
                )
            # Another request may announce the same at this moment: one of the two adds it.
            PendingSegment.objects.bulk_create(rows.values(), ignore_conflicts=True)

    def _target(self, item: _AcceptedSegment, pending: PendingSegment | None) -> IntentResult:
        manifest, chosen = item.manifest, self._chosen
        # None: another studio announced this id.
        if pending is None or (pending.sha256, pending.agent_id) != (manifest.sha256, self._agent.id):
            return quarantine(manifest, Code.SEGMENT_HASH_CONFLICT, self._agent, self._caller)
        place = ObjectLocation(chosen.store_id, item.key if item.fault_id else pending.object_key)
        if place != (pending.store_id, pending.object_key):
            # Announced before the studio moved, or before this damage: it goes to the new place, the old one is
            # forgotten.
            schedule_deletion(
                [(pending.store_id, pending.object_key)], reason=DeletionReason.REPLACED, after=LIFETIME
            )
            PendingSegment.objects.filter(pk=pending.pk).update(store_id=place.store_id, object_key=place.key)
        return put_target(
            manifest.segment_id,
            place.key,
            store_id=place.store_id,
            size_bytes=manifest.size_bytes,
            sha256=manifest.sha256,
        )

    def _is_overdrawn(self) -> bool:
        """Returns whether the studio has more in the platform's store than its plan lets a running class add."""
        if self._chosen.store_id is not None:
            return False
        if self._overdrawn is None:
            most = allowance().most(Limit.STORAGE_BYTES)
            self._overdrawn = most is not None and self._used_bytes() >= most + overdraft_bytes(most)
        return self._overdrawn

    def _used_bytes(self) -> int:
        key = f"threedance:stored:{self._agent.studio_id}"
        return int(cache.get_or_set(key, stored_bytes, USAGE_CACHE_S) or 0) + self._size_bytes


def _sequence_owners(manifests: Sequence[SegmentManifest], agent: Agent) -> dict[tuple[UUID, int], UUID]:
    """Returns which segments of an agent have the places that these name, by camera and number."""
    rows = Segment.objects.filter(
        agent=agent,
        camera_id__in={manifest.camera_id for manifest in manifests},
        sequence__in={manifest.sequence for manifest in manifests if manifest.sequence <= MAX_SEQUENCE},
    )
    return {
        (camera_id, sequence): pk
        for camera_id, sequence, pk in rows.values_list("camera_id", "sequence", "pk")
    }
