"""The furnished studio of the portal's tests, and its browsers."""

from tests.control_plane.portal.conftest import house, sign_in

__all__ = ["house", "sign_in"]
