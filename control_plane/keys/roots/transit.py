"""A root key in the transit engine of Vault or OpenBao. It wraps and unwraps there; the key never leaves it.

Source: OpenBao and Vault HTTP API, transit secrets engine (`encrypt`, `decrypt`, `keys`), `associated_data` of
AES-256-GCM; health and error answers (403 no token or policy, 404 no such mount or key, 503 sealed or standby).
"""

import base64
import ssl
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import httpx
from tenacity import (
    Retrying,
    retry_if_exception_type,
    stop_after_attempt,
    stop_after_delay,
    wait_random_exponential,
)

from control_plane.keys.errors import KeyRefused, KeysUnavailable, RootRefused
from control_plane.keys.key_wrapping import associated_data

TIMEOUT = httpx.Timeout(5.0, connect=2.0)
ATTEMPTS = 4
RETRY_FOR_S = 10.0
VERSION_LIFETIME_S = 5.0
RETRYABLE = (412, 429, 500, 502, 503, 504)
ADDRESS = (
    "vault+https://host:8200/transit/name?namespace=team&ca=/path/ca.pem (or vault+http:// to this machine)"
)


class TransitRootKey:
    """One named key of a transit engine. Thread-safe, as httpx clients are.

    The token is read from a file, and again after a refusal, because Vault agents renew it there.
    """

    kind = "Vault or OpenBao (transit)"

    def __init__(self, url: str, *, token_file: Path, transport: httpx.BaseTransport | None = None) -> None:
        parts = urlsplit(url)
        mount, _, name = parts.path.strip("/").rpartition("/")
        query = parse_qs(parts.query)
        if (
            parts.scheme not in ("vault+https", "vault+http")
            or not (parts.hostname and mount and name)
            or set(query) - {"namespace", "ca"}
        ):
            raise ValueError(f"a root key in Vault or OpenBao is {ADDRESS}")
        if parts.scheme == "vault+http" and parts.hostname not in ("127.0.0.1", "::1", "localhost"):
            raise ValueError(
                "vault+http:// is allowed to this machine only: the token would be sent unencrypted"
            )
        self._mount, self._name = mount, name
        self._place = f"transit:{parts.hostname}/{mount}/{name}"[:180]
        self._token_file = token_file
        self._token = ""
        self._version = (0, -VERSION_LIFETIME_S)
        namespace = query.get("namespace", [""])[0]
        self._client = httpx.Client(
            base_url=f"{parts.scheme.removeprefix('vault+')}://{parts.netloc.rpartition('@')[2]}/v1/",
            headers={"X-Vault-Request": "true"} | ({"X-Vault-Namespace": namespace} if namespace else {}),
            timeout=TIMEOUT,
            transport=transport,
            verify=_trusted_ca(query.get("ca", [""])[0]),
        )

    def __repr__(self) -> str:
        return f"TransitRootKey({self._place})"

    @property
    def id(self) -> str:
        """See `RootKey.id`."""
        version, read_s = self._version
        if time.monotonic() - read_s > VERSION_LIFETIME_S:
            data = self._ask("GET", f"{self._mount}/keys/{self._name}")
            _require_bindable(data, self._place)
            version = int(data["latest_version"])
            self._version = (version, time.monotonic())
        return f"{self._place}:v{version}"

    def holds(self, id_: str) -> bool:
        """See `RootKey.holds`."""
        return id_.rpartition(":v")[0] == self._place

    def wrap(self, secret: bytes, *, kind: str, id_: UUID) -> bytes:
        """See `RootKey.wrap`."""
        # Pin the version that `id` returned: a rotation in between would make the stored id wrong.
        version = int(self.id.rpartition(":v")[2])
        body = {
            "plaintext": _text(secret),
            "associated_data": _text(associated_data(kind, id_)),
            "key_version": version,
        }
        data = self._ask("POST", f"{self._mount}/encrypt/{self._name}", body)
        return str(data["ciphertext"]).encode("ascii")

    def unwrap(self, wrapped: bytes, *, kind: str, id_: UUID) -> bytes:
        """See `RootKey.unwrap`."""
        try:
            text = bytes(wrapped).decode("ascii")
        except UnicodeDecodeError as error:
            raise KeyRefused(f"a wrapped {kind} key has an unknown format") from error
        body = {"ciphertext": text, "associated_data": _text(associated_data(kind, id_))}
        data = self._ask("POST", f"{self._mount}/decrypt/{self._name}", body, opening=f"{kind} key of {id_}")
        return base64.b64decode(str(data["plaintext"]))

    def seed(self) -> bytes | None:
        """See `RootKey.seed`."""
        return None

    def _ask(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, *, opening: str = ""
    ) -> dict[str, Any]:
        # Up to 4 attempts within 10 s, with exponential backoff and full jitter: up to 0.1, 0.2, 0.4 s between them.
        for attempt in Retrying(
            retry=retry_if_exception_type(KeysUnavailable),
            stop=stop_after_attempt(ATTEMPTS) | stop_after_delay(RETRY_FOR_S),
            wait=wait_random_exponential(multiplier=0.1, max=2.0),
            reraise=True,
        ):
            with attempt:
                answer = self._send(method, path, body)
                if answer.status_code == 403:
                    self._token = ""
                    answer = self._send(method, path, body)
                return self._read(answer, opening)
        raise AssertionError("unreachable: tenacity re-raises the last error")

    def _send(self, method: str, path: str, body: Mapping[str, Any] | None) -> httpx.Response:
        self._token = self._token or _token_in(self._token_file)
        try:
            return self._client.request(method, path, json=body, headers={"X-Vault-Token": self._token})
        except httpx.HTTPError as error:
            raise KeysUnavailable(f"the root key service does not answer ({type(error).__name__})") from error

    def _read(self, answer: httpx.Response, opening: str) -> dict[str, Any]:
        status = answer.status_code
        if status in RETRYABLE:
            sealed = " (503: sealed or standby; see `bao status`)" if status == 503 else f" ({status})"
            raise KeysUnavailable(f"the root key service cannot answer now{sealed}")
        if status == 403:
            raise RootRefused(
                f"the root key service refuses the token of {self._token_file}: renew it, or give it a policy with"
                f" update on {self._mount}/encrypt/{self._name} and {self._mount}/decrypt/{self._name}, and read on"
                f" {self._mount}/keys/{self._name}"
            )
        if status == 404:
            raise RootRefused(
                f"there is no transit key {self._name} under {self._mount}: `bao write -f` makes one"
            )
        if status == 400 and opening:
            raise KeyRefused(f"a wrapped {opening} does not open")
        if status != 200:
            raise RootRefused(f"the root key service answers {status}: {_errors(answer)}")
        try:
            data: dict[str, Any] = answer.json()["data"]
        except (ValueError, KeyError, TypeError) as error:
            raise RootRefused("the root key service does not speak Vault's protocol") from error
        return data


def _require_bindable(data: Mapping[str, Any], place: str) -> None:
    if data.get("type") not in ("aes256-gcm96", "aes128-gcm96", "chacha20-poly1305") or data.get("derived"):
        raise RootRefused(
            f"{place} is a key of type {data.get('type')}: make one of type aes256-gcm96, not derived,"
            " so that each wrapped secret is bound to its row"
        )


def _token_in(path: Path) -> str:
    try:
        token = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise RootRefused(f"the token file {path} (THREEDANCE_ROOT_KEY_TOKEN_FILE) cannot be read") from error
    if not token:
        raise RootRefused(f"the token file {path} is empty")
    return token


def _trusted_ca(ca: str) -> Any:
    if not ca:
        return True
    return ssl.create_default_context(cafile=ca)


def _errors(answer: httpx.Response) -> str:
    try:
        return "; ".join(str(item) for item in answer.json()["errors"])[:300]
    except (ValueError, KeyError, TypeError):
        return "no reason given"


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
