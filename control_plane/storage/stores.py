"""Open stores by the id in a row, inside the studio in scope; None is the platform's own store.

Clients are cached by revision of the row: the row is read each time, its secret is decrypted once.
"""

from collections import OrderedDict
from threading import Lock
from urllib.parse import urlsplit
from uuid import UUID

from django.conf import settings

from control_plane.common.errors import NotFound
from control_plane.keys import vault
from control_plane.storage.configured import object_store
from control_plane.storage.models import StudioStorage, StudioStore
from control_plane.storage.objects import ObjectFacts, ObjectStore
from control_plane.storage.s3 import S3Store
from control_plane.storage.s3_config import S3Config, ServerSide

SECRET = "store"  # noqa: S105  # the kind under which it is wrapped
MAX_CLIENTS = 64
_clients: OrderedDict[tuple[UUID, int, bool], ObjectStore] = OrderedDict()
_lock = Lock()


def open_store(store_id: UUID | None) -> ObjectStore:
    """Returns the store with the id `store_id` of a segment.

    Raises:
        NotFound: the studio has no such store.
        KeyRefused, KeysUnavailable: its secret cannot be decrypted.
    """
    if store_id is None:
        return object_store()
    row: StudioStore | None = StudioStore.objects.filter(pk=store_id).first()
    if row is None:
        raise NotFound("The studio has no such store.")
    return _client(row)


def storage() -> StudioStorage:
    """Returns the storage settings of the studio in scope; an unsaved default if there are none."""
    row: StudioStorage | None = StudioStorage.objects.select_related("store").first()
    return row or StudioStorage(region="")


def region_of(store: StudioStore | None) -> str:
    """Returns the region of a store: the one it reported, else the configured one."""
    return settings.OBJECT_STORE_REGION if store is None else store.seen_region or store.region


def region_mismatch(store: StudioStore | None, pinned: str) -> str:
    """Returns a text if a store is outside the required region; otherwise empty."""
    region = region_of(store)
    if not pinned or region == pinned:
        return ""
    name = store.name if store else "the store of this installation"
    return f"The footage of this studio must stay in {pinned}, but {name} is in {region}."


def encryption_mismatch(store: ObjectStore, facts: ObjectFacts) -> str:
    """Returns a text if an object lacks the encryption configured for its store; otherwise empty."""
    wanted = store.config.server_side if isinstance(store, S3Store) else ServerSide.NONE
    expected = {ServerSide.SSE_S3: "AES256", ServerSide.SSE_KMS: "aws:kms"}.get(wanted, "")
    if not expected or facts.server_side == expected:
        return ""
    return f"Encryption with {expected} was requested; the store reports {facts.server_side or 'none'} for the object."


def config_for(row: StudioStore, secret: str, *, probing: bool = False) -> S3Config:
    """Returns the S3 configuration of a row, with `secret`.

    Raises:
        ValueError: a part is invalid.
    """
    parts = urlsplit(row.endpoint)
    return S3Config(
        netloc=parts.netloc,
        secure=parts.scheme == "https",
        bucket=row.bucket,
        region=row.region,
        prefix=row.prefix,
        access_key=row.access_key,
        secret_key=secret,
        ca_pem=row.ca_pem,
        server_side=ServerSide(row.encryption),
        kms_key_id=row.kms_key_id,
        guarded=True,
        allowed=settings.STORE_NETWORKS,
        # Agents and browsers do not trust a certificate authority of the studio's own.
        direct_puts=probing or not row.ca_pem,
        direct_gets=probing or (row.direct_reads and not row.ca_pem),
    )


def secret_of(row: StudioStore) -> str:
    """Returns a store's secret key; pass it to a client and nowhere else."""
    return vault.open_secret(bytes(row.wrapped_secret), kind=SECRET, id_=row.id).decode()


def origins_of(store_ids: set[UUID]) -> list[str]:
    """Returns the origins that browsers read footage of these stores from."""
    rows = StudioStore.objects.filter(pk__in=store_ids, direct_reads=True, ca_pem="")
    return sorted({row.endpoint.rstrip("/") for row in rows})


def _client(row: StudioStore) -> ObjectStore:
    key = (row.id, row.revision, row.direct_reads)
    with _lock:
        if key in _clients:
            _clients.move_to_end(key)
            return _clients[key]
    made = S3Store(config_for(row, secret_of(row)))
    with _lock:
        _clients[key] = made
        while len(_clients) > MAX_CLIENTS:
            _clients.popitem(last=False)
    return made
