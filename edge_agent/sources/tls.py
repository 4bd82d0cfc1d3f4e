"""Whom connections to cameras trust."""

import os
import ssl
from pathlib import Path

_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)
"""Where distributions keep their authorities, for a Python that was built to look elsewhere."""


def tls_context() -> ssl.SSLContext:
    """Returns settings that ask for a certificate for the camera's name, trusted by the system or by `SSL_CERT_FILE`.

    A camera's own certificate may be installed as it is: it need not be that of an authority, nor keep every rule of
    RFC 5280. Where no authorities are found at all, every certificate is refused.
    """
    context = ssl.create_default_context()
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    if not (os.environ.get("SSL_CERT_FILE") or context.cert_store_stats()["x509_ca"]):
        bundle = next((path for path in _BUNDLES if Path(path).is_file()), None)
        if bundle is not None:
            context.load_verify_locations(bundle)
    return context
