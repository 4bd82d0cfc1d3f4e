"""Writes of storage: the region, the studio's own stores, and their probes.

The location of a store (endpoint, bucket, prefix) never changes, because its objects would be lost. Another location is
another store, and `recordings.store_migration` copies the footage there.
"""

import ssl
from dataclasses import asdict
from datetime import timedelta
from urllib.parse import urlsplit
from uuid import UUID

from django.conf import settings
from django.db.models import Q
from django.utils import timezone

from control_plane.access import access
from control_plane.access.permissions import MAINTAIN
from control_plane.audit.services import record, record_for
from control_plane.common.actors import Actor, ActorKind
from control_plane.common.errors import BadRequest, Conflict
from control_plane.common.leases import claim, release, renew
from control_plane.common.saving import check, save_new
from control_plane.common.scoping import studio_scope
from control_plane.common.ssrf_guard import is_private_allowed, resolve
from control_plane.common.tasks import enqueue_by_name
from control_plane.keys import vault
from control_plane.plans.rate_limits import PROBES, require_rows
from control_plane.storage import stores
from control_plane.storage.audit_events import STORE_ADDED, STORE_CHANGED, STORE_PROBED, STORE_REGION_SET
from control_plane.storage.errors import StoreRefused
from control_plane.storage.models import Encryption, ProbeState, StoreProbe, StudioStorage, StudioStore
from control_plane.storage.objects import ObjectStore
from control_plane.storage.permissions import MANAGE_STORAGE
from control_plane.storage.probe import probe
from control_plane.storage.probe_report import ProbeContext, ProbeFinding, ProbeOutcome
from control_plane.storage.s3 import S3Store
from control_plane.tenancy.models import Studio

PROBE_LEASE = timedelta(minutes=2)
PROBE_TIMEOUT_S = 5.0
MAX_STORES = 20
"""Maximum of stores in use by one studio: each is probed every night."""
PROBE_VALIDITY = timedelta(hours=24)
"""Maximum age of a passed probe when a store becomes the destination of footage."""
CHANGEABLE = frozenset({"name", "access_key", "ca_pem", "encryption", "kms_key_id"})


def set_region(studio: Studio, region: str, *, actor: Actor) -> StudioStorage:
    """Pins the studio's footage to a region; empty: anywhere.

    Raises:
        BadRequest: the region is invalid.
        Conflict: the current store is in another region.
        NotFound, Forbidden: `actor` may not manage storage.
    """
    region = region.strip().lower()
    with studio_scope(studio.id):
        access.require(actor, MANAGE_STORAGE, studio)
        row = lock_storage(studio.id)
        if fault := stores.region_mismatch(row.store, region):
            raise Conflict(f"{fault} Migrate the footage to a store in {region} first, then set the region.")
        row.region = region
        check(row)
        row.save(update_fields=["region"])
        record_for(STORE_REGION_SET, row, actor=actor, details={"region": region})
    return row


def add_store(
    studio: Studio,
    *,
    actor: Actor,
    name: str,
    endpoint: str,
    bucket: str,
    region: str,
    access_key: str,
    secret_key: str,
    prefix: str = "",
    ca_pem: str = "",
    encryption: str = Encryption.NONE,
    kms_key_id: str = "",
) -> StudioStore:
    """Adds a store of the studio and requests a probe of it. It receives no footage before it has passed.

    Raises:
        BadRequest: a value is invalid, or the endpoint is at a forbidden address.
        Conflict: a store has this name, it is outside the studio's region, or there are `MAX_STORES`.
        NotFound, Forbidden: `actor` may not manage storage.
    """
    with studio_scope(studio.id):
        access.require(actor, MANAGE_STORAGE, studio)
        row = StudioStore(
            studio=studio,
            name=name.strip(),
            endpoint=_endpoint(endpoint),
            bucket=bucket.strip(),
            region=region.strip().lower(),
            prefix=prefix.strip(),
            access_key=access_key.strip(),
            ca_pem=ca_pem.strip(),
            encryption=encryption,
            kms_key_id=kms_key_id.strip(),
        )
        lock_storage(studio.id)
        if StudioStore.objects.filter(retired_at=None).count() >= MAX_STORES:
            raise Conflict(f"There are {MAX_STORES} stores in use. Remove one first.")
        _seal(row, secret_key)
        _validate(row, secret_key)
        if fault := stores.region_mismatch(row, stores.storage().region):
            raise Conflict(f"{fault} Use a bucket in that region.")
        save_new(row, f"A store named {row.name!r} exists already.")
        record_for(
            STORE_ADDED,
            row,
            actor=actor,
            details={"region": row.region, "encryption": str(row.encryption)},
        )
        request_probe(studio, row, actor=actor)
    return row


