"""Reads what a person typed as a camera's address: checks it, and splits credentials out of it; pure."""

import ipaddress
import re
from dataclasses import dataclass, field
from urllib.parse import SplitResult, unquote, urlsplit, urlunsplit

import msgspec

from shared.protocol.config import Credentials, FileSource, HttpSource, RtspSource, Source

_LABEL = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)")
_SCHEMES = "rtsp://, rtsps://, http://, https:// or file:"
MOST_CREDENTIAL_LETTERS = 200


@dataclass(frozen=True)
class TypedSource:
    """A source without credentials, and the credentials that stood in its address (None: it had none)."""

    source: Source
    credentials: Credentials | None = field(default=None, repr=False)


def read_address(text: str) -> TypedSource:
    """Returns the source that an address means: `rtsp(s)://...`, `http(s)://...` or `file:name`.

    Raises:
        ValueError: it means none; the message says what to type instead and shows no credentials.
    """
    text = text.strip()
    if not text:
        raise ValueError("Type the camera's address, such as rtsp://192.168.1.20:554/stream1.")
    if len(text) > 2000:
        raise ValueError("The address is longer than 2000 characters.")
    if re.search(r"[\s\x00-\x1f\x7f]", text):
        raise ValueError("The address has a space or line break in it; remove it.")
    if text.lower().startswith("file:"):
        return TypedSource(read_file_name(text[5:].removeprefix("//")))
    if "://" not in text:
        raise ValueError(
            f"The address has to start with {_SCHEMES}. Did you mean rtsp://{_without_user(text)}?"
        )
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise ValueError(
            "The address cannot be read: the port has to be a number from 1 to 65535, and an IPv6 address"
            " stands in [brackets]."
        ) from error
    scheme = parts.scheme.lower()
    if scheme not in ("rtsp", "rtsps", "http", "https"):
        raise ValueError(f"{scheme}:// is no camera address; it has to start with {_SCHEMES}.")
    if port == 0:
        raise ValueError("The port has to be a number from 1 to 65535.")
    _check_host(parts.hostname or "")
    credentials = _credentials(parts)
    plain = urlunsplit((scheme, _host_and_port(parts, port), parts.path, parts.query, ""))
    if "@" in plain:
        raise ValueError("The address has an @ behind the host; write it as %40.")
    return TypedSource(_source(scheme, plain), credentials)


def read_file_name(text: str) -> FileSource:
    """Returns the source that plays a file of the box's own list.

    Raises:
        ValueError: it is no plain name.
    """
    try:
        return msgspec.convert({"kind": "file", "name": text.strip()}, FileSource)
    except msgspec.ValidationError as error:
        raise ValueError(
            "Type the name under which `threedance-agent media add` put the file on the box, such as"
            " rehearsal.mp4: letters, digits, dot, hyphen and underscore, no folders."
        ) from error


def read_credentials(username: str, password: str) -> Credentials | None:
    """Returns user and password as typed, or None where both are empty.

    Raises:
        ValueError: there is a password without a user, or one is too long.
    """
    if not username and not password:
        return None
    if not username:
        raise ValueError("Type the camera's user name with its password.")
    if max(len(username), len(password)) > MOST_CREDENTIAL_LETTERS:
        raise ValueError(f"User name and password have at most {MOST_CREDENTIAL_LETTERS} characters.")
    return Credentials(username=username, password=password)


def _source(scheme: str, plain: str) -> Source:
    kind: type[RtspSource] | type[HttpSource] = RtspSource if scheme.startswith("rtsp") else HttpSource
    try:
        return msgspec.convert({"kind": scheme.rstrip("s"), "url": plain}, kind)
    except msgspec.ValidationError as error:
        raise ValueError("The address holds characters that no camera address has.") from error


def _check_host(host: str) -> None:
    if not host:
        raise ValueError("The address names no host: rtsp://HOST:PORT/PATH.")
    if ":" in host or re.fullmatch(r"[0-9.]+", host):
        try:
            address = ipaddress.ip_address(host)
        except ValueError as error:
            raise ValueError(f"{host} is no IP address: four numbers from 0 to 255.") from error
        if address.is_multicast or address.is_unspecified:
            raise ValueError(f"{host} is not the address of one camera.")
    elif len(host) > 253 or not all(_LABEL.fullmatch(label) for label in host.rstrip(".").split(".")):
        raise ValueError(f"{host[:80]} is no host name: letters, digits, hyphens and dots.")


def _credentials(parts: SplitResult) -> Credentials | None:
    if parts.username is None and parts.password is None:
        return None
    return read_credentials(unquote(parts.username or ""), unquote(parts.password or ""))


def _host_and_port(parts: SplitResult, port: int | None) -> str:
    host = parts.hostname or ""
    host = f"[{host}]" if ":" in host else host
    return host if port is None else f"{host}:{port}"


def _without_user(text: str) -> str:
    return text.rpartition("@")[2][:100]
