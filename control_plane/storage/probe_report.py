"""Findings of a store probe, and the context that its checks share."""

import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from control_plane.storage.objects import ObjectStore
from control_plane.storage.s3 import S3Store


class ProbeOutcome(StrEnum):
    """Outcome of one check."""

    PASS = "pass"  # noqa: S105  # an outcome, no password
    WARNING = "warning"
    REFUSAL = "refusal"


@dataclass(frozen=True, slots=True)
class ProbeFinding:
    """Result of one check: `detail` is what was observed, `advice` what to do about it (empty: nothing)."""

    check: str
    outcome: ProbeOutcome
    detail: str
    advice: str = ""


@dataclass(slots=True)
class ProbeContext:
    """The probed store, the test object, and the requirements on the store.

    `pinned` is the region that the studio requires (empty: any), `region` the one configured for the store.
    """

    store: ObjectStore
    folder: str
    region: str
    pinned: str = ""
    page_origin: str = ""
    key: str = ""
    body: bytes = b""
    seen_region: str = ""
    direct_reads: bool = False

    @property
    def sha256(self) -> str:
        """The hash of `body`."""
        return hashlib.sha256(self.body).hexdigest()

    @property
    def s3(self) -> S3Store | None:
        """The store if it is an S3 store; otherwise None."""
        return self.store if isinstance(self.store, S3Store) else None

    def new_key(self) -> str:
        """Returns an unused key. It starts with the studio's id, like every object key."""
        return f"{self.folder}/probe/{secrets.token_hex(8)}"


ProbeCheck = tuple[str, Callable[[ProbeContext], ProbeFinding]]


def passed(check: str, detail: str) -> ProbeFinding:
    """Returns a finding of a passed check."""
    return ProbeFinding(check, ProbeOutcome.PASS, detail)


def warned(check: str, detail: str, advice: str) -> ProbeFinding:
    """Returns a finding that does not prevent use of the store."""
    return ProbeFinding(check, ProbeOutcome.WARNING, detail, advice)


def refused(check: str, detail: str, advice: str) -> ProbeFinding:
    """Returns a finding that prevents use of the store."""
    return ProbeFinding(check, ProbeOutcome.REFUSAL, detail, advice)


def region_finding(reported: str, context: ProbeContext) -> ProbeFinding:
    """Compares the region that a store reports with the configured one and the studio's requirement."""
    context.seen_region = reported
    if context.pinned and reported != context.pinned:
        return refused(
            "region",
            f"The store reports the region {reported}; the footage of this studio must stay in {context.pinned}.",
            f"Use a bucket in {context.pinned}, or change the studio's region first.",
        )
    if reported != context.region:
        return refused(
            "region",
            f"The store reports the region {reported}, not {context.region}.",
            f"If footage may be stored in {reported}, change the configured region to that.",
        )
    return passed(
        "region", f"The region is {reported}" + (", as the studio requires." if context.pinned else ".")
    )
