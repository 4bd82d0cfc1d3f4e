"""Announcement of segments by an agent: each is already committed, gets an upload address, or is refused.

The database is queried once for all segments of the request, before the first decision.
"""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from uuid import UUID

from django.core.cache import cache
from django.db.models import Count, Sum

from control_plane.common.turns import in_passing
from control_plane.fleet.authentication import Caller
from control_plane.fleet.models import Agent
from control_plane.ingest.audit_events import SEGMENT_QUARANTINED
from control_plane.ingest.manifests import MAX_SEQUENCE, invalid_reason
from control_plane.ingest.models import PendingSegment
from control_plane.ingest.quarantine import quarantine, quarantined_refusals, refused, stored_form
from control_plane.ingest.targets import LIFETIME, put_target
from control_plane.integrity.repairs import damage_ids
from control_plane.keys import vault
from control_plane.plans.models import Limit
from control_plane.plans.quotas import allowance
from control_plane.recordings import services as recordings
from control_plane.recordings.audit_events import FOOTAGE_COMMITTED
from control_plane.recordings.footage_limits import FootageLimits
from control_plane.recordings.models import ClassSession, Segment, Track
from control_plane.recordings.permissions import UPLOAD
from control_plane.recordings.segment_factory import ObjectLocation
from control_plane.recordings.selectors import stored_bytes
from control_plane.storage.deletion_queue import cancel_deletion, schedule_deletion
from control_plane.storage.models import DeletionReason, StudioStorage
from control_plane.storage.stores import region_mismatch
from shared.protocol.errors import Code
from shared.protocol.manifest import SegmentManifest
from shared.protocol.upload import AlreadyCommitted, PutTarget, Refused

INGEST_KEYS = vault.Purpose(
    "ingest",
    UPLOAD,
    frozenset({FOOTAGE_COMMITTED, SEGMENT_QUARANTINED}),
    audited_before=False,
    segment_events=frozenset({SEGMENT_QUARANTINED}),
)
CLASS_IS_FULL = "The class already holds the maximum of footage for its duration."
ANNOUNCED_TOO_MUCH = "This agent has announced the maximum of uncommitted footage."
MAX_PENDING, MAX_PENDING_BYTES = 1024, 8 << 30
"""Limits of one agent for announced, uncommitted segments. An honest agent has at most 320: 256 without a receipt and a
batch."""
STORAGE_IS_FULL = "The storage of this studio's plan is used up. The agent keeps its footage and retries."
USAGE_CACHE_S = 60
"""Maximum age of the cached storage use of a studio."""
MIN_OVERDRAFT_BYTES = 20 * 10**9

IntentResult = PutTarget | AlreadyCommitted | Refused


