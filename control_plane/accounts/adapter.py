"""allauth's adapters: nobody can sign up, failed sign-ins are limited, and secrets of factors are encrypted."""

import base64
import os
from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.internal.flows.reauthentication import get_reauthentication_flows
from allauth.core import context
from allauth.core.internal import ratelimit
from allauth.mfa.adapter import DefaultMFAAdapter
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.contrib.auth.base_user import AbstractBaseUser
from django.http import HttpRequest

from control_plane.accounts.limits import APP
from control_plane.accounts.sessions import may_set_first_credential
from control_plane.common.client_network import network_of

_FORM = "v1:"
_NONCE_BYTES = 12


class ClosedAccountAdapter(DefaultAccountAdapter):
    """Admins, invitations and identity providers create accounts; the sign-up page says that it is closed.

    Wrong passwords are counted per account *and* network. If they were counted per account only, anyone who knows the
    address could lock its owner out. A much higher limit applies to an account from all networks together (OWASP
    Authentication Cheat Sheet, account lockout). Codes of a second factor are counted per account, because they are only
    requested after the password.
    """

    _global_usage: ratelimit.RateLimitUsage | None = None

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """Returns False."""
        return False

    def is_safe_url(self, url: str) -> bool:
        """Returns whether a redirect target is allowed; an invalid URL is not."""
        try:
            return bool(super().is_safe_url(url))
        except ValueError:
            return False

    def is_reauthentication_required(self, *, app: str, **kwargs: Any) -> bool:
        """Returns whether the person must confirm their identity before a sensitive change.

        An account without password and factor has nothing to confirm with; for it `sessions.may_set_first_credential`
        decides. Otherwise nobody could add the first credential.
        """
        request = context.request
        if not get_reauthentication_flows(request.user) and may_set_first_credential(request):
            return False
        return bool(super().is_reauthentication_required(app=app, **kwargs))

    def pre_authenticate(self, request: HttpRequest, **credentials: Any) -> None:
        """Counts an attempt before the password is checked.

        Raises:
            ValidationError: the limit is exceeded.
        """
        super().pre_authenticate(request, **credentials)
        address = str(credentials.get("email") or credentials.get("username") or "").strip().lower()
        self._global_usage = ratelimit.consume(
            request, app=APP, action="password", config=settings.SIGNIN_RATE_LIMITS, key=address
        )
        if self._global_usage is None:
            raise self.validation_error("too_many_login_attempts")

    def authenticate(self, request: HttpRequest, **credentials: Any) -> AbstractBaseUser | None:
        """Returns the person with this password. A correct password does not count as an attempt."""
        user = super().authenticate(request, **credentials)
        if user is not None and self._global_usage is not None:
            self._global_usage.rollback()
        return user

    def _get_login_attempts_cache_key(self, request: HttpRequest, **credentials: Any) -> str:
        account: str = super()._get_login_attempts_cache_key(request, **credentials)
        return f"{account}:{network_of(self.get_client_ip(request))}"


class FactorAdapter(DefaultMFAAdapter):
    """Encrypts the secrets of authenticator apps and recovery codes with a key that is not in the database."""

    def encrypt(self, text: str) -> str:
        """Returns the text encrypted with AES-256-GCM, under a key derived from the secret key."""
        nonce = os.urandom(_NONCE_BYTES)
        return _FORM + base64.b64encode(nonce + _cipher().encrypt(nonce, text.encode(), None)).decode()

    def decrypt(self, encrypted_text: str) -> str:
        """Decrypts a text that `encrypt` returned.

        Raises:
            ValueError: it was encrypted under another secret key, or is damaged.
        """
        if not encrypted_text.startswith(_FORM):
            raise ValueError("a factor's secret has an unknown format")
        sealed = base64.b64decode(encrypted_text.removeprefix(_FORM))
        try:
            return _cipher().decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], None).decode()
        except InvalidTag as error:
            raise ValueError("a factor's secret cannot be decrypted; has the secret key changed?") from error

    def get_public_key_credential_rp_entity(self) -> dict[str, str]:
        """Returns our own host as the relying party, whatever host the request names."""
        host = settings.PUBLIC_URL.partition("://")[2].partition("/")[0]
        return {"id": host.partition(":")[0], "name": "3Dance"}


def _cipher() -> AESGCM:
    key = HKDF(SHA256(), 32, salt=None, info=b"threedance/factors").derive(settings.SECRET_KEY.encode())
    return AESGCM(key)
