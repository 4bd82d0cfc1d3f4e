"""The environment, parsed once into a frozen value. Unknown `THREEDANCE_*` variables are errors."""

import re
import stat
from collections.abc import Mapping
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

import msgspec

from shared.kernel.redact import MASK, redact

PREFIX = "THREEDANCE_"
FOREIGN_PREFIXES = ("THREEDANCE_AGENT_", "THREEDANCE_DEMO_", "THREEDANCE_TEST_")
"""Variables of our other programs, which may share an environment with the control plane."""
SECRETS = (
    "secret_key",
    "database_url",
    "database_owner_url",
    "valkey_url",
    "object_store",
    "email_url",
    "key_shares",
    "checkpoint_webhook",
)

ADDRESSES = (
    "public_url",
    "database_url",
    "database_owner_url",
    "valkey_url",
    "object_store",
    "root_key",
    "root_key_older",
    "key_shares",
    "checkpoint_webhook",
    "email_url",
)
"""Fields that contain URLs."""
MAIL_PORTS = {"smtp": 587, "smtps": 465, "smtp+plain": 25}


class WrongEnvironment(Exception):
    """A variable is invalid. The message names the variable, its value without secrets, and the rule."""


class DatabaseUrl(msgspec.Struct, frozen=True, kw_only=True):
    """A PostgreSQL database and its role: `postgresql://user:password@host:port/name`, or `?host=/socket/folder`."""

    user: str
    password: str
    host: str
    port: str
    name: str

    def __repr__(self) -> str:
        return f"DatabaseUrl({self.user}@{self.host or 'localhost'}/{self.name})"


class EmailUrl(msgspec.Struct, frozen=True, kw_only=True):
    """The mail server and the sender's address."""

    scheme: str
    host: str
    port: int
    user: str
    password: str
    sender: str

    def __repr__(self) -> str:
        return f"EmailUrl({self.scheme}://{self.host}:{self.port})"