def overdraft_bytes(most: int) -> int:
    """Returns by how many bytes classes in progress may exceed the plan's storage: a tenth, at least 20 GB."""
    return max(most // 10, MIN_OVERDRAFT_BYTES)


def recordable_class(class_session_id: UUID, agent: Agent) -> ClassSession | None:
    """Returns a class that the agent records and that was not destroyed. In scope."""
    found: ClassSession | None = (
        ClassSession.objects.filter(pk=class_session_id, agent_recordings__agent=agent)
        .exclude(wrapped_key=b"")
        .first()
    )
    return found


def committed_hashes(segment_ids: Sequence[UUID], agent: Agent) -> dict[UUID, str]:
    """Returns the hashes of the agent's committed segments, by id. In scope."""
    rows = Segment.objects.filter(pk__in=segment_ids, agent=agent).values_list("id", "sha256")
    return dict(rows)


@dataclass(frozen=True, slots=True)
class _Class:
    """A class that the agent records, with its limits and the tracks loaded so far, by camera."""

    row: ClassSession
    limits: FootageLimits
    tracks: dict[UUID, Track | None]


@dataclass(frozen=True, slots=True)
class _AcceptedSegment:
    """A segment to upload: its class, and the key of its object."""

    manifest: SegmentManifest
    class_session: ClassSession
    damage_id: UUID | None
    """The damage that it repairs; None: a new segment."""
    key: str


class Intent:
    """Handles one intent request. In scope, in one transaction."""

    def __init__(
        self, agent: Agent, caller: Caller, chosen: StudioStorage, manifests: Sequence[SegmentManifest]
    ) -> None:
        self._agent, self._caller, self._chosen, self._manifests = agent, caller, chosen, manifests
        ids = [manifest.segment_id for manifest in manifests]
        self._committed, self._damage_ids = committed_hashes(ids, agent), damage_ids(ids, agent)
        self._quarantined = quarantined_refusals(manifests, agent)
        others = Segment.objects.filter(pk__in=ids).exclude(agent=agent)
        self._of_others = set(others.values_list("pk", flat=True))
        self._owners = _sequence_owners(manifests, agent)
        announced = PendingSegment.objects.filter(agent=agent)
        self._pending = set(announced.filter(pk__in=ids).values_list("pk", flat=True))
        total = announced.aggregate(count=Count("pk"), size_bytes=Sum("size_bytes"))
        self._count, self._size_bytes = total["count"], total["size_bytes"] or 0
        self._overdrawn: bool | None = None
        self._classes: dict[UUID, _Class | None] = {}

    def announce(self) -> list[IntentResult]:
        """Returns for each segment an upload target, a receipt, or a refusal."""
        decisions = [self._decide(manifest) for manifest in in_passing(self._manifests, every=1)]
        results = iter(
            self._create_pending([item for item in decisions if isinstance(item, _AcceptedSegment)])
        )
        return [next(results) if isinstance(item, _AcceptedSegment) else item for item in decisions]

    def _decide(self, manifest: SegmentManifest) -> _AcceptedSegment | AlreadyCommitted | Refused:
        sha256 = self._committed.get(manifest.segment_id)
        damage_id = self._damage_ids.get(manifest.segment_id) if sha256 is not None else None
        if sha256 is not None and sha256 != manifest.sha256:
            return quarantine(manifest, Code.SEGMENT_HASH_CONFLICT, self._agent, self._caller)
        if sha256 is not None and damage_id is None:
            return AlreadyCommitted(segment_id=manifest.segment_id)
        if refusal := self._quarantined.get((manifest.segment_id, manifest.sha256)):
            return refusal
        if text := invalid_reason(manifest):
            return refused(manifest, Code.BAD_REQUEST, text)
        of = self._class(manifest)
        if of is None or of.tracks[manifest.camera_id] is None:
            return refused(
                manifest, Code.SEGMENT_NOT_WANTED, "This agent does not record this camera for this class."
            )
        if damage_id is None and (refusal := self._conflict(manifest, of)):
            return refusal
        if refusal := self._storage_refusal(manifest):
            return refusal
        # Object keys are immutable: a replacement of a damaged object gets its own key.
        again = f"-{damage_id.hex}" if damage_id else ""
        key = f"{self._agent.studio_id}/{of.row.id}/{manifest.segment_id}{again}.seg"
        return _AcceptedSegment(manifest, of.row, damage_id, key)

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

    def _conflict(self, manifest: SegmentManifest, of: _Class) -> Refused | None:
        """Returns a refusal if the class is full, or if another segment has the id or the sequence number."""
        if not recordings.segments_within_limits(of.row, [manifest], limits=of.limits):
            return refused(manifest, Code.TOO_MANY_REQUESTS, CLASS_IS_FULL, retryable=True)
        if manifest.segment_id in self._of_others:
            # Another agent's id: its bytes would look like a corrupt upload of this one, and be deleted at the commit.
            return quarantine(manifest, Code.SEGMENT_HASH_CONFLICT, self._agent, self._caller)
        place = manifest.camera_id, manifest.sequence
        if self._owners.get(place, manifest.segment_id) != manifest.segment_id:
            return quarantine(manifest, Code.SEGMENT_SEQUENCE_CONFLICT, self._agent, self._caller)
        return None

    def _storage_refusal(self, manifest: SegmentManifest) -> Refused | None:
        """Returns a retryable refusal if the segment cannot be stored now: region, plan or pending limit."""
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

    def _create_pending(self, wanted: Sequence[_AcceptedSegment]) -> list[IntentResult]:
        """Creates the pending rows, and returns the upload target of each segment."""
        if not wanted:
            return []
        going = cancel_deletion(self._chosen.store_id, [item.key for item in wanted])
        coming = [item for item in wanted if item.key not in going]
        self._add([item for item in coming if item.manifest.segment_id not in self._pending])
        # Without the manifests: a batch of them is up to a megabyte, and was just written.
        rows = PendingSegment.objects.defer("manifest_json", "wrapped_seal").in_bulk(
            [item.manifest.segment_id for item in wanted]
        )
        return [
            refused(
                item.manifest,
                Code.STORE_UNAVAILABLE,
                "An older object with this key is being deleted.",
                retryable=True,
            )
            if item.key in going
            else self._target(item, rows.get(item.manifest.segment_id))
            for item in in_passing(wanted, every=1)
        ]

    def _add(self, new: Sequence[_AcceptedSegment]) -> None:
        with ExitStack() as stack:
            releases: dict[UUID, vault.KeyRelease] = {}
            rows = {}
            for item in in_passing(new, every=1):
                manifest, class_session = item.manifest, item.class_session
                # A repair needs no content key: the one of the first commit is stored.
                if item.damage_id is None and class_session.id not in releases:
                    releases[class_session.id] = stack.enter_context(
                        vault.release_keys(self._caller.actor, INGEST_KEYS, class_session)
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
                    manifest_json=stored_form(manifest),
                    wrapped_seal=b""
                    if item.damage_id
                    else releases[class_session.id].wrap_sealed(
                        manifest.sealed_key, segment_id=manifest.segment_id
                    ),
                )
            # A concurrent request may announce the same segment: the first insert wins.
            PendingSegment.objects.bulk_create(rows.values(), ignore_conflicts=True)

    def _target(self, item: _AcceptedSegment, pending: PendingSegment | None) -> IntentResult:
        manifest, chosen = item.manifest, self._chosen
        # None: the id belongs to another studio.
        if pending is None or (pending.sha256, pending.agent_id) != (manifest.sha256, self._agent.id):
            return quarantine(manifest, Code.SEGMENT_HASH_CONFLICT, self._agent, self._caller)
        place = ObjectLocation(chosen.store_id, item.key if item.damage_id else pending.object_key)
        if place != (pending.store_id, pending.object_key):
            # Announced before a store migration or before this damage: redirect it, and delete the old object.
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
        """Returns whether the studio exceeds its plan's storage by more than running classes may."""
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
    """Returns the ids of the agent's segments with the sequence numbers of `manifests`, by camera and number."""
    rows = Segment.objects.filter(
        agent=agent,
        camera_id__in={manifest.camera_id for manifest in manifests},
        sequence__in={manifest.sequence for manifest in manifests if manifest.sequence <= MAX_SEQUENCE},
    )
    return {
        (camera_id, sequence): pk
        for camera_id, sequence, pk in rows.values_list("camera_id", "sequence", "pk")
    }
