"""The environment, parsed once into a frozen value: every `THREEDANCE_*` variable is known, or an error names it."""

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
"""Variables of other programs of ours that may share an environment with the control plane."""
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
"""Those that hold addresses."""
MAIL_PORTS = {"smtp": 587, "smtps": 465, "smtp+plain": 25}


class WrongEnvironment(Exception):
    """A variable breaks a rule. The message names it, the value without its secrets, and the rule."""


class DatabaseUrl(msgspec.Struct, frozen=True, kw_only=True):
    """Where PostgreSQL is and as whom: `postgresql://user:password@host:port/name`, or `?host=/socket/folder`."""

    user: str
    password: str
    host: str
    port: str
    name: str

    def __repr__(self) -> str:
        return f"DatabaseUrl({self.user}@{self.host or 'localhost'}/{self.name})"


class EmailUrl(msgspec.Struct, frozen=True, kw_only=True):
    """The server that takes mail, and the address that it comes from."""

    scheme: str
    host: str
    port: int
    user: str
    password: str
    sender: str

    def __repr__(self) -> str:
        return f"EmailUrl({self.scheme}://{self.host}:{self.port})"


class Env(msgspec.Struct, frozen=True, kw_only=True):
    """Settings from the environment. Field `x` is variable `THREEDANCE_X`; a secret may be given as `THREEDANCE_X_FILE`."""

    database_url: str = ""
    database_owner_url: str = ""
    database_role: str = "application"
    database_pool: int = 16
    """Most connections that one process keeps; 0 opens one for each request."""
    valkey_url: str = ""
    state: str = ""
    secret_key: str = ""
    root_key: str = ""
    """`file:///path`, `vault+https://host/transit/name` or `kms://region/key-id`; empty: the file of `root_key_file`."""
    root_key_older: str = ""
    """Addresses of the holders before it, with commas between, until `manage rotate_root` has been run."""
    root_key_file: str = ""
    root_key_token_file: str = ""
    """The token for Vault or OpenBao; read again when it is refused, so an agent may renew it."""
    key_shares: str = ""
    """`file:///folder` or `postgresql://user:password@host:port/name`; empty: a folder beside the root key's file."""
    retired_keys_days: int = 35
    """How long a studio's retired keys are kept; no shorter than the oldest backup of the database that is kept."""
    object_store: str = ""
    checkpoint_key_file: str = ""
    """Key that signs checkpoints of the audit log; empty: `checkpoint.key` beside the root key, created if missing."""
    checkpoint_folder: str = ""
    """A folder, on another machine as a rule, that gets a copy of each checkpoint."""
    checkpoint_webhook: str = ""
    """An https:// address that each checkpoint is posted to."""
    checkpoint_mail: str = ""
    """Addresses, parted by commas, that each checkpoint's hash is mailed to."""
    releases: str = ""
    """A folder of signed releases of the agent (`python -m deploy.agent publish`), for boxes to update from; empty: none."""
    region: str = ""
    """Where the platform's own store is, such as `eu-central-1`; empty: what the store's address says, or `local`."""
    store_networks: str = ""
    """Private networks, parted by commas, in which a studio's own store may be; empty: none."""
    store_grace_days: int = 7
    """How long the old copies are kept after footage was moved to another store."""
    nightly_hour: int = 2
    """The hour (UTC) in which the nightly work begins: checks of the stores, clearing of what has expired."""
    check_days: int = 28
    """In so many days every object is read back once; 0: its size is looked at, and it is never read."""
    public_url: str = "http://127.0.0.1:8000"
    allowed_hosts: str = ""
    trusted_proxies: int = 0
    """How many proxies of ours stand in front and add to X-Forwarded-For; what stands further left is not believed."""
    connections: int = 4096
    """How many HTTP connections one web process holds; agents' established links are counted apart from these."""
    connections_per_address: int = 256
    """How many of them one IPv4 address, or one /64 of IPv6, may have; not counted behind `trusted_proxies`."""
    signin_networks: str = ""
    """Private networks (CIDR, parted by commas) in which studios' identity providers may be, also by plain http."""
    session_hours: int = 336
    """How long anybody stays signed in at most; a studio may ask for less."""
    session_idle_minutes: int = 4320
    """How long a session lives that nobody uses; a studio may ask for less."""
    operators_need_second_factor: bool = True
    """Whether a platform operator needs a passkey or an authenticator app to break into a studio; studios may ask anyway."""
    debug: bool = False
    log_level: str = "INFO"
    log_json: bool = True
    email_url: str = ""
    """`smtp://user:password@host:587?from=studio@example.org` (STARTTLS), `smtps://` (TLS at once) or `smtp+plain://`."""

    def __repr__(self) -> str:
        shown = ", ".join(
            f"{name}={MASK if name in SECRETS and value else value!r}"
            for name, value in msgspec.structs.asdict(self).items()
        )
        return f"Env({shown})"

    @property
    def hosts(self) -> list[str]:
        """Host names that requests may be addressed to: the list, and the public address's own."""
        return sorted({*listed(self.allowed_hosts), urlsplit(self.public_url).hostname or ""} - {""})

    @property
    def state_path(self) -> Path:
        """The state folder; empty: the working folder's `state`."""
        return Path(self.state or "state")

    def database(self) -> DatabaseUrl | None:
        """Returns the database for this process's role, or None where none is set."""
        name = "database_owner_url" if self.database_role == "owner" else "database_url"
        value = getattr(self, name)
        return parse_database_url(value, variable(name)) if value else None

    def email(self) -> EmailUrl | None:
        """Returns the mail server, or None where none is set."""
        return parse_email_url(self.email_url, variable("email_url")) if self.email_url else None

    def networks(self, name: str) -> tuple[IPv4Network | IPv6Network, ...]:
        """Returns the networks of field `name`: `store_networks` or `signin_networks`.

        Raises:
            WrongEnvironment: one is no network.
        """
        found = []
        for text in listed(getattr(self, name)):
            try:
                found.append(ip_network(text))
            except ValueError as error:
                raise WrongEnvironment(
                    f"{variable(name)}={text} is no network such as 10.1.0.0/16"
                ) from error
        return tuple(found)

    def store_region(self) -> str:
        """Returns where the platform's own store is."""
        said = parse_qs(urlsplit(self.object_store).query).get("region", [""])[0]
        return self.region or said or ("us-east-1" if self.object_store.startswith("s3+") else "local")

    def application_role(self) -> str:
        """Returns the name of the role that the application connects as; empty where no database is set."""
        if not self.database_url:
            return ""
        return parse_database_url(self.database_url, variable("database_url")).user


