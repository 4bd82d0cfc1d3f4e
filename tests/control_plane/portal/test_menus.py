"""The menus of a studio's pages: which links a viewer sees, in which order, and which one is marked."""

from control_plane.common.navigation import Menu, NavigationEntry
from control_plane.common.permissions import StudioPermission
from control_plane.portal.menus import settings_menu, studio_menu

EVERYTHING = StudioPermission.all()


def test_a_viewer_sees_the_links_of_their_permissions_in_order() -> None:
    assert [item.label for item in studio_menu("bow", (), "")] == ["Classes", "Rooms"]
    assert [item.label for item in studio_menu("bow", EVERYTHING, "")] == [
        "Classes",
        "Rooms",
        "Agents",
        "People",
    ]
    assert settings_menu("bow", (), "/") == []
    assert [item.label for item in settings_menu("bow", {"use_api", "view_audit"}, "/")] == [
        "API keys",
        "Audit log",
        "Break-glass access",
    ]
    shown = [item.label for item in settings_menu("bow", EVERYTHING, "/")]
    assert shown == [entry.label for entry in NavigationEntry.all() if entry.menu is Menu.SETTINGS]


def test_the_link_to_where_the_viewer_is_is_marked() -> None:
    marked = [item.label for item in studio_menu("bow", EVERYTHING, "rooms") if item.is_here]
    assert marked == ["Rooms"]
    below = "/studio/bow/api-keys/1/"
    (found,) = [item for item in settings_menu("bow", EVERYTHING, below) if item.is_here]
    assert below.startswith(found.url)
    assert not any(item.is_here for item in settings_menu("bow", EVERYTHING, "/studio/bow/classes/"))
