"""What is read of a request at all, before anybody asks what it is."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from control_plane.ingest import services
from control_plane.ingest.gate import FORM_LIMIT_BYTES, gated
from shared.protocol.codec import MESSAGE_LIMIT_BYTES, decode
from shared.protocol.errors import Code, Problem
from shared.protocol.upload import PutTarget
from tests.control_plane.conftest import Cast
from tests.control_plane.scenes import make_scene


class Asked:
    """A request to the gate: how much of it was read, and what was answered."""

    def __init__(
        self, path: str, query: str = "", *, method: str = "POST", length: int | None = None
    ) -> None:
        headers = [] if length is None else [(b"content-length", str(length).encode())]
        self.scope = {
            "type": "http",
            "method": method,
            "path": path,
            "query_string": query.encode(),
            "headers": headers,
        }
        self.sent: list[Mapping[str, Any]] = []
        self.read: list[Mapping[str, Any]] = []

    async def ask(self, body: list[bytes]) -> "Asked":
        """Sends `body` in pieces to a gate before an application that reads all there is."""
        pieces = iter([*body])

        async def receive() -> Mapping[str, Any]:
            piece = next(pieces, None)
            return {"type": "http.request", "body": piece or b"", "more_body": piece is not None}

        async def send(message: Mapping[str, Any]) -> None:
            self.sent.append(message)

        async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
            while True:
                self.read.append(await receive())
                if self.read[-1]["type"] == "http.disconnect" or not self.read[-1]["more_body"]:
                    return

        await gated(app)(self.scope, receive, send)
        return self

    @property
    def problem(self) -> Problem:
        """What was answered in place of the application."""
        return decode(self.sent[1]["body"], Problem)


async def test_a_put_to_an_address_that_nobody_signed_is_not_read() -> None:
    asked = await Asked("/agent/v1/objects/a/b.seg", "size=1", method="PUT", length=1 << 40).ask([b"x"])
    assert asked.problem.code is Code.UPLOAD_TARGET_EXPIRED
    assert asked.read == []


async def test_a_signature_in_other_letters_is_refused_like_any_other() -> None:
    query = "size=1&sha256=00&expires=9999999999&signature=%C3%A9"
    asked = await Asked("/agent/v1/objects/a/b.seg", query, method="PUT", length=1).ask([b"x"])
    assert asked.problem.code is Code.UPLOAD_TARGET_EXPIRED
    assert asked.read == []


async def test_a_body_that_says_it_is_too_long_is_not_read() -> None:
    asked = await Asked("/agent/v1/intent", length=MESSAGE_LIMIT_BYTES + 2).ask([b"x"])
    assert asked.problem.code is Code.TOO_LARGE
    assert asked.read == []
    page = await Asked("/admin/", length=FORM_LIMIT_BYTES + 1).ask([b"x"])
    assert page.problem.status == 413


async def test_a_body_that_does_not_say_its_length_is_read_to_the_limit() -> None:
    piece = bytes(MESSAGE_LIMIT_BYTES // 2)
    asked = await Asked("/agent/v1/intent").ask([piece] * 10)
    assert [message["type"] for message in asked.read] == ["http.request"] * 2 + ["http.disconnect"]
    assert asked.sent == []


async def test_what_may_be_read_is_handed_on() -> None:
    asked = await Asked("/agent/v1/intent", length=4).ask([b"ab", b"cd"])
    assert b"".join(message["body"] for message in asked.read) == b"abcd"


def test_a_signed_address_lets_its_own_bytes_through(cast: Cast, tmp_path: Path) -> None:
    scene = make_scene(cast)
    (made,) = scene.cuts(tmp_path, each=2)
    (target,) = services.announce_segments([made.manifest], scene.caller)
    assert isinstance(target, PutTarget)
    path, _, query = target.url.partition("?")
    for extra, read in ((0, 2), (1, 0)):
        request = Asked(path, query, method="PUT", length=len(made.content) + extra)
        assert len(asyncio.run(request.ask([made.content])).read) == read