def parse(environ: Mapping[str, str]) -> Env:
    """Returns what `environ` says.

    Raises:
        WrongEnvironment: an unknown variable, one given both ways, an unreadable file, or a value that breaks a rule.
    """
    values: dict[str, Any] = {}
    for key in sorted(environ):
        if not key.startswith(PREFIX) or key.startswith(FOREIGN_PREFIXES):
            continue
        name, text = _named(key, environ)
        if name in values:
            raise WrongEnvironment(f"{variable(name)} is set both as it is and as {variable(name)}_FILE")
        values[name] = text
    try:
        env = msgspec.convert(values, Env, strict=False)
    except msgspec.ValidationError as error:
        raise WrongEnvironment(_readable(error, values)) from error
    _validate(env)
    return env


def variable(name: str) -> str:
    """Returns the variable's name of a field."""
    return PREFIX + name.upper()


def listed(text: str) -> tuple[str, ...]:
    """Returns what stands between the commas of a variable."""
    return tuple(item.strip() for item in text.split(",") if item.strip())


def _split(value: str, key: str) -> SplitResult:
    try:
        return urlsplit(value)
    except ValueError as error:
        raise WrongEnvironment(f"{key}={redact(value)} is no address: {error}") from error


def _scheme(value: str, name: str) -> str:
    return _split(value, variable(name)).scheme


