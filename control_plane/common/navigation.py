"""How an app declares its links in the navigation of a studio's pages: constants in its `navigation.py`.

Declaration modules load no model.
"""

from dataclasses import KW_ONLY, dataclass
from enum import StrEnum

from control_plane.common.declared import DeclaredCode
from control_plane.common.permissions import StudioPermission


class Menu(StrEnum):
    """The menus of a studio's pages."""

    STUDIO = "studio"
    SETTINGS = "settings"


@dataclass(frozen=True, eq=False, repr=False)
class NavigationEntry(DeclaredCode):
    """A link in a menu. Its code is the menu and the section, such as `studio.classes`.

    Attributes:
        label: its text, marked by `gettext_noop`.
        url_name: the name of the page's address, which takes the studio's slug.
        order: its position in the menu; leave gaps for others.
        permission: who sees the link; None: everybody in the studio. The page checks access itself.
    """

    code: str
    _: KW_ONLY
    label: str
    url_name: str
    order: int
    permission: StudioPermission | None = None

    @property
    def position(self) -> tuple[int, str]:
        """The sort key in `all()`."""
        return (self.order, self.code)

    @property
    def menu(self) -> Menu:
        """The menu that it belongs to.

        Raises:
            ValueError: the code names none.
        """
        return Menu(self.code.partition(".")[0])

    @property
    def section(self) -> str:
        """The part of the studio's pages that it leads to; a page passes its own as `section`."""
        return self.code.partition(".")[2]
