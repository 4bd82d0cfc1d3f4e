"""Nothing that can be asked is missing in the table, and nothing in the table is gone."""

import pytest

from control_plane.common.permissions import StudioPermission
from tests.matrix import routes
from tests.matrix.policy import GROUPS, METHODS, Policy, read_policy
from tests.matrix.tenant import tenant_tables

POLICY = read_policy()
WHO = ("anyone", "bearer", "signed in", "member", "family", "admin", "agent", "operator", "nobody")


def test_every_address_stands_in_the_table() -> None:
    missing = [
        f"{route.address or '/'} | GET HEAD | member: RIGHT | 200 | - | WHY" for route in routes.routes()
        if not POLICY.of(route.address)
    ]  # fmt: skip
    assert not missing, _add("addresses", missing)


def test_every_address_of_the_table_exists() -> None:
    there = {rule.address for route in routes.routes() for rule in POLICY.of(route.address)}
    assert {rule.address for rule in POLICY.rules} - there == set(), "take these lines out of policy.txt"


def test_every_model_of_the_admin_site_stands_in_the_table() -> None:
    pages = routes.admin_pages()
    missing = [f"{model} | RIGHT | - | - | WHY" for model in sorted(set(pages) - set(POLICY.admin))]
    assert not missing, _add("admin", missing)
    assert set(POLICY.admin) - set(pages) == set(), "take these lines out of policy.txt"


@pytest.mark.parametrize("section", ["tasks", "commands", "sockets"])
def test_every_task_command_and_socket_stands_in_the_table(section: str) -> None:
    found: set[str] = getattr(routes, section)()
    listed: dict[str, object] = getattr(POLICY, section)
    columns = "WHO" if section == "sockets" else "one, each or none | WRITES | WHAT IT DOES"
    missing = [f"{name} | {columns}" for name in sorted(found - set(listed))]
    assert not missing, _add(section, missing)
    assert set(listed) - found == set(), f"take these lines out of [{section}] in policy.txt"


def test_the_table_uses_known_words_only() -> None:
    for rule in POLICY.rules:
        assert rule.kind in WHO, rule
        assert not set(rule.methods) - set(METHODS), rule
        assert not set(rule.writes) - set(GROUPS), rule
        assert not rule.right or StudioPermission.named(rule.right), rule
    seen = [(rule.address, method) for rule in POLICY.rules for method in rule.methods]
    assert len(seen) == len(set(seen)), "a method of an address stands there twice"
    for admin_rule in POLICY.admin.values():
        assert admin_rule.view == "nobody" or StudioPermission.named(admin_rule.view)
        assert not admin_rule.write or StudioPermission.named(admin_rule.write)
        assert not admin_rule.verbs - {"add", "change", "remove", "audited"}
    for job in (*POLICY.tasks.values(), *POLICY.commands.values()):
        assert job.of in ("one", "each", "none"), job
        assert not set(job.writes) - set(GROUPS), job


def test_pages_of_the_admin_site_about_people_are_audited() -> None:
    about_people = {"manage_people", "view_dancers", "view_audit"}
    about_readers = {"compliance.Alert", "compliance.AlertAcknowledgement", "compliance.KnownNetwork"}
    unaudited = [
        model
        for model, rule in POLICY.admin.items()
        if not rule.is_audited and (rule.view in about_people or model in about_readers)
    ]
    assert not unaudited, "a page that shows people leaves an audit event: add the word audited"


def test_every_word_for_tables_names_tables_that_there_are() -> None:
    assert set().union(*GROUPS.values()) <= {*tenant_tables(), "tenancy_studio"}


def _add(section: str, lines: list[str]) -> str:
    return "\n".join([f"add to [{section}] in tests/matrix/policy.txt:", *lines])


def test_a_line_that_is_not_understood_is_named(tmp_path: object, policy: Policy) -> None:
    path = tmp_path / "policy.txt"  # type: ignore[operator]
    path.write_text("[addresses]\na | GET\n")
    with pytest.raises(ValueError, match=r"policy\.txt:2: 2 columns, not 6"):
        read_policy(path)
