"""Probe whether a store can hold footage: run real operations, one finding per check.

The order matters: an unreachable store is not checked further. A store that ignores the conditions or hashes of a PUT
is refused, because two agents could then overwrite each other's objects unnoticed.
"""

import hashlib
import secrets
import time
from collections.abc import Callable, Iterator

import urllib3

from control_plane.common.errors import ControlPlaneError
from control_plane.storage.errors import ObjectExists, ObjectMismatch, ObjectMissing
from control_plane.storage.local import LocalStore
from control_plane.storage.objects import ObjectStore
from control_plane.storage.probe_report import (
    ProbeCheck,
    ProbeContext,
    ProbeFinding,
    ProbeOutcome,
    passed,
    refused,
    region_finding,
    warned,
)
from control_plane.storage.probe_s3 import AFTER_WRITING, BEFORE_WRITING, put_unconditionally

SMALL_BYTES = 64 << 10
LARGE_BYTES = 4 << 20
SLOW_MS = 500
SLOW_BYTES_S = 1_000_000


def probe(
    context: ProbeContext, starting: Callable[[str], None] = lambda name: None
) -> Iterator[ProbeFinding]:
    """Yields the findings one by one; calls `starting` with the name of each check before it runs.

    Test objects are under `<folder>/probe/` and are deleted at the end.
    """
    context.key, context.body = context.new_key(), secrets.token_bytes(SMALL_BYTES)
    try:
        for name, check in _checks(context):
            starting(name)
            try:
                finding = check(context)
            except ControlPlaneError as error:
                finding = refused(
                    name, error.detail or type(error).__name__, "Correct this, then run the probe again."
                )
            yield finding
            if finding.outcome is ProbeOutcome.REFUSAL and name in ("reachable", "clock", "write"):
                return
    finally:
        _delete_test_object(context)


def _checks(context: ProbeContext) -> list[ProbeCheck]:
    before: list[ProbeCheck] = (
        list(BEFORE_WRITING) if context.s3 else [("reachable", _folder_exists), ("region", _region)]
    )
    common: list[ProbeCheck] = [
        ("write", _write),
        ("read back", _read_back),
        ("conditional write", _conditional),
        ("checksum", _checksum),
        ("deletion", _deletion),
    ]
    after: list[ProbeCheck] = list(AFTER_WRITING) if context.s3 else []
    return [*before, *common, *after, ("speed", _speed)]


def _folder_exists(context: ProbeContext) -> ProbeFinding:
    root = context.store.root if isinstance(context.store, LocalStore) else "the store"
    return passed("reachable", f"A folder on this server ({root}).")


def _region(context: ProbeContext) -> ProbeFinding:
    return region_finding(context.region, context)


def _write(context: ProbeContext) -> ProbeFinding:
    context.store.put(context.key, [context.body], size_bytes=len(context.body), sha256=context.sha256)
    return passed("write", "An object can be written.")


def _read_back(context: ProbeContext) -> ProbeFinding:
    with context.store.open(context.key) as chunks:
        whole = b"".join(chunks)
    with context.store.open(context.key, offset_bytes=16, size_bytes=32) as chunks:
        part = b"".join(chunks)
    if whole != context.body or part != context.body[16:48]:
        return refused("read back", "The store returned different bytes.", "Use another store.")
    return passed("read back", "The store returns the written bytes, in full and in part.")


def _conditional(context: ProbeContext) -> ProbeFinding:
    fault = refused(
        "conditional write",
        "The store overwrites an existing object: it ignores If-None-Match.",
        "Use a store that enforces conditional writes, or update this one. Footage must never be overwritten.",
    )
    other = secrets.token_bytes(len(context.body))
    if context.s3 is not None:
        sha256 = hashlib.sha256(other).hexdigest()
        status = put_unconditionally(context.s3, context.key, other, signed_sha256=sha256)
        if status in (409, 412):
            return passed("conditional write", "The store refuses to overwrite an object.")
        return fault
    try:
        context.store.put(
            context.key, [other], size_bytes=len(other), sha256=hashlib.sha256(other).hexdigest()
        )
    except ObjectExists:
        return passed("conditional write", "The store refuses to overwrite an object.")
    return fault


def _checksum(context: ProbeContext) -> ProbeFinding:
    key, other = context.new_key(), secrets.token_bytes(len(context.body))
    fault = refused(
        "checksum",
        "The store keeps bytes that do not match their announced SHA-256.",
        "Use a store that checks x-amz-content-sha256: otherwise a corrupt upload looks like a good one.",
    )
    if context.s3 is not None:
        status = put_unconditionally(context.s3, key, other, signed_sha256=context.sha256)
        kept = _exists(context.store, key)
        context.store.delete(key)
        if status < 400 or kept:
            return fault
        return passed("checksum", "The store refuses bytes with a wrong SHA-256.")
    try:
        context.store.put(key, [other], size_bytes=len(other), sha256=context.sha256)
    except ObjectMismatch:
        return (
            fault
            if _exists(context.store, key)
            else passed("checksum", "The store refuses bytes with a wrong SHA-256.")
        )
    context.store.delete(key)
    return fault


def _deletion(context: ProbeContext) -> ProbeFinding:
    key = context.new_key()
    context.store.put(key, [context.body], size_bytes=len(context.body), sha256=context.sha256)
    context.store.delete(key)
    if _exists(context.store, key):
        return refused(
            "deletion",
            "A deleted object still exists.",
            "Allow s3:DeleteObject: expired footage must be deleted.",
        )
    return passed("deletion", "An object can be deleted.")


def _speed(context: ProbeContext) -> ProbeFinding:
    key, body = context.new_key(), secrets.token_bytes(LARGE_BYTES)
    head_times_s = sorted(_seconds(lambda: context.store.head(context.key)) for _ in range(5))
    delay_ms = head_times_s[2] * 1000
    sha256 = hashlib.sha256(body).hexdigest()
    write_s = _seconds(lambda: context.store.put(key, [body], size_bytes=len(body), sha256=sha256))
    read_s = _seconds(lambda: context.store.sha256(key))
    context.store.delete(key)
    up, down = LARGE_BYTES / max(write_s, 1e-6), LARGE_BYTES / max(read_s, 1e-6)
    seen = (
        f"Answers in {delay_ms:.0f} ms; {up / 1e6:.1f} MB/s in, {down / 1e6:.1f} MB/s out, from this server."
    )
    if delay_ms > SLOW_MS or min(up, down) < SLOW_BYTES_S:
        return warned("speed", seen, "Replay may stall. Use a store closer to this server.")
    return passed("speed", seen)


def _seconds(call: Callable[[], object]) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def _exists(store: ObjectStore, key: str) -> bool:
    try:
        store.head(key)
    except ObjectMissing:
        return False
    return True


def _delete_test_object(context: ProbeContext) -> None:
    try:
        context.store.delete(context.key)
    except (ControlPlaneError, urllib3.exceptions.HTTPError):
        # An unreachable store holds no test object, and a finding has reported it already.
        return
