"""Query strings of the admin site: only the declared filters choose rows; no column answers by the presence of a row."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest
from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.db.models import Field, Model
from django.test import Client, RequestFactory
from django.urls import NoReverseMatch, reverse

from control_plane.access.admin_base import ScopedAdmin
from control_plane.accounts.models import User
from tests.control_plane.portal.conftest import FurnishedStudio, SignIn

LOOKUPS = ("", "__exact", "__startswith", "__regex", "__in", "__gte", "__isnull")
MODELS: list[type[Model]] = sorted(admin.site._registry, key=lambda model: model._meta.label)


def admin_of(model: type[Model]) -> ScopedAdmin:
    page = admin.site._registry[model]
    assert isinstance(page, ScopedAdmin), "every page of the admin site shares these rules"
    return page


def own_names(model: type[Model]) -> list[str]:
    """Every name that a lookup may begin with: columns, relations, and relations from other tables to this one."""
    names = {"pk"}
    for field in model._meta.get_fields(include_hidden=True):
        names.add(field.name)
        if isinstance(field, Field):
            names.add(field.attname)
        elif query_name := getattr(field, "related_query_name", None):
            names.add(query_name() if callable(query_name) else query_name)
    return sorted(name for name in names if name and "+" not in name)


def relation_paths(model: type[Model]) -> Iterator[str]:
    """Every lookup across one relation, to each name of the other table."""
    for field in model._meta.get_fields(include_hidden=True):
        if field.is_relation and isinstance(field.related_model, type) and "+" not in field.name:
            yield from (f"{field.name}__{name}" for name in own_names(field.related_model))


def address(model: type[Model], **query: str) -> str:
    path = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
    return f"{path}?{urlencode(query)}"


def changes_of(answer: Any) -> ChangeList:
    found: ChangeList = answer.context_data["cl"]
    return found


@pytest.fixture
def alice(furnished: FurnishedStudio, sign_in: SignIn) -> Client:
    """Alice, an admin, at the admin site of her studio."""
    return sign_in("alice")


def test_no_column_but_a_declared_filter_can_be_asked_about(alice: Client) -> None:
    open_to = [
        f"{model._meta.label} {name}: {answer.status_code}"
        for model in MODELS
        for name in own_names(model)
        if name not in admin_of(model).filter_parameters()
        and (answer := alice.get(address(model, **{name: "1"}))).status_code != 400
    ]
    assert open_to == []


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model._meta.label)
def test_no_lookup_and_no_relation_but_a_declared_filter_can_be_asked_about(
    model: type[Model], rf: RequestFactory
) -> None:
    page = admin_of(model)
    paths = [*own_names(model), *relation_paths(model)]
    asked = {f"{path}{lookup}" for path in paths for lookup in LOOKUPS} - page.filter_parameters()
    assert [key for key in sorted(asked) if page.lookup_allowed(key, "1", rf.get("/"))] == []


def test_the_walk_covers_relations_and_every_model() -> None:
    assert len(MODELS) > 45
    paths = {path for model in MODELS for path in relation_paths(model)}
    assert "user__password" in paths
    assert "class_session__wrapped_key" in paths


def test_declared_filters_work_and_are_declared_in_full(alice: Client) -> None:
    filtered = [model for model in MODELS if admin_of(model).list_filter]
    assert len(filtered) >= 10
    for model in filtered:
        page = admin_of(model)
        assert all(isinstance(item, str) for item in page.list_filter), (
            "teach `filter_parameters` this filter"
        )
        changes = changes_of(alice.get(address(model)))
        for spec in changes.filter_specs:
            assert set(spec.expected_parameters()) <= page.filter_parameters()
            for choice in spec.choices(changes):
                found = alice.get(address(model) + str(choice["query_string"]).removeprefix("?"))
                assert found.status_code == 200, (model, choice)


@pytest.mark.parametrize(
    "key",
    ["password__startswith", "password__regex", "is_operator__exact", "is_superuser", "last_login__gte"],
)
def test_whether_a_row_fits_a_hidden_column_is_not_answered(
    key: str, furnished: FurnishedStudio, alice: Client
) -> None:
    user = furnished.cast.ivan
    user.set_password("a long and quiet password")
    user.save()
    right = {"password__startswith": user.password[:20], "password__regex": f"^{user.password[:20]}"}
    answers = [
        alice.get(address(User, q=user.email, **{key: value}))
        for value in (right.get(key, "1"), "argon2$wrong")
    ]
    assert [answer.status_code for answer in answers] == [400, 400]
    assert user.email not in answers[0].content.decode() + answers[1].content.decode()


def test_rows_are_named_by_their_primary_key_alone(rf: RequestFactory, alice: Client) -> None:
    for model in MODELS:
        names = set(own_names(model)) - {model._meta.pk.name}
        assert [name for name in names if admin_of(model).to_field_allowed(rf.get("/"), name)] == []
    for name in own_names(User):
        if name != "id":
            assert alice.get(address(User, _to_field=name, _popup="1")).status_code == 400, name
            change = address(User).replace("/?", f"/x/change/?_to_field={name}")
            assert alice.get(change).status_code == 400, name


def test_the_order_is_that_of_shown_columns(alice: Client) -> None:
    for model in MODELS:
        page = admin_of(model)
        shown = len(page.list_display)
        answer = alice.get(address(model, o=".".join([*map(str, range(shown)), "-99", "password"])))
        assert answer.status_code == 200, model
        changes = changes_of(answer)
        columns = [changes.get_ordering_field(name) for name in page.list_display]
        last = [*page.get_ordering(answer.wsgi_request), *(model._meta.ordering or ()), "pk"]
        allowed = {str(name).lstrip("-") for name in [*columns, *last]}
        assert {str(part).lstrip("-") for part in changes.queryset.query.order_by} <= allowed, model


def test_links_that_carry_filters_along_ask_nothing(furnished: FurnishedStudio, alice: Client) -> None:
    user = furnished.cast.ivan
    page = reverse("admin:accounts_user_change", args=[user.pk])
    for filters in ("password__startswith=argon2", "password__startswith=nothing", "email=x"):
        answer = alice.get(f"{page}?{urlencode({'_changelist_filters': filters})}")
        assert answer.status_code == 200


def test_there_is_no_search_across_models() -> None:
    with pytest.raises(NoReverseMatch):
        reverse("admin:autocomplete")
