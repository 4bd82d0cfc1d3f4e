"""The side navigation of a studio's settings: which pages there are, and who is shown the way to each."""

from collections.abc import Iterable
from dataclasses import dataclass

from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from control_plane.access.permissions import MANAGE_POLICY, USE_API
from control_plane.audit.permissions import VIEW_AUDIT
from control_plane.common.permissions import StudioPermission
from control_plane.people.permissions import VIEW_DANCERS
from control_plane.storage.permissions import MANAGE_STORAGE
from control_plane.tenancy.models import Studio
from control_plane.tenancy.permissions import MANAGE_PEOPLE, MANAGE_STUDIO

Named = tuple[str, str, StudioPermission]

ENTRIES: tuple[Named, ...] = (
    (gettext_noop("Access"), "portal:access", MANAGE_POLICY),
    (gettext_noop("People"), "portal:people", MANAGE_PEOPLE),
    (gettext_noop("Dancers"), "portal:dancers", VIEW_DANCERS),
    (gettext_noop("Sign-in"), "portal:sign_in", MANAGE_STUDIO),
    (gettext_noop("Keys"), "portal:keys", MANAGE_STUDIO),
    (gettext_noop("Storage"), "portal:storage", MANAGE_STORAGE),
    (gettext_noop("Plan and usage"), "portal:usage", MANAGE_STUDIO),
    (gettext_noop("API keys"), "portal:api_keys", USE_API),
    (gettext_noop("Audit log"), "portal:audit", VIEW_AUDIT),
    (gettext_noop("Break-glass access"), "portal:break_glass", VIEW_AUDIT),
    (gettext_noop("Privacy"), "portal:privacy", MANAGE_POLICY),
    (gettext_noop("Alerts"), "portal:alerts", MANAGE_POLICY),
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
        (_(label), reverse(name, args=[studio.slug])) for label, name, right in ENTRIES if right in rights
    ]
    return [Entry(label, url, path.startswith(url)) for label, url in open_to]
