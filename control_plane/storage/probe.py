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
from control_plane.storage.probe_s3 import AFTER_WRITING, BEFORE_WRITING, put_blindly

SMALL_BYTES = 64 << 10
LARGE_BYTES = 4 << 20
SLOW_MS = 500
SLOW_BYTES_S = 1_000_000


def probe(trial: ProbeContext, starting: Callable[[str], None] = lambda name: None) -> Iterator[ProbeFinding]:
    """Yield the findings one by one; call `starting` with the name of each check before it runs.

    Test objects lie under `<folder>/probe/` and are deleted at the end.
    """
    trial.key, trial.body = trial.new_key(), secrets.token_bytes(SMALL_BYTES)
    try:
        for name, check in _checks(trial):
            starting(name)
            try:
                finding = check(trial)
            except ControlPlaneError as error:
                finding = refused(name, error.detail or type(error).__name__, "Mend this, and try again.")
            yield finding
            if finding.outcome is ProbeOutcome.REFUSAL and name in ("reachable", "clock", "write"):
                return
    finally:
        _clear(trial)


def _checks(trial: ProbeContext) -> list[ProbeCheck]:
    before: list[ProbeCheck] = (
        list(BEFORE_WRITING) if trial.s3 else [("reachable", _folder), ("region", _region)]
    )
    common: list[ProbeCheck] = [
        ("write", _write),
        ("read back", _read_back),
        ("conditional write", _conditional),
        ("checksum", _checksum),
        ("deletion", _deletion),
    ]
    after: list[ProbeCheck] = list(AFTER_WRITING) if trial.s3 else []
    return [*before, *common, *after, ("speed", _speed)]


def _folder(trial: ProbeContext) -> ProbeFinding:
    root = trial.store.root if isinstance(trial.store, LocalStore) else "the store"
    return passed("reachable", f"A folder on this server ({root}).")


def _region(trial: ProbeContext) -> ProbeFinding:
    return region_finding(trial.region, trial)


def _write(trial: ProbeContext) -> ProbeFinding:
    trial.store.put(trial.key, [trial.body], size_bytes=len(trial.body), sha256=trial.sha256)
    return passed("write", "It takes an object.")


def _read_back(trial: ProbeContext) -> ProbeFinding:
    with trial.store.open(trial.key) as chunks:
        whole = b"".join(chunks)
    with trial.store.open(trial.key, offset_bytes=16, size_bytes=32) as chunks:
        part = b"".join(chunks)
    if whole != trial.body or part != trial.body[16:48]:
        return refused("read back", "It gave back other bytes than it took.", "Use another store.")
    return passed("read back", "It gives the same bytes back, whole and in part.")


def _conditional(trial: ProbeContext) -> ProbeFinding:
    fault = refused(
        "conditional write",
        "It lets a second object take the place of the first: it ignores If-None-Match.",
        "Use a store that enforces conditional writes, or update this one. Footage must not be overwritten.",
    )
    other = secrets.token_bytes(len(trial.body))
    if trial.s3 is not None:
        sha256 = hashlib.sha256(other).hexdigest()
        status = put_blindly(trial.s3, trial.key, other, signed_sha256=sha256)
        if status in (409, 412):
            return passed("conditional write", "It refuses to overwrite an object.")
        return fault
    try:
        trial.store.put(trial.key, [other], size_bytes=len(other), sha256=hashlib.sha256(other).hexdigest())
    except ObjectExists:
        return passed("conditional write", "It refuses to overwrite an object.")
    return fault


def _checksum(trial: ProbeContext) -> ProbeFinding:
    key, other = trial.new_key(), secrets.token_bytes(len(trial.body))
    fault = refused(
        "checksum",
        "It keeps bytes that do not have the SHA-256 they were announced with.",
        "Use a store that checks x-amz-content-sha256: without it a broken upload looks like a good one.",
    )
    if trial.s3 is not None:
        status = put_blindly(trial.s3, key, other, signed_sha256=trial.sha256)
        kept = _is_there(trial.store, key)
        trial.store.delete(key)
        if status < 400 or kept:
            return fault
        return passed("checksum", "It refuses bytes of another SHA-256.")
    try:
        trial.store.put(key, [other], size_bytes=len(other), sha256=trial.sha256)
    except ObjectMismatch:
        return (
            fault
            if _is_there(trial.store, key)
            else passed("checksum", "It refuses bytes of another SHA-256.")
        )
    trial.store.delete(key)
    return fault


def _deletion(trial: ProbeContext) -> ProbeFinding:
    key = trial.new_key()
    trial.store.put(key, [trial.body], size_bytes=len(trial.body), sha256=trial.sha256)
    trial.store.delete(key)
    if _is_there(trial.store, key):
        return refused(
            "deletion",
            "An object was still there after it was deleted.",
            "Allow s3:DeleteObject: footage has to go when its time is over.",
        )
    return passed("deletion", "It forgets an object.")


def _speed(trial: ProbeContext) -> ProbeFinding:
    key, body = trial.new_key(), secrets.token_bytes(LARGE_BYTES)
    looks = sorted(_seconds(lambda: trial.store.head(trial.key)) for _ in range(5))
    delay_ms = looks[2] * 1000
    sha256 = hashlib.sha256(body).hexdigest()
    write_s = _seconds(lambda: trial.store.put(key, [body], size_bytes=len(body), sha256=sha256))
    read_s = _seconds(lambda: trial.store.sha256(key))
    trial.store.delete(key)
    up, down = LARGE_BYTES / max(write_s, 1e-6), LARGE_BYTES / max(read_s, 1e-6)
    seen = (
        f"Answers in {delay_ms:.0f} ms; {up / 1e6:.1f} MB/s in, {down / 1e6:.1f} MB/s out, from this server."
    )
    if delay_ms > SLOW_MS or min(up, down) < SLOW_BYTES_S:
        return warned("speed", seen, "Replay may stall. A store nearer to this server answers sooner.")
    return passed("speed", seen)


def _seconds(call: Callable[[], object]) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def _is_there(store: ObjectStore, key: str) -> bool:
    try:
        store.head(key)
    except ObjectMissing:
        return False
    return True


def _clear(trial: ProbeContext) -> None:
    try:
        trial.store.delete(trial.key)
    except (ControlPlaneError, urllib3.exceptions.HTTPError):
        # An unreachable store holds no test object, and a finding has reported it already.
        return
