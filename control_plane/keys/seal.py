"""libsodium sealed boxes: anyone with the public key can seal; only the private key opens.

Source: libsodium `crypto_box_seal` (X25519, XSalsa20-Poly1305).
"""

from dataclasses import dataclass, field

from nacl.exceptions import CryptoError
from nacl.public import PrivateKey, PublicKey, SealedBox

from control_plane.keys.errors import KeyRefused


@dataclass(frozen=True, slots=True)
class KeyPair:
    """An X25519 key pair, 32 bytes each."""

    public: bytes
    private: bytes = field(repr=False)


def new_key_pair() -> KeyPair:
    """Returns a new random key pair."""
    private = PrivateKey.generate()
    return KeyPair(bytes(private.public_key), bytes(private))


def seal(public_key: bytes, secret: bytes) -> bytes:
    """Returns `secret` sealed to `public_key`; 48 bytes longer. Only the matching private key opens it.

    Raises:
        KeyRefused: `public_key` is not an X25519 key.
    """
    try:
        return bytes(SealedBox(PublicKey(bytes(public_key))).encrypt(secret))
    except (CryptoError, ValueError, TypeError) as error:
        raise KeyRefused("the recipient's public key is not an X25519 key") from error


def open_seal(private_key: bytes, sealed: bytes) -> bytes:
    """Opens a sealed secret.

    Raises:
        KeyRefused: the secret was sealed to another key, or is damaged.
    """
    try:
        return bytes(SealedBox(PrivateKey(private_key)).decrypt(bytes(sealed)))
    except (CryptoError, ValueError, TypeError) as error:
        raise KeyRefused("a sealed key does not open with this private key") from error
