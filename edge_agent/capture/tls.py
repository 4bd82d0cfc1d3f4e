"""How FFmpeg is told to check certificates, which by itself it does not."""

import os
import ssl
from pathlib import Path

_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)
"""Where distributions keep their authorities in one file, which is what FFmpeg reads."""


def tls_options() -> dict[str, str]:
    """Returns the options under which a certificate must be trusted by the system, or by `SSL_CERT_FILE`.

    Where no authorities are found at all, every certificate is refused rather than none checked.
    """
    found = ssl.get_default_verify_paths().cafile
    candidates = (os.environ.get("SSL_CERT_FILE"), found, *_BUNDLES)
    bundle = next((path for path in candidates if path and Path(path).is_file()), None)
    return {"tls_verify": "1"} | ({"ca_file": bundle} if bundle else {})
