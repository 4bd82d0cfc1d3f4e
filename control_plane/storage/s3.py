"""Objects in an S3-compatible store, through the `minio` client.

A PUT is signed in its headers, not in its query: the signature then covers length, SHA-256 and `If-None-Match`, and
the store itself refuses other bytes (tested with radosgw). The signature is valid for 15 minutes, like upload targets.
Source: AWS Signature Version 4, "Authenticating requests using the Authorization header".
"""

import contextlib
import hashlib
import ssl
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from hashlib import md5
from typing import NamedTuple, TypeVar
from urllib.parse import SplitResult
from xml.sax.saxutils import escape

import urllib3
from minio import Minio, time
from minio.credentials.providers import StaticProvider
from minio.error import InvalidResponseError, MinioException, S3Error, ServerError
from minio.signer import sign_v4_s3
from tenacity import retry, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from control_plane.common.limited_http import BoundedPool, stream
from control_plane.common.ssrf_guard import guarded_pool
from control_plane.storage.errors import (
    ObjectExists,
    ObjectMismatch,
    ObjectMissing,
    StoreRefused,
    StoreUnavailable,
)
from control_plane.storage.objects import CHUNK_BYTES, LARGEST_BYTES, ObjectFacts, SignedRequest, checked_key
from control_plane.storage.s3_config import S3Config, ServerSide

T = TypeVar("T")

SIGNATURE_LIFETIME = timedelta(minutes=15)
_MISSING = ("NoSuchKey", "NoSuchObject", "NotFound")
_retry = retry(
    retry=retry_if_exception_type(StoreUnavailable),
    wait=wait_random_exponential(multiplier=0.1, max=2),
    stop=stop_after_attempt(4),
    reraise=True,
)


class S3Response(NamedTuple):
    """A store's response: status, headers, body."""

    status: int
    headers: dict[str, str]
    body: bytes


