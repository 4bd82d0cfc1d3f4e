"""The download of a package."""

from collections.abc import AsyncIterator, Iterator
from functools import partial
from uuid import UUID

from asgiref.sync import sync_to_async
from django.http import HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.utils.text import slugify
from django.views.decorators.http import require_GET

from control_plane.access import access
from control_plane.access.requests import StudioRequest
from control_plane.common.errors import NotFound
from control_plane.exports.downloads import open_download
from control_plane.exports.models import Export
from control_plane.portal.page import actor_of
from control_plane.recordings.playback.ranges import ByteRange, Unsatisfiable, parse_range
from control_plane.recordings.playback.views import range_of, with_length


@require_GET
def download(request: StudioRequest, slug: str, export_id: UUID) -> HttpResponseBase:
    """Sends a package, or a range of it, so that a download that broke off can be resumed."""
    actor = actor_of(request)
    found: Export | None = access.visible(actor, Export).filter(pk=export_id).first()
    if found is None:
        raise NotFound
    opened = open_download(found, actor=actor, address=str(request.META.get("REMOTE_ADDR", "")))
    size_bytes = opened.export.size_bytes
    try:
        part = parse_range(range_of(request), size_bytes)
    except Unsatisfiable:
        return HttpResponse(status=416, headers={"Content-Range": f"bytes */{size_bytes}"})
    whole = part or ByteRange(0, size_bytes - 1, size_bytes)
    chunks = opened.chunks(whole.first, whole.last)
    response = StreamingHttpResponse(_streamed(chunks), content_type="application/zip")
    title = slugify(opened.export.class_session.title) or "class"
    response["Content-Disposition"] = (
        f'attachment; filename="{title}-{opened.export.created_at:%Y-%m-%d}.zip"'
    )
    response["Cache-Control"] = "no-store"
    return with_length(response, part, size_bytes)


async def _streamed(chunks: Iterator[bytes]) -> AsyncIterator[bytes]:
    """Yields chunks that are read in a thread; an error ends the answer before its announced length."""
    following = partial(next, chunks, b"")
    while chunk := await sync_to_async(following, thread_sensitive=False)():
        yield chunk
