"""Authentication at cameras: Basic and Digest, in RTSP and HTTP. Pure.

FFmpeg supports Digest with MD5 alone; cameras that follow newer national regulations offer only SHA-256.
Source: RFC 7616 (Digest), RFC 7617 (Basic), RFC 2326 section 14, RFC 9110 section 11.
"""

import hashlib
import re
import secrets
from base64 import b64encode
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from edge_agent.errors import CameraFailed
from shared.protocol.config import Credentials
from shared.protocol.status import CameraError

CHALLENGE_LIMIT_CHARS = 2048
"""Limit for all headers of a response together: four challenges take half of it, and parsing is quadratic at worst."""

_HASHES = {"SHA-512-256": "sha512_256", "SHA-256": "sha256", "MD5": "md5"}
"""Strongest first: the first one that a camera offers is used."""
_SESSION = "-SESS"

_WORD = r"[A-Za-z0-9!#$%&'*+.^_`|~-]++"
_PART = re.compile(
    rf'(?P<name>{_WORD})\s*=\s*(?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<plain>[^\s,"]*))', re.ASCII
)
_SCHEME = re.compile(rf"(?P<scheme>{_WORD})(?=\s|,|$)", re.ASCII)


@dataclass(frozen=True)
class Challenge:
    """One authentication scheme that a camera offers. Names of `parameters` are lower-case.

    Each character of a parameter is one byte of the camera, because the encoding is unknown.
    """

    scheme: str
    parameters: Mapping[str, str]

    @property
    def algorithm(self) -> str:
        """The algorithm of Digest in capitals; MD5 by default."""
        return self.parameters.get("algorithm", "MD5").upper()

    @property
    def hash_name(self) -> str | None:
        """The `hashlib` name of its hash; None if it is unknown."""
        return _HASHES.get(self.algorithm.removesuffix(_SESSION))

    @property
    def is_usable(self) -> bool:
        """Whether it can be answered."""
        if self.scheme != "digest":
            return self.scheme == "basic"
        return self.hash_name is not None and "nonce" in self.parameters and _qop(self) is not None

    @property
    def strength(self) -> int:
        """Higher is better: Digest by its hash, then Basic."""
        if self.scheme != "digest":
            return 0
        return len(_HASHES) - list(_HASHES.values()).index(self.hash_name or "md5")

    def __str__(self) -> str:
        return f"Digest with {self.algorithm}"[:40] if self.scheme == "digest" else self.scheme.title()[:40]


def challenges_of(values: Iterable[str]) -> list[Challenge]:
    """Returns the challenges in the `WWW-Authenticate` headers of a response, one or several per header."""
    found: list[tuple[str, dict[str, str]]] = []
    left = CHALLENGE_LIMIT_CHARS
    for value in values:
        text, at = value[:left], 0
        left -= len(text)
        while at < len(text):
            if part := _PART.match(text, at):
                if found:
                    quoted = part["quoted"]
                    plain = part["plain"] if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
                    found[-1][1].setdefault(part["name"].lower(), plain)
                at = part.end()
            elif scheme := _SCHEME.match(text, at):
                found.append((scheme["scheme"].lower(), {}))
                at = scheme.end()
            else:
                at += 1
    return [Challenge(scheme, parameters) for scheme, parameters in found]


