"""Tables of storage: StudioStore, StudioStorage, StoreProbe, StoreMove, MoveFault, Disposal.

Wherever a row names a store, null is the platform's own one (`THREEDANCE_OBJECT_STORE`).
"""

from typing import ClassVar

from django.core.validators import RegexValidator
from django.db import models

from control_plane.common.leases import Leased
from control_plane.common.models import STUDIO_ONLY, StudioOwned

REGION = RegexValidator(r"^[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?$", "A region such as eu-central-1.")


class Encryption(models.TextChoices):
    """What the store is asked to do to each object, on top of our own encryption."""

    NONE = "none", "Nothing more"
    SSE_S3 = "sse-s3", "With the store's own key (SSE-S3)"
    SSE_KMS = "sse-kms", "With a key of your key service (SSE-KMS)"


class StudioStore(StudioOwned):
    """An S3 bucket, or a part of one, that the studio has named for its footage.

    `wrapped_secret` is the secret key under the studio's key (`keys.vault`); nobody reads it back. `ca_pem`: a
    certificate authority that neither boxes nor browsers know, so all bytes of such a store pass through us. `revision`
    rises with each edit. `seen_region` is what the store itself said last. `direct_reads`: the store lets our pages
    read from it (CORS). `retired_at` null: it may be chosen.
    """

    view_permission = "manage_storage"
    access_path = STUDIO_ONLY
    studio_wrapped = {"wrapped_secret": "store"}

    name = models.CharField(max_length=80)
    endpoint = models.URLField(max_length=200)
    bucket = models.CharField(
        max_length=63,
        validators=[
            RegexValidator(r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", "A bucket name such as footage-2026.")
        ],
    )
    region = models.CharField(max_length=40, validators=[REGION])
    prefix = models.CharField(
        max_length=100,
        blank=True,
        validators=[
            RegexValidator(
                r"^([A-Za-z0-9_-][A-Za-z0-9._-]*/)*$", "Empty, or folders that each end in a slash: dance/"
            )
        ],
    )
    access_key = models.CharField(max_length=128)
    wrapped_secret = models.BinaryField(editable=False)
    ca_pem = models.TextField(max_length=20_000, blank=True)
    encryption = models.CharField(max_length=8, choices=Encryption.choices, default=Encryption.NONE)
    kms_key_id = models.CharField(max_length=256, blank=True)
    revision = models.PositiveIntegerField(default=1, editable=False)
    seen_region = models.CharField(max_length=64, blank=True, editable=False)
    direct_reads = models.BooleanField(default=False, editable=False)
    retired_at = models.DateTimeField(null=True, editable=False)

    class Meta(StudioOwned.Meta):
        ordering: ClassVar = ["created_at"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["studio", "name"], name="storage_store_name_once"),
            models.CheckConstraint(
                condition=models.Q(encryption__in=Encryption.values), name="storage_store_known_encryption"
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def masked_access_key(self) -> str:
        """The last four characters; enough to tell two keys apart."""
        return f"…{self.access_key[-4:]}" if len(self.access_key) > 8 else "…"


class StudioStorage(StudioOwned):
    """Where one studio's footage is to lie: `region` (empty: anywhere), and the store that new footage goes to."""

    view_permission = "manage_storage"
    access_path = STUDIO_ONLY

    region = models.CharField(max_length=40, blank=True, validators=[REGION])
    store = models.ForeignKey(
        StudioStore, null=True, on_delete=models.PROTECT, related_name="+", editable=False
    )
    warned_at = models.DateTimeField(null=True, editable=False)

    class Meta(StudioOwned.Meta):
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["studio"], name="storage_storage_once_per_studio")
        ]

    def __str__(self) -> str:
        return self.region or "any region"


class ProbeState(models.TextChoices):
    """How a probe stands."""

    WAITING = "waiting", "Waiting"
    RUNNING = "running", "Running"
    PASSED = "passed", "Fit"
    WARNED = "warned", "Fit, with warnings"
    REFUSED = "refused", "Not fit"


class StoreProbe(StudioOwned, Leased):
    """One try of one store. `findings` is a list of `{check, outcome, detail, advice}`, one for each thing tried.

    `step` names what is tried now. `revision` is the store's at that time: an edited store has to be tried anew.
    """

    view_permission = "manage_storage"
    access_path = STUDIO_ONLY

    store = models.ForeignKey(
        StudioStore, null=True, on_delete=models.CASCADE, related_name="probes", editable=False
    )
    revision = models.PositiveIntegerField(default=0, editable=False)
    state = models.CharField(
        max_length=8, choices=ProbeState.choices, default=ProbeState.WAITING, editable=False
    )
    step = models.CharField(max_length=40, blank=True, editable=False)
    findings = models.JSONField(default=list, editable=False)
    requested_by = models.UUIDField(null=True, editable=False)
    finished_at = models.DateTimeField(null=True, editable=False)

    class Meta(StudioOwned.Meta):
        ordering: ClassVar = ["-created_at"]
        indexes: ClassVar = [
            models.Index(fields=["studio", "store", "-created_at"], name="storage_probe_latest")
        ]

    def __str__(self) -> str:
        return f"{self.state} {self.created_at:%Y-%m-%d %H:%M}"

    @property
    def is_fit(self) -> bool:
        """Whether footage may go there."""
        return self.state in (ProbeState.PASSED, ProbeState.WARNED)

    @property
    def is_over(self) -> bool:
        """Whether the result stands."""
        return self.state not in (ProbeState.WAITING, ProbeState.RUNNING)


