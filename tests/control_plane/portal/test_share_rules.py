"""The settings page of sharing: rules are saved and audited, and each wrong value has its error at its field."""

import re
from typing import Any

import pytest

from control_plane.access.roles import DEFAULTS
from control_plane.access.services import set_role_actions
from control_plane.audit.models import Entry
from control_plane.common.roles import Role
from control_plane.common.scoping import studio_scope
from control_plane.recordings.permissions import SHARE
from control_plane.sharing.models import EgressPolicy
from tests.control_plane.conftest import Cast, as_person

VALUES = {
    "share_enabled": "on",
    "longest_link_days": "14",
    "pin_rule": "always",
    "networks": " 203.0.113.0/24\r\n\r\n2001:db8::/48 ",
    "gb_per_day": "",
}


def page_of(cast: Cast) -> str:
    return f"/studio/{cast.studio.slug}/sharing/"


def test_rules_are_saved_shown_and_audited_without_addresses(cast: Cast) -> None:
    alice, page = as_person(cast.alice), page_of(cast)
    assert "Saved." in alice.post(page, VALUES, follow=True).content.decode()
    with studio_scope(cast.studio.id):
        policy = EgressPolicy.objects.get()
        entry = Entry.objects.get(action="egress_policy.changed")
    assert policy.networks == ["203.0.113.0/24", "2001:db8::/48"]
    assert (policy.share_enabled, policy.export_enabled, policy.longest_link_days) == (True, False, 14)
    assert (policy.pin_rule, policy.gb_per_day) == ("always", None)
    assert entry.actor_id == cast.alice.id
    assert "203.0.113" not in str(entry.details)
    shown = alice.get(page).content.decode()
    assert "203.0.113.0/24\n2001:db8::/48" in shown
    assert shown.count("checked") == 2


@pytest.mark.parametrize(
    ("field", "value", "errors"),
    [
        ("longest_link_days", "0", ["greater than or equal to 1"]),
        ("longest_link_days", "91", ["less than or equal to 90"]),
        ("longest_link_days", "", ["This field is required"]),
        ("pin_rule", "never", ["Select a valid choice"]),
        ("gb_per_day", "-1", ["greater than or equal to 1"]),
        (
            "networks",
            "203.0.113.0/24\nhome\n\n203.0.113.7/24\n::1/200",
            [
                "Row 2: “home” is no network",
                "Row 4: “203.0.113.7/24” is an address within a network. Did you mean 203.0.113.0/24?",
                "Row 5: “::1/200” is no network",
            ],
        ),
        ("networks", "\n".join(f"10.0.{n}.0/24" for n in range(51)), ["At most 50"]),
    ],
)
def test_a_wrong_value_has_its_error_and_changes_nothing(
    cast: Cast, field: str, value: str, errors: list[str]
) -> None:
    answer = as_person(cast.alice).post(page_of(cast), VALUES | {field: value})
    text = answer.content.decode()
    assert answer.status_code == 422
    assert [error for error in errors if error not in text] == []
    if "At most" not in errors[0]:
        at_field = re.search(rf'<ul class="errorlist"[^>]*id="id_{field}_error".*?</ul>', text, re.DOTALL)
        assert at_field
        assert errors[0] in at_field[0]
    with studio_scope(cast.studio.id):
        assert not EgressPolicy.objects.exists()


def test_who_may_share_is_said_with_the_way_to_the_table_of_roles(cast: Cast) -> None:
    alice, page = as_person(cast.alice), page_of(cast)
    who = _who(alice.get(page))
    assert "Instructor" not in who
    assert f"/studio/{cast.studio.slug}/access/" in who
    set_role_actions(
        cast.studio, Role.INSTRUCTOR, DEFAULTS[Role.INSTRUCTOR] | {SHARE}, actor=cast.alice.actor
    )
    assert "Instructor" in _who(alice.get(page))


@pytest.mark.parametrize("name", ["ivan", "vera", "gita"])
def test_only_admins_see_and_change_the_rules(cast: Cast, name: str) -> None:
    person = as_person(getattr(cast, name))
    assert person.get(page_of(cast)).status_code == 403
    assert person.post(page_of(cast), VALUES).status_code == 403
    with studio_scope(cast.studio.id):
        assert not EgressPolicy.objects.exists()


def _who(answer: Any) -> str:
    found = re.search(
        r'<section class="panel" aria-labelledby="who">.*?</section>', answer.content.decode(), re.DOTALL
    )
    assert found
    return found[0]
