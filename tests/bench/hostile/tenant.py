"""Attacks of a studio: its paired agent, with a class under way, and its admin's browser."""

import asyncio
import contextlib
import gzip
import hashlib
import itertools
import os
import random
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import msgspec
from nacl.public import PublicKey, SealedBox
from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

from shared.protocol.codec import decode, encode
from shared.protocol.ids import CameraId, ClassSessionId, GapId, RecipientKeyId, SegmentId, new_id
from shared.protocol.manifest import FragmentRecord, GapReason, GapRecord, SealedBlob, SegmentManifest
from shared.protocol.media import ClockEstimate, ClockMethod, VideoFormat
from shared.protocol.messages import Heartbeat, Hello
from shared.protocol.status import AgentStatus, ConfigStatus, Reported, SpoolStatus
from shared.protocol.upload import (
    CommitItem,
    CommitRequest,
    GapsRequest,
    IntentAnswer,
    IntentRequest,
    PutTarget,
)
from tests.bench.hostile.course import Course
from tests.bench.hostile.ground import ATTACKER_ADDRESSES, Ground

TWO_WEEKS_90K, SECOND_90K = 14 * 86_400 * 90_000, 90_000
LARGE_BYTES = 240 << 20
FRAGMENTS = 256
CLIENTS = 16
TIMEOUT_S = 120.0
PAUSE_S = 0.05
"""After a connection that failed; not after a refusal: what is refused is asked again at once."""


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    body: bytes


class Client:
    """One connection after the other from one address, as little HTTP as it can be."""

    def __init__(self, ground: Ground, source: str) -> None:
        parts = urlsplit(ground.address)
        self._where, self._source = (parts.hostname or "", parts.port or 80), source
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(
        self, method: str, path: str, headers: Mapping[str, str], *, body: bytes = b"", slowly: bool = False
    ) -> Answer:
        """Sends one request.

        Args:
            slowly: takes a kilobyte of the answer each second.

        Raises:
            OSError, asyncio.IncompleteReadError, TimeoutError: the server went away, or takes too long.
        """
        if self._streams is None:
            limit = 1 << 12 if slowly else 1 << 22
            self._streams = await asyncio.open_connection(
                *self._where, local_addr=(self._source, 0), limit=limit
            )
        reader, writer = self._streams
        lines = [f"{method} {path} HTTP/1.1", f"Host: {self._where[0]}:{self._where[1]}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        lines += [f"Content-Length: {len(body)}"] if body or method != "GET" else []
        try:
            async with asyncio.timeout(TIMEOUT_S):
                writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())
                for at in range(0, len(body), 1 << 18):
                    writer.write(body[at : at + (1 << 18)])
                    await writer.drain()
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
                answer = await self._body(head, reader, slowly)
        except BaseException:
            self.close()
            raise
        if "connection: close" in head:
            self.close()
        return Answer(int(head.split(" ", 2)[1]), answer)

    async def _body(self, head: str, reader: asyncio.StreamReader, slowly: bool) -> bytes:
        length = int(head.partition("content-length:")[2].partition("\r\n")[0].strip() or 0)
        if not slowly:
            return await reader.readexactly(length)
        read = 0
        while read < length:
            read += len(await reader.read(1024))
            await asyncio.sleep(1.0)
        return b""

    def close(self) -> None:
        """Ends the connection."""
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


