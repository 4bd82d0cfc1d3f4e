"""User and password towards a camera: Basic and Digest, in RTSP and in HTTP. Pure.

FFmpeg knows Digest with MD5 alone; cameras that follow newer rules of their countries offer SHA-256 and nothing else.
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
"""Of all headers of an answer together: four challenges take half of it, and reading takes up to its square."""

_HASHES = {"SHA-512-256": "sha512_256", "SHA-256": "sha256", "MD5": "md5"}
"""Strongest first: the first one that a camera offers is taken."""
_SESSION = "-SESS"

_WORD = r"[A-Za-z0-9!#$%&'*+.^_`|~-]++"
_PART = re.compile(
    rf'(?P<name>{_WORD})\s*=\s*(?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<plain>[^\s,"]*))', re.ASCII
)
_SCHEME = re.compile(rf"(?P<scheme>{_WORD})(?=\s|,|$)", re.ASCII)


@dataclass(frozen=True)
class Challenge:
    """One way to sign in that a camera offers. Names of `parameters` are in lower case.

    Each character of a parameter is a byte that the camera sent: nobody says in which encoding it writes.
    """

    scheme: str
    parameters: Mapping[str, str]

    @property
    def algorithm(self) -> str:
        """The algorithm of Digest in capitals; MD5 where none is named."""
        return self.parameters.get("algorithm", "MD5").upper()

    @property
    def hash_name(self) -> str | None:
        """The name in `hashlib` of its hash; None where it is one that we do not know."""
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
    """Returns the challenges in the `WWW-Authenticate` headers of an answer, however they are spread over them."""
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
    """Answers the challenges of one camera, over all requests of a connection. Used by one thread at a time.

    Nothing is sent before the camera asks, and Basic only where it offers nothing better.
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
        """Notes that a request was answered: where it was signed, user and password are right."""
        self._was_accepted = self._challenge is not None

    def add_challenges(self, values: Iterable[str], *, was_signed: bool) -> None:
        """Takes the challenges of a 401. The caller repeats the request, a bounded number of times.

        Args:
            values: the `WWW-Authenticate` headers.
            was_signed: whether the refused request carried an answer to an earlier challenge.

        Raises:
            CameraFailed: repeating it is no use: there is nothing to sign with or it was wrong (`credentials_refused`),
                or the camera asks for what we cannot do (`authentication_unsupported`).
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
        # What was right a moment ago is out of date: some cameras forget to call a nonce stale.
        self._was_accepted = False
        self._challenge, self._count = best, 0

    def header(self, method: str, uri: str, body: bytes = b"") -> str | None:
        """Returns the `Authorization` header of a request; None where nobody has asked for one.

        Its characters are bytes, one each, as those of `uri` are: it is written as Latin-1. What the camera said goes back
        as it came; user and password are UTF-8.
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
    """Returns what quality of protection to answer with; empty: none, as before RFC 2617; None: it wants another."""
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
    """Returns a text with a character of Latin-1 for each of its bytes in UTF-8."""
    return text.encode().decode("latin-1")


def _quoted(text: str) -> str:
    # A line break in a user name must not begin another header.
    printable = re.sub(r"[\x00-\x1f\x7f]", "", text)
    return '"' + printable.replace("\\", "\\\\").replace('"', '\\"') + '"'