class Env(msgspec.Struct, frozen=True, kw_only=True):
    """Settings from the environment. Field `x` is variable `THREEDANCE_X`, for a secret also `THREEDANCE_X_FILE`."""

    database_url: str = ""
    database_owner_url: str = ""
    database_role: str = "application"
    database_pool: int = 16
    """Maximum connections that one process keeps; 0 opens one per request."""
    valkey_url: str = ""
    state: str = ""
    secret_key: str = ""
    root_key: str = ""
    """`file:///path`, `vault+https://host/transit/name` or `kms://region/key-id`; empty: the file of `root_key_file`."""
    root_key_older: str = ""
    """Comma-separated addresses of earlier root keys, until `manage rotate_root` has been run."""
    root_key_file: str = ""
    root_key_token_file: str = ""
    """Token file for Vault or OpenBao; read again after a refusal, so an agent may renew it."""
    key_shares: str = ""
    """`file:///folder` or `postgresql://user:password@host:port/name`; empty: a folder next to the root key file."""
    retired_keys_days: int = 35
    """Days that a studio's retired keys are kept; at least as long as the oldest database backup."""
    object_store: str = ""
    checkpoint_key_file: str = ""
    """Key that signs checkpoints of the audit log; empty: `checkpoint.key` next to the root key, created if missing."""
    checkpoint_folder: str = ""
    """A folder, usually on another machine, that gets a copy of each checkpoint."""
    checkpoint_webhook: str = ""
    """An https:// URL that each checkpoint is posted to."""
    checkpoint_mail: str = ""
    """Comma-separated e-mail addresses that each checkpoint is mailed to."""
    releases: str = ""
    """A folder of signed releases of the agent (`python -m deploy.agent publish`), from which agents update; empty: none."""
    region: str = ""
    """Region of the platform's own store, such as `eu-central-1`; empty: the region in the store's URL, or `local`."""
    store_networks: str = ""
    """Comma-separated private networks in which a studio's own store may be; empty: none."""
    store_grace_days: int = 7
    """Days that old copies are kept after a store migration."""
    nightly_hour: int = 2
    """The hour (UTC) in which nightly tasks start: integrity scans, removal of expired data."""
    check_days: int = 28
    """Within so many days every object is read back once; 0: only sizes are checked."""
    public_url: str = "http://127.0.0.1:8000"
    allowed_hosts: str = ""
    trusted_proxies: int = 0
    """Number of our own proxies that add to X-Forwarded-For; entries further left are not trusted."""
    connections: int = 4096
    """HTTP connections of one web process; established links of agents are counted separately."""
    connections_per_address: int = 256
    """Connections of one IPv4 address, or one IPv6 /64; not limited behind `trusted_proxies`."""
    signin_networks: str = ""
    """Comma-separated private networks (CIDR) in which identity providers may be, also over plain http."""
    session_hours: int = 336
    """Maximum lifetime of a session, in hours; a studio may require less."""
    session_idle_minutes: int = 4320
    """Maximum idle time of a session, in minutes; a studio may require less."""
    operators_need_second_factor: bool = True
    """Whether an operator needs a passkey or an authenticator app for break-glass access; studios may require it too."""
    debug: bool = False
    log_level: str = "INFO"
    log_json: bool = True
    email_url: str = ""
    """`smtp://user:password@host:587?from=studio@example.org` (STARTTLS), `smtps://` (implicit TLS) or `smtp+plain://`."""

    def __repr__(self) -> str:
        shown = ", ".join(
            f"{name}={MASK if name in SECRETS and value else value!r}"
            for name, value in msgspec.structs.asdict(self).items()
        )
        return f"Env({shown})"

    @property
    def hosts(self) -> list[str]:
        """Allowed host names: the configured ones and that of the public URL."""
        return sorted({*listed(self.allowed_hosts), urlsplit(self.public_url).hostname or ""} - {""})

    @property
    def state_path(self) -> Path:
        """The state folder; empty: `state` in the working directory."""
        return Path(self.state or "state")

    def database(self) -> DatabaseUrl | None:
        """Returns the database for this process's role, or None if it is not configured."""
        name = "database_owner_url" if self.database_role == "owner" else "database_url"
        value = getattr(self, name)
        return parse_database_url(value, variable(name)) if value else None

    def email(self) -> EmailUrl | None:
        """Returns the mail server, or None if it is not configured."""
        return parse_email_url(self.email_url, variable("email_url")) if self.email_url else None

    def networks(self, name: str) -> tuple[IPv4Network | IPv6Network, ...]:
        """Returns the networks of field `name`: `store_networks` or `signin_networks`.

        Raises:
            WrongEnvironment: an entry is not a network.
        """
        found = []
        for text in listed(getattr(self, name)):
            try:
                found.append(ip_network(text))
            except ValueError as error:
                raise WrongEnvironment(
                    f"{variable(name)}={text} is not a network such as 10.1.0.0/16"
                ) from error
        return tuple(found)

    def store_region(self) -> str:
        """Returns the region of the platform's own store."""
        in_url = parse_qs(urlsplit(self.object_store).query).get("region", [""])[0]
        return self.region or in_url or ("us-east-1" if self.object_store.startswith("s3+") else "local")

    def application_role(self) -> str:
        """Returns the name of the application's database role; empty if no database is configured."""
        if not self.database_url:
            return ""
        return parse_database_url(self.database_url, variable("database_url")).user


def parse(environ: Mapping[str, str]) -> Env:
    """Parses and validates the environment.

    Raises:
        WrongEnvironment: an unknown variable, one given twice, an unreadable file, or an invalid value.
    """
    values: dict[str, Any] = {}
    for key in sorted(environ):
        if not key.startswith(PREFIX) or key.startswith(FOREIGN_PREFIXES):
            continue
        name, text = _named(key, environ)
        if name in values:
            raise WrongEnvironment(
                f"{variable(name)} and {variable(name)}_FILE are both set; set one of them"
            )
        values[name] = text
    try:
        env = msgspec.convert(values, Env, strict=False)
    except msgspec.ValidationError as error:
        raise WrongEnvironment(_readable(error, values)) from error
    _validate(env)
    return env