class MoveState(models.TextChoices):
    """How far a move is."""

    COPYING = "copying", "Copying"
    GRACE = "grace", "Copied; old copies are kept for now"
    DONE = "done", "Done"
    CANCELLED = "cancelled", "Cancelled"


OPEN_MOVES = (MoveState.COPYING, MoveState.GRACE)


class StoreMove(StudioOwned, Leased):
    """The way of all footage of a studio from one store to another. New footage goes to `target` from the start on.

    Totals are what lay in `source` when it began; `moved_*` what has arrived and been verified. `error` says why it
    stands still, `retry_at` until when. `brings_rest`: new footage went to `target` already when it began.
    """

    view_permission = "manage_storage"
    access_path = STUDIO_ONLY

    source = models.ForeignKey(
        StudioStore, null=True, on_delete=models.PROTECT, related_name="+", editable=False
    )
    target = models.ForeignKey(
        StudioStore, null=True, on_delete=models.PROTECT, related_name="+", editable=False
    )
    state = models.CharField(
        max_length=10, choices=MoveState.choices, default=MoveState.COPYING, editable=False
    )
    brings_rest = models.BooleanField(default=False, editable=False)
    total_segments = models.PositiveIntegerField(default=0, editable=False)
    total_bytes = models.PositiveBigIntegerField(default=0, editable=False)
    moved_segments = models.PositiveIntegerField(default=0, editable=False)
    moved_bytes = models.PositiveBigIntegerField(default=0, editable=False)
    error = models.TextField(blank=True, editable=False)
    tries = models.PositiveSmallIntegerField(default=0, editable=False)
    retry_at = models.DateTimeField(null=True, editable=False)
    copied_at = models.DateTimeField(null=True, editable=False)
    finished_at = models.DateTimeField(null=True, editable=False)
    requested_by = models.UUIDField(null=True, editable=False)

    class Meta(StudioOwned.Meta):
        ordering: ClassVar = ["-created_at"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["studio"],
                condition=models.Q(state=MoveState.COPYING.value),
                name="storage_one_move_at_a_time",
            ),
            models.CheckConstraint(
                condition=models.Q(state__in=MoveState.values), name="storage_move_known_state"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.state} {self.moved_segments}/{self.total_segments}"


class MoveFault(StudioOwned):
    """An object that could not be moved, and why; it stays where it was. `given_up`: not tried again by itself."""

    view_permission = "manage_storage"
    access_path = STUDIO_ONLY

    move = models.ForeignKey(StoreMove, on_delete=models.CASCADE, related_name="faults", editable=False)
    segment_id = models.UUIDField(editable=False)
    object_key = models.CharField(max_length=255, editable=False)
    code = models.CharField(max_length=40, editable=False)
    detail = models.TextField(blank=True, editable=False)
    tries = models.PositiveSmallIntegerField(default=0, editable=False)
    retry_at = models.DateTimeField(editable=False)
    given_up = models.BooleanField(default=False, editable=False)

    class Meta(StudioOwned.Meta):
        ordering: ClassVar = ["created_at"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["move", "segment_id"], name="storage_movefault_once")
        ]

    def __str__(self) -> str:
        return f"{self.object_key} {self.code}"


class DisposalReason(models.TextChoices):
    """Why nothing needs an object any more."""

    MOVED = "moved", "Lies in another store now"
    REPLACED = "replaced", "Was announced again for another store"
    NEVER_SENT = "never_sent", "Was announced and never committed"
    QUARANTINED = "quarantined", "Belongs to a segment that was set aside"
    SHREDDED = "shredded", "Belongs to a class that was destroyed"
    UNFINISHED = "unfinished", "A copy that a move has not finished"


class Disposal(StudioOwned):
    """An object to be deleted from one store once `due_at` has come (null: not before its move is through).

    `claimed_at` set: it is being deleted, and nothing may count on it. The row goes when the object has gone.
    """

    view_permission = "manage_storage"
    access_path = STUDIO_ONLY

    store = models.ForeignKey(
        StudioStore, null=True, on_delete=models.PROTECT, related_name="+", editable=False
    )
    move = models.ForeignKey(
        StoreMove, null=True, on_delete=models.CASCADE, related_name="disposals", editable=False
    )
    object_key = models.CharField(max_length=255, editable=False)
    reason = models.CharField(max_length=12, choices=DisposalReason.choices, editable=False)
    due_at = models.DateTimeField(null=True, editable=False)
    claimed_at = models.DateTimeField(null=True, editable=False)
    tries = models.PositiveSmallIntegerField(default=0, editable=False)
    error = models.TextField(blank=True, editable=False)

    class Meta(StudioOwned.Meta):
        ordering: ClassVar = ["due_at"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["store", "object_key"], nulls_distinct=False, name="storage_disposal_once"
            )
        ]
        indexes: ClassVar = [models.Index(fields=["studio", "due_at"], name="storage_disposal_due")]

    def __str__(self) -> str:
        return self.object_key
