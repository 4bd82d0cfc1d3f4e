"""Tables of keys: StudioKey and KeyTombstone."""

from typing import ClassVar

from django.db import models

from control_plane.common.models import STUDIO_ONLY, StudioOwned, UUIDModel


class StudioKey(StudioOwned):
    """One generation of a studio's keys; the row's id is the wire's `RecipientKeyId`.

    The studio's symmetric key is wrapped under the root key (`root_key_id` says which), and opens only together with
    its half on the key shelf (`shelved`; false: a generation from before there was one). The private half of the
    X25519 pair that boxes seal content keys to is wrapped under the studio's key. `retired_at` null: boxes seal to
    this one. A retired generation still opens what was sealed to it, until it is destroyed (`destroyed_at`), when
    both wrapped columns are empty.
    """

    view_permission = "manage_studio"
    access_path = STUDIO_ONLY

    root_key_id = models.CharField(max_length=200, editable=False)
    wrapped_key = models.BinaryField(editable=False)
    public_key = models.BinaryField(max_length=32, editable=False)
    wrapped_private_key = models.BinaryField(editable=False)
    shelved = models.BooleanField(default=False, editable=False)
    retired_at = models.DateTimeField(null=True, blank=True, editable=False)
    destroyed_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta(StudioOwned.Meta):
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["studio"],
                condition=models.Q(retired_at__isnull=True),
                name="keys_studiokey_one_current",
            )
        ]

    def __str__(self) -> str:
        return str(self.id)


class Shredded(models.TextChoices):
    """Kinds of objects that can be shredded."""

    CLASS = "class", "A class"
    GENERATION = "generation", "A retired generation of the studio's keys"
    STUDIO = "studio", "The whole studio"


class KeyTombstone(StudioOwned):
    """A key that was destroyed, and how far what follows is: the job's row, claimed by locking it.

    The row is written, and the wrapped key emptied, in one transaction; then the half on the shelf is destroyed
    (`shelf_at`), then what the key opened is removed (`removed_at`; null: still to be done). `object_id` is no foreign
    key: the tombstone outlives its thing. `reason` is the actor's own words. `failures` and `error` tell of the last
    try.
    """

    view_permission = "manage_studio"
    access_path = STUDIO_ONLY

    what = models.CharField(max_length=12, choices=Shredded.choices, editable=False)
    object_id = models.UUIDField(editable=False)
    reason = models.CharField(max_length=300, blank=True, editable=False)
    actor_kind = models.CharField(max_length=16, editable=False)
    actor_id = models.UUIDField(null=True, editable=False)
    shelf_at = models.DateTimeField(null=True, editable=False)
    removed_at = models.DateTimeField(null=True, editable=False)
    failures = models.PositiveIntegerField(default=0, editable=False)
    error = models.CharField(max_length=300, blank=True, editable=False)

    class Meta(StudioOwned.Meta):
        ordering: ClassVar = ["-created_at"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["what", "object_id"], name="keys_keytombstone_once")
        ]

    def __str__(self) -> str:
        return f"{self.what} {self.object_id}"


class PlatformSecret(UUIDModel):
    """One secret of the whole platform, wrapped under the root key `root_key_id`: it holds nothing of any studio.

    `seed` is what the platform's own keys are derived from where the root key is not in a file.
    """

    name = models.CharField(max_length=40, unique=True, editable=False)
    root_key_id = models.CharField(max_length=200, editable=False)
    wrapped = models.BinaryField(editable=False)

    class Meta:
        verbose_name = "secret of the platform"
        verbose_name_plural = "secrets of the platform"
        ordering: ClassVar = ["name"]

    def __str__(self) -> str:
        return self.name
