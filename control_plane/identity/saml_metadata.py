"""Reads what a SAML provider publishes of itself. Pure: text in, facts out; nothing is fetched.

Source: SAML 2.0 Metadata, section 2.4.3.
"""

from dataclasses import dataclass
from typing import Any

from onelogin.saml2.idp_metadata_parser import OneLogin_Saml2_IdPMetadataParser


class MetadataRefused(Exception):
    """The text is no metadata of an identity provider that we can use; the message says what it lacks."""


@dataclass(frozen=True, slots=True)
class Metadata:
    """Who a provider is, where it signs people in, and the certificate of the key that signs."""

    entity_id: str
    sso_url: str
    certificate: str


def read_metadata(text: str) -> Metadata:
    """Returns what the metadata says.

    Raises:
        MetadataRefused: it is no XML, or lacks one of the three.
    """
    try:
        found: dict[str, Any] = OneLogin_Saml2_IdPMetadataParser.parse(text.strip())
    # The parser promises no single kind of error for what is not metadata.
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
