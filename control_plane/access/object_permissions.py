"""Storage of permissions on single objects: Django permissions, which guardian assigns to a person and a row."""

from typing import Any

from django.apps import apps
from django.contrib.auth.models import Permission
from django.contrib.contenttypes.models import ContentType
from django.db.models import Model

from control_plane.access.model_access import permission_name
from control_plane.access.roles import GRANTABLE_ON
from control_plane.common.permissions import StudioPermission


def permission_for(action: StudioPermission, model: type[Model]) -> Permission:
    """Returns the stored permission for `action` on rows of `model`; `action` is grantable on the model."""
    return Permission.objects.get(
        content_type=ContentType.objects.get_for_model(model),
        codename=permission_name(action, model._meta.label),
    )


def make_permissions(using: str, **kwargs: Any) -> None:
    """Creates the stored permissions that can be granted on single objects.

    Runs after migrations, as the owner of the database: the application may only read this table.
    """
    for label, actions in GRANTABLE_ON.items():
        model = apps.get_model(label)
        kind = ContentType.objects.db_manager(using).get_for_model(model)
        for action in sorted(actions):
            Permission.objects.using(using).get_or_create(
                content_type=kind,
                codename=permission_name(action, label),
                defaults={"name": f"May {action.replace('_', ' ')} one {model._meta.verbose_name}"},
            )
