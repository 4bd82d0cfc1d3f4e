"""Attacks of a studio: its paired agent, with a class under way, and its admin's browser."""

import asyncio
import contextlib
import gzip
import itertools
import os
import random
from collections.abc import Awaitable, Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import msgspec
from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

from shared.protocol.codec import decode, encode
from shared.protocol.ids import CameraId, ClassSessionId, GapId
from shared.protocol.manifest import GapReason, GapRecord, SegmentManifest
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
from tests.bench.hostile.client import Answer, Client
from tests.bench.hostile.course import Course
from tests.bench.hostile.footage import SECOND_90K, segment
from tests.bench.hostile.ground import ATTACKER_ADDRESSES, Ground

TWO_WEEKS_90K = 14 * 86_400 * SECOND_90K
LARGE_BYTES = 240 << 20
FRAGMENTS = 256
CLIENTS = 16
PAUSE_S = 0.05
"""After a connection that failed; not after a refusal: what is refused is asked again at once."""


class Hostile:
    """The agent and the admin of the hostile studio."""

    def __init__(self, ground: Ground, course: Course) -> None:
        self.ground, self.course = ground, course
        self._agent_client = ground.agent_client(ground.agent)
        self._sources = itertools.cycle(ATTACKER_ADDRESSES)
        self._sequence = itertools.count(1)
        self.folder = f"/studio/{ground.hostile_slug}/classes/{ground.agent.class_id}"

    def client(self) -> Client:
        """Returns a new connection."""
        return Client(self.ground.address, next(self._sources))

    async def call(self, client: Client, path: str, body: Any) -> Answer:
        """Sends one call of the agent."""
        return await client.ask(
            "POST",
            f"/agent/v1/{path}",
            {"Authorization": self._agent_client.authorization()},
            body=body if isinstance(body, bytes) else encode(body),
        )

    async def page(self, client: Client, path: str, *, slowly: bool = False) -> Answer:
        """Asks as the admin's browser."""
        headers = {"Cookie": self.ground.hostile_cookie, "Accept": "text/html", "Accept-Encoding": "gzip"}
        return await client.ask("GET", path, headers, slowly=slowly)

    def segment(self, *, fragments: int = FRAGMENTS, **wishes: Any) -> tuple[SegmentManifest, bytes]:
        """Returns a segment of the class under way; see `footage.segment`."""
        return segment(self.ground.agent, next(self._sequence), fragments=fragments, **wishes)

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
    agent_client = ground.agent_client(ground.agent)
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
                    additional_headers={"Authorization": agent_client.authorization()},
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


def _pages(ground: Ground) -> list[str]:
    studio = f"/studio/{ground.hostile_slug}"
    return [f"{studio}/{name}/" for name in ("classes", "people", "agents", "audit", "settings/storage")]


async def warm_up(ground: Ground) -> None:
    """Opens each page of the attack once: templates that a web process compiles only once are no attack."""
    hostile = Hostile(ground, Course())
    client = hostile.client()
    for path in _pages(ground):
        await hostile.page(client, path)
    client.close()


async def pages(ground: Ground, course: Course) -> None:
    """Loads the admin's pages from 32 connections without a pause."""
    hostile = Hostile(ground, course)
    paths = _pages(ground)
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
