"""The privacy assessment, as a printable page and as files."""

from django.http import HttpResponse
from django.template.loader import render_to_string
from django.urls import reverse
from django.views.decorators.http import require_safe

from control_plane.access.requests import StudioRequest
from control_plane.common.errors import NotFound
from control_plane.compliance.assessment import Assessment, as_markdown, assess
from control_plane.portal.page import actor_of, studio_page


@require_safe
def privacy(request: StudioRequest, slug: str) -> HttpResponse:
    """Shows the assessment, generated from the current settings."""
    found = assess(request.studio, actor=actor_of(request))
    context = {"section": "settings", "found": found, "sections": _sections(found, slug)}
    return studio_page(request, "portal/audit/privacy.html", context)


@require_safe
def privacy_file(request: StudioRequest, slug: str, form: str) -> HttpResponse:
    """Downloads the assessment as Markdown or as a self-contained HTML page."""
    if form not in ("md", "html"):
        raise NotFound
    found = assess(request.studio, actor=actor_of(request))
    if form == "md":
        response = HttpResponse(as_markdown(found), content_type="text/markdown; charset=utf-8")
    else:
        context = {"found": found, "sections": _sections(found, slug)}
        response = HttpResponse(render_to_string("portal/audit/assessment.html", context))
    name = f"privacy-{request.studio.slug}-{found.made_at:%Y%m%d}.{form}"
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    response["Cache-Control"] = "no-store"
    return response


def _sections(found: Assessment, slug: str) -> list[dict[str, object]]:
    return [
        {
            "title": section.title,
            "facts": section.facts,
            "to_do": [
                {"text": item.text, "url": reverse(f"portal:{item.page}", args=[slug]) if item.page else ""}
                for item in section.to_do
            ],
        }
        for section in found.sections
    ]
