"""Pairing codes as text and as hashes; pure.

Source: RFC 8628, section 6.1 (short codes that people type).
"""

import hashlib
import hmac
import secrets

from shared.protocol.pairing import PAIRING_ALPHABET, PAIRING_CODE_LENGTH

HALF_LENGTH = PAIRING_CODE_LENGTH // 2


def new_code() -> str:
    """Returns eight random letters (34 bits)."""
    return "".join(secrets.choice(PAIRING_ALPHABET) for _ in range(PAIRING_CODE_LENGTH))


def display_code(code: str) -> str:
    """Returns the code in display form: `XXXX-XXXX`."""
    return f"{code[:HALF_LENGTH]}-{code[HALF_LENGTH:]}"


def lookup_hash(code: str, key: bytes) -> str:
    """Returns the keyed hash of the first half, in hex, which finds the row of a code."""
    return _hash(b"lookup/" + code[:HALF_LENGTH].encode(), key)


def code_hash(code: str, key: bytes) -> str:
    """Returns the keyed hash of the whole code, in hex, which verifies it."""
    return _hash(b"code/" + code.encode(), key)


def hashes_match(given_hash: str, kept_hash: str) -> bool:
    """Compares two hashes in constant time."""
    return hmac.compare_digest(given_hash.encode(), kept_hash.encode())


def _hash(text: bytes, key: bytes) -> str:
    return hmac.new(key, text, hashlib.sha256).hexdigest()
