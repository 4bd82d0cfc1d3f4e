"""Being a service: what systemd hands over. Source: systemd.exec(5), `LoadCredential=`."""

import os
from pathlib import Path

PAIRING_CREDENTIAL = "pairing"
"""Holds one line, `ADDRESS CODE`: with it a box pairs itself at its first start."""
CREDENTIAL_LIMIT_BYTES = 4096


def handed_pairing() -> tuple[str, str] | None:
    """Returns address and code from the service's credentials, or None where none were handed over.

    Raises:
        ValueError: there is something else in it.
    """
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    if not folder:
        return None
    try:
        with (Path(folder) / PAIRING_CREDENTIAL).open("rb") as file:
            words = file.read(CREDENTIAL_LIMIT_BYTES).decode("utf-8", "replace").split()
    except FileNotFoundError:
        return None
    if len(words) != 2:
        raise ValueError(f"the credential {PAIRING_CREDENTIAL} must hold ADDRESS CODE and nothing else")
    return words[0], words[1]
