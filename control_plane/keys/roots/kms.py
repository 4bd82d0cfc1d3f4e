"""A root key in AWS KMS, or a service with its protocol. It wraps and unwraps there; the key never leaves it.

The encryption context binds each wrapped secret. boto3 finds the credentials (environment, instance role).
Source: AWS KMS API reference (`Encrypt`, `Decrypt`, `DescribeKey`).
"""

from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

from control_plane.keys.errors import KeyRefused, KeysUnavailable, RootRefused

try:
    import boto3
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, PartialCredentialsError
except ImportError:  # the extra `kms` is not installed
    AWS: Any = None
else:
    # boto3 has no types.
    AWS = SimpleNamespace(client=boto3.client, config=Config)

ADDRESS = "kms://region/key-id (or alias/name; ?endpoint=https://... for a service other than Amazon's)"
RETRYABLE = frozenset(
    {
        "DependencyTimeoutException",
        "InternalException",
        "KMSInternalException",
        "KeyUnavailableException",
        "LimitExceededException",
        "RequestTimeout",
        "ServiceUnavailable",
        "Throttling",
        "ThrottlingException",
    }
)
CANNOT_OPEN = frozenset({"InvalidCiphertextException", "IncorrectKeyException"})


class KmsRootKey:
    """One symmetric key of a KMS. Thread-safe, as boto3 clients are."""

    kind = "a key management service (KMS)"

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        query = parse_qs(parts.query)
        key_id = parts.path.strip("/")
        if parts.scheme != "kms" or not parts.hostname or not key_id or set(query) - {"endpoint"}:
            raise ValueError(f"a root key in a KMS is {ADDRESS}")
        if AWS is None:
            raise ValueError("a root key in a KMS needs boto3: pip install 'threedance[kms]'")
        self._key_id = key_id
        self._id = f"kms:{parts.hostname}/{key_id}"[:200]
        self._client: Any = AWS.client(
            "kms",
            region_name=parts.hostname,
            endpoint_url=query.get("endpoint", [None])[0],
            # botocore retries with jitter.
            config=AWS.config(
                connect_timeout=2, read_timeout=5, retries={"mode": "standard", "total_max_attempts": 3}
            ),
        )

    def __repr__(self) -> str:
        return f"KmsRootKey({self._id})"

    @property
    def id(self) -> str:
        """See `RootKey.id`. A KMS rotates the material of a key itself, and still decrypts with the older material."""
        return self._id

    def holds(self, id_: str) -> bool:
        """See `RootKey.holds`."""
        return id_ == self._id

    def wrap(self, secret: bytes, *, kind: str, id_: UUID) -> bytes:
        """See `RootKey.wrap`."""
        given = {"KeyId": self._key_id, "Plaintext": secret, "EncryptionContext": _context(kind, id_)}
        return bytes(self._ask("encrypt", given, opening="")["CiphertextBlob"])

    def unwrap(self, wrapped: bytes, *, kind: str, id_: UUID) -> bytes:
        """See `RootKey.unwrap`."""
        given = {
            "KeyId": self._key_id,
            "CiphertextBlob": bytes(wrapped),
            "EncryptionContext": _context(kind, id_),
        }
        return bytes(self._ask("decrypt", given, opening=f"{kind} key of {id_}")["Plaintext"])

    def seed(self) -> bytes | None:
        """See `RootKey.seed`."""
        return None

    def _ask(self, call: str, given: dict[str, Any], *, opening: str) -> dict[str, Any]:
        try:
            answer: dict[str, Any] = getattr(self._client, call)(**given)
        except ClientError as error:
            raise _mapped(error, self._id, opening) from error
        except (NoCredentialsError, PartialCredentialsError) as error:
            raise RootRefused(
                f"there are no credentials for {self._id}: give the server a role, or set AWS_ACCESS_KEY_ID and"
                " AWS_SECRET_ACCESS_KEY"
            ) from error
        except BotoCoreError as error:
            raise KeysUnavailable(f"the root key service does not answer ({type(error).__name__})") from error
        return answer


def _mapped(error: "ClientError", place: str, opening: str) -> Exception:
    code = str(error.response.get("Error", {}).get("Code", ""))
    status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    if opening and (code in CANNOT_OPEN):
        return KeyRefused(f"a wrapped {opening} does not open")
    if code in RETRYABLE or (status >= 500):
        return KeysUnavailable(f"the root key service cannot answer now ({code or status})")
    return RootRefused(
        f"{place}: the KMS answers {code or status}; the role needs kms:Encrypt and kms:Decrypt on an enabled symmetric key"
    )


def _context(kind: str, id_: UUID) -> dict[str, str]:
    return {"threedance": "1", "kind": kind, "id": str(id_)}
