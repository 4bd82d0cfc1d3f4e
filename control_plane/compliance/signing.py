"""The key that signs checkpoints and exports. It has its own file, apart from the root key, which opens footage."""

import base64
import binascii
import os
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.conf import settings

from control_plane.audit.checkpoints import public_text
from control_plane.common.errors import Unavailable


class SigningKeyRefused(Unavailable):
    """The file of the signing key cannot be used; the message says why and what to do."""


def signing_key() -> Ed25519PrivateKey:
    """Returns the key of `THREEDANCE_CHECKPOINT_KEY_FILE`; creates the file if it is missing.

    Raises:
        SigningKeyRefused: the file cannot be read or written, can be read by others, or holds no key.
    """
    path = settings.CHECKPOINT_KEY_FILE
    try:
        if not path.exists():
            _make(path)
        if path.stat().st_mode & 0o077:
            raise SigningKeyRefused(f"{path} can be read by others: chmod 600 it")
        return Ed25519PrivateKey.from_private_bytes(base64.b64decode(path.read_text().strip(), validate=True))
    except OSError as error:
        raise SigningKeyRefused(
            f"{path} cannot be used ({error.strerror}): set THREEDANCE_CHECKPOINT_KEY_FILE"
        ) from error
    except (ValueError, binascii.Error) as error:
        raise SigningKeyRefused(f"{path} holds no signing key: 32 bytes in base64") from error


def public_key() -> str:
    """Returns the public key as text: `ed25519:...`.

    Raises:
        SigningKeyRefused: see `signing_key`.
    """
    return public_text(signing_key().public_key())


def _make(path: Path) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}")
    secret = base64.b64encode(Ed25519PrivateKey.generate().private_bytes_raw())
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(secret + b"\n")
            file.flush()
            os.fsync(file.fileno())
        # Of two processes that make it at once, the first to link wins and both use its key.
        os.link(part, path)
    except FileExistsError:
        return
    finally:
        part.unlink(missing_ok=True)