class Hostile:
    """The agent and the admin of the hostile studio."""

    def __init__(self, ground: Ground, course: Course) -> None:
        self.ground, self.course = ground, course
        self._box = ground.box()
        self._sources = itertools.cycle(ATTACKER_ADDRESSES)
        self._sequence = itertools.count(1)
        self.folder = f"/studio/{ground.hostile_slug}/classes/{ground.agent.class_id}"

    def client(self) -> Client:
        """Returns a new connection."""
        return Client(self.ground, next(self._sources))

    async def call(self, client: Client, path: str, body: Any) -> Answer:
        """Sends one call of the agent."""
        return await client.ask(
            "POST",
            f"/agent/v1/{path}",
            {"Authorization": self._box.authorization()},
            body=body if isinstance(body, bytes) else encode(body),
        )

    async def page(self, client: Client, path: str, *, slowly: bool = False) -> Answer:
        """Asks as the admin's browser."""
        headers = {"Cookie": self.ground.hostile_cookie, "Accept": "text/html", "Accept-Encoding": "gzip"}
        return await client.ask("GET", path, headers, slowly=slowly)

    def segment(
        self,
        *,
        fragments: int = FRAGMENTS,
        apart_90k: int = SECOND_90K,
        init_bytes: int = 1024,
        fragment_bytes: int = 16,
        opens: bool = True,
        content: bytes = b"",
    ) -> tuple[SegmentManifest, bytes]:
        """Returns a segment of the class under way; its content key does not open where it is not to."""
        agent, sha256 = self.ground.agent, "ab" * 32
        init = SealedBlob(offset_bytes=0, size_bytes=init_bytes, iv=bytes(16), sha256=sha256)
        size_bytes = init_bytes + fragments * fragment_bytes
        content = (content or os.urandom(min(size_bytes, 1 << 20))).ljust(size_bytes, b"\0")[:size_bytes]
        sequence = next(self._sequence)
        records = tuple(
            FragmentRecord(
                blob=SealedBlob(
                    offset_bytes=init_bytes + index * fragment_bytes,
                    size_bytes=fragment_bytes,
                    iv=bytes(16),
                    sha256=sha256,
                ),
                pts_90k=(sequence * fragments + index) * apart_90k,
                duration_90k=SECOND_90K,
                frames=30,
            )
            for index in range(fragments)
        )
        key = SealedBox(PublicKey(agent.recipient_public_key)).encrypt(os.urandom(16))
        manifest = SegmentManifest(
            segment_id=SegmentId(new_id()),
            class_session_id=ClassSessionId(UUID(agent.class_id)),
            camera_id=CameraId(UUID(agent.camera_ids[0])),
            sequence=sequence,
            run=0,
            size_bytes=size_bytes,
            sha256=hashlib.sha256(content).hexdigest(),
            recipient_key_id=RecipientKeyId(UUID(agent.recipient_key_id)),
            sealed_key=bytes(key) if opens else bytes(64),
            init=init,
            init_sha256=sha256,
            fragments=records,
            video=VideoFormat(codec="h264", codec_string="avc1.42c00d", width=1280, height=720, fps=30.0),
            audio=None,
            clock=ClockEstimate(
                method=ClockMethod.ARRIVAL,
                anchor_pts_90k=0,
                anchor_at=datetime.now(UTC),
                rate_ppb=0,
                error_bound_us=20_000,
                provisional=False,
            ),
            closed_at=datetime.now(UTC),
        )
        return manifest, content

    async def announce(self, client: Client, *manifests: SegmentManifest) -> list[Any]:
        """Returns the targets and refusals of segments; counts them."""
        answer = await self.call(client, "intent", IntentRequest(manifests=manifests))
        self.course.facts[f"intent {answer.status}"] += 1
        if answer.status != 200:
            return []
        answers = list(decode(answer.body, IntentAnswer).answers)
        for item in answers:
            self.course.facts[f"segment {getattr(item, 'code', 'announced')}"] += 1
        return answers

    async def put(self, client: Client, target: PutTarget, content: bytes) -> None:
        """Stores the bytes of a segment."""
        answer = await client.ask("PUT", target.url, target.headers, body=content)
        self.course.facts[f"put {answer.status}"] += 1

    async def commit(self, client: Client, *manifests: SegmentManifest) -> None:
        """Asks for receipts."""
        items = tuple(
            CommitItem(segment_id=m.segment_id, size_bytes=m.size_bytes, sha256=m.sha256) for m in manifests
        )
        answer = await self.call(client, "commit", CommitRequest(items=items))
        self.course.facts[f"commit {answer.status}"] += 1

    async def send(self, client: Client, *made: tuple[SegmentManifest, bytes]) -> int:
        """Sends segments; returns how many were taken at the intent."""
        answers = await self.announce(client, *(manifest for manifest, _ in made))
        taken = [
            (answer, *item)
            for answer, item in zip(answers, made, strict=False)
            if isinstance(answer, PutTarget)
        ]
        for target, _, content in taken:
            await self.put(client, target, content)
        if taken:
            await self.commit(client, *(manifest for _, manifest, _ in taken))
        return len(taken)

    async def all_the_time(self, number: int, once: Callable[[Client], Awaitable[None]]) -> None:
        """Has several clients do the same without a pause."""

        async def loop() -> None:
            client = self.client()
            while True:
                try:
                    await once(client)
                except (OSError, asyncio.IncompleteReadError, TimeoutError, ValueError):
                    self.course.facts["connections lost"] += 1
                    await asyncio.sleep(PAUSE_S)

        async with asyncio.TaskGroup() as clients:
            for _ in range(number):
                clients.create_task(loop())


