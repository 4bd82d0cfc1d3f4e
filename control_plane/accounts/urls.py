"""Every path under /accounts/. Lists the needed views of allauth one by one, so that nothing else is exposed.

Left out: several e-mail addresses per account and their confirmation, sign-in by code, accounts of social networks,
sign-up, single logout.
"""

from allauth.account import views as account
from allauth.mfa.base import views as factors
from allauth.mfa.recovery_codes import views as codes
from allauth.mfa.totp import views as totp
from allauth.mfa.webauthn import views as passkeys
from django.urls import URLPattern, path, re_path

from control_plane.accounts import provider_views, views
from control_plane.accounts.reauthentication import require_own_signin, require_owner

urlpatterns: list[URLPattern] = [
    path("login/", account.login, name="account_login"),
    path("logout/", account.logout, name="account_logout"),
    path("inactive/", account.account_inactive, name="account_inactive"),
    path("signup/", views.signup_closed, name="account_signup"),
    path("reauthenticate/", account.reauthenticate, name="account_reauthenticate"),
    path("link/", views.signin_link, name="signin_link"),
    path("welcome/", views.welcome, name="account_welcome"),
    path("profile/", views.profile, name="account_profile"),
    path("sessions/", views.session_list, name="usersessions_list"),
    # passwords
    path("password/change/", require_owner(account.password_change), name="account_change_password"),
    path("password/set/", require_owner(account.password_set), name="account_set_password"),
    path("password/reset/", views.password_reset, name="account_reset_password"),
    path("password/reset/done/", account.password_reset_done, name="account_reset_password_done"),
    re_path(
        r"^password/reset/key/(?P<uidb36>[0-9A-Za-z]+)-(?P<key>.+)/$",
        account.password_reset_from_key,
        name="account_reset_password_from_key",
    ),
    path(
        "password/reset/key/done/",
        account.password_reset_from_key_done,
        name="account_reset_password_from_key_done",
    ),
    # passkeys and second factors
    path("2fa/", require_own_signin(factors.index), name="mfa_index"),
    path("2fa/authenticate/", factors.authenticate, name="mfa_authenticate"),
    path("2fa/reauthenticate/", factors.reauthenticate, name="mfa_reauthenticate"),
    path("2fa/totp/activate/", require_owner(totp.activate_totp), name="mfa_activate_totp"),
    path("2fa/totp/deactivate/", require_owner(totp.deactivate_totp), name="mfa_deactivate_totp"),
    path("2fa/recovery-codes/", require_owner(codes.view_recovery_codes), name="mfa_view_recovery_codes"),
    path(
        "2fa/recovery-codes/generate/",
        require_owner(codes.generate_recovery_codes),
        name="mfa_generate_recovery_codes",
    ),
    path(
        "2fa/recovery-codes/download/",
        require_owner(codes.download_recovery_codes),
        name="mfa_download_recovery_codes",
    ),
    path("2fa/webauthn/", require_own_signin(passkeys.list_webauthn), name="mfa_list_webauthn"),
    path("2fa/webauthn/add/", require_owner(passkeys.add_webauthn), name="mfa_add_webauthn"),
    path("2fa/webauthn/login/", passkeys.login_webauthn, name="mfa_login_webauthn"),
    path(
        "2fa/webauthn/reauthenticate/",
        passkeys.reauthenticate_webauthn,
        name="mfa_reauthenticate_webauthn",
    ),
    path(
        "2fa/webauthn/keys/<int:pk>/remove/",
        require_owner(passkeys.remove_webauthn),
        name="mfa_remove_webauthn",
    ),
    path("2fa/webauthn/keys/<int:pk>/edit/", require_owner(passkeys.edit_webauthn), name="mfa_edit_webauthn"),
    # identity providers of studios
    path("provider/cancelled/", provider_views.cancelled, name="socialaccount_login_cancelled"),
    path("oidc/<uuid:provider_id>/login/", provider_views.openid_login, name="openid_connect_login"),
    path("oidc/<uuid:provider_id>/callback/", provider_views.openid_callback, name="openid_connect_callback"),
    path("saml/<uuid:provider_id>/login/", provider_views.saml_login, name="saml_login"),
    path("saml/<uuid:provider_id>/acs/", provider_views.saml_acs, name="saml_acs"),
    path("saml/<uuid:provider_id>/finish/", provider_views.saml_finish, name="saml_finish"),
    path("saml/<uuid:provider_id>/metadata/", provider_views.saml_metadata, name="saml_metadata"),
]
