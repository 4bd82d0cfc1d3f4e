"""Reads what a person typed as a camera's address: checks it, and splits the secrets out of it. Pure.

Nothing is repaired in silence: an address is taken as it is meant, whole, or refused with words that say what to type.
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
    """A source without secrets, and the secrets that stood in its address.

    `credentials` are None where it had none. `tail` is the secret end of the address, which stands behind the source's
    own; empty where there is none.
    """

    source: Source
    credentials: Credentials | None = field(default=None, repr=False)
    tail: str = field(default="", repr=False)


def read_address(text: str) -> TypedSource:
    """Returns the source that an address means: `rtsp(s)://...`, `http(s)://...` or `file:name`.

    User and password may stand in it as browsers have them (`%23` for #) or as they are, whatever signs they hold.

    Raises:
        ValueError: it means none, or could mean two; the message says what to type instead and shows no credentials.
    """
    text = text.strip()
    if not text:
        raise ValueError("Type the camera's address, such as rtsp://192.168.1.20:554/stream1.")
    if len(text) > MAX_ADDRESS_LENGTH:
        raise ValueError(f"The address is longer than {MAX_ADDRESS_LENGTH} characters.")
    if re.search(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]", text):
        raise ValueError(
            "The address has a line break or another sign in it that cannot be seen; type it anew."
        )
    if text.lower().startswith("file:"):
        return TypedSource(read_file_name(text[5:].removeprefix("//")))
    url = _URL.fullmatch(text)
    if url is None:
        suggestion = _suggested(text)
        raise ValueError(
            f"The address has to start with {_SCHEMES}."
            + (f" Did you mean {suggestion}?" if suggestion else "")
        )
    scheme, rest = url[1].lower(), url[2]
    if scheme not in ("rtsp", "rtsps", "http", "https"):
        raise ValueError(f"{scheme}:// is no camera address; it has to start with {_SCHEMES}.")
    user, at, behind = rest.rpartition("@")
    if at and _BEGIN_OF_PATH.search(user) and _is_place(_BEGIN_OF_PATH.split(rest, maxsplit=1)[0]):
        raise ValueError(
            "The address can be read in two ways. Where # / ? or @ belong to the password, write them as %23 %2F %3F"
            f" %40, or {_OWN_FIELDS}; an @ behind the host is written as %40."
        )
    place = _BEGIN_OF_PATH.split(behind, maxsplit=1)[0]
    path = behind[len(place) :]
    host = _checked_place(place)
    _check_path(path)
    clear, tail = split_tail(f"{scheme}://{host}{path}")
    return TypedSource(_source(scheme, clear), _credentials(user) if at else None, tail)


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
    if max(len(username), len(password)) > MAX_CREDENTIAL_LENGTH:
        raise ValueError(f"User name and password have at most {MAX_CREDENTIAL_LENGTH} characters.")
    if re.search(r"[\x00-\x1f\x7f]", username + password):
        raise ValueError("User name or password has a line break or another sign in it that cannot be seen.")
    return Credentials(username=username, password=password)


def _source(scheme: str, plain: str) -> Source:
    kind: type[RtspSource] | type[HttpSource] = RtspSource if scheme.startswith("rtsp") else HttpSource
    try:
        return msgspec.convert({"kind": scheme.rstrip("s"), "url": plain}, kind)
    except msgspec.ValidationError as error:
        raise ValueError("The address holds characters that no camera address has.") from error


def _is_place(text: str) -> bool:
    """Returns whether the end of `text`, behind any user, could be a host with or without a port."""
    try:
        _checked_place(text.rpartition("@")[2])
    except ValueError:
        return False
    return True


def _checked_place(text: str) -> str:
    """Returns host and port, checked. Raises ValueError with words for people."""
    parts = _HOST_AND_PORT.fullmatch(text)
    if parts is None:
        raise ValueError(
            "The host cannot be read: an IPv6 address stands in [brackets], a port behind a colon."
        )
    host, port = parts["host"].strip("[]"), parts["port"]
    if parts["host"].startswith("[") and ":" not in host:
        raise ValueError("Only an IPv6 address stands in [brackets].")
    _check_host(host)
    if port is not None and not (port.isascii() and port.isdigit() and 0 < int(port[:6]) < 65_536):
        raise ValueError("The port has to be a number from 1 to 65535.")
    return text.lower()


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
        if " " in host:
            raise ValueError("The host has a space in it; remove it.")
        raise ValueError(f"{host[:80]} is no host name: letters, digits, hyphens and dots.")


def _check_path(path: str) -> None:
    if "#" in path:
        raise ValueError("The address has a # behind the host; write it as %23.")
    if re.search(r"\s", path):
        raise ValueError("The address has a space in it; remove it, or write it as %20.")
    if MASK in path:
        raise ValueError(f"Type what {MASK} stands for again: it was sealed, and nobody here can read it.")


def _credentials(user: str) -> Credentials | None:
    """Returns what stands before the @: as it is where it holds signs that a browser would have escaped, else unescaped."""
    name, _, password = user.partition(":")
    is_raw = bool(re.search(r"[/?#@\[\]\s]", user) or "%" in _ESCAPE.sub("", user) or ":" in password)
    if is_raw and _ESCAPE.search(user):
        raise ValueError(
            f"The password can be read in two ways, for it holds a % and other signs. Write % as %25, or {_OWN_FIELDS}."
        )
    if not is_raw:
        try:
            name, password = unquote(name, errors="strict"), unquote(password, errors="strict")
        except UnicodeDecodeError as error:
            raise ValueError(
                f"The password has a % that stands for nothing. Write it as %25, or {_OWN_FIELDS}."
            ) from error
    return read_credentials(name, password)


def _suggested(text: str) -> str:
    """Returns the address that somebody who left out the scheme may have meant, without any secret; empty where none."""
    behind = text.rpartition("@")[2]
    place = _BEGIN_OF_PATH.split(behind, maxsplit=1)[0]
    if not _is_place(place) or "#" in behind:
        return ""
    clear, tail = split_tail(f"rtsp://{behind}")
    return "" if len(clear) > 100 or tail else clear
