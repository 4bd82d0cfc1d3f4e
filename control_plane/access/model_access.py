"""What can be asked about: which action shows a table's rows, and what a row belongs to. Data, by names and paths only."""

from dataclasses import dataclass
from uuid import UUID

from django.db.models import Model

from control_plane.access.actions import Action
from control_plane.common.errors import ControlPlaneError

VIEW_ACTIONS: dict[str, Action] = {
    "tenancy.Studio": Action.VIEW_STUDIO,
    "tenancy.Room": Action.VIEW_STUDIO,
    "tenancy.Membership": Action.MANAGE_PEOPLE,
    "access.ObjectRight": Action.MANAGE_PEOPLE,
    "tenancy.Invitation": Action.MANAGE_PEOPLE,
    "identity.ProvidedMembership": Action.MANAGE_PEOPLE,
    "access.ApiKey": Action.MANAGE_STUDIO,
    "access.RoleActions": Action.MANAGE_POLICY,
    "access.BreakGlass": Action.VIEW_AUDIT,
    "identity.SigninPolicy": Action.MANAGE_STUDIO,
    "identity.IdentityProvider": Action.MANAGE_STUDIO,
    "identity.GroupRole": Action.MANAGE_STUDIO,
    "keys.StudioKey": Action.MANAGE_STUDIO,
    "keys.KeyTombstone": Action.MANAGE_STUDIO,
    "plans.Plan": Action.MANAGE_STUDIO,
    "plans.StudioPlan": Action.MANAGE_STUDIO,
    "storage.StudioStore": Action.MANAGE_STORAGE,
    "storage.StudioStorage": Action.MANAGE_STORAGE,
    "storage.StoreProbe": Action.MANAGE_STORAGE,
    "storage.StoreMove": Action.MANAGE_STORAGE,
    "storage.MoveFault": Action.MANAGE_STORAGE,
    "storage.Disposal": Action.MANAGE_STORAGE,
    "people.Dancer": Action.VIEW_DANCERS,
    "people.Guardianship": Action.VIEW_DANCERS,
    "accounts.User": Action.MANAGE_PEOPLE,
    "audit.Entry": Action.VIEW_AUDIT,
    "audit.ChainHead": Action.VIEW_AUDIT,
    "compliance.WatchRules": Action.MANAGE_POLICY,
    "compliance.WatchCursor": Action.MANAGE_POLICY,
    "compliance.KnownNetwork": Action.MANAGE_POLICY,
    "compliance.Alert": Action.MANAGE_POLICY,
    "compliance.AlertAcknowledgement": Action.MANAGE_POLICY,
    "compliance.AlertNotice": Action.MANAGE_POLICY,
    "fleet.Agent": Action.VIEW_AGENTS,
    "fleet.Camera": Action.VIEW_AGENTS,
    "fleet.DesiredConfig": Action.VIEW_AGENTS,
    "fleet.ReportedConfig": Action.VIEW_AGENTS,
    "fleet.StatusReport": Action.VIEW_AGENTS,
    "fleet.RecordingOrder": Action.VIEW_AGENTS,
    "fleet.PairingCode": Action.MANAGE_AGENTS,
    "ingest.PendingSegment": Action.VIEW_AGENTS,
    "ingest.QuarantinedSegment": Action.VIEW_AGENTS,
    "recordings.ClassSession": Action.VIEW_CLASS,
    "recordings.Appearance": Action.VIEW_DANCERS,
    "recordings.Recorder": Action.VIEW_CLASS,
    "recordings.Track": Action.VIEW_CLASS,
    "recordings.Segment": Action.VIEW_CLASS,
    "recordings.SegmentFault": Action.VIEW_CLASS,
    "recordings.Gap": Action.VIEW_CLASS,
    "recordings.Replay": Action.VIEW_AUDIT,
    "integrity.StoreRound": Action.MANAGE_STORAGE,
}
"""Which action shows rows of a table. What is not listed can be neither seen nor asked about: `UnlistedModel`."""


@dataclass(frozen=True, slots=True)
class Belongs:
    """Relation paths from a row to the class and the room it belongs to; empty: to none."""

    to_class: str = ""
    to_room: str = ""


BELONGS: dict[str, Belongs] = {
    "tenancy.Room": Belongs(to_room="pk"),
    "fleet.Camera": Belongs(to_room="room_id"),
    "recordings.ClassSession": Belongs(to_class="pk", to_room="room_id"),
    "recordings.Recorder": Belongs("class_session_id", "class_session__room_id"),
    "recordings.Track": Belongs("class_session_id", "class_session__room_id"),
    "recordings.Segment": Belongs("class_session_id", "class_session__room_id"),
    "recordings.SegmentFault": Belongs("class_session_id", "class_session__room_id"),
    "recordings.Gap": Belongs("class_session_id", "class_session__room_id"),
}
"""A right on a class or a room holds for all that belongs to it; a right on the studio for everything in it."""

CLASS, ROOM, STUDIO = "recordings.ClassSession", "tenancy.Room", "tenancy.Studio"


class UnlistedModel(ControlPlaneError):
    """`access` was asked about a table that nobody has said the right of; add it to `model_access.VIEW_ACTIONS`."""


def view_action(model: type[Model]) -> Action:
    """Returns the action that shows rows of `model`.

    Raises:
        UnlistedModel: nobody has said which.
    """
    action = VIEW_ACTIONS.get(model._meta.label)
    if action is None:
        raise UnlistedModel(
            f"{model._meta.label} is not listed in control_plane.access.model_access.VIEW_ACTIONS"
        )
    return action


def studio_of(obj: Model) -> UUID:
    """Returns the studio of a thing.

    Raises:
        UnlistedModel: rows of this table are not listed, or belong to no studio.
    """
    view_action(type(obj))
    studio_id: UUID | None = getattr(obj, "studio_id", None)
    if studio_id is None:
        raise UnlistedModel(f"a {obj._meta.label} belongs to no studio")
    return studio_id


def paths(model: type[Model]) -> dict[str, str]:
    """Returns the paths from a row of `model` to what rights on it may hang on, by that thing's label."""
    belongs = BELONGS.get(model._meta.label, Belongs())
    found = {CLASS: belongs.to_class, ROOM: belongs.to_room}
    return {label: path for label, path in found.items() if path}


def belonging(obj: Model) -> dict[str, UUID]:
    """Returns the class, the room and the studio that `obj` belongs to; at most one query, none for the common things."""
    found = {STUDIO: studio_of(obj)}
    wanted = paths(type(obj))
    if all("__" not in path for path in wanted.values()):
        return found | {label: getattr(obj, path) for label, path in wanted.items()}
    row = type(obj)._base_manager.filter(pk=obj.pk).values_list(*wanted.values()).first()
    return found | dict(zip(wanted, row or (), strict=False))


def permission_name(action: Action, label: str) -> str:
    """Returns the codename under which guardian stores a right on one thing of the table `label`."""
    return f"{action.value}_{label.rpartition('.')[2].lower()}"
