"""The side navigation of a studio's settings: which pages there are, and who is shown the way to each."""

from collections.abc import Iterable
from dataclasses import dataclass

from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from control_plane.access.access import Action
from control_plane.tenancy.models import Studio

Named = tuple[str, str, Action]

ENTRIES: tuple[Named, ...] = (
    (gettext_noop("Access"), "portal:access", Action.MANAGE_POLICY),
    (gettext_noop("People"), "portal:people", Action.MANAGE_PEOPLE),
    (gettext_noop("Dancers"), "portal:dancers", Action.VIEW_DANCERS),
    (gettext_noop("Sign-in"), "portal:sign_in", Action.MANAGE_STUDIO),
    (gettext_noop("Keys"), "portal:keys", Action.MANAGE_STUDIO),
    (gettext_noop("Storage"), "portal:storage", Action.MANAGE_STORAGE),
    (gettext_noop("Plan and usage"), "portal:usage", Action.MANAGE_STUDIO),
    (gettext_noop("API keys"), "portal:api_keys", Action.USE_API),
    (gettext_noop("Audit log"), "portal:audit", Action.VIEW_AUDIT),
    (gettext_noop("Break-glass access"), "portal:break_glass", Action.VIEW_AUDIT),
    (gettext_noop("Privacy"), "portal:privacy", Action.MANAGE_POLICY),
    (gettext_noop("Alerts"), "portal:alerts", Action.MANAGE_POLICY),
)
"""Label, name of the address (it takes the studio's slug), and the right that shows it. The page asks `access` again."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One way in. `is_here`: the page shown is this one, or one beneath it."""

    label: str
    url: str
    is_here: bool


def entries(studio: Studio, allowed: Iterable[str], path: str) -> list[Entry]:
    """Returns the entries of those rights, for the page at `path`."""
    rights = set(allowed)
    open_to = [
        (_(label), reverse(name, args=[studio.slug]))
        for label, name, right in ENTRIES
        if right.value in rights
    ]
    return [Entry(label, url, path.startswith(url)) for label, url in open_to]
