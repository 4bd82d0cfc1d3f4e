"""Provider classes of OpenID and SAML, where allauth looks for them (`SOCIALACCOUNT_PROVIDERS`)."""

from control_plane.accounts.openid import OpenIDProvider
from control_plane.accounts.saml import SamlProvider

__all__ = ["OpenIDProvider", "SamlProvider"]
