"""Input to the agent from the network: link frames, HTTP answers, documents, tokens, sealed credentials, addresses."""

import asyncio
import contextlib
import ipaddress
import socket
import ssl
from collections.abc import Sequence
from functools import cache
from typing import Any
from unittest.mock import patch

import httpcore
import httpx
import jwt
import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from nacl.public import PrivateKey, SealedBox

from edge_agent.api import JSON, ControlPlaneApi, base_address, raise_for_problem
from edge_agent.control.enrolment import pair
from edge_agent.control.identity import REVOCATION_TYPE, AgentKeys, Identity, IdentityFolder, Pairing
from edge_agent.control.reconcile import reconcile
from edge_agent.control.session import Candidate, ConfigFilter, Opened, Session
from edge_agent.errors import (
    AddressInvalid,
    AgentError,
    CameraFailed,
    CredentialsUnreadable,
    RevocationInvalid,
    ServerError,
)
from edge_agent.http import HttpAnswer, HttpClient
from edge_agent.settings import Settings
from edge_agent.sources.addresses import allowed, checked_addresses, endpoint_of
from edge_agent.upload.http_upload_client import HttpUploadClient, raise_for_put
from edge_agent.upload.throttle import Throttle
from shared.kernel.clock import FakeClock, ServerClock
from shared.protocol.codec import decode, encode
from shared.protocol.config import AgentBody, Credentials, config_document
from shared.protocol.errors import PROBLEM_CONTENT_TYPE
from shared.protocol.pairing import PairAnswer
from shared.protocol.upload import CommitItem, PutTarget
from tests.faults.fuzz.target import Pieces, Target, expect, folder, vectors
from tests.shared.examples import AT, BODY, CONFIG, EXAMPLES, GAP, MANIFEST, SHA

ADDRESS = "https://studio.example"


def _clock() -> ServerClock:
    return ServerClock(FakeClock(AT))


def _take_time(clock: ServerClock, server_time_at: Any) -> None:
    """The time in a greeting as the link uses it, and the clock after that."""
    for _ in range(2):
        clock.take(server_time_at, clock.mark())
        clock.offset_s()
        clock.error_bound_us()
        clock.newest.now()


def frame(data: bytes) -> None:
    """A frame of the control plane: `Session.receive` raises nothing, and what it returns can be used."""
    session = Session(ConfigFilter(CONFIG.agent_id, BODY.studio_id, (3, "")), "1")
    event = session.receive(data)
    if isinstance(event, Opened):
        _take_time(_clock(), event.server_time_at)
    elif isinstance(event, Candidate):
        _use(event.config.body)


def configuration(data: bytes) -> None:
    """The body of a configuration, whose hash is right: taken or refused, and usable where it is taken."""
    with contextlib.suppress(msgspec.DecodeError):
        body = decode(data, AgentBody)
        document = config_document(CONFIG.agent_id, 12, body)
        judgement = ConfigFilter(CONFIG.agent_id, body.studio_id, (3, "")).check_bytes(encode(document))
        expect(isinstance(judgement, Candidate), f"it does not read what it writes: {judgement}")
        _use(body)
    ConfigFilter(CONFIG.agent_id, BODY.studio_id, (3, "")).check_bytes(data)


def _use(body: AgentBody) -> None:
    reconcile(BODY, body)
    reconcile(body, BODY)
    for order in body.recordings:
        expect((order.start_at > AT) in (True, False), "an order whose start cannot be compared")
        if order.stop_at is not None:
            expect((order.stop_at > AT) in (True, False), "an order whose stop cannot be compared")
    if isinstance(body.upload.window, msgspec.Struct):
        expect(body.upload.window.opens != body.upload.window.closes, "a window without a length")


_ANSWERS = tuple(
    EXAMPLES[name][0] for name in ("intent_answer", "commit_answer", "gaps_answer", "pair_answer")
)
_TYPES = (JSON, PROBLEM_CONTENT_TYPE, "text/html", "")


def answer(data: bytes) -> None:
    """An answer of HTTP with any status, headers and body: only errors of ours come out."""
    pieces = Pieces(data)
    status, kind = 100 + pieces.number() * 2, pieces.number()
    headers = {
        "content-type": _TYPES[kind] if kind < len(_TYPES) else pieces.text(),
        "date": pieces.text(),
        "retry-after": pieces.text(),
        "location": pieces.text(),
        "etag": pieces.text(),
    }
    found = HttpAnswer(status, {name: value for name, value in headers.items() if value}, pieces.left)
    with contextlib.suppress(ServerError):
        raise_for_put(found, f"{ADDRESS}/put?x=1", SHA)
    wait_s = found.retry_after_s
    expect(wait_s is None or 0 <= wait_s <= 3600, f"it would wait for {wait_s} s")
    with contextlib.suppress(ServerError):
        raise_for_problem(found, ADDRESS)


