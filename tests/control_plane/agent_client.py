"""A client that speaks to the control plane as an agent does: two keys, tokens, signed calls."""

import time
from typing import Any, TypeVar
from uuid import UUID, uuid4

import httpx
import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from nacl.public import PrivateKey

from shared.protocol.codec import decode, encode
from shared.protocol.pairing import HostFacts, PairAnswer, PairRequest

T = TypeVar("T")

HOST = HostFacts(
    hostname="studio-pc", model="test", os="Linux", python="3.11", cpu_count=2, memory_bytes=2 * 10**9
)


class AgentClient:
    """The keys and calls of one agent; `address` is the control plane's, `answer` comes from pairing."""

    def __init__(self, address: str = "") -> None:
        self.address = address
        self.identity = Ed25519PrivateKey.generate()
        self.sealing = PrivateKey.generate()
        self._answer: PairAnswer | None = None

    @property
    def answer(self) -> PairAnswer:
        """The answer of pairing."""
        assert self._answer is not None, "pair first"
        return self._answer

    @answer.setter
    def answer(self, answer: PairAnswer) -> None:
        self._answer = answer

    def pair_request(self, code: str, **changes: Any) -> PairRequest:
        """Returns the claim of a code."""
        values: dict[str, Any] = {
            "code": code,
            "identity_key": self.identity.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw),
            "sealing_key": bytes(self.sealing.public_key),
            "protocol": 1,
            "agent_version": "0.1.0",
            "host": HOST,
        }
        return PairRequest(**values | changes)

    def pair(self, code: str) -> PairAnswer:
        """Claims a code over HTTP."""
        response = httpx.post(f"{self.address}/agent/v1/pair", content=encode(self.pair_request(code)))
        assert response.status_code == 200, response.text
        self.answer = decode(response.content, PairAnswer)
        return self.answer

    def token(self, *, key: Ed25519PrivateKey | None = None, **changes: Any) -> str:
        """Returns a token as the agent makes it."""
        now_s = int(time.time())
        claims: dict[str, Any] = {
            "iss": str(self.answer.agent_id),
            "std": str(self.answer.studio_id),
            "aud": self.answer.audience,
            "iat": now_s,
            "exp": now_s + 60,
            "jti": uuid4().hex,
        }
        claims |= changes
        return jwt.encode(
            claims, key or self.identity, algorithm="EdDSA", headers={"kid": str(claims["iss"])}
        )

    def authorization(self) -> str:
        """Returns a fresh Authorization header."""
        return f"Bearer {self.token()}"

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
        """Sends one signed request."""
        return httpx.request(
            method,
            f"{self.address}/agent/v1/{path}",
            content=None if body is None else encode(body),
            headers={"Authorization": self.authorization()} | headers,
        )

    def post(self, path: str, body: Any, type_: type[T]) -> T:
        """Sends one signed request and returns its decoded answer."""
        response = self.call("POST", path, body)
        assert response.status_code == 200, response.text
        return decode(response.content, type_)

    @property
    def agent_id(self) -> UUID:
        """The id that pairing gave."""
        return self.answer.agent_id
