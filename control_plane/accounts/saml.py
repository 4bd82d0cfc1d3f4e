"""Sign-in through a SAML provider. Its response must be signed, addressed to us, current, requested, and unused.

Source: SAML 2.0 Profiles section 4.1.4 (web browser single sign-on).
"""

import hashlib
import logging
import re
import secrets
from base64 import b64decode
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import xmlsec
from allauth.socialaccount.internal.statekit import STATE_TTL
from allauth.socialaccount.providers.saml.provider import SAMLProvider
from django.conf import settings
from django.core.cache import cache
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from lxml.etree import LxmlError
from onelogin.saml2.auth import OneLogin_Saml2_Auth
from onelogin.saml2.constants import OneLogin_Saml2_Constants as Saml
from onelogin.saml2.errors import OneLogin_Saml2_Error
from onelogin.saml2.settings import OneLogin_Saml2_Settings
from onelogin.saml2.xml_utils import OneLogin_Saml2_XML

from control_plane.accounts.bounded_cache import BoundedCache

log = logging.getLogger(__name__)

REQUESTS = BoundedCache("saml-request", most=5000, largest_chars=8, lifetime_s=STATE_TTL)
LARGEST_RESPONSE = 200_000
"""Characters of a posted response; providers send 5,000 to 20,000."""
RESPONSES = BoundedCache("saml-response", most=100, largest_chars=LARGEST_RESPONSE, lifetime_s=300)
"""Responses between the provider's page and ours, which takes about a second: 20 MB at most."""
CLOCK_SKEW = timedelta(minutes=5)
LONGEST = timedelta(hours=24)


class AssertionRefused(Exception):
    """The provider's response is invalid; the message names the rule and contains nothing of the response."""