def change_store(store: StudioStore, *, actor: Actor, secret_key: str = "", **values: str) -> StudioStore:
    """Changes name, credentials, certificate or encryption, and requests a new probe. An empty secret is unchanged.

    Raises:
        BadRequest: a field cannot be changed or a value is invalid; a new access key needs its secret.
        NotFound, Forbidden: `actor` may not manage storage.
    """
    unknown = set(values) - CHANGEABLE
    if unknown:
        raise BadRequest(
            f"{', '.join(sorted(unknown))}: this cannot be changed, because the store may hold footage. Add another"
            " store and migrate the footage."
        )
    with studio_scope(store.studio_id):
        access.require(actor, MANAGE_STORAGE, store)
        row: StudioStore = StudioStore.objects.select_for_update().get(pk=store.pk)
        if row.retired_at is not None:
            raise Conflict("This store was removed. Add it again as a new store.")
        if values.get("access_key", row.access_key).strip() != row.access_key and not secret_key:
            raise BadRequest("secret_key: a new access key needs its secret key")
        for name, value in values.items():
            setattr(row, name, value.strip())
        if secret_key:
            _seal(row, secret_key)
        _validate(row, secret_key or stores.secret_of(row))
        row.revision += 1
        row.save()
        changed = sorted(values) + (["secret_key"] if secret_key else [])
        record_for(STORE_CHANGED, row, actor=actor, details={"fields": changed})
        request_probe(Studio.objects.get(pk=row.studio_id), row, actor=actor)
    return row


def request_probe(studio: Studio, store: StudioStore | None, *, actor: Actor) -> StoreProbe:
    """Schedules a probe of a store, unless one is waiting or running.

    Raises:
        NotFound, Forbidden: `actor` may not manage storage.
        TooManyRequests: too many were requested within an hour.
    """
    with studio_scope(studio.id):
        _require_storage(actor, studio)
        open_states = [ProbeState.WAITING, ProbeState.RUNNING]
        revision = store.revision if store else 0
        running: StoreProbe | None = StoreProbe.objects.filter(
            store=store, state__in=open_states, revision=revision
        ).first()
        if running is not None:
            return running
        require_rows(StoreProbe.objects.all(), PROBES, actor=actor)
        row = StoreProbe(
            studio=studio,
            store=store,
            revision=revision,
            requested_by=actor.id if actor.kind is ActorKind.USER else None,
        )
        row.save(force_insert=True)
        enqueue_by_name("control_plane.storage.tasks.run_store_probe", studio=studio.id, probe_id=row.id)
    return row


def run_probe(studio_id: UUID, probe_id: UUID) -> bool:
    """Probes a store and stores each finding at once; returns whether this worker finished. Holds no transaction.

    If a worker dies, its lease expires, and the next one repeats the whole probe.
    """
    with studio_scope(studio_id):
        rows = StoreProbe.objects.filter(pk=probe_id, state__in=[ProbeState.WAITING, ProbeState.RUNNING])
        token = claim(rows, lease=PROBE_LEASE)
        if token is None:
            return False
        row: StoreProbe = StoreProbe.objects.select_related("store").get(pk=probe_id)
        row.transition(ProbeState.RUNNING, findings=[], step="")
        pinned = stores.storage().region
        context = ProbeContext(
            _store_to_probe(row.store),
            str(studio_id),
            row.store.region if row.store else settings.OBJECT_STORE_REGION,
            pinned=pinned,
            page_origin=settings.PUBLIC_URL,
        )
    findings: list[ProbeFinding] = []

    def update_row(**values: object) -> bool:
        with studio_scope(studio_id):
            mine = StoreProbe.objects.filter(pk=probe_id)
            return renew(mine, token, lease=PROBE_LEASE, **values)

    def starting(name: str) -> None:
        update_row(step=name)

    for finding in probe(context, starting):
        findings.append(finding)
        if not update_row(findings=[asdict(item) for item in findings]):
            return False
    return _finish_probe(studio_id, row, token, findings, context)


def latest_probe(store: StudioStore | None) -> StoreProbe | None:
    """Returns the newest probe of the current revision of a store."""
    found: StoreProbe | None = (
        StoreProbe.objects.filter(store=store, revision=store.revision if store else 0)
        .order_by("-created_at")
        .first()
    )
    return found


def unfit_reason(store: StudioStore | None) -> str:
    """Returns a text that explains why a store may not receive footage now; empty if it may."""
    if store is None:
        return ""
    if store.retired_at is not None:
        return "This store was removed."
    found = latest_probe(store)
    if found is None or not found.is_over:
        return "The store has not been probed yet. Wait for the result."
    if not found.is_fit:
        faults = [item["check"] for item in found.findings if item["outcome"] == ProbeOutcome.REFUSAL]
        return f"The last probe of the store failed ({', '.join(faults)}). Correct this and probe it again."
    if found.finished_at is None or found.finished_at < timezone.now() - PROBE_VALIDITY:
        return "The last probe of the store is more than a day old. Probe it again first."
    return ""


