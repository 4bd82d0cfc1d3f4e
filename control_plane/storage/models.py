"""Tables of storage: StudioStore, StudioStorage, StoreProbe, StoreMigration, MigrationFailure, ObjectDeletion.

In every column that names a store, null is the platform's own store (`THREEDANCE_OBJECT_STORE`).
"""

from typing import ClassVar

from django.core.validators import RegexValidator
from django.db import models

from control_plane.common.leases import Leased
from control_plane.common.models import STUDIO_ONLY, StudioOwned
from control_plane.common.states import Stateful, Transitions

REGION = RegexValidator(r"^[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?$", "A region such as eu-central-1.")


class Encryption(models.TextChoices):
    """Server-side encryption that the store applies to each object, in addition to the product's own."""

    NONE = "none", "None"
    SSE_S3 = "sse-s3", "With the store's own key (SSE-S3)"
    SSE_KMS = "sse-kms", "With a key of your key service (SSE-KMS)"


class StudioStore(StudioOwned):
    """An S3 bucket, or a prefix in one, that the studio added for its footage.

    `wrapped_secret` is the secret key under the studio's key (`keys.vault`); it is never displayed. `ca_pem`: a
    certificate authority that agents and browsers do not trust, so all bytes of such a store pass through the server.
    `revision` rises with each edit. `seen_region` is the region the store last reported. `direct_reads`: pages of the
    portal may read from the store (CORS). `retired_at` null: it is in use.
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
    """Storage settings of a studio: the required `region` (empty: any) and the store for new footage."""

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
    """State of a probe."""

    WAITING = "waiting", "Waiting"
    RUNNING = "running", "Running"
    PASSED = "passed", "Fit"
    WARNED = "warned", "Fit, with warnings"
    REFUSED = "refused", "Not fit"


class StoreProbe(StudioOwned, Leased, Stateful):
    """One probe of one store. `findings` is a list of `{check, outcome, detail, advice}`, one per check.

    `step` names the running check. `revision` is that of the probed store: an edited store needs a new probe.
    """

    view_permission = "manage_storage"
    access_path = STUDIO_ONLY
    transitions = Transitions(
        {
            ProbeState.WAITING: {ProbeState.RUNNING},
            # Running again: another worker starts over after the lease of the first ran out.
            ProbeState.RUNNING: {
                ProbeState.RUNNING,
                ProbeState.PASSED,
                ProbeState.WARNED,
                ProbeState.REFUSED,
            },
            ProbeState.PASSED: (),
            ProbeState.WARNED: (),
            ProbeState.REFUSED: (),
        }
    )

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
        """Whether the store may hold footage."""
        return self.state in (ProbeState.PASSED, ProbeState.WARNED)

    @property
    def is_over(self) -> bool:
        """Whether the probe has finished."""
        return self.state not in (ProbeState.WAITING, ProbeState.RUNNING)


class MigrationState(models.TextChoices):
    """State of a store migration."""

    COPYING = "copying", "Copying"
    GRACE = "grace", "Copied; old copies are kept for now"
    DONE = "done", "Done"
    CANCELLED = "cancelled", "Cancelled"


OPEN_MIGRATION_STATES = (MigrationState.COPYING, MigrationState.GRACE)


class StoreMigration(StudioOwned, Leased, Stateful):
    """A migration of a studio's footage from one store to another. New footage goes to `target` from its start.

    Totals count what `source` held at the start, `moved_*` the verified copies. `error` is why copying is suspended,
    `retry_at` until when. `remainder_only`: new footage already went to `target` before it started.
    """

    view_permission = "manage_storage"
    access_path = STUDIO_ONLY
    transitions = Transitions(
        {
            MigrationState.COPYING: {MigrationState.GRACE, MigrationState.CANCELLED},
            MigrationState.GRACE: {MigrationState.DONE},
            MigrationState.DONE: (),
            MigrationState.CANCELLED: (),
        }
    )

    source = models.ForeignKey(
        StudioStore, null=True, on_delete=models.PROTECT, related_name="+", editable=False
    )
    target = models.ForeignKey(
        StudioStore, null=True, on_delete=models.PROTECT, related_name="+", editable=False
    )
    state = models.CharField(
        max_length=10, choices=MigrationState.choices, default=MigrationState.COPYING, editable=False
    )
    remainder_only = models.BooleanField(default=False, editable=False)
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
                condition=models.Q(state=MigrationState.COPYING.value),
                name="storage_one_migration_at_a_time",
            ),
            models.CheckConstraint(
                condition=models.Q(state__in=MigrationState.values), name="storage_migration_known_state"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.state} {self.moved_segments}/{self.total_segments}"


class MigrationFailure(StudioOwned):
    """An object that could not be copied, with the error; it stays in the source. `given_up`: not retried automatically."""

    view_permission = "manage_storage"
    access_path = STUDIO_ONLY

    migration = models.ForeignKey(
        StoreMigration, on_delete=models.CASCADE, related_name="failures", editable=False
    )
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
            models.UniqueConstraint(fields=["migration", "segment_id"], name="storage_migrationfailure_once")
        ]

    def __str__(self) -> str:
        return f"{self.object_key} {self.code}"


class DeletionReason(models.TextChoices):
    """Reason why an object is no longer needed."""

    MOVED = "moved", "Migrated to another store"
    REPLACED = "replaced", "Announced again for another store"
    NEVER_SENT = "never_sent", "Announced and never committed"
    QUARANTINED = "quarantined", "Belongs to a quarantined segment"
    SHREDDED = "shredded", "Belongs to a destroyed class"
    UNFINISHED = "unfinished", "Unfinished copy of a migration"


class ObjectDeletion(StudioOwned):
    """An object to be deleted from one store at `due_at` (null: when its migration has finished copying).

    `claimed_at` set: a worker is deleting it, and nothing may rely on it. The row is removed with the object.
    """

    view_permission = "manage_storage"
    access_path = STUDIO_ONLY

    store = models.ForeignKey(
        StudioStore, null=True, on_delete=models.PROTECT, related_name="+", editable=False
    )
    migration = models.ForeignKey(
        StoreMigration, null=True, on_delete=models.CASCADE, related_name="deletions", editable=False
    )
    object_key = models.CharField(max_length=255, editable=False)
    reason = models.CharField(max_length=12, choices=DeletionReason.choices, editable=False)
    due_at = models.DateTimeField(null=True, editable=False)
    claimed_at = models.DateTimeField(null=True, editable=False)
    tries = models.PositiveSmallIntegerField(default=0, editable=False)
    error = models.TextField(blank=True, editable=False)

    class Meta(StudioOwned.Meta):
        ordering: ClassVar = ["due_at"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["store", "object_key"], nulls_distinct=False, name="storage_deletion_once"
            )
        ]
        indexes: ClassVar = [models.Index(fields=["studio", "due_at"], name="storage_deletion_due")]

    def __str__(self) -> str:
        return self.object_key
