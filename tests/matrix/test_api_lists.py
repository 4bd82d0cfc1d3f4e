"""Rows of each list of the API, for every actor: not only that it is answered, but which rows are in it."""

import json
from collections.abc import Callable
from hashlib import sha256
from typing import Any
from urllib.parse import urlencode

import pytest
from django.db.models import Model

from control_plane.access.models import ApiKey, ObjectPermission
from control_plane.access.permissions import USE_API
from control_plane.audit.models import Entry
from control_plane.audit.permissions import VIEW_AUDIT
from control_plane.common.permissions import StudioPermission
from control_plane.common.scoping import studio_scope
from control_plane.keys.models import StudioKey
from control_plane.people.models import Dancer
from control_plane.people.permissions import VIEW_DANCERS
from control_plane.recordings.models import ClassSession
from control_plane.recordings.permissions import VIEW_CLASS
from control_plane.tenancy.models import Invitation, Membership
from control_plane.tenancy.permissions import MANAGE_PEOPLE, MANAGE_STUDIO, VIEW_STUDIO
from tests.matrix import routes
from tests.matrix.actors import Asker
from tests.matrix.calls import Call
from tests.matrix.cells import Desk
from tests.matrix.expected import State, Target, may
from tests.matrix.tenant import Tenant

CLASS_KEYS = ("class", "granted_class", "running")
"""Classes of a tenant that lists show: one whose recording was destroyed is in none."""
Rows = Callable[[Tenant, Asker], set[str]]


def _may(asker: Asker, action: StudioPermission, class_key: str = "") -> bool:
    target = Target("own", State.PRESENT, class_key)
    return may(asker, action, target, on_class=bool(class_key))


def _all_of(model: type[Model], **where: Any) -> Rows:
    def rows(tenant: Tenant, asker: Asker) -> set[str]:
        with studio_scope(tenant.studio.id):
            keys = model._default_manager.filter(**where).values_list("pk", flat=True)
            return {str(key) for key in keys}

    return rows


def _classes(tenant: Tenant, asker: Asker) -> set[str]:
    return {str(tenant.ids[key]) for key in CLASS_KEYS if _may(asker, VIEW_CLASS, key)}


def _api_keys(tenant: Tenant, asker: Asker) -> set[str]:
    """All to who manages the studio, own ones to others; to a key that does not lend that, itself."""
    if _may(asker, MANAGE_STUDIO):
        return _all_of(ApiKey)(tenant, asker)
    if asker.token is None:
        return _all_of(ApiKey, user=asker.user)(tenant, asker)
    secret = asker.token().removeprefix("Bearer ")
    return _all_of(ApiKey, secret_sha256=sha256(secret.encode()).digest())(tenant, asker)


def _people(tenant: Tenant, asker: Asker) -> set[str]:
    """Everybody who is something to the studio now, the operator inside included."""
    with studio_scope(tenant.studio.id):
        members = Membership.objects.exclude(user=tenant.people["expired"]).filter(user__is_active=True)
        return {str(key) for key in members.values_list("user_id", flat=True)}


def _log(tenant: Tenant, asker: Asker) -> set[str]:
    with studio_scope(tenant.studio.id):
        return {str(sequence) for sequence in Entry.objects.values_list("sequence", flat=True)}


LISTS: dict[str, tuple[str, StudioPermission, Rows]] = {
    "api:members": ("id", MANAGE_PEOPLE, _all_of(Membership)),
    "api:invitations": ("id", MANAGE_PEOPLE, _all_of(Invitation)),
    "api:rights": ("id", MANAGE_PEOPLE, _all_of(ObjectPermission)),
    "api:who_can": ("user_id", MANAGE_PEOPLE, _people),
    "api:dancers": ("id", VIEW_DANCERS, _all_of(Dancer, left_at=None)),
    "api:classes": ("id", VIEW_STUDIO, _classes),
    "api:studio_keys": ("id", MANAGE_STUDIO, _all_of(StudioKey)),
    "api:api_keys": ("id", USE_API, _api_keys),
    "api:log": ("sequence", VIEW_AUDIT, _log),
}
"""Route -> the field that tells rows apart, the right that the list asks for, and the rows that are right."""
NO_LISTS = {"api:studio", "api:signin", "api:roles", "api:usage"}
"""They show the studio itself, and tables whose rows are the same for everybody who may read them."""
QUERIES = {
    "api:who_can": {"thing": "studio", "action": "view_class", "limit": "200"},
    "api:log": {"limit": "200"},
}
ROUTES = {
    route.name: route
    for route in routes.routes()
    if route.address.startswith("api/") and route.parameters == ("slug",)
}


