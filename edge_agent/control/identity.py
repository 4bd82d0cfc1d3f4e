"""The agent's identity: two private keys, the answer of pairing, and what is signed and decrypted with them.

`STATE/identity/` holds `identity.key` (Ed25519, signs requests), `sealing.key` (X25519, opens camera credentials) and
`pairing.json`, all 0600. The private halves never leave the machine.
"""

import hashlib
import logging
import os
import shutil
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from nacl.exceptions import CryptoError
from nacl.public import PrivateKey, SealedBox

from edge_agent.errors import (
    CredentialsUnreadable,
    IdentityError,
    NotPaired,
    RevocationInvalid,
    StateUnwritable,
)
from edge_agent.files import FILES
from shared.kernel.clock import Clock
from shared.protocol.codec import decode, encode
from shared.protocol.config import Credentials
from shared.protocol.pairing import TOKEN_LIFETIME_S, PairAnswer, Revocation

log = logging.getLogger(__name__)

REVOCATION_TYPE = "revocation+jwt"


class Pairing(msgspec.Struct, frozen=True, kw_only=True):
    """The stored result of pairing: the address that was used, and the control plane's answer."""

    address: str
    answer: PairAnswer


@dataclass(frozen=True)
class AgentKeys:
    """The agent's private keys."""

    identity: Ed25519PrivateKey
    sealing: PrivateKey

    def __repr__(self) -> str:
        return f"BoxKeys({self.fingerprint})"

    @property
    def identity_public(self) -> bytes:
        """The Ed25519 public key, 32 bytes."""
        return self.identity.public_key().public_bytes_raw()

    @property
    def sealing_public(self) -> bytes:
        """The X25519 public key, 32 bytes."""
        return bytes(self.sealing.public_key)

    @property
    def fingerprint(self) -> str:
        """For comparison by the admin: the first 16 hex digits of the identity key's SHA-256, in groups of four."""
        digits = hashlib.sha256(self.identity_public).hexdigest()[:16]
        return "-".join(digits[i : i + 4] for i in range(0, 16, 4))


class Identity:
    """The identity of a paired agent. Immutable; any thread may use it."""

    def __init__(self, keys: AgentKeys, pairing: Pairing) -> None:
        self.keys = keys
        self.pairing = pairing

    @property
    def address(self) -> str:
        """The control plane's address, without a trailing slash."""
        return self.pairing.address

    def token(self, clock: Clock) -> str:
        """Returns a single-use request token, valid for one minute by `clock`.

        Source: RFC 7515, section 7.1; RFC 8037, section 3.1.
        """
        now_s = int(clock.now().timestamp())
        answer = self.pairing.answer
        header = {"alg": "EdDSA", "kid": str(answer.agent_id), "typ": "JWT"}
        claims = {
            "iss": str(answer.agent_id),
            "std": str(answer.studio_id),
            "aud": answer.audience,
            "iat": now_s,
            "exp": now_s + TOKEN_LIFETIME_S,
            "jti": uuid4().hex,
        }
        signed = b".".join(_base64url(msgspec.json.encode(part)) for part in (header, claims))
        return b".".join((signed, _base64url(self.keys.identity.sign(signed)))).decode()

    def open_credentials(self, sealed: bytes) -> Credentials:
        """Returns the camera credentials in a sealed box for this agent.

        Raises:
            CredentialsUnreadable: they were sealed for another agent, or are malformed.
        """
        try:
            return decode(SealedBox(self.keys.sealing).decrypt(sealed), Credentials)
        except (CryptoError, ValueError, msgspec.DecodeError) as error:
            raise CredentialsUnreadable("the credentials do not open with this agent's key") from error

    def open_tail(self, sealed: bytes) -> str:
        """Returns the secret end of a camera's address in a sealed box for this agent.

        Raises:
            CredentialsUnreadable: it was sealed for another agent, or is no text.
        """
        try:
            return SealedBox(self.keys.sealing).decrypt(sealed).decode()
        except (CryptoError, ValueError) as error:
            raise CredentialsUnreadable(
                "the end of the address does not open with this agent's key"
            ) from error

    def verify_revocation(self, token: str) -> Revocation:
        """Returns the content of a revocation that our control plane has signed for this agent.

        Raises:
            RevocationInvalid: it has no effect; the message says why.
        """
        # Imported on use: needed at most once in an agent's life, and a sixth of its start time.
        import jwt

        answer = self.pairing.answer
        try:
            if jwt.get_unverified_header(token).get("typ") != REVOCATION_TYPE:
                raise RevocationInvalid("it is not a revocation")
            key = Ed25519PublicKey.from_public_bytes(answer.revocation_key)
            claims = jwt.decode(
                token,
                key,
                algorithms=["EdDSA"],
                options={
                    "require": ["sub", "iat"],
                    "verify_aud": False,
                    # The agent's clock may be wrong, and a revocation does not expire.
                    "verify_iat": False,
                    "verify_exp": False,
                    "verify_nbf": False,
                },
            )
            revocation = msgspec.convert(claims, Revocation)
        except (jwt.PyJWTError, ValueError, msgspec.ValidationError) as error:
            raise RevocationInvalid(f"it is not signed by our control plane: {error}") from error
        if revocation.sub != answer.agent_id:
            raise RevocationInvalid("it is for another agent")
        return revocation


