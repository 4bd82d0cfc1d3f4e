"""The upload client over HTTP: JSON calls to the control plane, bytes straight to the store."""

import asyncio
import contextlib
import errno
import re
from base64 import b64encode
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar
from urllib.parse import urljoin

from edge_agent.api import ControlPlaneApi, verify_file
from edge_agent.errors import (
    CaptivePortal,
    NotThreeDance,
    ObjectRefused,
    ServerUnavailable,
    ServerUnreachable,
    TargetExpired,
)
from edge_agent.http import HttpAnswer, HttpClient
from edge_agent.upload.client import CommitResult, IntentResult
from edge_agent.upload.throttle import Throttle
from shared.kernel.backoff import Backoff
from shared.protocol.errors import Code
from shared.protocol.ids import GapId
from shared.protocol.manifest import GapRecord, SegmentManifest
from shared.protocol.upload import (
    CommitAnswer,
    CommitItem,
    CommitRequest,
    GapsAnswer,
    GapsRequest,
    IntentAnswer,
    IntentRequest,
    PutTarget,
)

T = TypeVar("T")

INTENT_PATH = "/agent/v1/intent"
COMMIT_PATH = "/agent/v1/commit"
GAPS_PATH = "/agent/v1/gaps"

_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
QUICK_TRIES, QUICK_FIRST_S, QUICK_MOST_S = 3, 0.1, 1.0
"""A kept-alive connection that the server has just closed is no outage: these retries happen at once, with jitter."""


class HttpUploadClient:
    """`UploadClient` against a control plane and the stores it names. Used by the tasks of one event loop."""

    def __init__(
        self,
        api: ControlPlaneApi,
        store: HttpClient,
        throttle: Throttle,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._api = api
        self._store = store
        self._throttle = throttle
        self._sleep = sleep

    async def intent(self, manifests: Sequence[SegmentManifest]) -> tuple[IntentResult, ...]:
        """See `UploadClient.intent`."""
        request = IntentRequest(manifests=tuple(manifests))
        answers = (await self._post(INTENT_PATH, request, IntentAnswer)).answers
        self._check_order([m.segment_id for m in manifests], [a.segment_id for a in answers])
        return answers

    async def put(self, target: PutTarget, path: Path, manifest: SegmentManifest) -> None:
        """See `UploadClient.put`."""
        size_bytes = manifest.size_bytes
        if path.stat().st_size != size_bytes:  # noqa: ASYNC240  # the answer of a local disk, from its cache
            # httpx would fail with an error that looks like a network failure, and the segment would be retried for ever.
            raise OSError(errno.EIO, "its size is not that of its manifest", str(path))
        # A control plane that is its own store may send a relative URL.
        url = urljoin(self._api.address, target.url)
        headers = {name.lower(): value for name, value in target.headers.items()}
        headers["content-length"] = str(size_bytes)
        headers.setdefault("content-type", "application/octet-stream")
        self._check_headers(headers)
        # Always in pieces: a limit set during an upload applies to the rest of it.
        body = self._pieces(await asyncio.to_thread(path.read_bytes))
        answer = await self._store.request("PUT", url, headers=headers, body=body)
        raise_for_put(answer, url, manifest.sha256)

    async def commit(self, items: Sequence[CommitItem]) -> tuple[CommitResult, ...]:
        """See `UploadClient.commit`."""
        answers = (await self._post(COMMIT_PATH, CommitRequest(items=tuple(items)), CommitAnswer)).answers
        self._check_order([i.segment_id for i in items], [a.segment_id for a in answers])
        return answers

    async def report_gaps(self, gaps: Sequence[GapRecord]) -> tuple[GapId, ...]:
        """See `UploadClient.report_gaps`."""
        return (await self._post(GAPS_PATH, GapsRequest(gaps=tuple(gaps)), GapsAnswer)).settled

    async def _post(self, path: str, body: object, type_: type[T]) -> T:
        backoff = Backoff(QUICK_FIRST_S, QUICK_MOST_S)
        for _ in range(QUICK_TRIES - 1):
            with contextlib.suppress(ServerUnreachable):
                return await self._api.post(path, body, type_)
            await self._sleep(backoff.next_wait_s())
        return await self._api.post(path, body, type_)

    async def _pieces(self, content: bytes) -> AsyncIterator[bytes]:
        sent = 0
        while piece := content[sent : sent + self._throttle.piece_bytes]:
            await self._throttle.take(len(piece))
            yield piece
            sent += len(piece)

    def _check_headers(self, headers: Mapping[str, str]) -> None:
        """Refuses headers that HTTP cannot carry: httpx fails on them with errors outside our tree.

        Source: RFC 9110, sections 5.1 and 5.5.
        """
        for name, value in headers.items():
            if not _HEADER_NAME.fullmatch(name) or not (value.isascii() and value.isprintable()):
                raise NotThreeDance(
                    self._api.address,
                    f"it asks for an upload with a header that HTTP cannot carry: {name!a:.40}",
                )

    def _check_order(self, asked: list[object], answered: list[object]) -> None:
        if asked != answered:
            raise NotThreeDance(self._api.address, "its answers do not match the request")


def raise_for_put(answer: HttpAnswer, url: str, sha256: str) -> None:
    """Raises the error that an answer to a PUT means. A proven success passes, and 412: the object is there already.

    A store proves it with an `ETag`, our own with the hash; a captive portal answers 200 to everything.
    """
    status = answer.status
    where = url.partition("?")[0]
    if answer.is_web_page and (status < 400 or status in (412, 511)):
        raise CaptivePortal(where, f"a web page, HTTP {status}", instead_of="the object store")
    if status == 412:
        return
    if status in (200, 201, 204):
        etag = answer.headers.get("etag", "").removeprefix("W/").strip('"')
        if not etag:
            raise CaptivePortal(where, f"HTTP {status} without an ETag", instead_of="the object store")
        told = answer.headers.get("x-amz-checksum-sha256")
        if (told is not None and told != b64encode(bytes.fromhex(sha256)).decode()) or (
            len(etag) == len(sha256) and etag.lower() != sha256
        ):
            raise ServerUnavailable(where, "it stored other bytes than it was sent")
        return
    problem = verify_file(answer)
    detail = problem.title if problem else answer.body[:300].decode("utf-8", "replace")
    if status in (401, 403, 404) or (problem and problem.code is Code.UPLOAD_TARGET_EXPIRED):
        # An expired signature or a moved bucket: a new target resolves both.
        raise TargetExpired(f"{where} does not take the object: HTTP {status} {detail}")
    if status in (408, 409, 425, 429) or status >= 500 or 300 <= status < 400:
        raise ServerUnavailable(where, f"HTTP {status}", answer.retry_after_s)
    raise ObjectRefused(status, detail)
