"""What a probe finds, one thing at a time, and what it tries them with."""

import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from control_plane.storage.objects import ObjectStore
from control_plane.storage.s3 import S3Store


class Outcome(StrEnum):
    """How one thing went."""

    PASS = "pass"  # noqa: S105  # an outcome, no password
    WARNING = "warning"
    REFUSAL = "refusal"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was tried: `detail` is what was seen, `advice` what to do about it (empty: nothing)."""

    check: str
    outcome: Outcome
    detail: str
    advice: str = ""


@dataclass(slots=True)
class Trial:
    """What is tried, with what, and what is wanted of it.

    `pinned` is the region that the studio demands (empty: any); `region` the one that the store is said to be in.
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
        """The store, where it speaks S3."""
        return self.store if isinstance(self.store, S3Store) else None

    def new_key(self) -> str:
        """Returns a key that nobody has; it starts with the studio, like every key."""
        return f"{self.folder}/probe/{secrets.token_hex(8)}"


Check = tuple[str, Callable[[Trial], Finding]]


def passed(check: str, detail: str) -> Finding:
    """Returns a good finding."""
    return Finding(check, Outcome.PASS, detail)


def warned(check: str, detail: str, advice: str) -> Finding:
    """Returns a finding that does not stand in the way."""
    return Finding(check, Outcome.WARNING, detail, advice)


def refused(check: str, detail: str, advice: str) -> Finding:
    """Returns a finding that does."""
    return Finding(check, Outcome.REFUSAL, detail, advice)


def region_finding(said: str, trial: Trial) -> Finding:
    """Judges the region that a store says it is in against the row's and the studio's."""
    trial.seen_region = said
    if trial.pinned and said != trial.pinned:
        return refused(
            "region",
            f"The store says that it is in {said}; the footage of this studio stays in {trial.pinned}.",
            f"Name a bucket in {trial.pinned}, or have an admin change the studio's region first.",
        )
    if said != trial.region:
        return refused(
            "region",
            f"The store says that it is in {said}, not in {trial.region}.",
            f"Correct the region to {said}, if that is where the footage is to be.",
        )
    return passed("region", f"It is in {said}" + (", as the studio demands." if trial.pinned else "."))