def _answer_seeds() -> Sequence[bytes]:
    date = b"Sat, 21 Nov 2026 10:00:00 GMT"
    problem = vectors("problem")()[0]
    return [
        bytes([50, 0]) + date + b"\n\n\n\n{}",
        bytes([164, 1]) + date + b"\n120\n\n\n" + problem,
        bytes([202, 1]) + date + b"\n" + date + b"\n\n\n" + problem,
        bytes([101, 2]) + b"\n\nhttp://[login/\n\n<html>",
        bytes([50, 3]) + b'\n\n\n"' + SHA.encode() + b'"\n',
    ]


@cache
def _loop() -> asyncio.AbstractEventLoop:
    return asyncio.new_event_loop()


class _Saying(httpcore.AsyncNetworkBackend):
    """A network where every connection says the same, whatever it is asked."""

    def __init__(self) -> None:
        self.raw = b""

    async def connect_tcp(self, *_: object, **__: object) -> httpcore.AsyncNetworkStream:
        pieces = [self.raw[i : i + 512] for i in range(0, len(self.raw), 512)]
        return httpcore.AsyncMockStream(pieces)


@cache
def _http() -> tuple[HttpClient, _Saying]:
    network = _Saying()
    # Each request begins a connection of its own: what the last one left over is nobody's answer.
    transport = httpx.AsyncHTTPTransport(
        verify=_untrusting(), limits=httpx.Limits(max_keepalive_connections=0)
    )
    transport._pool._network_backend = network
    return HttpClient(transport=transport, verify=_untrusting()), network


def _line(raw: bytes) -> HttpClient:
    http, network = _http()
    network.raw = raw
    return http


@cache
def _untrusting() -> Any:
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


async def _converse(which: int, raw: bytes) -> None:
    http, clock = _line(raw), _clock()
    api = ControlPlaneApi(http, "http://127.0.0.1:9", clock, lambda: "token")
    with contextlib.suppress(ServerError):
        client = HttpUploadClient(api, http, Throttle(clock), sleep=_at_once)
        if which == 0:
            await client.intent([MANIFEST])
        elif which == 1:
            await client.commit([CommitItem(segment_id=MANIFEST.segment_id, size_bytes=1, sha256=SHA)])
        elif which == 2:
            await client.report_gaps([GAP])
        elif which == 3:
            found = await api.get("/agent/v1/config", msgspec.Raw, etag='"1"')
            if found is not None:
                ConfigFilter(CONFIG.agent_id, BODY.studio_id, (3, "")).check_bytes(bytes(found[0]))
        else:
            await api.post_for_nothing("/agent/v1/report", {})


async def _at_once(_: float) -> None:
    return


def conversation(data: bytes) -> None:
    """Bytes that a socket answers to a request, status line and all: only errors of ours come out."""
    pieces = Pieces(data)
    _loop().run_until_complete(_converse(pieces.number() % 5, pieces.left))


def _conversation_seeds() -> Sequence[bytes]:
    def http(body: bytes, headers: bytes = b"", status: bytes = b"200 OK") -> bytes:
        return b"HTTP/1.1 %b\r\nContent-Length: %d\r\n%b\r\n%b" % (status, len(body), headers, body)

    json = b"Content-Type: application/json\r\nDate: Sat, 21 Nov 2026 10:00:00 GMT\r\n"
    bodies = [*vectors("intent_answer", "commit_answer", "gaps_answer")(), encode(CONFIG), b"{}"]
    return [
        *(bytes([which]) + http(body, json) for which, body in enumerate(bodies)),
        b"\0" + http(b"", b"Location: http://login/\r\n", b"302 Found"),
        b"\0HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n" + json + b"\r\n2\r\n{}\r\n0\r\n\r\n",
        b"\4" + http(b"x\x9c\xab\xae\x05\0\x01u\0\xf9", b"Content-Encoding: deflate\r\n" + json),
    ]


def put_target(data: bytes) -> None:
    """Where to put bytes, as the control plane names it: only errors of ours come out."""
    try:
        target = decode(data, PutTarget)
    except msgspec.DecodeError:
        return
    _loop().run_until_complete(_put(target))


async def _put(target: PutTarget) -> None:
    path = folder("put") / "object"
    if not path.exists():
        path.write_bytes(bytes(MANIFEST.size_bytes))
    http, clock = _line(b'HTTP/1.1 200 OK\r\nETag: "1"\r\nContent-Length: 0\r\n\r\n'), _clock()
    api = ControlPlaneApi(http, ADDRESS, clock, None)
    with contextlib.suppress(ServerError):
        await HttpUploadClient(api, http, Throttle(clock), sleep=_at_once).put(target, path, MANIFEST)


def _put_seeds() -> Sequence[bytes]:
    id_ = MANIFEST.segment_id
    targets = [
        PutTarget(
            segment_id=id_, url="/store/key?signature=1", headers={"content-length": "3008"}, expires_at=AT
        ),
        PutTarget(
            segment_id=id_,
            url="http://store.example:9000/bucket/key",
            headers={"x-amz-meta": "1"},
            expires_at=AT,
        ),
    ]
    return [encode(target) for target in targets]


