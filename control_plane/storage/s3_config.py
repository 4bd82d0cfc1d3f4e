"""Configuration of one S3 store: location, credentials and access rules, from a settings URL or a studio's row."""

import re
from dataclasses import dataclass, field
from enum import StrEnum
from urllib.parse import parse_qs, unquote, urlsplit

from control_plane.common.ssrf_guard import Network
from shared.kernel.redact import redact

_PREFIX = re.compile(r"(?:[A-Za-z0-9_-][A-Za-z0-9._-]*/)*")
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,61}[A-Za-z0-9]")


class ServerSide(StrEnum):
    """Server-side encryption that the store applies to each object, in addition to the product's own."""

    NONE = "none"
    SSE_S3 = "sse-s3"
    SSE_KMS = "sse-kms"


@dataclass(frozen=True, slots=True, kw_only=True)
class S3Config:
    """One bucket, or a prefix in one.

    Args:
        netloc: host, or `host:port`.
        prefix: empty, or folders that end in a slash; prepended to every key.
        ca_pem: certificates to trust in place of the system's; empty: the system's.
        guarded: whether addresses pass the SSRF guard; true for every store that a studio adds.
        allowed: private networks that a guarded store may be in.
        direct_puts: whether agents upload directly to it.
        direct_gets: whether browsers read directly from it.

    Raises:
        ValueError: a part is invalid; the message holds no secret.
    """

    netloc: str
    bucket: str
    access_key: str = field(repr=False)
    secret_key: str = field(repr=False)
    secure: bool = True
    region: str = "us-east-1"
    prefix: str = ""
    ca_pem: str = field(default="", repr=False)
    server_side: ServerSide = ServerSide.NONE
    kms_key_id: str = ""
    guarded: bool = False
    allowed: tuple[Network, ...] = ()
    direct_puts: bool = True
    direct_gets: bool = True

    def __post_init__(self) -> None:
        if not _BUCKET.fullmatch(self.bucket):
            raise ValueError(f"{self.bucket[:80]!r} is not a valid bucket name")
        if not _PREFIX.fullmatch(self.prefix):
            raise ValueError(
                f"{self.prefix[:80]!r} is not a valid prefix; it needs a form such as dance/ or dance/footage/"
            )
        if not self.access_key or not self.secret_key:
            raise ValueError("an S3 store needs an access key and a secret key")
        if self.server_side is ServerSide.SSE_KMS and not self.kms_key_id:
            raise ValueError("encryption with a key service needs the key's id")

    @property
    def origin(self) -> str:
        """`https://host:port`, the origin in the sense of browsers."""
        return f"{'https' if self.secure else 'http'}://{self.netloc}"

    @classmethod
    def of_url(cls, url: str) -> "S3Config":
        """Returns the configuration of `s3+http(s)://access:secret@host[:port]/bucket?region=name`.

        Raises:
            ValueError: the URL has another form; the message is redacted.
        """
        parts = urlsplit(url)
        bucket = parts.path.strip("/")
        if (
            parts.scheme not in ("s3+http", "s3+https")
            or not (parts.hostname and parts.username and parts.password and bucket)
            or "/" in bucket
        ):
            raise ValueError(
                f"{redact(url)} does not have the form s3+http(s)://access:secret@host:port/bucket?region=name"
            )
        return cls(
            netloc=parts.netloc.rpartition("@")[2],
            bucket=bucket,
            access_key=unquote(parts.username),
            secret_key=unquote(parts.password),
            secure=parts.scheme == "s3+https",
            region=parse_qs(parts.query).get("region", ["us-east-1"])[0],
        )