def test_every_list_of_the_api_is_in_the_table() -> None:
    assert set(ROUTES) - NO_LISTS == set(LISTS)


@pytest.mark.parametrize("name", LISTS)
def test_a_list_of_the_api_holds_what_its_reader_may_see(
    name: str, desk: Desk, askers: dict[str, Asker]
) -> None:
    field, right, rows = LISTS[name]
    tenant = desk.world.own
    query = urlencode(QUERIES.get(name, {"limit": "200"}))
    read = 0
    for asker in askers.values():
        answer = desk.ask(asker, "GET", _call(name, tenant, query), page=False)
        if answer.status != 200:
            continue
        items = json.loads(answer.body)["items"]
        found = [str(item[field]) for item in items]
        wanted = rows(tenant, asker)
        assert _may(asker, right), f"{asker.name} was answered"
        if name == "api:log":
            # The log grows by this read, and is longer than a page.
            assert set(found) <= wanted
            assert len(found) == min(200, len(wanted))
        elif name == "api:who_can" and asker.visits != "own":
            assert set(found) - {str(desk.world.people["otto"].id)} == wanted | {
                str(desk.world.people["both"].id)
            }
        else:
            assert sorted(found) == sorted(wanted), f"{asker.name} of {name}"
        read += 1
    assert read >= 2, "the admin, and a key of the admin"


def test_the_list_of_classes_differs_by_role(desk: Desk, askers: dict[str, Asker]) -> None:
    tenant = desk.world.own
    wanted = {
        "admin": set(CLASS_KEYS),
        "viewer": set(CLASS_KEYS),
        "denied": set(CLASS_KEYS) - {"class"},
        "guardian": {"class"},
        "childless": set(),
        "partner": set(),
        "granted": {"granted_class"},
        "narrow key": set(CLASS_KEYS),
        "key of the partner": set(),
    }
    for name, keys in wanted.items():
        answer = desk.ask(askers[name], "GET", _call("api:classes", tenant, ""), page=False)
        found = {item["id"] for item in json.loads(answer.body)["items"]}
        assert found == {str(tenant.ids[key]) for key in keys}, name


def test_the_studios_of_somebody_are_their_own(desk: Desk, askers: dict[str, Asker]) -> None:
    for asker in askers.values():
        answer = desk.ask(asker, "GET", Call("/api/v1/studios/"), page=False)
        if answer.status == 200:
            found = {item["slug"] for item in json.loads(answer.body)["items"]}
            assert found == {tenant.slug for tenant in desk.world.tenants if tenant.name in asker.roles}


def test_the_page_of_classes_differs_by_role_as_the_list_does(desk: Desk, askers: dict[str, Asker]) -> None:
    tenant = desk.world.own
    with studio_scope(tenant.studio.id):
        titles = {key: ClassSession.objects.get(pk=tenant.ids[key]).title for key in CLASS_KEYS}
    for asker in askers.values():
        if asker.lends is not None or not asker.signed_in or "own" not in asker.roles:
            continue
        text = desk.ask(asker, "GET", Call(f"/studio/{tenant.slug}/classes/")).body.decode()
        shown = {key for key, title in titles.items() if title in text}
        assert shown == {key for key in CLASS_KEYS if _may(asker, VIEW_CLASS, key)}, asker.name


def _call(name: str, tenant: Tenant, query: str) -> Call:
    address = ROUTES[name].address.replace("<slug:slug>", tenant.slug)
    return Call(f"/{address}?{query}")
