"""Requests of the matrix: the address filled in, and a body that an honest sender would send."""

import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.urls import get_resolver
from django.utils.http import int_to_base36
from msgspec.structs import replace

from shared.protocol.codec import encode
from shared.protocol.ids import CameraId, ClassSessionId, GapId, new_id
from shared.protocol.manifest import GapReason, GapRecord
from shared.protocol.messages import Heartbeat
from shared.protocol.status import RecordingState
from shared.protocol.upload import CommitItem, CommitRequest, GapsRequest, IntentRequest
from tests.control_plane.agent_client import AgentClient
from tests.control_plane.footage import START_AT
from tests.control_plane.scenes import status_of
from tests.matrix.expected import State, Target
from tests.matrix.routes import Route
from tests.matrix.tenant import Tenant
from tests.matrix.world import World

MISSING = UUID("00000000-0000-7000-8000-000000000000")
FORM, JSON, BYTES = "application/x-www-form-urlencoded", "application/json", "application/octet-stream"


@dataclass(frozen=True)
class Call:
    """One request: path with query, body, content type."""

    path: str
    body: bytes = b""
    content_type: str = FORM


def things(route: Route) -> str:
    """Returns the first parameter of an address that names a thing of a studio; empty for none."""
    named = [name for name in route.parameters if name.endswith("_id") and name != "object_id"]
    return named[0] if "slug" in route.parameters and named else ""


def targets(route: Route) -> list[Target]:
    """Returns everything that an address can name."""
    if "slug" not in route.parameters:
        return [Target("own", State.PRESENT), Target("own", State.FOREIGN)]
    thing = things(route)
    if not thing:
        return [Target(studio, State.PRESENT) for studio in ("own", "other", "none")]
    states = [State.PRESENT, State.FOREIGN, State.MISSING]
    if thing == "class_id" and not route.name.endswith(":stop"):
        states += [State.GRANTED, State.SHREDDED]
    if len(route.parameters) > 2:
        states.append(State.MIXED)
    if {"segment_id", "track_id"} & set(route.parameters):
        states.append(State.SIBLING)
    key = "running" if route.name.endswith(":stop") else ""
    found = [Target("own", state, key) for state in states]
    return [
        *found,
        Target("other", State.PRESENT),
        Target("other", State.FOREIGN),
        Target("none", State.PRESENT),
    ]


def call(world: World, route: Route, method: str, target: Target) -> Call:
    """Returns the request for one cell."""
    tenant, away = (world.other, world.own) if target.studio == "other" else (world.own, world.other)
    values = {name: _value(name, route, tenant, away, target) for name in route.parameters}
    path = "/" + _filled(route.address, values)
    if method not in ("POST", "PUT", "PATCH"):
        return Call(path)
    source = away if target.state is State.FOREIGN else tenant
    body, content_type = _body(route, tenant, source)
    if route.name == "agent-object":
        path = f"{path}?{urlencode({'size': 1, 'sha256': '00' * 32, 'expires': 4102444800, 'signature': '00' * 32})}"
    return Call(path, body, content_type)


def _value(name: str, route: Route, tenant: Tenant, away: Tenant, target: Target) -> object:
    if name == "slug":
        return "no-such-studio" if target.studio == "none" else tenant.slug
    state = target.state
    last = route.parameters[-1] == name
    if state is State.MISSING:
        return MISSING
    source = away if state is State.FOREIGN or (state is State.MIXED and last) else tenant
    granted = state is State.GRANTED or (state is State.SIBLING and name == "class_id")
    # The segments of another class, of which the clip shows nothing.
    granted |= state is State.SIBLING and "clip_id" in route.parameters
    which = "granted_class" if granted else "shredded" if state is State.SHREDDED else "class"
    if route.name.endswith(":stop"):
        which = "running"
    match name:
        case "class_id":
            return source.ids[which]
        case "track_id" | "segment_id":
            return source.ids[f"{which}.{name.removesuffix('_id')}"]
        case "room_id":
            return source.ids["spare_room" if route.name.endswith(":record") else "room"]
        case "studio_id":
            return source.studio.id
        case "member_id":
            return source.ids["membership"]
        case "break_glass_id":
            return source.ids.get("break_glass", MISSING)
        case "kind" | "form" | "role" | "store":
            return {"kind": "oidc", "form": "md", "role": "viewer", "store": "no-such-store"}[name]
        case "provider_id" if "slug" not in route.parameters:
            return MISSING
        case _ if name.endswith("_id") and name not in ("content_type_id", "object_id"):
            return source.ids.get(name.removesuffix("_id"), MISSING)
        case "pk":
            return source.ids["passkey_admin"]
        case "key":
            return f"{source.studio.id}/{source.ids['class']}/{source.ids['class.segment']}.seg"
        case "name" if route.name == "agent-release":
            return "metadata/timestamp.json"
        case "uidb36":
            return int_to_base36(1)
        case "content_type_id":
            return 1
        case "object_id":
            return source.ids["class"]
        case "app_label":
            return "recordings"
        case "url":
            return "no/such/page"
    raise ValueError(f"the matrix does not know what to write for <{name}> in {route.address}: add it here")


