"""A small control plane that speaks the agent's wire for real (HTTP and websocket on localhost), and fails on command.

It keeps everything in memory and checks what the real one checks of an agent: tokens, hashes, sizes, immutability.
"""

import contextlib
import hashlib
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import format_datetime
from typing import Any
from urllib.parse import parse_qs
from uuid import UUID

import jwt
import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from nacl.public import PrivateKey, PublicKey, SealedBox

from control_plane.fleet.server_time import with_server_time
from shared.kernel.clock import Clock, SystemClock
from shared.protocol.codec import decode, encode
from shared.protocol.config import AgentBody, AgentConfig, Credentials, RecipientKey, config_document
from shared.protocol.errors import PROBLEM_CONTENT_TYPE, Code, problem
from shared.protocol.ids import AgentId, GapId, RecipientKeyId, SegmentId, StudioId, new_id
from shared.protocol.manifest import GapRecord, SegmentManifest
from shared.protocol.messages import (
    Desired,
    FromAgent,
    Heartbeat,
    Hello,
    Report,
    Revoked,
    SendingAgain,
    Welcome,
)
from shared.protocol.pairing import PairAnswer, PairRequest
from shared.protocol.status import AgentStatus, Reported
from shared.protocol.upload import (
    AlreadyCommitted,
    CommitAnswer,
    CommitRequest,
    GapsAnswer,
    GapsRequest,
    IntentAnswer,
    IntentRequest,
    PutTarget,
    Refused,
)
from shared.protocol.version import PROTOCOL_VERSION
from tests.rigs.asgi import Receive, Scope, Send, body_of, serving
from tests.rigs.faults import Faults, Refusal
from tests.rigs.links import Links
from tests.rigs.tokens import Tokens


@dataclass
class Stored:
    """One object in the store."""

    body: bytes
    sha256: str


