"""Upload targets of segments: a presigned URL of the store if it supports them, otherwise a signed address of this server.

An address of this server states what it permits (key, size, hash and expiry), signed by this installation.
"""

import hashlib
import hmac
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode
from uuid import UUID

from django.http import QueryDict
from django.urls import reverse
from django.utils import timezone

from control_plane.common.errors import ControlPlaneError
from control_plane.keys.platform_secret import derive_secret
from control_plane.storage.stores import open_store
from shared.protocol.errors import Code
from shared.protocol.ids import SegmentId
from shared.protocol.upload import TARGET_LIFETIME_S, PutTarget

LIFETIME = timedelta(seconds=TARGET_LIFETIME_S)


@dataclass(frozen=True, slots=True)
class SignedUpload:
    """The upload that a signed URL permits."""

    key: str
    size_bytes: int
    sha256: str
    expires_s: int
    store: str = ""
    """The id of the studio's own store that receives the bytes; empty: the platform's store."""

    def signature(self) -> str:
        """Returns the signature of all fields, in hex."""
        text = f"put\n{self.key}\n{self.size_bytes}\n{self.sha256}\n{self.expires_s}\n{self.store}"
        return hmac.new(derive_secret("ingest targets"), text.encode(), hashlib.sha256).hexdigest()


def put_target(
    segment_id: SegmentId, key: str, *, store_id: UUID | None, size_bytes: int, sha256: str
) -> PutTarget:
    """Returns the upload target for exactly these bytes, valid for 15 minutes. In scope."""
    signed = open_store(store_id).presign_put(key, size_bytes=size_bytes, sha256=sha256, lifetime=LIFETIME)
    if signed is not None:
        return PutTarget(
            segment_id=segment_id, url=signed.url, headers=signed.headers, expires_at=signed.expires_at
        )
    expires_s = int(timezone.now().timestamp()) + TARGET_LIFETIME_S
    allowed = SignedUpload(key, size_bytes, sha256, expires_s, str(store_id or ""))
    query = {
        "size": size_bytes,
        "sha256": sha256,
        "expires": expires_s,
        **({"store": allowed.store} if allowed.store else {}),
        "signature": allowed.signature(),
    }
    path = reverse("agent-object", kwargs={"key": key})
    return PutTarget(
        segment_id=segment_id,
        # Relative: the agent may reach the server by another address than the public one.
        url=f"{path}?{urlencode(query)}",
        headers={"Content-Type": "application/octet-stream", "If-None-Match": "*"},
        expires_at=datetime.fromtimestamp(expires_s, UTC),
    )


def verify_upload(key: str, query: QueryDict) -> SignedUpload:
    """Returns the upload that a signed address permits.

    Raises:
        ControlPlaneError: it has expired or its signature is wrong (`upload_target_expired`).
    """
    try:
        size, expires = int(str(query["size"])), int(str(query["expires"]))
        allowed = SignedUpload(key, size, str(query["sha256"]), expires, str(query.get("store", "")))
        signature = str(query["signature"])
    except (KeyError, ValueError) as error:
        raise _refused("The upload address is not valid.") from error
    # As bytes: `compare_digest` raises for text that is not ASCII.
    if not hmac.compare_digest(allowed.signature().encode(), signature.encode()):
        raise _refused("The upload address is not valid.")
    if allowed.expires_s < timezone.now().timestamp():
        raise _refused("The upload address has expired.")
    return allowed


def _refused(detail: str) -> ControlPlaneError:
    return ControlPlaneError(detail, code=Code.UPLOAD_TARGET_EXPIRED)
