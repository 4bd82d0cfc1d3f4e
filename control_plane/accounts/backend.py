"""Who signs in with address and password; asked once for each try, however it ends."""

from typing import Any, cast

from allauth.account.auth_backends import AuthenticationBackend
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest

from control_plane.accounts.models import User


class PasswordBackend(AuthenticationBackend):
    """allauth's, and the only one that is asked.

    Django asks every backend of the settings until one knows the person; the next one would compute the expensive hash
    of a wrong password again. Django's own stays in the settings for the sessions that were opened through it.
    """

    def authenticate(  # type: ignore[override]  # as allauth declares it
        self, request: HttpRequest | None, **credentials: Any
    ) -> User | None:
        """Returns the person whose address and password these are; None where there is no password to look at.

        Raises:
            PermissionDenied: address and password do not belong together; no other backend is asked.
        """
        user = cast(User | None, super().authenticate(request, **credentials))
        if user is None and credentials.get("password"):
            raise PermissionDenied
        return user