def variable(name: str) -> str:
    """Returns the name of a field's variable."""
    return PREFIX + name.upper()


def listed(text: str) -> tuple[str, ...]:
    """Splits a comma-separated list."""
    return tuple(item.strip() for item in text.split(",") if item.strip())


def _split(value: str, key: str) -> SplitResult:
    try:
        return urlsplit(value)
    except ValueError as error:
        raise WrongEnvironment(f"{key}={redact(value)} is not a URL: {error}") from error


def _scheme(value: str, name: str) -> str:
    return _split(value, variable(name)).scheme


def parse_database_url(value: str, key: str) -> DatabaseUrl:
    """Parses the URL of a database.

    Raises:
        WrongEnvironment: it is not `postgresql://user:password@host:port/name`.
    """
    parts = _split(value, key)
    query = parse_qs(parts.query)
    name = unquote(parts.path.lstrip("/"))
    try:
        port = str(parts.port or "")
    except ValueError:
        port = "?"
    unknown = set(query) - {"host", "port"}
    if (
        parts.scheme not in ("postgresql", "postgres")
        or not parts.username
        or not name
        or unknown
        or port == "?"
    ):
        raise WrongEnvironment(
            f"{key}={redact(value)} is not postgresql://user:password@host:port/name"
            " (for a socket: postgresql://user:password@/name?host=/folder)"
        )
    return DatabaseUrl(
        user=unquote(parts.username),
        password=unquote(parts.password or ""),
        host=query.get("host", [unquote(parts.hostname or "")])[0],
        port=query.get("port", [port])[0],
        name=name,
    )


def parse_email_url(value: str, key: str) -> EmailUrl:
    """Parses the URL of a mail server.

    Raises:
        WrongEnvironment: it has none of the three forms of `Env.email_url`.
    """
    parts = _split(value, key)
    sender = parse_qs(parts.query).get("from", [""])[0]
    try:
        port = parts.port or MAIL_PORTS.get(parts.scheme, 0)
    except ValueError:
        port = 0
    if not port or parts.scheme not in MAIL_PORTS or not parts.hostname or "@" not in sender:
        raise WrongEnvironment(
            f"{key}={redact(value)} is not smtp://user:password@host:587?from=studio@example.org"
            " (or smtps://, or smtp+plain://)"
        )
    return EmailUrl(
        scheme=parts.scheme,
        host=parts.hostname,
        port=port,
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
        sender=sender,
    )


def _named(key: str, environ: Mapping[str, str]) -> tuple[str, str]:
    name = key.removeprefix(PREFIX).lower()
    if name in Env.__struct_fields__:
        return name, environ[key]
    of = name.removesuffix("_file")
    if name.endswith("_file") and of in SECRETS:
        try:
            return of, Path(environ[key]).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise WrongEnvironment(f"{key}={environ[key]} cannot be read: {error}") from error
    known = ", ".join(sorted(variable(field) for field in Env.__struct_fields__))
    raise WrongEnvironment(f"{key} is unknown; known variables are {known}")


def _readable(error: msgspec.ValidationError, values: Mapping[str, Any]) -> str:
    text = str(error)
    for name, value in values.items():
        if f"$.{name}`" in text:
            shown = MASK if name in SECRETS else redact(str(value))
            return f"{variable(name)}={shown}: {text.split(' - ')[0]}"
    return text