def parse_database_url(value: str, key: str) -> DatabaseUrl:
    """Returns the parts of a database address.

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
            f"{key}={redact(value)} is no postgresql://user:password@host:port/name"
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
    """Returns the parts of a mail server's address.

    Raises:
        WrongEnvironment: it is none of the three forms of `Env.email_url`.
    """
    parts = _split(value, key)
    sender = parse_qs(parts.query).get("from", [""])[0]
    try:
        port = parts.port or MAIL_PORTS.get(parts.scheme, 0)
    except ValueError:
        port = 0
    if not port or parts.scheme not in MAIL_PORTS or not parts.hostname or "@" not in sender:
        raise WrongEnvironment(
            f"{key}={redact(value)} is no smtp://user:password@host:587?from=studio@example.org"
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
    raise WrongEnvironment(f"{key} is not known; the control plane knows {known}")


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
            f"THREEDANCE_PUBLIC_URL={redact(env.public_url)} is no http(s)://host[:port] without a path"
        )
    if env.valkey_url and _scheme(env.valkey_url, "valkey_url") not in ("redis", "rediss", "unix"):
        raise WrongEnvironment(
            f"THREEDANCE_VALKEY_URL={redact(env.valkey_url)} starts with none of redis:// rediss:// unix://"
        )
    if env.object_store and _scheme(env.object_store, "object_store") not in ("file", "s3+http", "s3+https"):
        raise WrongEnvironment(
            f"THREEDANCE_OBJECT_STORE={redact(env.object_store)} starts with none of file:// s3+http:// s3+https://"
        )
    for name in ("root_key", "root_key_older"):
        for url in listed(getattr(env, name)):
            if _scheme(url, name) not in ("file", "vault+http", "vault+https", "kms"):
                raise WrongEnvironment(
                    f"{variable(name)}={redact(url)} starts with none of file:// vault+https:// kms://"
                )
    if env.key_shares and _scheme(env.key_shares, "key_shares") not in ("file", "postgresql", "postgres"):
        raise WrongEnvironment(
            f"THREEDANCE_KEY_SHARES={redact(env.key_shares)} starts with none of file:// postgresql://"
        )
    if env.retired_keys_days < 1:
        raise WrongEnvironment(f"THREEDANCE_RETIRED_KEYS_DAYS={env.retired_keys_days} is below 1")
    if env.checkpoint_webhook and _scheme(env.checkpoint_webhook, "checkpoint_webhook") != "https":
        raise WrongEnvironment(
            f"THREEDANCE_CHECKPOINT_WEBHOOK={redact(env.checkpoint_webhook)} is no https:// address"
        )
    if not all("@" in address for address in listed(env.checkpoint_mail)):
        raise WrongEnvironment("THREEDANCE_CHECKPOINT_MAIL is no list of e-mail addresses parted by commas")
    if env.region and not re.fullmatch(r"[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?", env.region):
        raise WrongEnvironment(f"THREEDANCE_REGION={env.region} is no region such as eu-central-1")
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
            "THREEDANCE_SESSION_HOURS is at least 1, THREEDANCE_SESSION_IDLE_MINUTES at least 5"
        )
    if env.database_pool < 0:
        raise WrongEnvironment(f"THREEDANCE_DATABASE_POOL={env.database_pool} is below 0")
    if env.log_level not in ("DEBUG", "INFO", "WARNING", "ERROR"):
        raise WrongEnvironment(f"THREEDANCE_LOG_LEVEL={env.log_level} is none of DEBUG INFO WARNING ERROR")


def file_mode_fault(path: Path) -> str:
    """Returns what is wrong with a secret file's presence or mode; empty where it is fit."""
    try:
        mode = path.stat().st_mode
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    if not stat.S_ISREG(mode):
        return "is no file"
    if mode & 0o077:
        return f"can be read by others (mode {stat.S_IMODE(mode):04o})"
    return ""