def _filled(address: str, values: dict[str, object]) -> str:
    text = address.replace("^", "").replace("$", "").replace("\\Z", "")
    at = 0
    while (start := text.find("<", at)) >= 0 or "(?P<" in text:
        if (group := text.find("(?P<")) >= 0 and group < start + 1:
            end, depth = group + 1, 1
            while depth:
                depth += {"(": 1, ")": -1}.get(text[end], 0)
                end += 1
            name = text[group + 4 : text.index(">", group)]
            text = text[:group] + str(values[name]) + text[end:]
            continue
        end = text.index(">", start)
        name = text[start + 1 : end].rpartition(":")[2]
        text = text[:start] + str(values[name]) + text[end + 1 :]
    return text


def _body(route: Route, tenant: Tenant, source: Tenant) -> tuple[bytes, str]:
    builder = _BODIES.get(route.name)
    if builder is None:
        return (b"{}", JSON) if route.address.startswith("api/") else (b"", FORM)
    value = builder(tenant, source)
    if route.address.startswith("api/"):
        return json.dumps(value).encode(), JSON
    if isinstance(value, dict):
        return urlencode(value).encode(), FORM
    return (value, BYTES) if isinstance(value, bytes) else (encode(value), JSON)


def _intent(tenant: Tenant, source: Tenant) -> Any:
    # The third segment of a class was announced and never came; announced anew, it belongs to no other class.
    return IntentRequest(
        manifests=(source.cuts[-1].manifest, replace(source.cuts[-1].manifest, segment_id=new_id()))
    )


def _commit(tenant: Tenant, source: Tenant) -> Any:
    first = source.cuts[0].manifest
    item = CommitItem(segment_id=first.segment_id, size_bytes=first.size_bytes, sha256=first.sha256)
    return CommitRequest(items=(item,))


def _gaps(tenant: Tenant, source: Tenant) -> Any:
    gap = GapRecord(
        gap_id=GapId(new_id()),
        class_session_id=ClassSessionId(source.ids["class"]),
        camera_id=CameraId(source.ids["camera"]),
        from_at=START_AT,
        to_at=START_AT,
        reason=GapReason.AGENT_LATE,
    )
    return GapsRequest(gaps=(gap,))


_BODIES: dict[str, Any] = {
    "portal:change_role": lambda tenant, source: {"role": "instructor"},
    "api:guardianships": lambda tenant, source: {
        "user_id": str(tenant.people["childless"].id),
        "relation": "parent",
    },
    "portal:sign_in": lambda tenant, source: {"session_hours": "12"},
    "api:member": lambda tenant, source: {"role": "instructor"},
    "api:dancer": lambda tenant, source: {"note": "in the first row"},
    "api:dancers": lambda tenant, source: {"name": "Nova"},
    "portal:add_dancer": lambda tenant, source: {"name": "Nova"},
    "portal:dancer": lambda tenant, source: {"name": "Nova"},
    "portal:class_types": lambda tenant, source: {"name": "Ballet 2"},
    "portal:class_type": lambda tenant, source: {"dancer": source.ids["dancer_of_nobody"]},
    "portal:notice": lambda tenant, source: {"title": "New", "text": "New", "purposes": "replay"},
    "portal:ask_consent": lambda tenant, source: {
        "dancer": source.ids["dancer"],
        "notice": source.ids["notice"],
        "purpose": "replay",
    },
    "portal:dancer_consents": lambda tenant, source: {
        "answer": "granted",
        "purpose": "export",
        "signed_by": "A guardian",
        "signed_on": "2026-01-02",
    },
    "portal:egress_policy": lambda tenant, source: {"longest_link_days": "5", "pin_rule": "always"},
    "portal:roster": lambda tenant, source: {"dancer": source.ids["dancer"]},
    "portal:administer": lambda tenant, source: {"studio": source.slug},
    "portal:record": lambda tenant, source: {"title": "Tango"},
    "portal:add_agent": lambda tenant, source: {"agent_name": "Agent", "replaces": ""},
    "portal:agent_uploads": lambda tenant, source: {"opens": "22:00", "closes": "06:00", "mbit_per_s": "8"},
    "agent-pair": lambda tenant, source: AgentClient().pair_request(source.code),
    "agent-report": lambda tenant, source: Heartbeat(
        status=status_of(source.ids["running"], RecordingState.RECORDING)
    ),
    "agent-intent": _intent,
    "agent-commit": _commit,
    "agent-gaps": _gaps,
    "agent-object": lambda tenant, source: b"x",
    "signin_link": lambda tenant, source: {"token": "no-such-token"},
}


def resolves(path: str) -> bool:
    """Says whether an address leads anywhere."""
    try:
        get_resolver().resolve(path.partition("?")[0])
    except Exception:
        return False
    return True
