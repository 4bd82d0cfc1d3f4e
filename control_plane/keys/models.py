"""Tables of keys: StudioKey, KeyTombstone, PlatformSecret."""

from typing import ClassVar

from django.db import models

from control_plane.common.models import STUDIO_ONLY, StudioOwned, UUIDModel


class StudioKey(StudioOwned):
    """One generation of a studio's keys; the row's id is the wire's `RecipientKeyId`.

    The studio's symmetric key is wrapped under the root key `root_key_id`, and opens only together with its key share
    (`has_share`; false: a generation from before key shares). It wraps the private key of the X25519 pair that agents
    seal content keys to. `retired_at` null: the current generation. A retired generation still opens what was sealed
    to it, until it is destroyed (`destroyed_at`); then both wrapped columns are empty.
    """

    view_permission = "manage_studio"
    access_path = STUDIO_ONLY

    root_key_id = models.CharField(max_length=200, editable=False)
    wrapped_key = models.BinaryField(editable=False)
    public_key = models.BinaryField(max_length=32, editable=False)
    wrapped_private_key = models.BinaryField(editable=False)
    has_share = models.BooleanField(default=False, editable=False)
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


class TombstoneKind(models.TextChoices):
    """Kinds of objects whose keys are destroyed."""

    CLASS = "class", "A class"
    GENERATION = "generation", "A retired generation of the studio's keys"
    STUDIO = "studio", "The whole studio"
    DANCER = "dancer", "A dancer"
    CLIP = "clip", "A clip"
    EXPORT = "export", "An export"


class KeyTombstone(StudioOwned):
    """A key that was destroyed, and the progress of the clean-up. A worker claims the row by locking it.

    A dancer has no key. Their tombstone marks the id as destroyed in the key share store, which no backup contains: after
    a restore, it says that the dancer was erased.

    One transaction writes the row and empties the wrapped key. Then the key share is destroyed (`share_destroyed_at`),
    then the data that the key opened is removed (`removed_at`; null: not yet). `object_id` is not a foreign key, because
    the tombstone outlives the object. `reason` is free text of the actor. `failures` and `error` describe the last
    attempt.
    """

    view_permission = "manage_studio"
    access_path = STUDIO_ONLY

    kind = models.CharField(max_length=12, choices=TombstoneKind.choices, editable=False)
    object_id = models.UUIDField(editable=False)
    reason = models.CharField(max_length=300, blank=True, editable=False)
    actor_kind = models.CharField(max_length=16, editable=False)
    actor_id = models.UUIDField(null=True, editable=False)
    share_destroyed_at = models.DateTimeField(null=True, editable=False)
    removed_at = models.DateTimeField(null=True, editable=False)
    failures = models.PositiveIntegerField(default=0, editable=False)
    error = models.CharField(max_length=300, blank=True, editable=False)

    class Meta(StudioOwned.Meta):
        ordering: ClassVar = ["-created_at"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["kind", "object_id"], name="keys_keytombstone_one_per_object")
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.object_id}"


class PlatformSecret(UUIDModel):
    """One secret of the whole platform, wrapped under the root key `root_key_id`. It belongs to no studio.

    `seed`: the platform's own keys are derived from it when the root key is not in a file.
    """

    name = models.CharField(max_length=40, unique=True, editable=False)
    root_key_id = models.CharField(max_length=200, editable=False)
    wrapped = models.BinaryField(editable=False)

    class Meta:
        verbose_name = "platform secret"
        verbose_name_plural = "platform secrets"
        ordering: ClassVar = ["name"]

    def __str__(self) -> str:
        return self.name
