"""HTTP endpoints for agents: pairing, configuration, reports, releases."""

from typing import Any, cast

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from control_plane.common import valkey
from control_plane.common.client_network import limit_key
from control_plane.common.errors import BadRequest, NotFound
from control_plane.common.scoping import studio_scope
from control_plane.fleet import releases, reports
from control_plane.fleet.agent_views import address_of, agent_view, body_of, json_response, machine_view
from control_plane.fleet.authentication import Caller
from control_plane.fleet.desired import negotiate_protocol
from control_plane.fleet.models import Agent
from control_plane.fleet.pairing import claim_pairing_code
from control_plane.fleet.selectors import desired_document
from control_plane.fleet.status_limits import out_of_range
from shared.protocol.messages import FromAgent
from shared.protocol.pairing import PairRequest
from shared.protocol.version import LAST_WITHOUT_HEADER, PROTOCOL_HEADER

WINDOW_S = 600


@machine_view("POST")
def pair(request: HttpRequest) -> HttpResponse:
    """Pairs a new agent."""
    most_here, most_anywhere = settings.FLEET_PAIRING_LIMITS
    valkey.limit(f"pair:{limit_key(address_of(request))}", most=most_here, window_s=WINDOW_S)
    valkey.limit("pair", most=most_anywhere, window_s=WINDOW_S)
    return json_response(claim_pairing_code(body_of(request, PairRequest)))


@agent_view("GET")
def config(request: HttpRequest, caller: Caller) -> HttpResponse:
    """Serves the newest desired configuration for the agent's protocol version, or 304 if it is unchanged."""
    with studio_scope(caller.studio_id):
        agent: Agent = Agent.objects.get(pk=caller.agent_id)
        negotiate_protocol(agent, _protocol(request, agent))
        document = desired_document(caller.agent_id)
    if document is None:
        raise NotFound("This agent has no configuration.")
    etag = f'"{document.version}-{document.hash}"'
    if request.headers.get("If-None-Match") == etag:
        return HttpResponse(status=304, headers={"ETag": etag})
    return json_response(document, headers={"ETag": etag})


def _protocol(request: HttpRequest, agent: Agent) -> int:
    """Returns the protocol version of the agent that sent the request."""
    version = request.headers.get(PROTOCOL_HEADER)
    if version is None:
        # The agent may have been downgraded to a version that does not send the header.
        return min(agent.protocol, LAST_WITHOUT_HEADER)
    if not (version.isascii() and version.isdigit() and len(version) < 10):
        raise BadRequest(f"{PROTOCOL_HEADER}: must be a version number.")
    return int(version)


@agent_view("POST")
def report(request: HttpRequest, caller: Caller) -> HttpResponse:
    """Accepts one message of the websocket over HTTP, for agents whose websocket is down."""
    message: FromAgent = body_of(request, cast(type[Any], FromAgent))
    if wrong := out_of_range(message):
        raise BadRequest(wrong)
    reports.apply_message(message, caller)
    return HttpResponse(status=204)


@agent_view("GET")
def release(request: HttpRequest, caller: Caller, name: str) -> HttpResponse:
    """Serves a part of a release file; the files are signed, and the same for every agent."""
    part = releases.part_of(settings.FLEET_RELEASES, name, range_header=request.headers.get("Range", ""))
    return HttpResponse(
        part.data,
        status=206,
        content_type="application/octet-stream",
        headers={"Content-Range": part.content_range, "Cache-Control": "no-store"},
    )
