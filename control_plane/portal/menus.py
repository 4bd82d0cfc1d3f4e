"""The menus of a studio's pages, from the navigation that the apps declare. Pure, but for the addresses."""

from collections.abc import Collection
from dataclasses import dataclass

from django.urls import reverse
from django.utils.translation import gettext as _

from control_plane.common.navigation import Menu, NavigationEntry


@dataclass(frozen=True, slots=True)
class MenuItem:
    """One link. `is_here`: it leads to the part of the studio that the page belongs to."""

    label: str
    url: str
    is_here: bool


def studio_menu(slug: str, allowed: Collection[str], section: str) -> list[MenuItem]:
    """Returns the main menu of a studio for a viewer with these permissions, on a page of `section`."""
    return [
        MenuItem(_(entry.label), reverse(entry.url_name, args=[slug]), entry.section == section)
        for entry in _visible(Menu.STUDIO, allowed)
    ]


def settings_menu(slug: str, allowed: Collection[str], path: str) -> list[MenuItem]:
    """Returns the menu of a studio's settings for a viewer with these permissions, on the page at `path`."""
    found = [
        (_(entry.label), reverse(entry.url_name, args=[slug])) for entry in _visible(Menu.SETTINGS, allowed)
    ]
    return [MenuItem(label, url, path.startswith(url)) for label, url in found]


def _visible(menu: Menu, allowed: Collection[str]) -> list[NavigationEntry]:
    return [
        entry
        for entry in NavigationEntry.all()
        if entry.menu is menu and (entry.permission is None or entry.permission in allowed)
    ]
