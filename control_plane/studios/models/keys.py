"""Tables of keys: StudioKey."""

from typing import ClassVar

from django.db import models

from control_plane.common.models import StudioOwned


class StudioKey(StudioOwned):
    """One generation of a studio's keys; the row's id is the wire's `RecipientKeyId`.

    The studio's symmetric key is wrapped under the root key; the private half of the X25519 pair that boxes seal
    content keys to is wrapped under the studio's key. `retired_at` null: boxes seal to this one. A retired generation
    still opens what was sealed to it.
    """

    root_key_id = models.CharField(max_length=64, editable=False)
    wrapped_key = models.BinaryField(editable=False)
    public_key = models.BinaryField(max_length=32, editable=False)
    wrapped_private_key = models.BinaryField(editable=False)
    retired_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta(StudioOwned.Meta):
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["studio"],
                condition=models.Q(retired_at__isnull=True),
                name="studios_studiokey_one_current",
            )
        ]

    def __str__(self) -> str:
        return str(self.id)
