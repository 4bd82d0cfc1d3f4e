"""libsodium sealed boxes: anybody with the public half can seal, only the private half opens.

Source: libsodium `crypto_box_seal` (X25519, XSalsa20-Poly1305).
"""

from dataclasses import dataclass, field

from nacl.exceptions import CryptoError
from nacl.public import PrivateKey, PublicKey, SealedBox

from control_plane.keys.errors import KeyRefused


@dataclass(frozen=True, slots=True)
class KeyPair:
    """An X25519 pair, 32 bytes each."""

    public: bytes
    private: bytes = field(repr=False)


def new_pair() -> KeyPair:
    """Returns a new random pair."""
    private = PrivateKey.generate()
    return KeyPair(bytes(private.public_key), bytes(private))


def seal(public_key: bytes, secret: bytes) -> bytes:
    """Returns `secret` so that only the holder of the private half of `public_key` reads it; 48 bytes longer.

    Raises:
        KeyRefused: `public_key` is no X25519 key.
    """
    try:
        return bytes(SealedBox(PublicKey(bytes(public_key))).encrypt(secret))
    except (CryptoError, ValueError, TypeError) as error:
        raise KeyRefused("the recipient's public key is no X25519 key") from error


def open_seal(private_key: bytes, sealed: bytes) -> bytes:
    """Returns what `seal` sealed.

    Raises:
        KeyRefused: it was sealed to another key, or is damaged.
    """
    try:
        return bytes(SealedBox(PrivateKey(private_key)).decrypt(bytes(sealed)))
    except (CryptoError, ValueError, TypeError) as error:
        raise KeyRefused("a sealed key does not open with this private key") from error