@cache
def _identity() -> tuple[Identity, Ed25519PrivateKey]:
    plane = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    value: PairAnswer = EXAMPLES["pair_answer"][1]
    said = msgspec.structs.replace(value, revocation_key=plane.public_key().public_bytes_raw())
    keys = AgentKeys(Ed25519PrivateKey.from_private_bytes(bytes(32)), PrivateKey(bytes(range(32))))
    return Identity(keys, Pairing(address=ADDRESS, answer=said)), plane


def revocation(data: bytes) -> None:
    """A revocation: `RevocationInvalid`, or one that our control plane signed for this agent."""
    identity, _ = _identity()
    with contextlib.suppress(RevocationInvalid):
        said = identity.verify_revocation(data.decode("utf-8", "surrogateescape"))
        expect(said.sub == identity.pairing.answer.agent_id, "it is for another agent")


def _revocation_seeds() -> Sequence[bytes]:
    identity, plane = _identity()
    claims = {"sub": str(identity.pairing.answer.agent_id), "reason": "lost", "iat": 1_790_000_000}
    headers = {"typ": REVOCATION_TYPE}
    return [jwt.encode(claims, plane, algorithm="EdDSA", headers=headers).encode()]


def credentials(data: bytes) -> None:
    """Sealed credentials: the agent's own, or `CredentialsUnreadable`. The second half is sealed before it is opened."""
    identity, _ = _identity()
    sealed = SealedBox(identity.keys.sealing.public_key).encrypt(data[1:]) if data[:1] == b"\0" else data
    with contextlib.suppress(CredentialsUnreadable):
        identity.open_credentials(sealed)


def _credential_seeds() -> Sequence[bytes]:
    return [b"\0" + encode(Credentials(username="admin", password="p"))]


def camera_address(data: bytes) -> None:
    """An address of a camera: `CameraFailed`, or addresses in allowed networks and one line to ask with."""
    settings = Settings()
    with patch.object(socket, "getaddrinfo", _found), contextlib.suppress(CameraFailed):
        endpoint = endpoint_of(data.decode("utf-8", "surrogateescape"))
        expect(not set(endpoint.target) & set(" \r\n\t\0"), f"{endpoint.target!r} is more than one line")
        for _, address in checked_addresses(endpoint, settings):
            expect(allowed(str(address[0]), settings), f"{address} is no place for a camera")


def _found(host: str, port: int, **_: object) -> list[tuple[int, int, int, str, tuple[str, int]]]:
    """Names stand for an address in the studio; what looks like an address is one, as the resolver takes it."""
    host.encode("idna")
    try:
        found = str(ipaddress.ip_address(host.partition("%")[0]))
    except ValueError:
        found = "192.168.1.9"
    return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (found, port))]


def plane_address(data: bytes) -> None:
    """The address of a control plane as a person types it: `AddressInvalid`, or one that stays as it is."""
    with contextlib.suppress(AddressInvalid):
        base = base_address(data.decode("utf-8", "surrogateescape"))
        expect(base_address(base) == base, f"{base!r} is not the address of itself")


async def _pair(raw: bytes) -> None:
    folder_, clock = _Keys(), FakeClock(AT)
    with contextlib.suppress(AgentError):
        await pair("http://127.0.0.1:9", "BCDF-GHJK", folder_, replace=True, http=_line(raw), clock=clock)


class _Keys(IdentityFolder):
    """Pairs without touching the disk."""

    def __init__(self) -> None:
        super().__init__(folder("pair"))

    def begin(self) -> AgentKeys:
        return _identity()[0].keys

    def finish(self, pairing: Pairing) -> Identity:
        expect(decode(encode(pairing), Pairing) == pairing, "the answer is not what is kept of it")
        return Identity(self.begin(), pairing)


def pairing(data: bytes) -> None:
    """The answer to a pairing, from any server that a person named: only errors of ours come out."""
    _loop().run_until_complete(_pair(data))


def _pairing_seeds() -> Sequence[bytes]:
    json = b"Content-Type: application/json\r\n"
    (body,) = vectors("pair_answer")()
    (problem,) = vectors("problem")()
    return [
        b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n%b\r\n%b" % (len(body), json, body),
        b"HTTP/1.1 409 X\r\nContent-Length: %d\r\nContent-Type: application/problem+json\r\n\r\n%b"
        % (len(problem), problem),
    ]


TARGETS = {
    "frame": Target(frame, vectors("welcome", "desired", "send_again", "revoked", "fault")),
    "configuration": Target(configuration, lambda: [encode(BODY)]),
    "answer": Target(answer, _answer_seeds),
    "conversation": Target(conversation, _conversation_seeds),
    "put_target": Target(put_target, _put_seeds),
    "pairing": Target(pairing, _pairing_seeds),
    "revocation": Target(revocation, _revocation_seeds),
    "credentials": Target(credentials, _credential_seeds),
    "camera_address": Target(
        camera_address,
        lambda: [b"rtsp://cam.local:554/main?a=1", b"http://[fe80::1%25eth0]:80/x", b"rtsps://10.0.0.9"],
    ),
    "plane_address": Target(plane_address, lambda: [b"https://studio.example/", b"http://[::1]:8000/x?y"]),
}
