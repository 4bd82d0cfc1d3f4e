"""Parses the address of a camera as typed by a person, and separates its secrets. Pure.

Nothing is repaired silently: an address is accepted unchanged, or refused with a text that says what to type.
"""

import ipaddress
import re
from dataclasses import dataclass, field
from urllib.parse import unquote

import msgspec

from shared.kernel.secret_tail import MASK, split_tail
from shared.protocol.config import Credentials, FileSource, HttpSource, RtspSource, Source

_LABEL = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)")
_SCHEMES = "rtsp://, rtsps://, http://, https:// or file:"
_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://(.*)", re.DOTALL)
_HOST_AND_PORT = re.compile(r"(?P<host>\[[^\[\]]*\]|[^:\[\]]*)(?::(?P<port>.*))?")
_BEGIN_OF_PATH = re.compile(r"[/?#]")
_ESCAPE = re.compile(r"%[0-9A-Fa-f]{2}")
MAX_CREDENTIAL_LENGTH = 200
MAX_ADDRESS_LENGTH = 2000

_OWN_FIELDS = "type user and password into their own fields"


@dataclass(frozen=True)
class TypedSource:
    """A source without secrets, and the secrets of its address.

    `credentials` None: it had none. `tail` is the secret end, to be appended to the address of the source; empty: none.
    """

    source: Source
    credentials: Credentials | None = field(default=None, repr=False)
    tail: str = field(default="", repr=False)


def read_address(text: str) -> TypedSource:
    """Parses an address: `rtsp(s)://...`, `http(s)://...` or `file:name`.

    User and password in it may be percent-encoded (`%23` for #) or plain, with any characters.

    Raises:
        ValueError: it is invalid or ambiguous; the message says what to type instead and contains no credentials.
    """
    text = text.strip()
    if not text:
        raise ValueError("Type the camera's address, such as rtsp://192.168.1.20:554/stream1.")
    if len(text) > MAX_ADDRESS_LENGTH:
        raise ValueError(f"The address is longer than {MAX_ADDRESS_LENGTH} characters.")
    if re.search(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]", text):
        raise ValueError("The address contains a line break or another invisible character. Type it again.")
    if text.lower().startswith("file:"):
        return TypedSource(read_file_name(text[5:].removeprefix("//")))
    url = _URL.fullmatch(text)
    if url is None:
        suggestion = _suggestion(text)
        raise ValueError(
            f"The address must start with {_SCHEMES}."
            + (f" Did you mean {suggestion}?" if suggestion else "")
        )
    scheme, rest = url[1].lower(), url[2]
    if scheme not in ("rtsp", "rtsps", "http", "https"):
        raise ValueError(f"{scheme}:// is not a camera address; it must start with {_SCHEMES}.")
    user, at, behind = rest.rpartition("@")
    if at and _BEGIN_OF_PATH.search(user) and _is_host_and_port(_BEGIN_OF_PATH.split(rest, maxsplit=1)[0]):
        raise ValueError(
            "The address is ambiguous. If # / ? or @ belong to the password, write them as %23 %2F %3F"
            f" %40, or {_OWN_FIELDS}; write an @ after the host as %40."
        )
    place = _BEGIN_OF_PATH.split(behind, maxsplit=1)[0]
    path = behind[len(place) :]
    host = _read_host_and_port(place)
    _check_path(path)
    clear, tail = split_tail(f"{scheme}://{host}{path}")
    return TypedSource(_source(scheme, clear), _credentials(user) if at else None, tail)


def read_file_name(text: str) -> FileSource:
    """Returns the source of a video file in the agent's own list.

    Raises:
        ValueError: it is not a plain name.
    """
    try:
        return msgspec.convert({"kind": "file", "name": text.strip()}, FileSource)
    except msgspec.ValidationError as error:
        raise ValueError(
            "Type the name that `threedance-agent media add` gave the file on the agent, such as"
            " rehearsal.mp4: letters, digits, dot, hyphen and underscore, no folders."
        ) from error


