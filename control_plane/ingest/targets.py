"""Where the bytes of a segment go: the store itself where it can be asked to, else a signed address of ours.

An address of ours holds everything that it allows: key, size, hash and expiry, under a signature of this installation.
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
from control_plane.keys.platform_secret import derived
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
    """The id of the studio's own store that we pass the bytes on to; empty: the platform's."""

    def signature(self) -> str:
        """Returns the signature of exactly this, in hex."""
        text = f"put\n{self.key}\n{self.size_bytes}\n{self.sha256}\n{self.expires_s}\n{self.store}"
        return hmac.new(derived("ingest targets"), text.encode(), hashlib.sha256).hexdigest()


def put_target(
    segment_id: SegmentId, key: str, *, store_id: UUID | None, size_bytes: int, sha256: str
) -> PutTarget:
    """Returns where exactly these bytes may be put within 15 minutes; inside the studio's scope."""
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
        # Relative to whatever address the box reaches us by: it may not be the public one.
        url=f"{path}?{urlencode(query)}",
        headers={"Content-Type": "application/octet-stream", "If-None-Match": "*"},
        expires_at=datetime.fromtimestamp(expires_s, UTC),
    )


def verify_upload(key: str, query: QueryDict) -> SignedUpload:
    """Returns what a signed address allows.

    Raises:
        ControlPlaneError: it has expired, or nobody of ours signed it (`upload_target_expired`).
    """
    try:
        size, expires = int(str(query["size"])), int(str(query["expires"]))
        allowed = SignedUpload(key, size, str(query["sha256"]), expires, str(query.get("store", "")))
        signature = str(query["signature"])
    except (KeyError, ValueError) as error:
        raise _refused("The address is not one that we gave.") from error
    # As bytes: of two texts, one with other than ASCII letters is an error and no answer.
    if not hmac.compare_digest(allowed.signature().encode(), signature.encode()):
        raise _refused("The address is not one that we gave.")
    if allowed.expires_s < timezone.now().timestamp():
        raise _refused("The address has expired.")
    return allowed


def _refused(detail: str) -> ControlPlaneError:
    return ControlPlaneError(detail, code=Code.UPLOAD_TARGET_EXPIRED)
