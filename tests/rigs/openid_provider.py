"""A real OpenID provider (Authlib's, in `oidc-provider-mock`) whose tokens a test may spoil after they were made."""

import base64
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import flask
import httpx
import jwt
import oidc_provider_mock
from cryptography.hazmat.primitives.asymmetric import rsa
from werkzeug.serving import make_server

Claims = dict[str, Any]


@dataclass
class OpenIDProvider:
    """The provider's address, and how it misbehaves.

    `alter` changes the claims of every ID token before it is signed anew with the provider's own key; `forge` gets
    the whole token and returns what is sent in its place; `userinfo` changes that answer.
    """

    url: str = ""
    alter: Callable[[Claims], Claims] | None = None
    forge: Callable[[str], str] | None = None
    userinfo: Callable[[Claims], Claims] | None = None
    verifiers: list[str] = field(default_factory=list)

    def knows(self, sub: str, **claims: Any) -> None:
        """Makes or changes a person."""
        httpx.put(f"{self.url}/users/{sub}", json=claims, timeout=10).raise_for_status()

    def consent(self, address: str, sub: str) -> str:
        """Signs `sub` in at the provider's own page, and returns where it sends the browser: path and query."""
        answer = httpx.post(address, data={"sub": sub}, timeout=10)
        assert answer.status_code == 302, answer.text[:500]
        back = urlsplit(answer.headers["location"])
        return f"{back.path}?{back.query}"


@contextmanager
def openid_provider() -> Iterator[OpenIDProvider]:
    """Starts the provider on a free port for the block."""
    rig = OpenIDProvider()
    app = oidc_provider_mock.app(require_nonce=True)

    def spoil(response: flask.Response) -> flask.Response:
        if flask.request.path == "/oauth2/token" and response.status_code == 200:
            rig.verifiers.append(flask.request.form.get("code_verifier", ""))
            body = json.loads(response.get_data())
            key = flask.g.oidc_provider_mock_storage.jwk
            if rig.alter is not None:
                claims = rig.alter(payload_of(body["id_token"]))
                private = jwt.PyJWK.from_dict(key.as_dict(is_private=True), algorithm="RS256").key
                header = jwt.get_unverified_header(body["id_token"])
                body["id_token"] = jwt.encode(claims, private, "RS256", headers={"kid": header.get("kid")})
            if rig.forge is not None:
                body["id_token"] = rig.forge(body["id_token"])
            response.set_data(json.dumps(body))
        if flask.request.path == "/userinfo" and rig.userinfo is not None:
            response.set_data(json.dumps(rig.userinfo(json.loads(response.get_data()))))
        return response

    app.after_request(spoil)
    server = make_server("127.0.0.1", 0, app, threaded=True)
    rig.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield rig
    finally:
        server.shutdown()
        thread.join(5)
        server.server_close()


def payload_of(token: str) -> Claims:
    """Returns the claims of a token, whatever its signature."""
    claims: Claims = jwt.decode(token, options={"verify_signature": False})
    return claims


def with_payload(token: str, **changes: Any) -> str:
    """Returns the token with other claims under the old signature."""
    header, _, signature = token.split(".")
    return ".".join((header, _encoded(payload_of(token) | changes), signature))


def signed_by_stranger(token: str) -> str:
    """Returns the same claims under a key of somebody else, with the provider's key id."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    header = jwt.get_unverified_header(token)
    return jwt.encode(payload_of(token), key, "RS256", headers={"kid": header.get("kid")})


def unsigned(token: str) -> str:
    """Returns the same claims with `alg: none`."""
    return f"{_encoded({'alg': 'none', 'typ': 'JWT'})}.{_encoded(payload_of(token))}."


def signed_with_secret(token: str, secret: str) -> str:
    """Returns the same claims under an HMAC of the client's secret."""
    header = jwt.get_unverified_header(token)
    return jwt.encode(payload_of(token), secret.ljust(32, "x"), "HS256", headers={"kid": header.get("kid")})


def _encoded(value: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()
