"""How allauth behaves here: nobody signs up on their own, and what factors hold is kept under a key."""

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
from control_plane.accounts.sessions import may_set_up
from control_plane.common.caller import network_of

_FORM = "v1:"
_NONCE_BYTES = 12


class ClosedAccountAdapter(DefaultAccountAdapter):
    """Accounts are made by admins, by invitations and by identity providers; the sign-up page says that it is closed.

    Wrong passwords are counted for an account *and* the network they come from: were they counted for the account alone,
    whoever knows its address could keep its owner out. How many there may be from everywhere together is bounded too,
    far above (OWASP Authentication Cheat Sheet, account lockout). Codes of a second factor are counted for the account:
    they are asked for only behind its password.
    """

    _from_everywhere: ratelimit.RateLimitUsage | None = None

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """Returns False, always."""
        return False

    def is_safe_url(self, url: str) -> bool:
        """Returns whether a redirect may lead there; a text that is no address leads nowhere."""
        try:
            return bool(super().is_safe_url(url))
        except ValueError:
            return False

    def is_reauthentication_required(self, *, app: str, **kwargs: Any) -> bool:
        """Returns whether the person has to sign in again before a sensitive act.

        An account without a password and without a factor has nothing to ask for again: for it `sessions.may_set_up`
        decides, else nobody could add the first one.
        """
        request = context.request
        if not get_reauthentication_flows(request.user) and may_set_up(request):
            return False
        return bool(super().is_reauthentication_required(app=app, **kwargs))

    def pre_authenticate(self, request: HttpRequest, **credentials: Any) -> None:
        """Counts a try, before the password is looked at.

        Raises:
            ValidationError: there were too many.
        """
        super().pre_authenticate(request, **credentials)
        address = str(credentials.get("email") or credentials.get("username") or "").strip().lower()
        self._from_everywhere = ratelimit.consume(
            request, app=APP, action="password", config=settings.SIGNIN_RATE_LIMITS, key=address
        )
        if self._from_everywhere is None:
            raise self.validation_error("too_many_login_attempts")

    def authenticate(self, request: HttpRequest, **credentials: Any) -> AbstractBaseUser | None:
        """Returns whose password it is; a right one was no try."""
        user = super().authenticate(request, **credentials)
        if user is not None and self._from_everywhere is not None:
            self._from_everywhere.rollback()
        return user

    def _get_login_attempts_cache_key(self, request: HttpRequest, **credentials: Any) -> str:
        account: str = super()._get_login_attempts_cache_key(request, **credentials)
        return f"{account}:{network_of(self.get_client_ip(request))}"


class FactorAdapter(DefaultMFAAdapter):
    """Keeps the secrets of authenticator apps and recovery codes under a key that is not in the database."""

    def encrypt(self, text: str) -> str:
        """Returns the text under a key made of the secret key (AES-256-GCM)."""
        nonce = os.urandom(_NONCE_BYTES)
        return _FORM + base64.b64encode(nonce + _cipher().encrypt(nonce, text.encode(), None)).decode()

    def decrypt(self, encrypted_text: str) -> str:
        """Returns what `encrypt` was given.

        Raises:
            ValueError: it was made under another secret key, or is damaged.
        """
        if not encrypted_text.startswith(_FORM):
            raise ValueError("a factor's secret has an unknown form")
        sealed = base64.b64decode(encrypted_text.removeprefix(_FORM))
        try:
            return _cipher().decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], None).decode()
        except InvalidTag as error:
            raise ValueError("a factor's secret does not open: was the secret key changed?") from error

    def get_public_key_credential_rp_entity(self) -> dict[str, str]:
        """Returns who asks for a passkey: our own host, whatever the request says."""
        host = settings.PUBLIC_URL.partition("://")[2].partition("/")[0]
        return {"id": host.partition(":")[0], "name": "3Dance"}


def _cipher() -> AESGCM:
    key = HKDF(SHA256(), 32, salt=None, info=b"threedance/factors").derive(settings.SECRET_KEY.encode())
    return AESGCM(key)
