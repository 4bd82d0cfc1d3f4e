"""Django's settings, derived from `env`. Can be imported without a database or any variable, for tools and type checks."""

import os
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from celery.schedules import crontab
from csp.constants import NONE, SELF

from control_plane.common.body_limits import FORM_LIMIT_BYTES
from control_plane.config import registry
from control_plane.config.env import listed, parse
from control_plane.portal.areas import TEMPLATE_DIRS

ENV = parse(os.environ)
BASE_DIR = Path(__file__).resolve().parent.parent
_public = urlsplit(ENV.public_url)
HTTPS = _public.scheme == "https"

# --- ours ---------------------------------------------------------------------------------------------------------
PUBLIC_URL = ENV.public_url.rstrip("/")
STATE_DIR = ENV.state_path
ROOT_KEY_FILE = Path(ENV.root_key_file) if ENV.root_key_file else STATE_DIR / "keys" / "root.key"
ROOT_KEY_URL = ENV.root_key
ROOT_KEY_OLDER_URLS = listed(ENV.root_key_older)
ROOT_KEY_TOKEN_FILE = Path(ENV.root_key_token_file) if ENV.root_key_token_file else None
KEY_SHARES_URL = ENV.key_shares
RETIRED_KEYS_DAYS = ENV.retired_keys_days
# Signs checkpoints of the audit log; kept apart from the root key, which opens footage.
CHECKPOINT_KEY_FILE = (
    Path(ENV.checkpoint_key_file) if ENV.checkpoint_key_file else ROOT_KEY_FILE.parent / "checkpoint.key"
)
CHECKPOINT_FOLDER = Path(ENV.checkpoint_folder) if ENV.checkpoint_folder else None
CHECKPOINT_WEBHOOK = ENV.checkpoint_webhook
CHECKPOINT_MAIL = listed(ENV.checkpoint_mail)
OBJECT_STORE_URL = ENV.object_store or f"file://{(STATE_DIR / 'objects').absolute()}"
OBJECT_STORE_REGION = ENV.store_region()
STORE_NETWORKS = ENV.networks("store_networks")
STORE_GRACE = timedelta(days=ENV.store_grace_days)
CHECK_DAYS = ENV.check_days
VALKEY_URL = ENV.valkey_url
DATABASE_APPLICATION_ROLE = ENV.application_role()
DATABASE_AS_OWNER = ENV.database_role == "owner"
ASSETS_DIR = BASE_DIR / "portal" / "static" / "portal" / "dist"

# For a Unix socket, Celery uses `redis+socket://` and the cache `unix://`.
CELERY_BROKER_URL = (
    VALKEY_URL.replace("unix://", "redis+socket://", 1).replace("?db=", "?virtual_host=") or "memory://"
)
NIGHTLY_HOUR = ENV.nightly_hour


def nightly(minute: int) -> crontab:
    """Returns the schedule of a nightly task, at its own minute of the hour. Beat runs a missed one at its next start.

    An interval of 24 h would not do: beat counts it from its own start, so every restart would delay the task.
    """
    return crontab(hour=str(NIGHTLY_HOUR), minute=str(minute))


CELERY_BEAT_SCHEDULE: dict[str, Any] = registry.beat_schedule(nightly)
# Number of proxies in front of us whose X-Forwarded-For is trusted, from the right.
TRUSTED_PROXIES = ENV.trusted_proxies
# HTTP connections of one web process, and of one address.
CONNECTIONS = ENV.connections
CONNECTIONS_PER_ADDRESS = ENV.connections_per_address
# Maximum pairing attempts within ten minutes: from one address, and in total.
FLEET_PAIRING_LIMITS = (20, 600)
# Camera addresses that a studio may set per hour: each makes an agent connect to it and report what answers.
FLEET_CAMERA_ADDRESSES_PER_HOUR = 60
# Signed releases of the agent that agents update from.
FLEET_RELEASES = Path(ENV.releases) if ENV.releases else None

# --- Django -------------------------------------------------------------------------------------------------------
DEBUG = ENV.debug
SECRET_KEY = ENV.secret_key
ALLOWED_HOSTS = ENV.hosts
ROOT_URLCONF = "control_plane.config.urls"
ASGI_APPLICATION = "control_plane.config.asgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
TIME_ZONE = "UTC"
USE_I18N = True
LANGUAGE_CODE = "en-gb"
LOGGING_CONFIG = None
SITE_ID = None

