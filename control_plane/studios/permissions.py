"""How a right on one thing is stored: as a Django permission that guardian ties to a person and a row."""

from django.contrib.auth.models import Permission
from django.contrib.contenttypes.models import ContentType
from django.db.models import Model

from control_plane.studios.actions import Action
from control_plane.studios.things import permission_name


def permission_for(action: Action, model: type[Model]) -> Permission:
    """Returns the permission row for `action` on rows of `model`, made where it is missing."""
    permission, _ = Permission.objects.get_or_create(
        content_type=ContentType.objects.get_for_model(model),
        codename=permission_name(action, model._meta.label),
        defaults={"name": f"May {action.value.replace('_', ' ')} one {model._meta.verbose_name}"},
    )
    return permission
