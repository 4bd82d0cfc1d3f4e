"""The cipher of one segment: AES-128-CBC with PKCS#7, an IV for each blob, one content key that is sealed and forgotten."""

import hashlib
import os
from dataclasses import dataclass

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from nacl.public import PublicKey, SealedBox

from shared.protocol.config import RecipientKey

BLOCK_BYTES = 16


@dataclass(frozen=True)
class Sealed:
    """One blob of ciphertext."""

    data: memoryview
    iv: bytes
    sha256: str


class SegmentCipher:
    """Holds the content key of one segment, and only while it is being written.

    `sealed_key` is the key in a libsodium sealed box to the studio: the agent cannot open it again.
    """

    def __init__(self, recipient: RecipientKey) -> None:
        key = os.urandom(BLOCK_BYTES)
        self.recipient_key_id = recipient.id
        self.sealed_key = bytes(SealedBox(PublicKey(recipient.public_key)).encrypt(key))
        self._algorithm: algorithms.AES128 | None = algorithms.AES128(key)

    def seal(self, plain: bytes) -> Sealed:
        """Returns `plain` encrypted with a new IV. The padding is made by hand: the library's own copies everything."""
        if self._algorithm is None:
            raise ValueError("the key of this segment has been forgotten")
        # Whole blocks go straight into the output buffer; only the last, partial one is copied for its PKCS#7 padding.
        iv = os.urandom(BLOCK_BYTES)
        encryptor = Cipher(self._algorithm, modes.CBC(iv)).encryptor()
        whole = len(plain) // BLOCK_BYTES * BLOCK_BYTES
        fill = BLOCK_BYTES - (len(plain) - whole)
        out = bytearray(whole + 2 * BLOCK_BYTES)
        encryptor.update_into(memoryview(plain)[:whole], out)
        out[whole : whole + BLOCK_BYTES] = encryptor.update(plain[whole:] + bytes([fill]) * fill)
        data = memoryview(out)[: whole + BLOCK_BYTES].toreadonly()
        return Sealed(data, iv, hashlib.sha256(data).hexdigest())

    def forget(self) -> None:
        """Drops the key: nothing more can be encrypted, and the agent cannot decrypt the segment."""
        self._algorithm = None