INSTALLED_APPS = [
    "control_plane.config.apps.ConfigConfig",
    *(f"control_plane.{app}" for app in registry.APPS),
    "control_plane.console.admin_app.ConsoleAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.humanize",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.openid_connect",
    "allauth.socialaccount.providers.saml",
    "allauth.usersessions",
    "guardian",
    "csp",
    "django_htmx",
    "rest_framework",
]
MIDDLEWARE = [
    "control_plane.common.middleware.RequestId",
    "control_plane.common.middleware.ClientAddress",
    "django.middleware.security.SecurityMiddleware",
    "control_plane.config.assets.StaticFiles",
    "csp.middleware.CSPMiddleware",
    # Above everything that uses the database.
    "control_plane.common.outages.Outages",
    "control_plane.common.input_validation.InputValidation",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "control_plane.accounts.sessions.SessionExpiry",
    "django_htmx.middleware.HtmxMiddleware",
    "control_plane.common.middleware.ErrorResponses",
    "control_plane.api.authentication.ApiKeys",
    # Last, because it opens the studio and calls the view: all other `process_view` hooks must run before it.
    "control_plane.identity.middleware.StudioScope",
]

TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": TEMPLATE_DIRS,
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "control_plane.accounts.context.signin_context",
            ],
        },
    },
]


def _database() -> dict[str, Any]:
    url = ENV.database()
    base: dict[str, Any] = {
        "ENGINE": "django.db.backends.postgresql",
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {"application_name": "threedance"},
    }
    if url is None:
        return base | {"NAME": "threedance"}
    if ENV.database_pool and not DATABASE_AS_OWNER:
        # How long a request waits while the database is away. Retries use the same short limit: the pool's own backoff
        # grows to minutes and would prolong an outage of an hour by as much.
        base["OPTIONS"]["pool"] = {
            "min_size": 1,
            "max_size": ENV.database_pool,
            "timeout": 5,
            "reconnect_timeout": 5,
        }
    return base | {
        "NAME": url.name,
        "USER": url.user,
        "PASSWORD": url.password,
        "HOST": url.host,
        "PORT": url.port,
    }


DATABASES = {"default": _database()}
CACHES: dict[str, dict[str, Any]] = {
    "default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": VALKEY_URL}
    if VALKEY_URL
    else {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}
}
SESSION_ENGINE = "control_plane.accounts.session_store"

STATIC_URL = "/static/"
STATIC_ROOT = None
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.memory.InMemoryStorage"},
    "staticfiles": {"BACKEND": "control_plane.config.assets.HashedStorage"},
}
# Assets are served from the packages, so nothing needs to be collected.
STATICFILES_FINDERS = [
    "django.contrib.staticfiles.finders.AppDirectoriesFinder",
    "control_plane.config.assets.HashedFinder",
]
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = DEBUG

# --- who signs in, and how ----------------------------------------------------------------------------------------
AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = [
    "control_plane.accounts.backend.PasswordBackend",
    # Never asked; sessions store the name of the backend that opened them.
    "django.contrib.auth.backends.ModelBackend",
]
# Permissions on single objects are our own rows, with an end and an effect, which guardian's checks do not know.
# Only `access` reads them, so guardian's backend and its methods on users are not installed.
GUARDIAN_USER_OBJ_PERMS_MODEL = "access.ObjectPermission"
GUARDIAN_MONKEY_PATCH_USER = False
GUARDIAN_MONKEY_PATCH_GROUP = False
SILENCED_SYSTEM_CHECKS = [
    "guardian.W001",
    # Browsers' preload lists contain whole domains; entering one is up to its owner.
    "security.W021",
]
OPERATORS_NEED_SECOND_FACTOR = ENV.operators_need_second_factor
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 12},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "/"
ACCOUNT_ADAPTER = "control_plane.accounts.adapter.ClosedAccountAdapter"
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*", "password2*"]
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_EMAIL_NOTIFICATIONS = True
ACCOUNT_EMAIL_SUBJECT_PREFIX = ""
# Unknown addresses get no mail: a public form must not be a way to send mail to strangers.
ACCOUNT_EMAIL_UNKNOWN_ACCOUNTS = False
ACCOUNT_REAUTHENTICATION_METHODS = ["password", "mfa"]
ACCOUNT_REAUTHENTICATION_TIMEOUT = 300
# Otherwise an open session could add a password to an account with a passkey, without using the passkey.
ACCOUNT_REAUTHENTICATION_REQUIRED = True
ACCOUNT_LOGOUT_ON_PASSWORD_CHANGE = False
ACCOUNT_RATE_LIMITS = {
    "login": "30/m/ip",
    "login_failed": "10/m/ip,5/5m/key",
    "reset_password": "10/m/ip,3/10m/key",
    "reset_password_from_key": "20/m/ip",
    "reauthenticate": "10/m/user",
    "change_password": "5/m/user",
}
# Our own limits, in the same format: wrong passwords of one account from all networks (`login_failed` counts them per
# network), one-time links, invitations (view and accept), requests for consent, finding a provider, and looking up a
# domain in DNS.
SIGNIN_RATE_LIMITS = {
    "password": "100/h/key",
    "signin_link": "20/m/ip",
    "invitation": "20/m/ip",
    # At a parents' evening many people answer from one network.
    "consent": "120/m/ip",
    "find_provider": "20/m/ip",
    "domain": "30/h/user",
    "provider": "60/m/ip",
}
ACCOUNT_LOGOUT_REDIRECT_URL = "account_login"
ACCOUNT_PREVENT_ENUMERATION = True
ACCOUNT_SESSION_REMEMBER = True
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_PASSKEY_LOGIN_ENABLED = True
# Without a mail server nobody could prove an address and so have a second factor. A later proof of the address resets the
# account (`accounts.services.claim_address`).
MFA_ALLOW_UNVERIFIED_EMAIL = True
MFA_TOTP_ISSUER = "3Dance"
MFA_ADAPTER = "control_plane.accounts.adapter.FactorAdapter"
MFA_FORMS = {
    "add_webauthn": "control_plane.accounts.passkey_forms.AddPasskey",
    "authenticate_webauthn": "control_plane.accounts.passkey_forms.AskPasskey",
    "reauthenticate_webauthn": "control_plane.accounts.passkey_forms.AskPasskeyAgain",
    "login_webauthn": "control_plane.accounts.passkey_forms.SignInByPasskey",
}
USERSESSIONS_TRACK_ACTIVITY = False
SOCIALACCOUNT_ADAPTER = "control_plane.identity.sso.StudioProviders"
SOCIALACCOUNT_PROVIDERS = {
    "openid_connect": {"provider_class": "control_plane.accounts.provider.OpenIDProvider"},
    "saml": {"provider_class": "control_plane.accounts.provider.SamlProvider"},
}
# A form that redirects to another site violates our CSP for forms; sign-in starts with a link, and `connect` is refused.
SOCIALACCOUNT_LOGIN_ON_GET = True
SOCIALACCOUNT_STORE_TOKENS = False
SOCIALACCOUNT_EMAIL_AUTHENTICATION = False
SOCIALACCOUNT_REQUESTS_TIMEOUT = 10
SIGNIN_NETWORKS = ENV.networks("signin_networks")
SESSION_HOURS = ENV.session_hours
SESSION_IDLE_MINUTES = ENV.session_idle_minutes
ANONYMOUS_USER_NAME = None