class Authenticator:
    """Answers the challenges of one camera for all requests of a connection. Used by one thread at a time.

    Nothing is sent before the camera requests it, and Basic only if it offers nothing better.
    """

    def __init__(
        self,
        credentials: Credentials | None,
        *,
        new_cnonce: Callable[[], str] = lambda: secrets.token_hex(8),
    ) -> None:
        self._credentials = credentials
        self._new_cnonce = new_cnonce
        self._challenge: Challenge | None = None
        self._count = 0
        self._was_accepted = False

    def accepted(self) -> None:
        """Records a successful request: if it was signed, user and password are correct."""
        self._was_accepted = self._challenge is not None

    def add_challenges(self, values: Iterable[str], *, was_signed: bool) -> None:
        """Adds the challenges of a 401. The caller repeats the request a bounded number of times.

        Args:
            values: the `WWW-Authenticate` headers.
            was_signed: whether the refused request carried an answer to an earlier challenge.

        Raises:
            CameraFailed: repeating is useless: credentials are missing or wrong (`credentials_refused`), or the camera
                requires an unsupported scheme (`authentication_unsupported`).
        """
        offered = challenges_of(values)
        usable = [challenge for challenge in offered if challenge.is_usable]
        if self._credentials is None:
            raise CameraFailed(CameraError.REFUSED, "the camera asks for user and password, and none are set")
        if not usable:
            names = ", ".join(sorted({str(challenge) for challenge in offered})[:4])
            raise CameraFailed(
                CameraError.AUTHENTICATION_UNSUPPORTED,
                f"the camera asks for {names}" if names else "the camera does not say how to sign in",
            )
        best = max(usable, key=lambda challenge: challenge.strength)
        is_stale = best.parameters.get("stale", "").lower() == "true"
        if was_signed and not is_stale and not self._was_accepted:
            raise CameraFailed(CameraError.REFUSED, f"user or password is wrong ({best})")
        # Correct before, so the nonce has expired: some cameras do not mark it as stale.
        self._was_accepted = False
        self._challenge, self._count = best, 0

    def header(self, method: str, uri: str, body: bytes = b"") -> str | None:
        """Returns the `Authorization` header of a request; None before a challenge.

        Each character is one byte, as in `uri`: send it as Latin-1. The camera's parameters are returned byte for byte; user
        and password are UTF-8.
        """
        challenge, credentials = self._challenge, self._credentials
        if challenge is None or credentials is None:
            return None
        if challenge.scheme == "basic":
            login = f"{credentials.username}:{credentials.password}".encode()
            return f"Basic {b64encode(login).decode()}"
        self._count += 1
        return _digest(challenge, credentials, method, uri, body, self._count, self._new_cnonce())


def _qop(challenge: Challenge) -> str | None:
    """Returns the quality of protection to use; empty: none, as before RFC 2617; None: unsupported."""
    if "qop" not in challenge.parameters:
        return ""
    offered = {word.strip().lower() for word in challenge.parameters["qop"].split(",")}
    return next((word for word in ("auth", "auth-int") if word in offered), None if offered - {""} else "")


def _digest(
    challenge: Challenge,
    credentials: Credentials,
    method: str,
    uri: str,
    body: bytes,
    count: int,
    cnonce: str,
) -> str:
    name = challenge.hash_name or "md5"

    def hashed(*parts: str) -> str:
        text = ":".join(parts).encode("latin-1", "replace")
        return hashlib.new(name, text, usedforsecurity=False).hexdigest()

    said = challenge.parameters
    realm, nonce, qop = said.get("realm", ""), said["nonce"], _qop(challenge) or ""
    username, password = (_as_bytes(text) for text in (credentials.username, credentials.password))
    secret = hashed(username, realm, password)
    if challenge.algorithm.endswith(_SESSION):
        secret = hashed(secret, nonce, cnonce)
    asked = [method, uri]
    if qop == "auth-int":
        asked.append(hashlib.new(name, body, usedforsecurity=False).hexdigest())
    numbered = [f"{count:08x}", cnonce, qop] if qop else []
    response = hashed(secret, nonce, *numbered, hashed(*asked))
    hashes_user = said.get("userhash", "").lower() == "true"
    user = hashed(username, realm) if hashes_user else username
    parts = [f"username={_quoted(user)}", f"realm={_quoted(realm)}", f"nonce={_quoted(nonce)}"]
    parts += [f"uri={_quoted(uri)}", f'response="{response}"']
    if "algorithm" in said:
        parts.append(f"algorithm={said['algorithm']}")
    if qop:
        parts += [f'cnonce="{cnonce}"', f"qop={qop}", f"nc={count:08x}"]
    elif challenge.algorithm.endswith(_SESSION):
        parts.append(f'cnonce="{cnonce}"')
    if "opaque" in said:
        parts.append(f"opaque={_quoted(said['opaque'])}")
    if hashes_user:
        parts.append("userhash=true")
    return "Digest " + ", ".join(parts)


def _as_bytes(text: str) -> str:
    """Returns the UTF-8 bytes of a text as one Latin-1 character each."""
    return text.encode().decode("latin-1")


def _quoted(text: str) -> str:
    # A line break in a user name must not start another header.
    printable = re.sub(r"[\x00-\x1f\x7f]", "", text)
    return '"' + printable.replace("\\", "\\\\").replace('"', '\\"') + '"'
