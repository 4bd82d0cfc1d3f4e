"""The part of a request that is read before anything looks at its meaning."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.http import QueryDict
from django.utils import timezone

from control_plane.common.body_limits import FILE_LIMIT_BYTES, FORM_LIMIT_BYTES
from control_plane.common.throttle import Throttle
from control_plane.fleet.uploads import MIN_BYTES_PER_S
from control_plane.ingest import gate, services
from control_plane.ingest.gate import Gate, Pace
from control_plane.ingest.targets import SignedUpload
from control_plane.storage.objects import LARGEST_BYTES
from edge_agent.upload.replicator import CONNECTIONS
from shared.protocol.codec import MESSAGE_LIMIT_BYTES, decode
from shared.protocol.errors import Code, Problem
from shared.protocol.upload import TARGET_LIFETIME_S, PutTarget
from tests.control_plane.conftest import Cast
from tests.control_plane.scenes import make_scene


class Asked:
    """A request to a gate: how much of it was read, and what was answered."""

    def __init__(
        self,
        path: str,
        query: str = "",
        *,
        method: str = "POST",
        length: int | None = None,
        address: str = "203.0.113.5",
        accept: str = "*/*",
    ) -> None:
        size = (b"transfer-encoding", b"chunked") if length is None else (b"content-length", b"%d" % length)
        self.scope: dict[str, Any] = {
            "type": "http",
            "method": method,
            "path": path,
            "query_string": query.encode(),
            "headers": [size, (b"accept", accept.encode())],
            "client": (address, 1),
        }
        self.sent: list[Mapping[str, Any]] = []
        self.read: list[Mapping[str, Any]] = []

    async def ask(self, body: list[bytes], gate_: Gate | None = None, *, ends: bool = True) -> "Asked":
        """Sends `body` in pieces to a gate; where it does not end, nothing comes after the last piece."""
        pieces = iter([*body])

        async def receive() -> Mapping[str, Any]:
            piece = next(pieces, None)
            if piece is None and not ends:
                await asyncio.Event().wait()
            return {"type": "http.request", "body": piece or b"", "more_body": piece is not None}

        async def send(message: Mapping[str, Any]) -> None:
            self.sent.append(message)

        self.scope["asked"] = self
        await (gate_ or Gate(reads_all))(self.scope, receive, send)
        return self

    @property
    def problem(self) -> Problem:
        """The answer in place of the application's."""
        assert self.sent, "the application was asked"
        assert self.sent[0]["status"] == decode(self.sent[1]["body"], Problem).status
        return decode(self.sent[1]["body"], Problem)


def signed_put(
    studio: str, size_bytes: int, *, expires_s: int = 9_999_999_999, length: int | None = None
) -> Asked:
    """Returns a PUT to an address that is signed."""
    allowed = SignedUpload(f"{studio}/class/segment.seg", size_bytes, "00" * 32, expires_s)
    query = f"size={size_bytes}&sha256={allowed.sha256}&expires={expires_s}&signature={allowed.signature()}"
    return Asked(f"/agent/v1/objects/{allowed.key}", query, method="PUT", length=length)


