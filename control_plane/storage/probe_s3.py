"""What a probe asks of an S3 store beyond what every store must do: the bucket's settings, and who else can read.

Answers are looked through by pattern and never parsed as XML: they come from whoever the studio named.
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


def put_blindly(store: S3Store, key: str, body: bytes, *, signed_sha256: str) -> int:
    """Sends `body` under a signature for `signed_sha256`, without a look whether the key is free; returns the status.

    Raises:
        StoreUnavailable: the store does not answer.
    """
    request = store.sign_put(key, size_bytes=len(body), sha256=signed_sha256)
    return store.send("PUT", request.url, body=body, headers=request.headers).status


def _s3(trial: ProbeContext) -> S3Store:
    if trial.s3 is None:
        raise StoreRefused("this is no S3 store")
    return trial.s3


def _setting(trial: ProbeContext, question: str) -> str | None:
    """Returns what is set; empty where nothing is, None where the store does not say."""
    try:
        return _s3(trial).ask(question) or ""
    except StoreRefused:
        return None


def _reachable(trial: ProbeContext) -> ProbeFinding:
    store = _s3(trial)
    store.require_there()
    return passed("reachable", f"The bucket {store.bucket} at {store.place.origin} answers.")


def _clock(trial: ProbeContext) -> ProbeFinding:
    store = _s3(trial)
    said = store.send("HEAD", store.place.origin).headers
    date = next((value for name, value in said.items() if name.lower() == "date"), "")
    try:
        skew_s = abs((parsedate_to_datetime(date) - datetime.now(UTC)).total_seconds())
    except (TypeError, ValueError):
        return warned("clock", "It does not say what time it is.", "Signatures fail where clocks differ.")
    seen = f"Its clock and ours differ by {skew_s:.0f} s."
    if skew_s > SKEW_REFUSAL_S:
        return refused("clock", seen, "Set the clocks by NTP: a signature is good for 15 minutes only.")
    if skew_s > SKEW_WARNING_S:
        return warned("clock", seen, "Set the clocks by NTP before the difference grows.")
    return passed("clock", seen)


def _region(trial: ProbeContext) -> ProbeFinding:
    said = _setting(trial, "location")
    match = re.search(r"<LocationConstraint[^>/]*>([^<]*)<", said or "")
    # It is shown and kept: a name, and not whatever else somebody sends.
    named = match[1].strip()[:LONGEST_NAME] if match else ""
    if not named and _s3(trial).place.netloc.endswith(".amazonaws.com") and said is not None:
        named = "us-east-1"  # Amazon leaves its oldest region's name out (S3 API, GetBucketLocation).
    if not named:
        advice = "Allow s3:GetBucketLocation, so that we need not take your word for it."
        if trial.pinned and trial.region != trial.pinned:
            return region_finding(trial.region, trial)
        return warned("region", f"It does not say where it is; {trial.region} was given.", advice)
    return region_finding({"EU": "eu-west-1"}.get(named, named), trial)


def _presigned_put(trial: ProbeContext) -> ProbeFinding:
    key, store = trial.new_key(), _s3(trial)
    request = store.presign_put(key, size_bytes=len(trial.body), sha256=trial.sha256, lifetime=LIFETIME)
    if request is None:
        return refused("presigned upload", "It cannot sign an upload.", "Use another store.")
    status = store.send("PUT", request.url, body=trial.body, headers=request.headers).status
    good = status < 300 and store.sha256(key) == trial.sha256
    store.delete(key)
    if not good:
        return refused(
            "presigned upload",
            f"A signed upload was answered with {status}.",
            "Allow s3:PutObject to these credentials; boxes upload straight to the store.",
        )
    return passed("presigned upload", "A box can upload straight to it, and only what was announced.")


def _presigned_get(trial: ProbeContext) -> ProbeFinding:
    store = _s3(trial)
    request = store.presign_get(trial.key, lifetime=LIFETIME)
    if request is None:
        return refused("presigned download", "It cannot sign a download.", "Use another store.")
    answer = store.send("GET", request.url, headers={"Range": "bytes=0-15"})
    if answer.status != 206 or len(answer.body) != 16:
        return refused(
            "presigned download",
            f"A signed download of a part was answered with {answer.status}.",
            "Allow s3:GetObject to these credentials; replay asks for parts of objects.",
        )
    return passed("presigned download", "A viewer's browser can be sent to it for one fragment.")


def _pages(trial: ProbeContext) -> ProbeFinding:
    """Tries what a browser does: a page of ours reads a signed address."""
    store = _s3(trial)
    if store.place.ca_pem:
        return passed("browsers", "Its certificate is a private one, so footage passes through this server.")
    if not trial.page_origin:
        return warned("browsers", "The address of the portal is not known.", "Set THREEDANCE_PUBLIC_URL.")
    # Where we may not allow it, somebody else may have; what counts is the answer below.
    with contextlib.suppress(ControlPlaneError):
        store.let_pages_read(trial.page_origin)
    request = store.presign_get(trial.key, lifetime=LIFETIME)
    answer = store.send("GET", request.url if request else "", headers={"Origin": trial.page_origin})
    allowed = next((v for n, v in answer.headers.items() if n.lower() == "access-control-allow-origin"), "")
    trial.direct_reads = answer.status == 200 and allowed in ("*", trial.page_origin)
    if trial.direct_reads:
        return passed("browsers", "Replay may read straight from it.")
    return warned(
        "browsers",
        "It does not let pages of the portal read from it (CORS), so replay passes through this server.",
        f"Allow GET from {trial.page_origin} in the bucket's CORS rules, with the header Range.",
    )


def _server_side(trial: ProbeContext) -> ProbeFinding:
    store = _s3(trial)
    wanted, said = store.place.server_side, store.head(trial.key).server_side
    expected = {ServerSide.SSE_S3: "AES256", ServerSide.SSE_KMS: "aws:kms"}.get(wanted, "")
    if expected and said != expected:
        return refused(
            "encryption by the store",
            f"It was asked to encrypt ({expected}) and says {said or 'nothing'} of the object.",
            "Choose what the store can do; ours encrypts everything before it leaves the studio in any case.",
        )
    if said:
        return passed("encryption by the store", f"It encrypts once more, on top of ours ({said}).")
    return passed(
        "encryption by the store", "Nothing on top of ours. Every object is encrypted before it leaves."
    )


def _versioning(trial: ProbeContext) -> ProbeFinding:
    said = _setting(trial, "versioning")
    if said is None:
        return _unknown("versioning", "s3:GetBucketVersioning")
    if "<Status>Enabled" in said:
        return warned(
            "versioning",
            "It keeps old versions of what is deleted.",
            "Add a lifecycle rule that expires noncurrent versions. Until then deleted footage takes up room;"
            " it cannot be opened, because its keys are destroyed.",
        )
    return passed("versioning", "It keeps no old versions: what is deleted is gone.")


def _object_lock(trial: ProbeContext) -> ProbeFinding:
    said = _setting(trial, "object-lock")
    if said is None:
        return _unknown("object lock", "s3:GetBucketObjectLockConfiguration")
    if "<DefaultRetention" in said:
        return refused(
            "object lock",
            "It forbids deletion for a time that the bucket sets.",
            "Remove the default retention: footage has to go when a parent or a rule of yours says so.",
        )
    if "<ObjectLockEnabled>Enabled" in said:
        return warned("object lock", "Object lock is on, without a default.", "Set no default retention.")
    return passed("object lock", "Nothing forbids deletion.")


def _lifecycle(trial: ProbeContext) -> ProbeFinding:
    said = _setting(trial, "lifecycle")
    if said is None:
        return _unknown("lifecycle rules", "s3:GetLifecycleConfiguration")
    for rule in re.findall(r"<Rule>(.*?)</Rule>", said, re.DOTALL):
        finding = _rule(rule, _s3(trial).place.prefix)
        if finding is not None:
            return finding
    return passed("lifecycle rules", "No rule of the bucket touches our footage.")


def _rule(rule: str, ours: str) -> ProbeFinding | None:
    match = re.search(r"<Prefix>([^<]*)</Prefix>", rule)
    prefix = match[1] if match else ""
    if "<Status>Enabled" not in rule or not (prefix.startswith(ours) or ours.startswith(prefix)):
        return None
    name = re.search(r"<ID>([^<]{0,80})", rule)
    named = f"The rule {name[1]!r}" if name else "A rule"
    if "<Expiration>" in rule and "<ExpiredObjectDeleteMarker>" not in rule:
        return refused(
            "lifecycle rules",
            f"{named} of the bucket deletes objects of ours by itself.",
            "Remove it, or give it another prefix. How long footage is kept is decided here, and on record.",
        )
    if any(cold in rule for cold in _COLD):
        return warned(
            "lifecycle rules",
            f"{named} of the bucket puts objects of ours into cold storage.",
            "Such footage cannot be replayed until it is fetched back; give the rule another prefix.",
        )
    return None


def _public(trial: ProbeContext) -> ProbeFinding:
    store = _s3(trial)
    address = f"{store.place.origin}/{store.bucket}/{store.name_of(trial.key)}"
    status = store.send("GET", address).status
    listing = store.send("GET", f"{store.place.origin}/{store.bucket}/").status
    if status < 300 or listing < 300:
        return refused(
            "public access",
            "Anybody can read or list it without a key.",
            "Block public access on the bucket. Footage is encrypted, but nobody needs to see how much there is.",
        )
    policy = _setting(trial, "policyStatus")
    if policy and "<IsPublic>true" in policy:
        return warned(
            "public access", "A policy of the bucket opens a part of it to all.", "Block public access."
        )
    return passed("public access", "Nobody reads it without a signature.")


def _unknown(check: str, right: str) -> ProbeFinding:
    return warned(check, "It does not say.", f"Allow {right} to these credentials, so that we can look.")


BEFORE_WRITING: tuple[ProbeCheck, ...] = (
    ("reachable", _reachable),
    ("clock", _clock),
    ("region", _region),
)
AFTER_WRITING: tuple[ProbeCheck, ...] = (
    ("presigned upload", _presigned_put),
    ("presigned download", _presigned_get),
    ("browsers", _pages),
    ("encryption by the store", _server_side),
    ("versioning", _versioning),
    ("object lock", _object_lock),
    ("lifecycle rules", _lifecycle),
    ("public access", _public),
)