def _validate(env: Env) -> None:
    if env.database_role not in ("application", "owner"):
        raise WrongEnvironment(
            f"THREEDANCE_DATABASE_ROLE={env.database_role} is neither application nor owner"
        )
    for name in ADDRESSES:
        for url in listed(getattr(env, name)):
            _split(url, variable(name))
    for name in ("database_url", "database_owner_url"):
        if value := getattr(env, name):
            parse_database_url(value, variable(name))
    public = _split(env.public_url, "THREEDANCE_PUBLIC_URL")
    if public.scheme not in ("http", "https") or not public.hostname or public.path not in ("", "/"):
        raise WrongEnvironment(
            f"THREEDANCE_PUBLIC_URL={redact(env.public_url)} is not http(s)://host[:port] without a path"
        )
    if env.valkey_url and _scheme(env.valkey_url, "valkey_url") not in ("redis", "rediss", "unix"):
        raise WrongEnvironment(
            f"THREEDANCE_VALKEY_URL={redact(env.valkey_url)} must start with redis://, rediss:// or unix://"
        )
    if env.object_store and _scheme(env.object_store, "object_store") not in ("file", "s3+http", "s3+https"):
        raise WrongEnvironment(
            f"THREEDANCE_OBJECT_STORE={redact(env.object_store)} must start with file://, s3+http:// or s3+https://"
        )
    for name in ("root_key", "root_key_older"):
        for url in listed(getattr(env, name)):
            if _scheme(url, name) not in ("file", "vault+http", "vault+https", "kms"):
                raise WrongEnvironment(
                    f"{variable(name)}={redact(url)} must start with file://, vault+https:// or kms://"
                )
    if env.key_shares and _scheme(env.key_shares, "key_shares") not in ("file", "postgresql", "postgres"):
        raise WrongEnvironment(
            f"THREEDANCE_KEY_SHARES={redact(env.key_shares)} must start with file:// or postgresql://"
        )
    if env.retired_keys_days < 1:
        raise WrongEnvironment(f"THREEDANCE_RETIRED_KEYS_DAYS={env.retired_keys_days} is below 1")
    if env.checkpoint_webhook and _scheme(env.checkpoint_webhook, "checkpoint_webhook") != "https":
        raise WrongEnvironment(
            f"THREEDANCE_CHECKPOINT_WEBHOOK={redact(env.checkpoint_webhook)} is not an https:// URL"
        )
    if not all("@" in address for address in listed(env.checkpoint_mail)):
        raise WrongEnvironment("THREEDANCE_CHECKPOINT_MAIL is not a comma-separated list of e-mail addresses")
    if env.region and not re.fullmatch(r"[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?", env.region):
        raise WrongEnvironment(f"THREEDANCE_REGION={env.region} is not a region such as eu-central-1")
    env.networks("store_networks")
    env.networks("signin_networks")
    if env.store_grace_days < 0:
        raise WrongEnvironment(f"THREEDANCE_STORE_GRACE_DAYS={env.store_grace_days} is below 0")
    if not 0 <= env.check_days <= 365:
        raise WrongEnvironment(f"THREEDANCE_CHECK_DAYS={env.check_days} is not between 0 and 365")
    if not 0 <= env.nightly_hour <= 23:
        raise WrongEnvironment(f"THREEDANCE_NIGHTLY_HOUR={env.nightly_hour} is not an hour between 0 and 23")
    env.email()
    if not 0 <= env.trusted_proxies <= 8:
        raise WrongEnvironment(f"THREEDANCE_TRUSTED_PROXIES={env.trusted_proxies} is not between 0 and 8")
    for name in ("connections", "connections_per_address"):
        if getattr(env, name) < 8:
            raise WrongEnvironment(f"{variable(name)}={getattr(env, name)} is below 8")
    if env.session_hours < 1 or env.session_idle_minutes < 5:
        raise WrongEnvironment(
            "THREEDANCE_SESSION_HOURS must be at least 1, THREEDANCE_SESSION_IDLE_MINUTES at least 5"
        )
    if env.database_pool < 0:
        raise WrongEnvironment(f"THREEDANCE_DATABASE_POOL={env.database_pool} is below 0")
    if env.log_level not in ("DEBUG", "INFO", "WARNING", "ERROR"):
        raise WrongEnvironment(f"THREEDANCE_LOG_LEVEL={env.log_level} must be DEBUG, INFO, WARNING or ERROR")


def file_mode_fault(path: Path) -> str:
    """Returns why a secret file cannot be used; empty if it can."""
    try:
        mode = path.stat().st_mode
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    if not stat.S_ISREG(mode):
        return "is not a file"
    if mode & 0o077:
        return f"can be read by others (mode {stat.S_IMODE(mode):04o})"
    return ""
