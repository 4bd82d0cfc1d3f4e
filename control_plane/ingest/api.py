"""HTTP endpoints for agents: intent, PUT, commit, gaps."""

from collections.abc import Iterator
from uuid import UUID

import msgspec
from django.http import HttpRequest, HttpResponse

from control_plane.common.problems import problem_response
from control_plane.common.scoping import studio_scope
from control_plane.fleet.agent_views import agent_view, body_of, json_response, machine_view
from control_plane.fleet.authentication import Caller
from control_plane.ingest import services
from control_plane.ingest.disk_space import require_space
from control_plane.ingest.targets import SignedUpload, verify_upload
from control_plane.storage.errors import ObjectExists
from control_plane.storage.objects import CHUNK_BYTES, ObjectStore
from control_plane.storage.stores import open_store
from shared.protocol.errors import Code, problem
from shared.protocol.upload import (
    CommitAnswer,
    CommitRequest,
    GapsAnswer,
    GapsRequest,
    IntentAnswer,
    IntentRequest,
)


@agent_view("POST")
def intent(request: HttpRequest, caller: Caller) -> HttpResponse:
    """Answers with a receipt or an upload target for each announced segment."""
    require_space()
    manifests = body_of(request, IntentRequest).manifests
    return json_response(IntentAnswer(answers=tuple(services.announce_segments(manifests, caller))))


@agent_view("POST")
def commit(request: HttpRequest, caller: Caller) -> HttpResponse:
    """Answers with a receipt or a refusal for each uploaded segment."""
    items = body_of(request, CommitRequest).items
    return json_response(CommitAnswer(answers=tuple(services.commit_segments(items, caller))))


@agent_view("POST")
def gaps(request: HttpRequest, caller: Caller) -> HttpResponse:
    """Stores reported gaps and acknowledges them."""
    records = body_of(request, GapsRequest).gaps
    return json_response(GapsAnswer(settled=tuple(services.commit_gaps(records, caller))))


@machine_view("PUT")
def put_object(request: HttpRequest, key: str) -> HttpResponse:
    """Stores the bytes that a signed address permits, and no others; 412 if the object exists."""
    allowed = verify_upload(key, request.GET)
    require_space()
    try:
        _store_of(allowed).put(
            allowed.key, _chunks(request), size_bytes=allowed.size_bytes, sha256=allowed.sha256
        )
    except ObjectExists:
        return problem_response(
            msgspec.structs.replace(problem(Code.CONFLICT, "The object already exists."), status=412)
        )
    # Proves that this server received these bytes: a captive portal answers 200 to everything.
    # Django would send an empty answer as text/html.
    return HttpResponse(
        status=201, content_type="application/octet-stream", headers={"ETag": f'"{allowed.sha256}"'}
    )


def _store_of(allowed: SignedUpload) -> ObjectStore:
    if not allowed.store:
        return open_store(None)
    # Key and store are signed together: the store belongs to the studio that the key begins with.
    with studio_scope(UUID(allowed.key.partition("/")[0])):
        return open_store(UUID(allowed.store))


def _chunks(request: HttpRequest) -> Iterator[bytes]:
    while chunk := request.read(CHUNK_BYTES):
        yield chunk
