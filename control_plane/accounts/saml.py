"""Signing in through a SAML provider: its answer must be signed, for us, of now, to a question of this browser, and new.

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

from control_plane.accounts.pending import Pending

log = logging.getLogger(__name__)

QUESTIONS = Pending("saml-question", most=5000, largest_chars=8, lifetime_s=STATE_TTL)
LARGEST_ANSWER = 200_000
"""Characters of an answer as it is posted; providers send 5 to 20 thousand."""
ANSWERS = Pending("saml-answer", most=100, largest_chars=LARGEST_ANSWER, lifetime_s=300)
"""Answers on the way from the provider's page to our own, which takes a second: 20 MB at most."""
CLOCK_SKEW = timedelta(minutes=5)
LONGEST = timedelta(hours=24)


class AssertionRefused(Exception):
    """The provider's answer breaks a rule; the message says which, and holds nothing of the answer."""


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
        """Sends the browser to the provider; its answer must name this question."""
        auth = _auth(self, {})
        address = auth.login(return_to="")
        question = auth.get_last_request_id()
        self.stash_redirect_state(request, process, next_url, data, state_id=question)
        QUESTIONS.keep(_question_name(self, question), "asked")
        return HttpResponseRedirect(address)

    def extract_extra_data(self, data: OneLogin_Saml2_Auth) -> dict[str, Any]:
        """Returns the attributes, for the decision alone: `StudioProviders` keeps none of them."""
        return dict(data.get_attributes())


def keep_answer(provider: SamlProvider, posted: str) -> str:
    """Keeps a posted answer for a moment and returns the name to get it by; nothing of it is believed.

    It has to name a question that we have asked: else anybody could leave with us what they like.

    Raises:
        AssertionRefused: it cannot be read, or is to no question of ours.
    """
    if len(posted) > LARGEST_ANSWER:
        raise AssertionRefused("the answer is too large")
    try:
        # The library's parser: no entities, no document type.
        question = OneLogin_Saml2_XML.to_etree(b64decode(posted)).get("InResponseTo", "")
    except (LxmlError, OneLogin_Saml2_Error, ValueError, LookupError, AttributeError) as error:
        raise AssertionRefused(f"the answer cannot be read: {type(error).__name__}") from error
    if QUESTIONS.get(_question_name(provider, question)) is None:
        raise AssertionRefused("the answer is to no question of ours")
    name = secrets.token_urlsafe(24)
    ANSWERS.keep(name, posted)
    return name


def kept_answer(name: str) -> str:
    """Returns an answer that `keep_answer` kept, once; empty where there is none of this name."""
    if not re.fullmatch("[A-Za-z0-9_-]{32}", name):
        return ""
    answer = ANSWERS.get(name) or ""
    ANSWERS.forget(name)
    return answer


def verified(provider: SamlProvider, posted: Mapping[str, str]) -> tuple[OneLogin_Saml2_Auth, str]:
    """Returns the checked answer of a provider, and the id of the question that it answers.

    Args:
        posted: what the provider had the browser send: `SAMLResponse`.

    Raises:
        AssertionRefused: it is not signed by the provider, not for us, too old, unsolicited, or was used before.
    """
    auth = _auth(provider, {"SAMLResponse": posted.get("SAMLResponse", "")})
    try:
        auth.process_response(request_id=None)
    except (OneLogin_Saml2_Error, LxmlError, xmlsec.Error, ValueError, LookupError) as error:
        raise AssertionRefused(f"the answer cannot be read: {type(error).__name__}") from error
    if auth.get_errors() or not auth.is_authenticated():
        raise AssertionRefused(f"the answer is refused: {auth.get_last_error_reason() or 'no sign-in'}")
    question = auth.get_last_response_in_response_to()
    if not question or question not in _answered(auth):
        raise AssertionRefused("the answer is to no question of ours")
    _spend(provider, auth)
    return auth, question


def metadata(provider: SamlProvider) -> bytes:
    """Returns what the studio gives to its provider: who we are, and where answers go."""
    found: str | bytes = OneLogin_Saml2_Settings(
        settings=_settings(provider), sp_validation_only=True
    ).get_sp_metadata()
    return found.encode() if isinstance(found, str) else found


def _auth(provider: SamlProvider, posted: Mapping[str, str]) -> OneLogin_Saml2_Auth:
    # Not the request's host: an answer is compared with our own address, whatever a proxy or a browser says.
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


def _answered(auth: OneLogin_Saml2_Auth) -> set[str]:
    """Returns the questions that the signed part of the answer names: the envelope's own word may be unsigned."""
    tree = OneLogin_Saml2_XML.to_etree(auth.get_last_response_xml())
    found = OneLogin_Saml2_XML.query(
        tree, "//saml:Assertion/saml:Subject/saml:SubjectConfirmation/saml:SubjectConfirmationData"
    )
    return {str(item.get("InResponseTo")) for item in found if item.get("InResponseTo")}


def _question_name(provider: SamlProvider, question: str) -> str:
    # Whoever posts an answer writes the question's id, in any length and letters.
    return hashlib.sha256(f"{provider.sub_id}\n{question}".encode("utf-8", "surrogateescape")).hexdigest()


def _spend(provider: SamlProvider, auth: OneLogin_Saml2_Auth) -> None:
    ends_at = auth.get_last_assertion_not_on_or_after()
    now = timezone.now()
    left = datetime.fromtimestamp(ends_at, tz=now.tzinfo) - now if ends_at else LONGEST
    kept_s = min(max(left, timedelta(0)) + CLOCK_SKEW, LONGEST).total_seconds()
    key = f"saml-assertion:{provider.sub_id}:{auth.get_last_assertion_id()}"
    if not cache.add(key, True, timeout=kept_s):
        raise AssertionRefused("the answer was used before")
