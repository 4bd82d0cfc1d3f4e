"""Probe checks for S3 stores only: the settings of the bucket, presigned requests, and public access.

Answers are searched by pattern and never parsed as XML: they come from an untrusted server.
"""

import contextlib
import re
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from control_plane.common.errors import ControlPlaneError
from control_plane.storage.errors import StoreRefused
from control_plane.storage.probe_report import (
    ProbeCheck,
    ProbeContext,
    ProbeFinding,
    passed,
    refused,
    region_finding,
    warned,
)
from control_plane.storage.s3 import S3Store
from control_plane.storage.s3_config import ServerSide

LIFETIME = timedelta(minutes=5)
SKEW_WARNING_S = 30
SKEW_REFUSAL_S = 300
LONGEST_NAME = 64
_COLD = ("GLACIER", "DEEP_ARCHIVE")


def put_unconditionally(store: S3Store, key: str, body: bytes, *, signed_sha256: str) -> int:
    """Sends `body` with a signature for `signed_sha256`, without a check whether the key is free; returns the status.

    Raises:
        StoreUnavailable: the store does not answer.
    """
    request = store.sign_put(key, size_bytes=len(body), sha256=signed_sha256)
    return store.send("PUT", request.url, body=body, headers=request.headers).status


def _s3(context: ProbeContext) -> S3Store:
    if context.s3 is None:
        raise StoreRefused("this is not an S3 store")
    return context.s3


def _setting(context: ProbeContext, question: str) -> str | None:
    """Returns a setting of the bucket; empty: not set; None: the store refuses to answer."""
    try:
        return _s3(context).bucket_setting(question) or ""
    except StoreRefused:
        return None


def _reachable(context: ProbeContext) -> ProbeFinding:
    store = _s3(context)
    store.require_exists()
    return passed("reachable", f"The bucket {store.bucket} at {store.config.origin} answers.")


def _clock(context: ProbeContext) -> ProbeFinding:
    store = _s3(context)
    reported = store.send("HEAD", store.config.origin).headers
    date = next((value for name, value in reported.items() if name.lower() == "date"), "")
    try:
        skew_s = abs((parsedate_to_datetime(date) - datetime.now(UTC)).total_seconds())
    except (TypeError, ValueError):
        return warned("clock", "The store reports no time.", "Signatures fail if the clocks differ.")
    seen = f"The clocks of the store and of this server differ by {skew_s:.0f} s."
    if skew_s > SKEW_REFUSAL_S:
        return refused(
            "clock", seen, "Synchronize the clocks with NTP: a signature is valid for 15 minutes only."
        )
    if skew_s > SKEW_WARNING_S:
        return warned("clock", seen, "Synchronize the clocks with NTP before the difference grows.")
    return passed("clock", seen)


def _region(context: ProbeContext) -> ProbeFinding:
    reported = _setting(context, "location")
    match = re.search(r"<LocationConstraint[^>/]*>([^<]*)<", reported or "")
    # The name is stored and displayed, so its length is limited.
    named = match[1].strip()[:LONGEST_NAME] if match else ""
    if not named and _s3(context).config.netloc.endswith(".amazonaws.com") and reported is not None:
        named = "us-east-1"  # Amazon omits the name of its oldest region (S3 API, GetBucketLocation).
    if not named:
        advice = "Allow s3:GetBucketLocation, so that the region can be verified."
        if context.pinned and context.region != context.pinned:
            return region_finding(context.region, context)
        return warned(
            "region", f"The store does not report its region; {context.region} is configured.", advice
        )
    return region_finding({"EU": "eu-west-1"}.get(named, named), context)


def _presigned_put(context: ProbeContext) -> ProbeFinding:
    key, store = context.new_key(), _s3(context)
    request = store.presign_put(key, size_bytes=len(context.body), sha256=context.sha256, lifetime=LIFETIME)
    if request is None:
        return refused(
            "presigned upload", "The store does not support presigned uploads.", "Use another store."
        )
    status = store.send("PUT", request.url, body=context.body, headers=request.headers).status
    good = status < 300 and store.sha256(key) == context.sha256
    store.delete(key)
    if not good:
        return refused(
            "presigned upload",
            f"A presigned upload failed with status {status}.",
            "Allow s3:PutObject to these credentials: agents upload directly to the store.",
        )
    return passed(
        "presigned upload", "An agent can upload directly to the store, and only the announced bytes."
    )


def _presigned_get(context: ProbeContext) -> ProbeFinding:
    store = _s3(context)
    request = store.presign_get(context.key, lifetime=LIFETIME)
    if request is None:
        return refused(
            "presigned download", "The store does not support presigned downloads.", "Use another store."
        )
    answer = store.send("GET", request.url, headers={"Range": "bytes=0-15"})
    if answer.status != 206 or len(answer.body) != 16:
        return refused(
            "presigned download",
            f"A presigned download of a range failed with status {answer.status}.",
            "Allow s3:GetObject to these credentials: replay reads ranges of objects.",
        )
    return passed("presigned download", "A browser can read a single fragment directly from the store.")


