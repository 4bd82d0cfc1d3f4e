"""The permissions, as the enum `Action`. Pure; other apps import it from `access.access`."""

from enum import StrEnum


class Action(StrEnum):
    """A permission. With a model's name it is also a permission of django-guardian: `replay_classsession`."""

    VIEW_STUDIO = "view_studio"
    MANAGE_STUDIO = "manage_studio"
    MANAGE_ROOMS = "manage_rooms"
    MANAGE_PEOPLE = "manage_people"
    VIEW_AGENTS = "view_agents"
    MANAGE_AGENTS = "manage_agents"
    MANAGE_CAMERAS = "manage_cameras"
    RECORD = "record"
    VIEW_CLASS = "view_class"
    MANAGE_CLASS = "manage_class"
    REPLAY = "replay"
    VIEW_LIVE = "view_live"
    ANNOTATE = "annotate"
    SHARE = "share"
    EXPORT = "export"
    VIEW_DANCERS = "view_dancers"
    MANAGE_DANCERS = "manage_dancers"
    MANAGE_POLICY = "manage_policy"
    MANAGE_STORAGE = "manage_storage"
    VIEW_AUDIT = "view_audit"
    USE_API = "use_api"
    UPLOAD = "upload"
    REPORT = "report"
    MAINTAIN = "maintain"
    """Sweeps, checks and other work of the control plane itself; never a look at footage."""


ALWAYS_LENT = frozenset({Action.VIEW_STUDIO, Action.USE_API})
"""Scopes of every API key in addition to the chosen ones; no call is answered without them."""