# --- mail ---------------------------------------------------------------------------------------------------------
# Without a server nothing is sent or printed, because mails contain sign-in links.
_mail = ENV.email()
EMAIL_BACKEND = f"django.core.mail.backends.{'smtp' if _mail else 'dummy'}.EmailBackend"
if _mail:
    EMAIL_HOST, EMAIL_PORT = _mail.host, _mail.port
    EMAIL_HOST_USER, EMAIL_HOST_PASSWORD = _mail.user, _mail.password
    EMAIL_USE_TLS, EMAIL_USE_SSL = _mail.scheme == "smtp", _mail.scheme == "smtps"
    EMAIL_TIMEOUT = 15
    DEFAULT_FROM_EMAIL = SERVER_EMAIL = _mail.sender

# --- the browser --------------------------------------------------------------------------------------------------
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SESSION_COOKIE_NAME = "__Host-session" if HTTPS else "session"
CSRF_COOKIE_NAME = "__Host-csrf" if HTTPS else "csrf"
SESSION_COOKIE_HTTPONLY = True
CSRF_COOKIE_HTTPONLY = False
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_AGE = ENV.session_hours * 3600
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL]
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if HTTPS else None
SECURE_HSTS_SECONDS = 365 * 24 * 3600 if HTTPS else 0
# The control plane has its own host name, and with it all subdomains.
SECURE_HSTS_INCLUDE_SUBDOMAINS = HTTPS
# Browsers are redirected to HTTPS. API clients and agents are not: what they sent unencrypted could have been read already.
SECURE_SSL_REDIRECT = HTTPS
SECURE_REDIRECT_EXEMPT = [r"^agent/", r"^api/", r"^livez$", r"^readyz$"]
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
_store = urlsplit(OBJECT_STORE_URL)
# Playback is redirected to an S3 store; a local store is served by us.
_store_origins = (
    [f"{_store.scheme.removeprefix('s3+')}://{_store.netloc.rpartition('@')[2]}"]
    if _store.scheme.startswith("s3+")
    else []
)
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "connect-src": [SELF, *_store_origins],
        "media-src": [SELF, "blob:"],
        "worker-src": [SELF],
        "object-src": [NONE],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
        "form-action": [SELF],
    }
}
DATA_UPLOAD_MAX_MEMORY_SIZE = FORM_LIMIT_BYTES
# Forms have one file field; Django's default allows a hundred files.
DATA_UPLOAD_MAX_NUMBER_FILES = 4

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["rest_framework.authentication.SessionAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_THROTTLE_CLASSES": ["control_plane.plans.throttling.PlanThrottle"],
    "DEFAULT_PARSER_CLASSES": ["control_plane.api.parsers.JsonBodyParser"],
    "EXCEPTION_HANDLER": "control_plane.common.problems.drf_exception_handler",
}