def _browser_reads(context: ProbeContext) -> ProbeFinding:
    """Sends the request of a browser on a portal page that reads a presigned URL (CORS)."""
    store = _s3(context)
    if store.config.ca_pem:
        return passed(
            "browsers", "The store has a private certificate, so footage passes through this server."
        )
    if not context.page_origin:
        return warned("browsers", "The URL of the portal is not configured.", "Set THREEDANCE_PUBLIC_URL.")
    # These credentials may not change CORS rules, but somebody else may have: the answer below decides.
    with contextlib.suppress(ControlPlaneError):
        store.allow_cors(context.page_origin)
    request = store.presign_get(context.key, lifetime=LIFETIME)
    answer = store.send("GET", request.url if request else "", headers={"Origin": context.page_origin})
    allowed = next((v for n, v in answer.headers.items() if n.lower() == "access-control-allow-origin"), "")
    context.direct_reads = answer.status == 200 and allowed in ("*", context.page_origin)
    if context.direct_reads:
        return passed("browsers", "Replay reads directly from the store.")
    return warned(
        "browsers",
        "The store does not allow portal pages to read from it (CORS), so replay passes through this server.",
        f"Allow GET from {context.page_origin} in the bucket's CORS rules, with the header Range.",
    )


def _server_side(context: ProbeContext) -> ProbeFinding:
    store = _s3(context)
    wanted, reported = store.config.server_side, store.head(context.key).server_side
    expected = {ServerSide.SSE_S3: "AES256", ServerSide.SSE_KMS: "aws:kms"}.get(wanted, "")
    if expected and reported != expected:
        return refused(
            "encryption by the store",
            f"Encryption with {expected} was requested; the store reports {reported or 'none'} for the object.",
            "Choose an encryption that the store supports. Footage is always encrypted before it leaves the studio.",
        )
    if reported:
        return passed("encryption by the store", f"The store adds its own encryption ({reported}).")
    return passed(
        "encryption by the store",
        "The store adds no encryption. Every object is encrypted before it leaves the studio.",
    )


def _versioning(context: ProbeContext) -> ProbeFinding:
    reported = _setting(context, "versioning")
    if reported is None:
        return _unknown("versioning", "s3:GetBucketVersioning")
    if "<Status>Enabled" in reported:
        return warned(
            "versioning",
            "The store keeps old versions of deleted objects.",
            "Add a lifecycle rule that expires noncurrent versions. Until then deleted footage uses space;"
            " it cannot be opened, because its keys are destroyed.",
        )
    return passed("versioning", "The store keeps no old versions of deleted objects.")


def _object_lock(context: ProbeContext) -> ProbeFinding:
    reported = _setting(context, "object-lock")
    if reported is None:
        return _unknown("object lock", "s3:GetBucketObjectLockConfiguration")
    if "<DefaultRetention" in reported:
        return refused(
            "object lock",
            "The default retention of the bucket forbids deletion.",
            "Remove the default retention: footage must be deleted when a parent or a policy requires it.",
        )
    if "<ObjectLockEnabled>Enabled" in reported:
        return warned(
            "object lock",
            "Object lock is enabled, without a default retention.",
            "Do not set a default retention.",
        )
    return passed("object lock", "Object lock does not prevent deletion.")


def _lifecycle(context: ProbeContext) -> ProbeFinding:
    reported = _setting(context, "lifecycle")
    if reported is None:
        return _unknown("lifecycle rules", "s3:GetLifecycleConfiguration")
    for rule in re.findall(r"<Rule>(.*?)</Rule>", reported, re.DOTALL):
        finding = _lifecycle_finding(rule, _s3(context).config.prefix)
        if finding is not None:
            return finding
    return passed("lifecycle rules", "No rule of the bucket affects footage.")


def _lifecycle_finding(rule: str, prefix_of_store: str) -> ProbeFinding | None:
    match = re.search(r"<Prefix>([^<]*)</Prefix>", rule)
    prefix = match[1] if match else ""
    if "<Status>Enabled" not in rule or not (
        prefix.startswith(prefix_of_store) or prefix_of_store.startswith(prefix)
    ):
        return None
    name = re.search(r"<ID>([^<]{0,80})", rule)
    named = f"The rule {name[1]!r}" if name else "A rule"
    if "<Expiration>" in rule and "<ExpiredObjectDeleteMarker>" not in rule:
        return refused(
            "lifecycle rules",
            f"{named} of the bucket deletes footage.",
            "Remove the rule or change its prefix. The studio's policy decides how long footage is kept.",
        )
    if any(cold in rule for cold in _COLD):
        return warned(
            "lifecycle rules",
            f"{named} of the bucket moves footage to cold storage.",
            "Such footage cannot be replayed until it is restored. Change the prefix of the rule.",
        )
    return None


def _public(context: ProbeContext) -> ProbeFinding:
    store = _s3(context)
    address = f"{store.config.origin}/{store.bucket}/{store.object_name(context.key)}"
    status = store.send("GET", address).status
    listing = store.send("GET", f"{store.config.origin}/{store.bucket}/").status
    if status < 300 or listing < 300:
        return refused(
            "public access",
            "Anybody can read or list the bucket without credentials.",
            "Block public access on the bucket. Footage is encrypted, but its amount must not be public.",
        )
    policy = _setting(context, "policyStatus")
    if policy and "<IsPublic>true" in policy:
        return warned(
            "public access", "A policy of the bucket makes a part of it public.", "Block public access."
        )
    return passed("public access", "The bucket cannot be read without credentials.")


def _unknown(check: str, permission: str) -> ProbeFinding:
    return warned(
        check,
        "The store refuses to answer.",
        f"Allow {permission} to these credentials, so that this can be checked.",
    )


BEFORE_WRITING: tuple[ProbeCheck, ...] = (
    ("reachable", _reachable),
    ("clock", _clock),
    ("region", _region),
)
AFTER_WRITING: tuple[ProbeCheck, ...] = (
    ("presigned upload", _presigned_put),
    ("presigned download", _presigned_get),
    ("browsers", _browser_reads),
    ("encryption by the store", _server_side),
    ("versioning", _versioning),
    ("object lock", _object_lock),
    ("lifecycle rules", _lifecycle),
    ("public access", _public),
)