async def playlists(ground: Ground, course: Course) -> None:
    """Has a class of as many entries as it can hold laid out again and again, eight times at once (H4)."""
    hostile = Hostile(ground, course)
    sender = hostile.client()
    if not await hostile.send(sender, hostile.segment(apart_90k=TWO_WEEKS_90K)):
        while await hostile.send(sender, *(hostile.segment() for _ in range(8))):
            pass
    left = ground.agent.camera_ids[0]
    page = await hostile.page(sender, f"{hostile.folder}/timeline.json")
    tracks = _tracks(page)
    playlist = next((track["playlist_url"] for track in tracks if track["fragments"]), "")
    paths = [f"{hostile.folder}/timeline.json", playlist or f"{hostile.folder}/timeline.json"]
    course.begun.set()

    async def get(client: Client) -> None:
        answer = await hostile.page(client, random.choice(paths))  # which of two, not a secret
        course.facts[f"document {answer.status}"] += 1

    async def change() -> None:
        # Another version of the class: nothing that is kept helps.
        client = hostile.client()
        while True:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError, TimeoutError):
                answer = await hostile.call(client, "gaps", GapsRequest(gaps=(_gap(ground, left),)))
                course.facts[f"gaps {answer.status}"] += 1
            await asyncio.sleep(0.2)

    async with asyncio.TaskGroup() as group:
        group.create_task(hostile.all_the_time(8, get))
        group.create_task(change())


async def init_sections(ground: Ground, course: Course) -> None:
    """Reads an init section as large as it is taken, and a whole segment, slowly and many at once (H5a)."""
    hostile = Hostile(ground, course)
    sender = hostile.client()
    content = os.urandom(LARGE_BYTES)
    large = hostile.segment(init_bytes=LARGE_BYTES - 16 * 16, fragments=16, content=content)
    made = large
    if not await hostile.send(sender, large):
        made = hostile.segment(init_bytes=64 << 10, fragments=16, fragment_bytes=1 << 20, content=content)
        await hostile.send(sender, made)
    page = await hostile.page(sender, f"{hostile.folder}/timeline.json")
    tracks = _tracks(page)
    track = next((item["id"] for item in tracks if item["fragments"]), "")
    segment_id = made[0].segment_id
    paths = [
        f"{hostile.folder}/tracks/{track}/init/{segment_id}.mp4",
        f"{hostile.folder}/segments/{segment_id}/bytes.m4s",
    ]
    course.begun.set()

    async def read(client: Client) -> None:
        path = random.choice(paths)  # which of two, not a secret
        course.facts["begun"] += 1
        answer = await hostile.page(client, path, slowly=True)
        course.facts[f"read {answer.status}"] += 1

    await hostile.all_the_time(CLIENTS, read)


async def commits(ground: Ground, course: Course) -> None:
    """Commits three segments of 240 MB whose keys do not open, from ten clients without a pause (H5b)."""
    hostile = Hostile(ground, course)
    sender, content = hostile.client(), os.urandom(LARGE_BYTES)
    made = [
        hostile.segment(
            fragments=1,
            fragment_bytes=LARGE_BYTES - 1024,
            opens=False,
            content=content[number:] + b"0" * number,
        )
        for number in range(3)
    ]
    answers = await hostile.announce(sender, *(manifest for manifest, _ in made))
    for target, (_, body) in zip(answers, made, strict=False):
        if isinstance(target, PutTarget):
            await hostile.put(sender, target, body)
    manifests = [manifest for manifest, _ in made]
    course.begun.set()

    async def commit(client: Client) -> None:
        await hostile.commit(client, *manifests)

    await hostile.all_the_time(10, commit)


async def uploads(ground: Ground, course: Course) -> None:
    """Sends the same 60 MB again and again to the address that was signed for it."""
    hostile = Hostile(ground, course)
    sender, content = hostile.client(), os.urandom(60 << 20)
    manifest, body = hostile.segment(fragments=1, fragment_bytes=(60 << 20) - 1024, content=content)
    (target,) = await hostile.announce(sender, manifest)
    course.begun.set()

    async def put(client: Client) -> None:
        await hostile.put(client, target, body)

    await hostile.all_the_time(CLIENTS, put)