class S3Store:
    """One bucket, or a prefix in one. Reads, HEADs and deletions are tried four times with jitter, a PUT once.

    Args:
        config: its configuration, or a URL for `S3Config.of_url`.
        timeout_s: timeout of connecting, and of each read.

    Raises:
        ValueError: the URL is invalid; the message is redacted.
    """

    def __init__(self, config: S3Config | str, *, timeout_s: float = 20.0) -> None:
        self.config = config = S3Config.of_url(config) if isinstance(config, str) else config
        self.bucket = config.bucket
        self._credentials = StaticProvider(config.access_key, config.secret_key)
        self._http = _pool(config, timeout_s)
        self._client = Minio(
            config.netloc,
            credentials=self._credentials,
            secure=config.secure,
            region=config.region,
            http_client=self._http,
        )

    def ensure_bucket(self) -> None:
        """Creates the bucket if it does not exist.

        Raises:
            StoreRefused: the credentials do not permit it.
        """
        with _map_errors(self.bucket):
            if not self._client.bucket_exists(bucket_name=self.bucket):
                self._client.make_bucket(bucket_name=self.bucket, location=self.config.region)

    def require_exists(self) -> None:
        """See `ObjectStore.require_exists`.

        Raises:
            StoreRefused: the bucket does not exist, or the credentials do not permit the check.
        """
        if not self._with_retries(self.bucket, lambda: self._client.bucket_exists(bucket_name=self.bucket)):
            raise StoreRefused(f"the bucket {self.bucket} does not exist at {self.config.origin}")

    def allow_cors(self, origin: str) -> None:
        """Allows pages of `origin` to read presigned URLs of this bucket (CORS).

        Raises:
            StoreRefused: the credentials do not permit it.
        """
        rules = (
            "<CORSConfiguration><CORSRule>"
            f"<AllowedOrigin>{escape(origin)}</AllowedOrigin>"
            "<AllowedMethod>GET</AllowedMethod><AllowedMethod>HEAD</AllowedMethod>"
            "<AllowedHeader>*</AllowedHeader><MaxAgeSeconds>3600</MaxAgeSeconds>"
            "<ExposeHeader>Content-Range</ExposeHeader><ExposeHeader>Content-Length</ExposeHeader>"
            "</CORSRule></CORSConfiguration>"
        ).encode()
        headers: dict[str, str | list[str] | tuple[str]] = {
            "Content-MD5": b64encode(md5(rules, usedforsecurity=False).digest()).decode()
        }
        with _map_errors(self.bucket):
            # minio has no method for CORS rules.
            self._client._execute(
                "PUT", bucket_name=self.bucket, body=rules, headers=headers, query_params={"cors": ""}
            )

    def bucket_setting(self, question: str) -> str | None:
        """Returns a setting of the bucket as XML, such as `location`; None if it is not set.

        Raises:
            StoreRefused: the credentials do not permit it, or the store does not support the setting.
        """

        def once() -> str:
            answer = self._client._execute("GET", bucket_name=self.bucket, query_params={question: ""})
            return (answer.data or b"").decode(errors="replace")

        try:
            return self._with_retries(question, once)
        except ObjectMissing:
            return None

    def send(
        self, method: str, url: str, *, body: bytes = b"", headers: dict[str, str] | None = None
    ) -> S3Response:
        """Sends one raw request without the client, to test the reaction of the store.

        Raises:
            StoreUnavailable: the store does not answer.
        """
        with _map_errors(url.partition("?")[0]):
            answer = self._http.request(method, url, body=body, headers=headers or {}, redirect=False)
        return S3Response(answer.status, dict(answer.headers), answer.data or b"")

    def put(self, key: str, chunks: Iterable[bytes], *, size_bytes: int, sha256: str) -> None:
        """See `ObjectStore.put`. Not every server supports `If-None-Match`, so a HEAD checks the key first."""
        with contextlib.suppress(ObjectMissing):
            self.head(key)
            raise ObjectExists(f"object {key} exists")
        request = self.sign_put(key, size_bytes=size_bytes, sha256=sha256)
        body = _HashedBody(chunks, size_bytes)
        with _map_errors(key):
            response = self._http.request(
                "PUT", request.url, body=body, headers=request.headers, redirect=False
            )
        status = response.status
        if status == 412:
            raise ObjectExists(f"object {key} exists")
        if body.digest.hexdigest() != sha256 or body.size_bytes != size_bytes:
            # A server that does not check the signed hash has stored the wrong bytes.
            self.delete(key)
            raise ObjectMismatch(f"the bytes are not the {size_bytes} announced bytes")
        if status >= 300:
            raise _by_status(status, key, (response.data or b"")[:200].decode(errors="replace"))

    def open(
        self, key: str, *, offset_bytes: int = 0, size_bytes: int | None = None
    ) -> AbstractContextManager[Iterator[bytes]]:
        """See `ObjectStore.open`."""
        checked_key(key)
        return self._opened(key, offset_bytes, size_bytes)

    def head(self, key: str) -> ObjectFacts:
        """See `ObjectStore.head`."""
        facts = self._with_retries(
            key, lambda: self._client.stat_object(bucket_name=self.bucket, object_name=self.object_name(key))
        )
        said = (facts.metadata or {}).get("x-amz-server-side-encryption", "")
        return ObjectFacts(facts.size or 0, facts.last_modified or datetime.now(UTC), str(said)[:64])

    def sha256(self, key: str) -> str:
        """See `ObjectStore.sha256`."""

        def read() -> str:
            digest = hashlib.sha256()
            with self.open(key) as chunks:
                for chunk in chunks:
                    digest.update(chunk)
            return digest.hexdigest()

        return self._with_retries(key, read)

    def delete(self, key: str) -> None:
        """See `ObjectStore.delete`."""
        with contextlib.suppress(ObjectMissing):
            self._with_retries(
                key,
                lambda: self._client.remove_object(
                    bucket_name=self.bucket, object_name=self.object_name(key)
                ),
            )

    def presign_put(
        self, key: str, *, size_bytes: int, sha256: str, lifetime: timedelta
    ) -> SignedRequest | None:
        """See `ObjectStore.presign_put`. `lifetime` only sets the stated expiry; the store accepts 15 minutes."""
        if not self.config.direct_puts:
            return None
        request = self.sign_put(key, size_bytes=size_bytes, sha256=sha256)
        return SignedRequest(
            request.method,
            request.url,
            min(request.expires_at, datetime.now(UTC) + lifetime),
            request.headers,
        )

    def presign_get(self, key: str, *, lifetime: timedelta) -> SignedRequest | None:
        """See `ObjectStore.presign_get`."""
        if not self.config.direct_gets:
            return None
        url = self._client.presigned_get_object(
            bucket_name=self.bucket, object_name=self.object_name(key), expires=lifetime
        )
        return SignedRequest("GET", url, datetime.now(UTC) + lifetime)

    def object_name(self, key: str) -> str:
        """Returns the name of the object in the bucket.

        Raises:
            BadKey: see `objects.checked_key`.
        """
        return self.config.prefix + checked_key(key)

    def sign_put(self, key: str, *, size_bytes: int, sha256: str) -> SignedRequest:
        """Returns a presigned PUT of exactly these bytes under a free key, valid for `SIGNATURE_LIFETIME`."""
        now, config = datetime.now(UTC), self.config
        scheme = "https" if config.secure else "http"
        url = SplitResult(scheme, config.netloc, f"/{self.bucket}/{self.object_name(key)}", "", "")
        signed = sign_v4_s3(
            method="PUT",
            url=url,
            region=config.region,
            headers={
                **_server_side(config),
                "Host": url.netloc,
                "Content-Length": str(size_bytes),
                "Content-Type": "application/octet-stream",
                "If-None-Match": "*",
                "x-amz-content-sha256": sha256,
                "x-amz-date": time.to_amz_date(now),
            },
            credentials=self._credentials.retrieve(),
            content_sha256=sha256,
            date=now,
        )
        headers = {name: str(value) for name, value in signed.items()}
        return SignedRequest("PUT", url.geturl(), now + SIGNATURE_LIFETIME, headers)

    @contextlib.contextmanager
    def _opened(self, key: str, offset_bytes: int, size_bytes: int | None) -> Iterator[Iterator[bytes]]:
        if size_bytes == 0:
            self.head(key)
            yield iter(())
            return
        response = self._with_retries(
            key,
            lambda: self._client.get_object(
                bucket_name=self.bucket,
                object_name=self.object_name(key),
                offset=offset_bytes,
                length=size_bytes or 0,
            ),
        )

        def chunks() -> Iterator[bytes]:
            with _map_errors(key):
                yield from stream(response, wanted, chunk_bytes=CHUNK_BYTES)

        try:
            wanted = self._checked_size(response, key, size_bytes)
            yield chunks()
        finally:
            response.close()
            response.release_conn()

    def _checked_size(self, response: urllib3.BaseHTTPResponse, key: str, wanted: int | None) -> int:
        said = response.headers.get("Content-Length", "")
        if said.isdecimal():
            size_bytes = int(said)
        elif wanted is not None:  # chunked: the requested size is the limit
            size_bytes = wanted
        else:
            size_bytes = self.head(key).size_bytes
        if size_bytes > LARGEST_BYTES:
            raise ObjectMismatch(f"object {key} is larger than the largest segment")
        if wanted is not None and size_bytes != wanted:
            raise ObjectMismatch(f"object {key} is shorter than the requested range")
        return size_bytes

    def _with_retries(self, key: str, call: Callable[[], T]) -> T:
        @_retry
        def once() -> T:
            with _map_errors(key):
                return call()

        return once()


