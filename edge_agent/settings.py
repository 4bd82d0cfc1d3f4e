"""The box's own settings, in `STATE/settings.toml`: what no pushed configuration may decide."""

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
"""Where wall cameras live. Source: RFC 1918, RFC 4193.

Not the agent's own machine (127.0.0.0/8, ::1), where services listen that trust whoever can reach them, and not the
link-local networks (169.254.0.0/16, fe80::/10), where clouds answer with the keys of the machine: an owner who has
cameras there says so in `allowed_networks`.
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
    """How the box keeps what is not uploaded yet.

    `when_full`: what goes where there is no room and no copy of something uploaded is left: the newest pictures
    ("stop-newest": recording stands still) or the oldest footage that was never uploaded ("drop-oldest"). Either loss
    is on record. `max_hours`: the budget in hours of all cameras together at the pace they record, beside the budget in
    bytes of the configuration; None: bytes alone.
    """

    when_full: Literal["stop-newest", "drop-oldest"] = "stop-newest"
    max_hours: Annotated[int, Meta(ge=1, le=8760)] | None = None


class UpdateSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whether the box takes newer versions of itself. It does by default: nobody looks after most boxes, and it goes back
    to the old version where the new one is not heard of. Only a package that brings the keys of releases ever does."""

    automatic: bool = True


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the owner of the box allows.

    `media` maps the names that file cameras may use to paths of video files on the box; `allowed_networks` are the
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
        SettingsInvalid: it is none.
    """
    if re.search(_MEDIA_NAME, name) is None:
        raise SettingsInvalid(
            f"{name[:120]!r} is no name for a media file",
            "Use letters from a to z, digits, dots, dashes and underscores, at most 100, the first a letter or a digit.",
        )


def load_settings(state: Path) -> Settings:
    """Returns the settings of the state folder; the defaults where it has no settings file.

    Raises:
        SettingsInvalid: the file is no TOML, has an unknown key, or a value breaks its rule.
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
        # Nobody chose it: it was written beside a media file.
        settings = msgspec.structs.replace(settings, allowed_networks=PRIVATE_NETWORKS)
    return settings


def save_settings(state: Path, settings: Settings) -> None:
    """Writes `settings` to the state folder, in place of what stands there.

    Raises:
        SettingsInvalid: a value breaks its rule; nothing is written.
        StateUnwritable: the folder cannot be written; the old file stands.
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
    # A default that is not written down is followed by the agent's updates.
    chosen = settings.allowed_networks != PRIVATE_NETWORKS
    lines = [f"allowed_networks = [{networks}]"] if chosen else []
    lines += [f"log_level = {quoted(settings.log_level)}", ""]
    lines += ["[spool]", f"when_full = {quoted(settings.spool.when_full)}"]
    lines += [f"max_hours = {settings.spool.max_hours}"] if settings.spool.max_hours else []
    lines += ["", "[update]", f"automatic = {str(settings.update.automatic).lower()}"]
    lines += ["", "[media]"]
    lines += [f"{quoted(name)} = {quoted(path)}" for name, path in sorted(settings.media.items())]
    return ("\n".join(lines) + "\n").encode()