async def intents(ground: Ground, course: Course) -> None:
    """Announces segments of 256 fragments, as many as a message holds, without a pause."""
    hostile = Hostile(ground, course)
    bodies = [
        encode(IntentRequest(manifests=tuple(hostile.segment()[0] for _ in range(16)))) for _ in range(8)
    ]
    await _flood(hostile, course, "intent", bodies)


async def gaps(ground: Ground, course: Course) -> None:
    """Reports 64 gaps in each call without a pause."""
    cameras = itertools.cycle(ground.agent.camera_ids)

    def bodies() -> Iterator[bytes]:
        while True:
            yield encode(GapsRequest(gaps=tuple(_gap(ground, next(cameras)) for _ in range(64))))

    await _flood(Hostile(ground, course), course, "gaps", list(itertools.islice(bodies(), 64)))


async def heartbeats(ground: Ground, course: Course) -> None:
    """Says how it is over eight sockets and by HTTP without a pause."""
    hostile = Hostile(ground, course)
    box = ground.box()
    beat = encode(Heartbeat(status=_status())).decode()
    hello = encode(
        Hello(
            protocol=3,
            agent_version="hostile",
            reported=Reported(version=0, hash=None, status=ConfigStatus.APPLIED),
        )
    ).decode()

    async def link(source: str) -> None:
        while True:
            with contextlib.suppress(OSError, WebSocketException, TimeoutError):
                async with connect(
                    f"{ground.address.replace('http', 'ws')}/agent/v1/link",
                    additional_headers={"Authorization": box.authorization()},
                    compression=None,
                    local_addr=(source, 0),
                ) as socket:
                    await socket.send(hello)
                    await socket.recv()
                    while True:
                        await socket.send(beat)
                        course.facts["beats"] += 1
            await asyncio.sleep(PAUSE_S)

    async def report(client: Client) -> None:
        answer = await hostile.call(client, "report", Heartbeat(status=_status()))
        course.facts[f"report {answer.status}"] += 1

    async with asyncio.TaskGroup() as group:
        for source in [*ATTACKER_ADDRESSES] * 2:
            group.create_task(link(source))
        group.create_task(hostile.all_the_time(8, report))
        course.begun.set()


async def pages(ground: Ground, course: Course) -> None:
    """Loads the admin's pages from 32 connections without a pause."""
    hostile = Hostile(ground, course)
    studio = f"/studio/{ground.hostile_slug}"
    paths = [f"{studio}/{name}/" for name in ("classes", "people", "agents", "audit", "settings/storage")]
    course.begun.set()

    async def get(client: Client) -> None:
        answer = await hostile.page(client, random.choice(paths))  # which page, not a secret
        course.facts[f"page {answer.status}"] += 1

    await hostile.all_the_time(32, get)


async def _flood(hostile: Hostile, course: Course, path: str, bodies: Sequence[bytes]) -> None:
    turn = itertools.cycle(bodies)
    course.begun.set()

    async def call(client: Client) -> None:
        answer = await hostile.call(client, path, next(turn))
        course.facts[f"{path} {answer.status}"] += 1

    await hostile.all_the_time(CLIENTS, call)


def _tracks(page: Answer) -> list[dict[str, Any]]:
    """Returns the tracks of a timeline; none where it is not one."""
    if page.status != 200:
        return []
    body = gzip.decompress(page.body) if page.body[:2] == b"\x1f\x8b" else page.body
    found: list[dict[str, Any]] = msgspec.json.decode(body)["tracks"]
    return found


def _gap(ground: Ground, camera_id: str) -> GapRecord:
    now_at = datetime.now(UTC)
    return GapRecord(
        gap_id=GapId(uuid4()),
        class_session_id=ClassSessionId(UUID(ground.agent.class_id)),
        camera_id=CameraId(UUID(camera_id)),
        from_at=now_at,
        to_at=now_at,
        reason=GapReason.CAMERA_OFFLINE,
        detail="x" * 500,
    )


def _status() -> AgentStatus:
    return AgentStatus(
        now_at=datetime.now(UTC),
        uptime_s=1,
        clock_offset_ms=0,
        cameras=(),
        recordings=(),
        spool=SpoolStatus(bytes_used=0, bytes_free=1, segments_pending=0, behind_s=0),
    )