async def reads_all(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """An application that reads all there is."""
    asked: Asked = scope["asked"]
    while True:
        asked.read.append(await receive())
        if asked.read[-1]["type"] == "http.disconnect" or not asked.read[-1]["more_body"]:
            return


async def test_a_put_to_an_address_that_nobody_signed_is_not_read() -> None:
    asked = await Asked("/agent/v1/objects/a/b.seg", "size=1", method="PUT", length=1 << 40).ask([b"x"])
    assert asked.problem.code is Code.UPLOAD_TARGET_EXPIRED
    assert asked.read == []


async def test_a_put_without_a_body_needs_a_signature_too() -> None:
    unsigned = await Asked("/agent/v1/objects/a/b.seg", "size=1", method="PUT", length=0).ask([])
    assert unsigned.problem.code is Code.UPLOAD_TARGET_EXPIRED
    assert unsigned.read == []
    signed = await signed_put("a", 1, length=0).ask([])
    assert (len(signed.read), signed.sent) == (1, [])


async def test_a_signature_in_other_letters_is_refused_like_any_other() -> None:
    query = "size=1&sha256=00&expires=9999999999&signature=%C3%A9"
    asked = await Asked("/agent/v1/objects/a/b.seg", query, method="PUT", length=1).ask([b"x"])
    assert asked.problem.code is Code.UPLOAD_TARGET_EXPIRED
    assert asked.read == []


async def test_a_body_that_says_it_is_too_long_is_not_read() -> None:
    asked = await Asked("/agent/v1/intent", length=MESSAGE_LIMIT_BYTES + 1).ask([b"x"])
    assert asked.problem.code is Code.TOO_LARGE
    assert asked.read == []
    page = await Asked("/admin/", length=FORM_LIMIT_BYTES + 1).ask([b"x"])
    assert page.problem.status == 413


async def test_only_pages_that_take_a_file_take_more_than_a_form() -> None:
    for path in ("/studio/demo/dancers/import/", f"/studio/demo/classes/{UUID(int=1)}/roster/file/"):
        assert (await Asked(path, length=FILE_LIMIT_BYTES).ask([b"x"])).read
        assert (await Asked(path, length=FILE_LIMIT_BYTES + 1).ask([b"x"])).problem.status == 413
    for path in ("/accounts/login/", "/api/v1/studios/demo/members/", "/nowhere/"):
        assert (await Asked(path, length=FORM_LIMIT_BYTES + 1).ask([b"x"])).problem.status == 413


async def test_a_body_that_does_not_say_its_length_is_read_to_the_limit() -> None:
    piece = bytes(MESSAGE_LIMIT_BYTES // 2)
    asked = await Asked("/agent/v1/intent").ask([piece] * 10)
    assert [message["type"] for message in asked.read] == ["http.request"] * 2 + ["http.disconnect"]
    assert asked.problem.code is Code.TOO_LARGE


async def test_a_person_gets_a_page_and_a_program_never_does() -> None:
    html = "text/html,application/xhtml+xml"
    page = await Asked("/accounts/login/", length=FORM_LIMIT_BYTES + 1, accept=html).ask([b"x"])
    headers = dict(page.sent[0]["headers"])
    assert headers[b"content-type"].startswith(b"text/html")
    assert b"The body is over" in page.sent[1]["body"]
    assert b"Content-Security-Policy".lower() in headers
    for path in ("/api/v1/studios/demo/members/", "/agent/v1/intent"):
        assert (await Asked(path, length=FORM_LIMIT_BYTES + 1, accept=html).ask([b"x"])).problem.status == 413


async def test_a_body_that_stops_coming_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate, "FORM_PACE", Pace(idle_s=0.05, grace_s=100))
    asked = await Asked("/accounts/login/", length=1000).ask([b"x"], ends=False)
    assert asked.problem.status == 408
    monkeypatch.setattr(gate, "FORM_PACE", Pace(idle_s=100, grace_s=0.05, bytes_per_s=500))
    asked = await Asked("/accounts/login/", length=1000).ask([b"x"], ends=False)
    assert asked.problem.status == 408


async def test_bodies_that_one_address_holds_have_a_bound_and_nobody_else_waits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(gate, "FORM_BYTES_PER_ADDRESS", 3000)
    gate_ = Gate(reads_all)
    held = [
        asyncio.create_task(Asked("/accounts/login/", length=1001).ask([bytes(1000)], gate_, ends=False))
        for _ in range(5)
    ]
    done, waiting = await asyncio.wait(held, timeout=0.5)
    assert gate_.held_bytes == (0, 3000)
    assert [(await one).problem.status for one in done] == [503, 503]
    assert {held[0], held[1]} == done  # the oldest
    other = await Asked("/accounts/login/", length=4, address="203.0.113.6").ask([b"abcd"], gate_)
    assert other.sent == []
    for task in waiting:
        task.cancel()
    await asyncio.wait(waiting)
    assert gate_.held_bytes == (0, 0)


async def test_all_bodies_together_have_a_bound_and_the_largest_holder_gives_way(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(gate, "FORM_BYTES_TOTAL", 5000)
    gate_ = Gate(reads_all)
    held = [
        asyncio.create_task(
            Asked("/accounts/login/", length=1001, address=address).ask([bytes(1000)], gate_, ends=False)
        )
        for address in ["203.0.113.5"] * 4 + ["203.0.113.6"]
    ]
    await asyncio.wait(held, timeout=0.2)
    assert gate_.held_bytes == (0, 5000)
    asked = await Asked("/accounts/login/", length=900, address="203.0.113.7").ask([bytes(900)], gate_)
    assert len(asked.read) == 2
    assert (await asyncio.wait_for(held[0], 10)).problem.status == 503
    assert [task.done() for task in held] == [True, False, False, False, False]
    for task in held[1:]:
        task.cancel()
    await asyncio.wait(held)


async def test_a_request_without_a_body_is_not_looked_at() -> None:
    asked = Asked("/accounts/login/", method="GET", length=0)
    assert len((await asked.ask([])).read) == 1


async def test_what_may_be_read_is_handed_on() -> None:
    asked = await Asked("/agent/v1/intent", length=4).ask([b"ab", b"cd"])
    assert b"".join(message["body"] for message in asked.read) == b"abcd"


class Uploads:
    """A gate before uploads that end when a test says so."""

    def __init__(self) -> None:
        self.finish, self.running = asyncio.Event(), 0
        self.gate = Gate(self._app)

    async def _app(self, scope: Any, receive: Any, send: Any) -> None:
        self.running += 1
        await receive()
        await self.finish.wait()
        await send({"type": "http.response.start", "status": 201, "headers": []})

    async def put(self, studio: str, size_bytes: int = 4) -> list[Mapping[str, Any]]:
        sent = list[Mapping[str, Any]]()

        async def receive() -> Mapping[str, Any]:
            return {"type": "http.request", "body": b"body", "more_body": False}

        async def send(message: Mapping[str, Any]) -> None:
            sent.append(message)

        await self.gate(signed_put(studio, size_bytes).scope, receive, send)
        return sent


async def test_uploads_of_a_studio_are_so_many_at_a_time_and_others_go_past_them() -> None:
    uploads = Uploads()
    greedy = [asyncio.create_task(uploads.put("greedy")) for _ in range(gate.UPLOADS_PER_STUDIO + 5)]
    other = asyncio.create_task(uploads.put("other"))
    await asyncio.sleep(0)
    assert uploads.running == gate.UPLOADS_PER_STUDIO + 1
    uploads.finish.set()
    answers = await asyncio.gather(*greedy, other)
    assert [answer[0]["status"] for answer in answers] == [201] * (gate.UPLOADS_PER_STUDIO + 6)


async def test_large_uploads_of_a_studio_have_a_bound_in_bytes_and_small_ones_go_past_them() -> None:
    uploads = Uploads()
    large = [asyncio.create_task(uploads.put("studio", 100 << 20)) for _ in range(7)]
    small = asyncio.create_task(uploads.put("studio"))
    await asyncio.sleep(0)
    assert uploads.running == 4 + 1
    uploads.finish.set()
    answers = await asyncio.gather(*large, small)
    assert [answer[0]["status"] for answer in answers] == [201] * 8


@pytest.mark.parametrize(
    ("agents", "size_bytes"),
    # A camera of 4K sends 33 Mbit/s; the longest segment of one with a key frame each 8 s has 14 s.
    [(2, 14 * 33_000_000 // 8), (2, 80 << 20), (1, LARGEST_BYTES)],
)
async def test_no_upload_of_honest_agents_waits_for_another(agents: int, size_bytes: int) -> None:
    uploads = Uploads()
    asked = [asyncio.create_task(uploads.put("studio", size_bytes)) for _ in range(agents * CONNECTIONS)]
    await asyncio.sleep(0)
    assert uploads.running == len(asked)
    uploads.finish.set()
    assert [answer[0]["status"] for answer in await asyncio.gather(*asked)] == [201] * len(asked)


async def test_uploads_of_a_few_studios_leave_turns_to_the_others() -> None:
    uploads = Uploads()
    studios = gate.UPLOADS // gate.UPLOADS_PER_STUDIO + 1
    greedy = [
        asyncio.create_task(uploads.put(f"greedy {number}"))
        for number in range(studios)
        for _ in range(gate.UPLOADS_PER_STUDIO)
    ]
    await asyncio.sleep(0)
    before = uploads.running
    assert before >= gate.UPLOADS - gate.RESERVED_UPLOADS
    other = asyncio.create_task(uploads.put("other"))
    await asyncio.sleep(0)
    assert uploads.running == before + 1
    uploads.finish.set()
    await asyncio.gather(*greedy, other)


class Peer:
    """Sends a body piece by piece, on a clock that moves by `each_s` with each piece."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, asked: Asked, piece: bytes, *, each_s: float) -> None:
        self.began_s = self.now_s = asyncio.get_running_loop().time()
        monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: self.now_s)
        self.asked, self._piece, self._each_s = asked, piece, each_s
        self._left_bytes = int(QueryDict(asked.scope["query_string"])["size"])

    async def send_all(self) -> float:
        """Returns how long it could send."""

        async def send(message: Mapping[str, Any]) -> None:
            self.asked.sent.append(message)

        self.asked.scope["asked"] = self.asked
        await Gate(reads_all)(self.asked.scope, self._receive, send)
        return self.now_s - self.began_s

    async def _receive(self) -> Mapping[str, Any]:
        self.now_s += self._each_s
        # Time-outs that are due go first.
        for _ in range(3):
            await asyncio.sleep(0)
        piece = self._piece[: self._left_bytes]
        self._left_bytes -= len(piece)
        return {"type": "http.request", "body": piece, "more_body": self._left_bytes > 0}


async def test_an_upload_that_trickles_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    peer = Peer(monkeypatch, signed_put("studio", 1000), b"x", each_s=50)
    assert await peer.send_all() <= 200
    assert peer.asked.problem.status == 408


async def test_an_upload_ends_when_its_address_expires(monkeypatch: pytest.MonkeyPatch) -> None:
    expires_s = int(timezone.now().timestamp()) + TARGET_LIFETIME_S
    put = signed_put("studio", 30_000_000, expires_s=expires_s)
    peer = Peer(monkeypatch, put, bytes(30_000), each_s=50)
    assert TARGET_LIFETIME_S - 60 < await peer.send_all() < TARGET_LIFETIME_S + 60
    assert peer.asked.problem.code is Code.UPLOAD_TARGET_EXPIRED


async def test_an_agent_with_the_lowest_ceiling_gets_a_segment_through(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    expires_s = int(timezone.now().timestamp()) + TARGET_LIFETIME_S
    # A second's worth at a time, by turns on all its connections.
    put = signed_put("studio", 3_500_000, expires_s=expires_s)
    peer = Peer(monkeypatch, put, bytes(MIN_BYTES_PER_S), each_s=CONNECTIONS)
    assert await peer.send_all() > 800
    assert (peer.asked.sent, sum(len(message["body"]) for message in peer.asked.read)) == ([], 3_500_000)


async def test_an_upload_that_waits_too_long_is_told_when_to_come_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(gate, "UPLOADS_PER_STUDIO", 1)
    monkeypatch.setattr(gate, "UPLOAD_WAIT_S", 0.01)
    uploads = Uploads()
    first = asyncio.create_task(uploads.put("studio"))
    await asyncio.sleep(0)
    start, body = await uploads.put("studio")
    assert (start["status"], dict(start["headers"])[b"retry-after"]) == (503, b"5")
    assert decode(body["body"], Problem).code is Code.UNAVAILABLE
    uploads.finish.set()
    await first
    assert uploads.running == 1


async def test_uploads_come_in_at_the_rate_of_their_studio(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[tuple[Any, float]] = []

    async def take(self: Throttle, name: Any, amount: float) -> None:
        taken.append((name, amount))

    monkeypatch.setattr(Throttle, "take", take)
    uploads = Uploads()
    uploads.finish.set()
    await uploads.put("studio")
    assert taken == [("studio", 4)]


def test_a_signed_address_lets_its_own_bytes_through(cast: Cast, tmp_path: Path) -> None:
    scene = make_scene(cast)
    (made,) = scene.cuts(tmp_path, each=2)
    (target,) = services.announce_segments([made.manifest], scene.caller)
    assert isinstance(target, PutTarget)
    path, _, query = target.url.partition("?")
    for extra, read in ((0, 2), (1, 0)):
        request = Asked(path, query, method="PUT", length=len(made.content) + extra)
        assert len(asyncio.run(request.ask([made.content])).read) == read