def _pool(config: S3Config, timeout_s: float) -> BoundedPool:
    options: dict[str, object] = {
        "timeout": urllib3.Timeout(timeout_s),
        "retries": urllib3.Retry(0),
        "maxsize": 16,
        "cert_reqs": "CERT_REQUIRED",
    }
    if config.ca_pem:
        options["ssl_context"] = ssl.create_default_context(cadata=config.ca_pem)
    if config.guarded:
        return guarded_pool(config.allowed, **options)
    return BoundedPool(**options)  # type: ignore[arg-type]


def _server_side(config: S3Config) -> dict[str, str]:
    match config.server_side:
        case ServerSide.SSE_S3:
            return {"x-amz-server-side-encryption": "AES256"}
        case ServerSide.SSE_KMS:
            return {
                "x-amz-server-side-encryption": "aws:kms",
                "x-amz-server-side-encryption-aws-kms-key-id": config.kms_key_id,
            }
        case _:
            return {}


class _HashedBody:
    """A request body that hashes the sent bytes, and fails if they do not have the announced size."""

    def __init__(self, chunks: Iterable[bytes], size_bytes: int) -> None:
        self._chunks = chunks
        self._limit = size_bytes
        self.digest = hashlib.sha256()
        self.size_bytes = 0

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self._chunks:
            self.size_bytes += len(chunk)
            self.digest.update(chunk)
            if self.size_bytes > self._limit:
                raise ObjectMismatch(f"more than the {self._limit} announced bytes")
            yield chunk
        if self.size_bytes < self._limit:
            raise ObjectMismatch(f"fewer than the {self._limit} announced bytes")


@contextlib.contextmanager
def _map_errors(key: str) -> Iterator[None]:
    """Maps errors of minio and urllib3 to errors of object stores."""
    try:
        yield
    except S3Error as error:
        if error.code in _MISSING or (error.code or "").endswith("NotFoundError"):
            raise ObjectMissing(f"object {key} does not exist") from error
        raise _by_status(error.response.status, key, error.code or "") from error
    except (InvalidResponseError, ServerError) as error:
        # rclone sends errors as text/xml, which the client does not accept as an S3 error.
        status = error.status_code if isinstance(error, ServerError) else error._code
        raise _by_status(status, key, "") from error
    except (MinioException, urllib3.exceptions.HTTPError, OSError) as error:
        raise StoreUnavailable(f"the object store does not answer: {type(error).__name__}") from error


def _by_status(status: int, key: str, code: str) -> Exception:
    if status == 404 and code != "NoSuchBucket":
        return ObjectMissing(f"object {key} does not exist")
    if status == 412:
        return ObjectExists(f"object {key} exists")
    if status == 416:
        return ObjectMismatch(f"object {key} ends before the requested range")
    if status in (408, 429) or status >= 500:
        return StoreUnavailable(f"the object store answers {status} {code}".rstrip())
    return StoreRefused(f"the object store answers {status} {code}: check its credentials, bucket and region")
