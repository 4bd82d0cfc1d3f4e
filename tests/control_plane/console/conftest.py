"""The furnished studio of the portal's tests, and its browsers."""

from tests.control_plane.portal.conftest import furnished, sign_in

__all__ = ["furnished", "sign_in"]