class IdentityFolder:
    """The identity on disk: `STATE/identity`, and `STATE/identity.new` during pairing."""

    def __init__(self, state: Path) -> None:
        self.path = state / "identity"
        self._new = state / "identity.new"

    @property
    def is_paired(self) -> bool:
        """Whether the agent is paired."""
        return (self.path / "pairing.json").exists()

    def load(self) -> Identity:
        """Returns the agent's identity.

        Raises:
            NotPaired: there is none.
            IdentityError: it cannot be used.
        """
        try:
            pairing = decode((self.path / "pairing.json").read_bytes(), Pairing)
            return Identity(_read_keys(self.path), pairing)
        except FileNotFoundError as error:
            raise NotPaired(f"this agent is not paired (no identity in {self.path})") from error
        except (ValueError, OSError) as error:
            raise IdentityError(
                f"the identity in {self.path} cannot be used: {error}",
                "Make a new pairing code and run: threedance-agent pair URL CODE --replace",
            ) from error

    def begin(self) -> AgentKeys:
        """Returns the keys to pair with, already on disk. A pairing whose answer was lost is repeated with the same keys.

        Raises:
            StateUnwritable: the folder cannot be written.
        """
        try:
            self._new.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._new.mkdir(exist_ok=True, mode=0o700)
            try:
                return _read_keys(self._new)
            except (OSError, ValueError):
                keys = AgentKeys(Ed25519PrivateKey.generate(), PrivateKey.generate())
                FILES.write(self._new / "identity.key", keys.identity.private_bytes_raw())
                FILES.write(self._new / "sealing.key", bytes(keys.sealing))
                return keys
        except OSError as error:
            raise StateUnwritable(str(self.path.parent), error.strerror or str(error)) from error

    def discard_pending(self) -> None:
        """Destroys the keys of an unfinished pairing."""
        shutil.rmtree(self._new, ignore_errors=True)

    def finish(self, pairing: Pairing) -> Identity:
        """Makes the keys of `begin` the agent's identity, and destroys the previous ones."""
        FILES.write(self._new / "pairing.json", encode(pairing))
        if self.path.exists():
            old = self.path.with_name(f"identity.old.{os.getpid()}")
            os.replace(self.path, old)
            os.replace(self._new, self.path)
            shutil.rmtree(old)
        else:
            os.replace(self._new, self.path)
        FILES.sync_folder(self.path.parent)
        return self.load()

    def drop(self, revocation: Revocation) -> None:
        """Destroys the credentials of a revoked agent and stores the reason. The spool is not touched."""
        FILES.write(self.path / "revoked.json", encode(revocation))
        for name in ("pairing.json", "identity.key", "sealing.key"):
            FILES.discard(self.path / name)
        log.error(
            "this agent has been revoked; its credentials are dropped", extra={"reason": revocation.reason}
        )

    def revocation(self) -> Revocation | None:
        """Returns why the agent was revoked, or None if it was not."""
        try:
            return decode((self.path / "revoked.json").read_bytes(), Revocation)
        except (FileNotFoundError, msgspec.DecodeError):
            return None


def _base64url(data: bytes) -> bytes:
    """Source: RFC 7515, section 2."""
    return urlsafe_b64encode(data).rstrip(b"=")


def _read_keys(folder: Path) -> AgentKeys:
    return AgentKeys(
        Ed25519PrivateKey.from_private_bytes((folder / "identity.key").read_bytes()),
        PrivateKey((folder / "sealing.key").read_bytes()),
    )
