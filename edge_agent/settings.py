"""The agent's own settings, `STATE/settings.toml`: rules that no pushed configuration can change."""

import ipaddress
import re
import tomllib
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from edge_agent.errors import SettingsInvalid, StateUnwritable

SETTINGS_FILE = "settings.toml"

PRIVATE_NETWORKS = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")
"""Networks of wall cameras. Source: RFC 1918, RFC 4193.

Excluded are the agent's own machine (127.0.0.0/8, ::1), whose services often trust every local client, and link-local
networks (169.254.0.0/16, fe80::/10), where clouds serve credentials of the machine. An owner with cameras there adds them
to `allowed_networks`.
"""

_FORMER_DEFAULT = (
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "169.254.0.0/16",
    "127.0.0.0/8",
    "::1/128",
    "fc00::/7",
    "fe80::/10",
)
"""The default before 30 November 2026; `media add` wrote it into the file of every agent that has one."""

_MEDIA_NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}\Z"
MediaName = Annotated[str, Meta(pattern=_MEDIA_NAME)]


class SpoolSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the agent buffers footage that is not uploaded yet.

    `when_full` decides what is lost when the disk is full and no uploaded copy is left to remove: new pictures
    ("stop-newest": recording stops) or the oldest footage without a receipt ("drop-oldest"). Either loss is recorded as a
    gap. `max_hours` is a budget in hours of all cameras together at their current bit rate, in addition to the
    configuration's budget in bytes; None: bytes alone.
    """

    when_full: Literal["stop-newest", "drop-oldest"] = "stop-newest"
    max_hours: Annotated[int, Meta(ge=1, le=8760)] | None = None


class UpdateSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whether the agent updates itself. On by default, because most agents have no administrator, and a version that the
    control plane does not hear from is rolled back. Without release keys in its package an agent never updates."""

    automatic: bool = True


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The rules of the machine's owner.

    `media` maps the names that file cameras may use to paths of video files on this machine; `allowed_networks` are the
    networks (CIDR) in which cameras may be, by default the private ranges.
    """

    media: dict[MediaName, str] = {}
    allowed_networks: tuple[str, ...] = PRIVATE_NETWORKS
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    spool: SpoolSettings = SpoolSettings()
    update: UpdateSettings = UpdateSettings()


def check_media_name(name: str) -> None:
    """Checks a name for the list of media files.

    Raises:
        SettingsInvalid: the name is malformed.
    """
    if re.search(_MEDIA_NAME, name) is None:
        raise SettingsInvalid(
            f"{name[:120]!r} is not a valid name for a media file",
            "Use letters from a to z, digits, dots, dashes and underscores, at most 100, the first a letter or a digit.",
        )


def load_settings(state: Path) -> Settings:
    """Returns the settings of the state folder; the defaults if it has no settings file.

    Raises:
        SettingsInvalid: the file is not TOML, has an unknown key, or a value breaks its rule.
    """
    path = state / SETTINGS_FILE
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return Settings()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsInvalid(f"{path} cannot be read: {error}") from error
    try:
        settings = _validated(path, msgspec.convert(tomllib.loads(text), Settings))
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise SettingsInvalid(f"{path}: {error}") from error
    if settings.allowed_networks == _FORMER_DEFAULT:
        # Not chosen by anyone: `media add` wrote it into the file.
        settings = msgspec.structs.replace(settings, allowed_networks=PRIVATE_NETWORKS)
    return settings


def save_settings(state: Path, settings: Settings) -> None:
    """Replaces the settings file of the state folder.

    Raises:
        SettingsInvalid: a value breaks its rule; nothing is written.
        StateUnwritable: the folder cannot be written; the old file stays.
    """
    path = state / SETTINGS_FILE
    try:
        _validated(path, msgspec.convert(msgspec.to_builtins(settings), Settings))
    except msgspec.ValidationError as error:
        raise SettingsInvalid(f"{path}: {error}") from error
    draft = path.with_suffix(".toml.new")
    try:
        draft.write_bytes(_toml(settings))
        draft.replace(path)
    except OSError as error:
        raise StateUnwritable(str(path), error.strerror or str(error)) from error


def _validated(path: Path, settings: Settings) -> Settings:
    for network in settings.allowed_networks:
        try:
            ipaddress.ip_network(network)
        except ValueError as error:
            raise SettingsInvalid(f"{path}: allowed_networks: {error}") from error
    for name, file in settings.media.items():
        if not Path(file).is_absolute():
            raise SettingsInvalid(f"{path}: media.{name}: the path has to start with /")
    return settings


def _toml(settings: Settings) -> bytes:
    # The values are plain strings: a JSON string is a TOML basic string.
    def quoted(text: str) -> str:
        return msgspec.json.encode(text).decode().replace("\x7f", "\\u007f")

    networks = ", ".join(quoted(network) for network in settings.allowed_networks)
    # The default is not written, so that a later version may change it.
    chosen = settings.allowed_networks != PRIVATE_NETWORKS
    lines = [f"allowed_networks = [{networks}]"] if chosen else []
    lines += [f"log_level = {quoted(settings.log_level)}", ""]
    lines += ["[spool]", f"when_full = {quoted(settings.spool.when_full)}"]
    lines += [f"max_hours = {settings.spool.max_hours}"] if settings.spool.max_hours else []
    lines += ["", "[update]", f"automatic = {str(settings.update.automatic).lower()}"]
    lines += ["", "[media]"]
    lines += [f"{quoted(name)} = {quoted(path)}" for name, path in sorted(settings.media.items())]
    return ("\n".join(lines) + "\n").encode()