class ControlPlane:
    """One studio with one agent. The server runs in a thread of its own; tests read the attributes directly.

    `ahead` is how far this server's clock is ahead of the machine's.
    """

    def __init__(
        self,
        *,
        ahead: timedelta = timedelta(0),
        tls: tuple[str, str] | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.ahead = ahead
        self.clock = clock or SystemClock()
        self.studio_id = StudioId(new_id())
        self.agent_id = AgentId(new_id())
        self.recipient_key = PrivateKey.generate()
        self.recipient = RecipientKey(
            id=RecipientKeyId(new_id()), public_key=bytes(self.recipient_key.public_key)
        )
        self.revocation_key = Ed25519PrivateKey.generate()
        self.audience = "https://studio.example"
        self.codes: dict[str, Code | None] = {"BCDFGHJK": None}
        self.pairing: PairRequest | None = None
        self.identity_keys: set[bytes] = set()
        self.config = config_document(
            self.agent_id, 1, AgentBody(studio_id=self.studio_id, recipient=self.recipient)
        )
        self.revocation = ""
        self.faults = Faults()
        self.manifests: dict[SegmentId, SegmentManifest] = {}
        self.committed: dict[SegmentId, SegmentManifest] = {}
        self.objects: dict[str, Stored] = {}
        self.gaps: dict[GapId, GapRecord] = {}
        self.puts: Counter[SegmentId] = Counter()
        self.calls: Counter[str] = Counter()
        self.order: list[SegmentId] = []
        """Segments in the order their bytes arrived."""
        self.hellos: list[Hello] = []
        self.reports: list[Reported] = []
        self.statuses: list[AgentStatus] = []
        self.sending_again: list[SendingAgain] = []
        self.tokens = Tokens()
        self.links = 0
        self._tls = tls
        self._changed = threading.Condition()
        self._links = Links(self._greet, self._heard)
        self.url = ""

    @property
    def link_closes(self) -> list[int]:
        """The close codes of the links that have ended."""
        return self._links.closes

    # Called by tests.

    def now(self) -> datetime:
        """Returns this server's time."""
        return self.clock.now() + self.ahead

    def desire(self, **changes: Any) -> AgentConfig:
        """Changes fields of the desired body, and pushes the new version."""
        body = msgspec.structs.replace(self.config.body, **changes)
        self.config = config_document(self.agent_id, self.config.version + 1, body)
        self.push(Desired(config=self.config))
        return self.config

    def push(self, message: Any) -> None:
        """Sends a message, or raw text, to every open link."""
        self._links.push(message if isinstance(message, str) else encode(message).decode())

    def cut_links(self) -> None:
        """Closes every open link."""
        self._links.cut()

    def sealed(self, secret: Credentials | str) -> bytes:
        """Returns credentials, or the secret end of an address, sealed for the paired agent."""
        assert self.pairing is not None
        plain = secret.encode() if isinstance(secret, str) else encode(secret)
        return SealedBox(PublicKey(self.pairing.sealing_key)).encrypt(plain)

    def sign_revocation(self, *, key: Ed25519PrivateKey | None = None, sub: AgentId | None = None) -> str:
        """Returns a revocation of the agent, signed by our key unless told otherwise."""
        claims = {"sub": str(sub or self.agent_id), "reason": "the agent was stolen", "iat": int(time.time())}
        return jwt.encode(
            claims, key or self.revocation_key, algorithm="EdDSA", headers={"typ": "revocation+jwt"}
        )

    def revoke(self, revocation: str) -> None:
        """Ends the agent: tells the open links, and answers every call with it."""
        self.revocation = revocation
        self.push(Revoked(revocation=revocation))

    def wait(self, condition: Callable[[], Any], timeout_s: float = 40.0) -> Any:
        """Returns the condition's value once it is true; checked after each request and message."""
        with self._changed:
            if not self._changed.wait_for(condition, timeout_s):
                raise AssertionError(f"not within {timeout_s} s; calls so far: {dict(self.calls)}")
            return condition()

    def key_of(self, manifest: SegmentManifest) -> bytes:
        """Returns the content key of a segment."""
        return bytes(SealedBox(self.recipient_key).decrypt(manifest.sealed_key))

    # The server.

    @contextlib.contextmanager
    def running(self, port: int = 0, host: str = "127.0.0.1") -> Iterator["ControlPlane"]:
        """Serves for the length of the block, at one address of this machine."""
        certificate, key = self._tls or (None, None)
        with serving(
            with_server_time(self._app, now_ns=lambda: round(self.now().timestamp() * 1e6) * 1000),
            port=port,
            host=host,
            log_level="critical",
            date_header=False,
            server_header=False,
            lifespan="off",
            interface="asgi3",
            ssl_certfile=certificate,
            ssl_keyfile=key,
            timeout_graceful_shutdown=1,
        ) as self.url:
            yield self
        self._links.forget()

    async def _app(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            if scope["type"] == "websocket":
                await self._link(scope, receive, send)
            else:
                await self._http(scope, receive, send)
        finally:
            self._notify()

    def _notify(self) -> None:
        with self._changed:
            self._changed.notify_all()

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        path, method = scope["path"], scope["method"]
        self.calls[f"{method} {path if not path.startswith('/agent/v1/objects') else 'object'}"] += 1
        headers = {k.decode().lower(): v.decode() for k, v in scope["headers"]}
        try:
            if self.faults.unavailable:
                raise Refusal(Code.UNAVAILABLE)
            if path.startswith("/agent/v1/objects/"):
                status = await self._put(scope, headers, receive)
                etag = f'"{headers["x-content-sha256"]}"' if status == 201 else ""
                return await self._answer(send, status, b"", etag=etag)
            body = await body_of(receive)
            if (method, path) == ("POST", "/agent/v1/pair"):
                return await self._answer(send, 200, encode(self._pair(decode(body, PairRequest))))
            self._authenticate(headers)
            await self._call(send, method, path, headers, body)
        except Refusal as refusal:
            await self._answer(send, refusal.problem.status, encode(refusal.problem), PROBLEM_CONTENT_TYPE)
        except msgspec.DecodeError as error:
            wrong = problem(Code.BAD_REQUEST, str(error))
            await self._answer(send, wrong.status, encode(wrong), PROBLEM_CONTENT_TYPE)

    async def _call(self, send: Send, method: str, path: str, headers: dict[str, str], body: bytes) -> None:
        match method, path:
            case "GET", "/agent/v1/config":
                etag = f'"{self.config.version}-{self.config.hash}"'
                if headers.get("if-none-match") == etag:
                    return await self._answer(send, 304, b"", etag=etag)
                return await self._answer(send, 200, encode(self.config), etag=etag)
            case "POST", "/agent/v1/report":
                self._hear(decode(body, FromAgent))  # type: ignore[arg-type]
                return await self._answer(send, 204, b"")
            case "POST", "/agent/v1/intent":
                return await self._answer(send, 200, encode(self.intent(decode(body, IntentRequest))))
            case "POST", "/agent/v1/commit":
                answer = self.commit(decode(body, CommitRequest))
                if self.faults.lost_commit_answers:
                    self.faults.lost_commit_answers -= 1
                    raise ConnectionError("the answer is lost")
                return await self._answer(send, 200, encode(answer))
            case "POST", "/agent/v1/gaps":
                gaps = decode(body, GapsRequest).gaps
                self.gaps.update({g.gap_id: g for g in gaps})
                return await self._answer(
                    send, 200, encode(GapsAnswer(settled=tuple(g.gap_id for g in gaps)))
                )
        raise Refusal(Code.NOT_FOUND, path)

    def _pair(self, request: PairRequest) -> PairAnswer:
        if request.code not in self.codes:
            raise Refusal(Code.PAIRING_CODE_UNKNOWN)
        if (state := self.codes[request.code]) is not None:
            raise Refusal(state)
        if request.identity_key in self.identity_keys:
            raise Refusal(Code.CONFLICT, "this key is an agent's already")
        self.identity_keys.add(request.identity_key)
        self.codes[request.code] = Code.PAIRING_CODE_USED
        self.pairing = request
        return PairAnswer(
            agent_id=self.agent_id,
            studio_id=self.studio_id,
            studio_name="Demo Dance",
            audience=self.audience,
            revocation_key=self.revocation_key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw),
            server_time_at=self.now(),
        )

    def _authenticate(self, headers: dict[str, str]) -> None:
        token = headers.get("authorization", "").removeprefix("Bearer ")
        if self.revocation:
            raise Refusal(Code.AGENT_REVOKED, revocation=self.revocation)
        if self.faults.plain_401 or self.pairing is None:
            raise Refusal(Code.AGENT_TOKEN_INVALID, "told to")
        self.tokens.check(
            token,
            key=self.pairing.identity_key,
            agent_id=self.agent_id,
            studio_id=self.studio_id,
            audience=self.audience,
            now_s=self.now().timestamp(),
        )

    def intent(self, request: IntentRequest) -> IntentAnswer:
        """Says where each segment goes."""
        return IntentAnswer(answers=tuple(self._intend(m) for m in request.manifests))

    def _intend(self, manifest: SegmentManifest) -> PutTarget | AlreadyCommitted | Refused:
        segment_id = manifest.segment_id
        if segment_id in self.faults.refuse:
            code, retryable = self.faults.refuse[segment_id]
            return Refused(segment_id=segment_id, code=code, retryable=retryable)
        known = self.manifests.get(segment_id)
        if known is not None and known.sha256 != manifest.sha256:
            return Refused(segment_id=segment_id, code=Code.SEGMENT_HASH_CONFLICT)
        if segment_id in self.committed:
            return AlreadyCommitted(segment_id=segment_id)
        self.manifests[segment_id] = manifest
        expires_at = self.now() + timedelta(minutes=15)
        return PutTarget(
            segment_id=segment_id,
            url=f"{self.url}/agent/v1/objects/{segment_id}?exp={int(expires_at.timestamp())}",
            headers={"If-None-Match": "*", "x-content-sha256": manifest.sha256},
            expires_at=expires_at,
        )

    async def _put(self, scope: Scope, headers: dict[str, str], receive: Receive) -> int:
        key = scope["path"].rpartition("/")[2]
        segment_id = SegmentId(UUID(key))
        if self.faults.cut_puts:
            self.faults.cut_puts -= 1
            await receive()
            raise ConnectionError("the line is cut")
        body = await body_of(receive)
        self.puts[segment_id] += 1
        if self.faults.store_unavailable:
            raise Refusal(Code.STORE_UNAVAILABLE)
        expired = int(parse_qs(scope["query_string"].decode())["exp"][0]) < self.now().timestamp()
        if self.faults.expired_targets:
            self.faults.expired_targets -= 1
            raise Refusal(Code.UPLOAD_TARGET_EXPIRED)
        if expired:
            raise Refusal(Code.UPLOAD_TARGET_EXPIRED)
        sha256 = hashlib.sha256(body).hexdigest()
        if headers.get("if-none-match") != "*" or headers.get("x-content-sha256") != sha256:
            raise Refusal(Code.BAD_REQUEST, "the signed headers do not fit")
        if key in self.objects:
            return 412
        self.objects[key] = Stored(body, sha256)
        self.order.append(segment_id)
        return 201

    def commit(self, request: CommitRequest) -> CommitAnswer:
        """Gives receipts for what lies in the store as announced."""
        answers: list[AlreadyCommitted | Refused] = []
        for item in request.items:
            stored = self.objects.get(str(item.segment_id))
            if stored is None:
                answers.append(Refused(segment_id=item.segment_id, code=Code.SEGMENT_MISSING, retryable=True))
            elif stored.sha256 != item.sha256 or len(stored.body) != item.size_bytes:
                answers.append(Refused(segment_id=item.segment_id, code=Code.SEGMENT_CORRUPT, retryable=True))
            else:
                self.committed[item.segment_id] = self.manifests[item.segment_id]
                answers.append(AlreadyCommitted(segment_id=item.segment_id))
        return CommitAnswer(answers=tuple(answers))

    async def _link(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        headers = {k.decode().lower(): v.decode() for k, v in scope["headers"]}
        self.calls["link"] += 1
        try:
            if self.faults.unavailable or self.faults.link_closed:
                raise Refusal(Code.UNAVAILABLE)
            self._authenticate(headers)
        except Refusal as refusal:
            await self._refuse_link(send, refusal)
            return
        self.links += 1
        await self._links.serve(receive, send)

    async def _refuse_link(self, send: Send, refusal: Refusal) -> None:
        await send(
            {
                "type": "websocket.http.response.start",
                "status": refusal.problem.status,
                "headers": self._headers(PROBLEM_CONTENT_TYPE),
            }
        )
        await send({"type": "websocket.http.response.body", "body": encode(refusal.problem)})

    def _hear(self, message: Any) -> None:
        match message:
            case Hello():
                self.hellos.append(message)
            case Report():
                self.reports.append(message.reported)
            case SendingAgain():
                self.sending_again.append(message)
            case Heartbeat():
                self.statuses.append(message.status)

    def _heard(self, message: Any) -> None:
        self._hear(message)
        self._notify()

    def _greet(self) -> tuple[Welcome, Desired]:
        return Welcome(protocol=PROTOCOL_VERSION, server_time_at=self.now()), Desired(config=self.config)

    def _headers(self, content_type: str, etag: str = "") -> list[tuple[bytes, bytes]]:
        headers = [
            (b"date", format_datetime(self.now().replace(microsecond=0), usegmt=True).encode()),
            (b"content-type", content_type.encode()),
        ]
        return [*headers, (b"etag", etag.encode())] if etag else headers

    async def _answer(
        self, send: Send, status: int, body: bytes, content_type: str = "application/json", *, etag: str = ""
    ) -> None:
        await send(
            {"type": "http.response.start", "status": status, "headers": self._headers(content_type, etag)}
        )
        await send({"type": "http.response.body", "body": body})
