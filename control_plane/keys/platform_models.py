"""Tables of storage: PlatformSecret."""

from typing import ClassVar

from django.db import models

from control_plane.common.models import UUIDModel


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
