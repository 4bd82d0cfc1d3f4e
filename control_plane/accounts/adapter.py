"""How allauth behaves here: nobody signs up on their own, and what factors hold is kept under a key."""

import base64
import os

from allauth.account.adapter import DefaultAccountAdapter
from allauth.mfa.adapter import DefaultMFAAdapter
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.http import HttpRequest

_FORM = "v1:"
_NONCE_BYTES = 12


class ClosedAccountAdapter(DefaultAccountAdapter):
    """Accounts are made by admins, by invitations and by identity providers; the sign-up page says that it is closed."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """Returns False, always."""
        return False


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
