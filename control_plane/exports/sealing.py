"""Encrypts the parts of a package: AES-256-GCM, with the number of the part as nonce and the export bound in.

A content key is used for one attempt only, so no nonce comes twice under one key.
"""

from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from control_plane.common.errors import ControlPlaneError

PART_BYTES = 8 << 20


def seal_part(content_key: bytes, export_id: UUID, number: int, plain: bytes) -> bytes:
    """Returns a part encrypted; it is 16 bytes longer."""
    return AESGCM(content_key).encrypt(_nonce(number), plain, export_id.bytes)


def open_part(content_key: bytes, export_id: UUID, number: int, sealed: bytes) -> bytes:
    """Returns a part in clear.

    Raises:
        ControlPlaneError: it is not what was sealed.
    """
    try:
        return AESGCM(content_key).decrypt(_nonce(number), sealed, export_id.bytes)
    except InvalidTag as error:
        raise ControlPlaneError("A part of this export is damaged. Make the export again.") from error


def _nonce(number: int) -> bytes:
    return number.to_bytes(12)