def due_probes() -> list[UUID]:
    """Returns the probes of the studio in scope that wait, or whose lease has expired."""
    waiting = Q(state=ProbeState.WAITING, lease_token=None)
    lost = Q(state__in=[ProbeState.WAITING, ProbeState.RUNNING], lease_until__lt=timezone.now())
    return list(
        StoreProbe.objects.filter(waiting | lost).order_by("created_at").values_list("id", flat=True)[:20]
    )


def stores_to_probe() -> list[tuple[Studio, StudioStore | None]]:
    """Returns the stores for the nightly probes of the studio in scope: its own, and the platform's if it is used."""
    studio = Studio.objects.get()
    own: list[StudioStore | None] = list(StudioStore.objects.filter(retired_at=None))
    chosen = stores.storage().store
    return [(studio, store) for store in ([*own, None] if chosen is None else own)]


def lock_storage(studio_id: UUID) -> StudioStorage:
    """Returns the storage settings of the studio, created if missing, locked until the end of the transaction."""
    StudioStorage.objects.bulk_create([StudioStorage(studio_id=studio_id)], ignore_conflicts=True)
    row: StudioStorage = (
        StudioStorage.objects.select_for_update(of=("self",)).select_related("store").get(studio_id=studio_id)
    )
    return row


def _store_to_probe(row: StudioStore | None) -> ObjectStore:
    if row is None:
        return stores.open_store(None)
    place = stores.config_for(row, stores.secret_of(row), probing=True)
    return S3Store(place, timeout_s=PROBE_TIMEOUT_S)


def _finish_probe(
    studio_id: UUID, row: StoreProbe, token: UUID, findings: list[ProbeFinding], context: ProbeContext
) -> bool:
    outcomes = {item.outcome for item in findings}
    state = ProbeState.PASSED
    if ProbeOutcome.REFUSAL in outcomes:
        state = ProbeState.REFUSED
    elif ProbeOutcome.WARNING in outcomes:
        state = ProbeState.WARNED
    with studio_scope(studio_id):
        mine = StoreProbe.objects.filter(pk=row.pk)
        if not release(mine, token):
            return False
        row.transition(state, step="", finished_at=timezone.now())
        if row.store is not None:
            facts: dict[str, object] = {"direct_reads": context.direct_reads}
            if context.seen_region:
                facts["seen_region"] = context.seen_region[:64]
            StudioStore.objects.filter(pk=row.store_id, revision=row.revision).update(**facts)
        faults = [item.check for item in findings if item.outcome is ProbeOutcome.REFUSAL]
        actor = Actor.user(row.requested_by) if row.requested_by else Actor.system("storage.run_store_probe")
        record(
            STORE_PROBED,
            actor=actor,
            studio_id=studio_id,
            object_type="storage.StudioStore",
            object_id=str(row.store_id or studio_id),
            details={"probe": str(row.id), "state": state.value, "refused": faults},
        )
    return True


def _require_storage(actor: Actor, studio: Studio) -> None:
    # Nightly probes run as the system.
    right = MAINTAIN if actor.kind is ActorKind.SYSTEM else MANAGE_STORAGE
    access.require(actor, right, studio)


def _endpoint(text: str) -> str:
    parts = urlsplit(text.strip())
    try:
        port = parts.port
    except ValueError as error:
        raise BadRequest("endpoint: the port is not a number") from error
    if parts.scheme not in ("https", "http") or not parts.hostname or parts.path.strip("/") or parts.query:
        raise BadRequest("endpoint: must be https://host or https://host:port, without a path")
    if parts.username or parts.password:
        raise BadRequest("endpoint: must not contain credentials; they have their own fields")
    try:
        resolve(parts.hostname, port or (443 if parts.scheme == "https" else 80), settings.STORE_NETWORKS)
    except OSError as error:
        raise BadRequest(f"endpoint: the name {parts.hostname} cannot be resolved") from error
    except StoreRefused as error:
        raise BadRequest(f"endpoint: {error.detail}") from error
    if parts.scheme == "http" and not is_private_allowed(parts.hostname, settings.STORE_NETWORKS):
        raise BadRequest("endpoint: https:// only; http:// is for networks that the operator has allowed")
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2].lower()}"


def _seal(row: StudioStore, secret_key: str) -> None:
    if not secret_key.strip():
        raise BadRequest("secret_key: must not be empty")
    row.wrapped_secret = vault.wrap_secret(secret_key.strip().encode(), kind=stores.SECRET, id_=row.id)


def _validate(row: StudioStore, secret_key: str) -> None:
    check(row)
    if row.ca_pem:
        try:
            ssl.create_default_context(cadata=row.ca_pem)
        except (ssl.SSLError, ValueError) as error:
            raise BadRequest("ca_pem: not a PEM certificate") from error
    try:
        stores.config_for(row, secret_key.strip())
    except ValueError as error:
        raise BadRequest(str(error)) from error
