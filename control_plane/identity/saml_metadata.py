"""Parser of the metadata that a SAML identity provider publishes. Pure; it fetches nothing.

Source: SAML 2.0 Metadata, section 2.4.3.
"""

from dataclasses import dataclass
from typing import Any

from onelogin.saml2.idp_metadata_parser import OneLogin_Saml2_IdPMetadataParser


class MetadataRefused(Exception):
    """The text is not usable metadata of an identity provider; the message says what is missing."""


@dataclass(frozen=True, slots=True)
class Metadata:
    """A provider's entity id, its sign-in address, and the certificate of its signing key."""

    entity_id: str
    sso_url: str
    certificate: str


def read_metadata(text: str) -> Metadata:
    """Parses the metadata of an identity provider.

    Raises:
        MetadataRefused: the text is not XML, or lacks one of the three values.
    """
    try:
        found: dict[str, Any] = OneLogin_Saml2_IdPMetadataParser.parse(text.strip())
    # The parser documents no exceptions, and raises several kinds for invalid text.
    except Exception as error:
        raise MetadataRefused("This is not the metadata of a SAML provider.") from error
    idp = found.get("idp", {})
    certificates = [idp.get("x509cert"), *idp.get("x509certMulti", {}).get("signing", ())]
    certificate = next((item for item in certificates if item), "")
    if not idp.get("entityId") or not idp.get("singleSignOnService", {}).get("url") or not certificate:
        raise MetadataRefused(
            "The metadata lacks an entity id, a sign-in address (redirect) or a certificate."
        )
    return Metadata(idp["entityId"], idp["singleSignOnService"]["url"], certificate)
