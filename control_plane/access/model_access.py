"""Reads the access declarations of models: the view permission, and the paths to the objects that contain a row."""

from uuid import UUID

from django.db.models import Model

from control_plane.common.errors import ControlPlaneError
from control_plane.common.models import STUDIO_ONLY, AccessPath
from control_plane.common.permissions import StudioPermission

CLASS, ROOM, STUDIO = "recordings.ClassSession", "tenancy.Room", "tenancy.Studio"


class UnlistedModel(ControlPlaneError):
    """`access` was asked about a model that declares no `view_permission`."""


def view_action(model: type[Model]) -> StudioPermission:
    """Returns the view permission of `model`.

    Raises:
        UnlistedModel: the model declares none.
    """
    name: str = getattr(model, "view_permission", "")
    if not name:
        raise UnlistedModel(f"{model._meta.label} declares no view_permission")
    return StudioPermission.named(name)


def studio_of(obj: Model) -> UUID:
    """Returns the studio of an object.

    Raises:
        UnlistedModel: the model declares no `view_permission`, or its rows belong to no studio.
    """
    view_action(type(obj))
    studio_id: UUID | None = getattr(obj, "studio_id", None)
    if studio_id is None:
        raise UnlistedModel(f"a {obj._meta.label} belongs to no studio")
    return studio_id


def paths(model: type[Model]) -> dict[str, str]:
    """Returns the paths from a row of `model` to the objects on which grants can apply to it, by label."""
    path: AccessPath = getattr(model, "access_path", STUDIO_ONLY)
    found = {CLASS: path.to_class, ROOM: path.to_room}
    return {label: where for label, where in found.items() if where}


def belonging(obj: Model) -> dict[str, UUID]:
    """Returns the class, room and studio that contain `obj`, by label; at most one query, none for common models."""
    found = {STUDIO: studio_of(obj)}
    wanted = paths(type(obj))
    if all("__" not in path for path in wanted.values()):
        return found | {label: getattr(obj, path) for label, path in wanted.items()}
    row = type(obj)._base_manager.filter(pk=obj.pk).values_list(*wanted.values()).first()
    return found | dict(zip(wanted, row or (), strict=False))


def permission_name(action: StudioPermission, label: str) -> str:
    """Returns the codename of guardian for a permission on one object of the model `label`."""
    return f"{action}_{label.rpartition('.')[2].lower()}"
