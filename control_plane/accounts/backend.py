"""Authentication by e-mail address and password, with a single hash per attempt."""

from typing import Any, cast

from allauth.account.auth_backends import AuthenticationBackend
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest

from control_plane.accounts.models import User


class PasswordBackend(AuthenticationBackend):
    """allauth's backend, as the only one that checks passwords.

    Django tries each backend of the settings in turn, so a wrong password would cost the expensive hash once per
    backend. Django's own backend stays in the settings for sessions that were opened through it.
    """

    def authenticate(  # type: ignore[override]  # as allauth declares it
        self, request: HttpRequest | None, **credentials: Any
    ) -> User | None:
        """Returns the person with this address and password, or None if no password was given.

        Raises:
            PermissionDenied: address and password do not match; stops Django from trying other backends.
        """
        user = cast(User | None, super().authenticate(request, **credentials))
        if user is None and credentials.get("password"):
            raise PermissionDenied
        return user