class SamlProvider(SAMLProvider):
    """One studio's SAML provider."""

    def redirect(
        self,
        request: HttpRequest,
        process: str,
        next_url: str | None = None,
        data: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> HttpResponse:
        """Redirects the browser to the provider; the response must name this request."""
        auth = _auth(self, {})
        address = auth.login(return_to="")
        request_id = auth.get_last_request_id()
        self.stash_redirect_state(request, process, next_url, data, state_id=request_id)
        REQUESTS.put(_request_key(self, request_id), "asked")
        return HttpResponseRedirect(address)

    def extract_extra_data(self, data: OneLogin_Saml2_Auth) -> dict[str, Any]:
        """Returns the attributes for the sign-in decision. `StudioProviders` does not store them."""
        return dict(data.get_attributes())


def store_response(provider: SamlProvider, posted: str) -> str:
    """Stores a posted response briefly and returns the name to read it by. Nothing in it is trusted yet.

    It must name a request of ours; otherwise anyone could store data here.

    Raises:
        AssertionRefused: it cannot be parsed, or answers no request of ours.
    """
    if len(posted) > LARGEST_RESPONSE:
        raise AssertionRefused("the response is too large")
    try:
        # The library's parser rejects entities and document types.
        request_id = OneLogin_Saml2_XML.to_etree(b64decode(posted)).get("InResponseTo", "")
    except (LxmlError, OneLogin_Saml2_Error, ValueError, LookupError, AttributeError) as error:
        raise AssertionRefused(f"the response cannot be parsed: {type(error).__name__}") from error
    if REQUESTS.get(_request_key(provider, request_id)) is None:
        raise AssertionRefused("the response answers no request of ours")
    name = secrets.token_urlsafe(24)
    RESPONSES.put(name, posted)
    return name


def pop_response(name: str) -> str:
    """Returns a stored response and deletes it; empty if there is none with this name."""
    if not re.fullmatch("[A-Za-z0-9_-]{32}", name):
        return ""
    answer = RESPONSES.get(name) or ""
    RESPONSES.delete(name)
    return answer


def verify_response(provider: SamlProvider, posted: Mapping[str, str]) -> tuple[OneLogin_Saml2_Auth, str]:
    """Verifies a provider's response; returns it with the id of the request that it answers.

    Args:
        posted: the form that the browser posted: `SAMLResponse`.

    Raises:
        AssertionRefused: not signed by the provider, not addressed to us, too old, unsolicited, or used before.
    """
    auth = _auth(provider, {"SAMLResponse": posted.get("SAMLResponse", "")})
    try:
        auth.process_response(request_id=None)
    except (OneLogin_Saml2_Error, LxmlError, xmlsec.Error, ValueError, LookupError) as error:
        raise AssertionRefused(f"the response cannot be parsed: {type(error).__name__}") from error
    if auth.get_errors() or not auth.is_authenticated():
        raise AssertionRefused(f"the response is refused: {auth.get_last_error_reason() or 'no sign-in'}")
    request_id = auth.get_last_response_in_response_to()
    if not request_id or request_id not in _asserted_request_ids(auth):
        raise AssertionRefused("the response answers no request of ours")
    _mark_used(provider, auth)
    return auth, request_id


def metadata(provider: SamlProvider) -> bytes:
    """Returns our SAML metadata: entity id, and the URL for responses."""
    found: str | bytes = OneLogin_Saml2_Settings(
        settings=_settings(provider), sp_validation_only=True
    ).get_sp_metadata()
    return found.encode() if isinstance(found, str) else found


def _auth(provider: SamlProvider, posted: Mapping[str, str]) -> OneLogin_Saml2_Auth:
    # Not the request's host: the response must be addressed to our own URL, whatever a proxy or browser says.
    scheme, _, host = settings.PUBLIC_URL.partition("://")
    request = {
        "https": "on" if scheme == "https" else "off",
        "http_host": host,
        "script_name": "",
        "path_info": reverse("saml_acs", args=[provider.app.client_id]),
        "get_data": {},
        "post_data": dict(posted),
    }
    return OneLogin_Saml2_Auth(request, _settings(provider))


def _settings(provider: SamlProvider) -> dict[str, Any]:
    slug = provider.app.client_id
    idp = provider.app.settings["idp"]
    return {
        "strict": True,
        "security": {
            "wantAssertionsSigned": True,
            "wantMessagesSigned": False,
            "rejectDeprecatedAlgorithm": True,
            "requestedAuthnContext": False,
            "wantAttributeStatement": False,
            "wantNameId": True,
            "allowRepeatAttributeName": True,
            "allowSingleLabelDomains": True,
            "signatureAlgorithm": Saml.RSA_SHA256,
            "digestAlgorithm": Saml.SHA256,
        },
        "sp": {
            "entityId": settings.PUBLIC_URL + reverse("saml_metadata", args=[slug]),
            "assertionConsumerService": {
                "url": settings.PUBLIC_URL + reverse("saml_acs", args=[slug]),
                "binding": Saml.BINDING_HTTP_POST,
            },
        },
        "idp": {
            "entityId": idp["entity_id"],
            "x509cert": idp["x509cert"],
            "singleSignOnService": {"url": idp["sso_url"], "binding": Saml.BINDING_HTTP_REDIRECT},
        },
    }


def _asserted_request_ids(auth: OneLogin_Saml2_Auth) -> set[str]:
    """Returns the request ids in the signed part of the response; the envelope may be unsigned."""
    tree = OneLogin_Saml2_XML.to_etree(auth.get_last_response_xml())
    found = OneLogin_Saml2_XML.query(
        tree, "//saml:Assertion/saml:Subject/saml:SubjectConfirmation/saml:SubjectConfirmationData"
    )
    return {str(item.get("InResponseTo")) for item in found if item.get("InResponseTo")}


def _request_key(provider: SamlProvider, request_id: str) -> str:
    # Hashed, because the sender of a response chooses the id's length and characters.
    return hashlib.sha256(f"{provider.sub_id}\n{request_id}".encode("utf-8", "surrogateescape")).hexdigest()


def _mark_used(provider: SamlProvider, auth: OneLogin_Saml2_Auth) -> None:
    ends_at = auth.get_last_assertion_not_on_or_after()
    now = timezone.now()
    left = datetime.fromtimestamp(ends_at, tz=now.tzinfo) - now if ends_at else LONGEST
    kept_s = min(max(left, timedelta(0)) + CLOCK_SKEW, LONGEST).total_seconds()
    key = f"saml-assertion:{provider.sub_id}:{auth.get_last_assertion_id()}"
    if not cache.add(key, True, timeout=kept_s):
        raise AssertionRefused("the response was used before")