def read_credentials(username: str, password: str) -> Credentials | None:
    """Returns user and password, or None if both are empty.

    Raises:
        ValueError: the password has no user, or one of them is too long.
    """
    if not username and not password:
        return None
    if not username:
        raise ValueError("Type the camera's user name with its password.")
    if max(len(username), len(password)) > MAX_CREDENTIAL_LENGTH:
        raise ValueError(f"User name and password have at most {MAX_CREDENTIAL_LENGTH} characters.")
    if re.search(r"[\x00-\x1f\x7f]", username + password):
        raise ValueError("User name or password contains a line break or another invisible character.")
    return Credentials(username=username, password=password)


def _source(scheme: str, plain: str) -> Source:
    kind: type[RtspSource] | type[HttpSource] = RtspSource if scheme.startswith("rtsp") else HttpSource
    try:
        return msgspec.convert({"kind": scheme.rstrip("s"), "url": plain}, kind)
    except msgspec.ValidationError as error:
        raise ValueError("The address contains invalid characters.") from error


def _is_host_and_port(text: str) -> bool:
    """Returns whether the end of `text`, after a user if there is one, can be a host with an optional port."""
    try:
        _read_host_and_port(text.rpartition("@")[2])
    except ValueError:
        return False
    return True


def _read_host_and_port(text: str) -> str:
    """Returns host and port after checks. Raises ValueError with a text for people."""
    parts = _HOST_AND_PORT.fullmatch(text)
    if parts is None:
        raise ValueError(
            "The host is invalid: write an IPv6 address in [brackets], and a port after a colon."
        )
    host, port = parts["host"].strip("[]"), parts["port"]
    if parts["host"].startswith("[") and ":" not in host:
        raise ValueError("Only an IPv6 address may be in [brackets].")
    _check_host(host)
    if port is not None and not (port.isascii() and port.isdigit() and 0 < int(port[:6]) < 65_536):
        raise ValueError("The port must be a number from 1 to 65535.")
    return text.lower()


def _check_host(host: str) -> None:
    if not host:
        raise ValueError("The address has no host: rtsp://HOST:PORT/PATH.")
    if ":" in host or re.fullmatch(r"[0-9.]+", host):
        try:
            address = ipaddress.ip_address(host)
        except ValueError as error:
            raise ValueError(f"{host} is not an IP address: four numbers from 0 to 255.") from error
        if address.is_multicast or address.is_unspecified:
            raise ValueError(f"{host} is not the address of one camera.")
    elif len(host) > 253 or not all(_LABEL.fullmatch(label) for label in host.rstrip(".").split(".")):
        if " " in host:
            raise ValueError("The host contains a space; remove it.")
        raise ValueError(f"{host[:80]} is not a host name: letters, digits, hyphens and dots.")


def _check_path(path: str) -> None:
    if "#" in path:
        raise ValueError("The address has a # after the host; write it as %23.")
    if re.search(r"\s", path):
        raise ValueError("The address contains a space; remove it, or write it as %20.")
    if MASK in path:
        raise ValueError(f"Type what {MASK} stands for again: it was sealed and cannot be read here.")


def _credentials(user: str) -> Credentials | None:
    """Returns user and password before the @: unchanged if they contain characters that a browser would escape, else
    unescaped.
    """
    name, _, password = user.partition(":")
    is_raw = bool(re.search(r"[/?#@\[\]\s]", user) or "%" in _ESCAPE.sub("", user) or ":" in password)
    if is_raw and _ESCAPE.search(user):
        raise ValueError(
            f"The password is ambiguous: it contains a % and other special characters. Write % as %25, or {_OWN_FIELDS}."
        )
    if not is_raw:
        try:
            name, password = unquote(name, errors="strict"), unquote(password, errors="strict")
        except UnicodeDecodeError as error:
            raise ValueError(
                f"The password contains a % that is not an escape. Write it as %25, or {_OWN_FIELDS}."
            ) from error
    return read_credentials(name, password)


def _suggestion(text: str) -> str:
    """Returns a suggestion for an address without a scheme, without any secret; empty if there is none."""
    behind = text.rpartition("@")[2]
    place = _BEGIN_OF_PATH.split(behind, maxsplit=1)[0]
    if not _is_host_and_port(place) or "#" in behind:
        return ""
    clear, tail = split_tail(f"rtsp://{behind}")
    return "" if len(clear) > 100 or tail else clear
