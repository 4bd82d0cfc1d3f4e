"""Every page of every model in the admin site, asked by everybody, for own, foreign and missing rows."""

from collections.abc import Callable
from contextlib import nullcontext
from urllib.parse import urlencode

import pytest

from tests.matrix import routes
from tests.matrix.actors import IS_WHOLE, Asker
from tests.matrix.calls import MISSING, Call
from tests.matrix.cells import Desk, Tally, Undo, forbidden_houses, leaks, written
from tests.matrix.expected import State, expected_admin
from tests.matrix.policy import AdminRule, Policy
from tests.matrix.tenant import Tenant
from tests.matrix.test_routes import listed
from tests.matrix.usual import is_asked_in_admin

PAGES = {
    "": "list",
    "add/": "add",
    "<path:object_id>/history/": "history",
    "<path:object_id>/delete/": "delete",
    "<path:object_id>/change/": "change",
    "<path:object_id>/": "redirect",
}
MODELS = routes.admin_pages()
AUDITED = {("list", 200), ("change", 200), ("delete", 200)}
"""Page and status where somebody is shown rows."""


@pytest.mark.parametrize("model", MODELS)
def test_the_pages_of_a_model_answer_everybody_as_the_table_says(
    model: str,
    desk: Desk,
    askers: dict[str, Asker],
    policy: Policy,
    record_property: Callable[[str, object], None],
) -> None:
    unknown = MODELS[model] - set(PAGES)
    assert not unknown, f"tests/matrix/test_admin.py knows no page {unknown} of {model}: add what it answers"
    tally = Tally()
    for asker in askers.values():
        if asker.is_heard_nowhere_else:
            continue
        with Undo():
            _ask_all(desk, policy.admin[model], asker.at("admin/"), tally)
    record_property("cells", tally.cells)
    record_property("leaks", len(tally.leaks))
    assert not tally.leaks, listed(tally.leaks)
    assert not tally.faults, listed(tally.faults)


def _ask_all(desk: Desk, rule: AdminRule, asker: Asker, tally: Tally) -> None:
    home = desk.world.other if asker.administers == "other" else desk.world.own
    away = desk.world.own if home is desk.world.other else desk.world.other
    begun = written()
    for suffix in sorted(MODELS[rule.model]):
        page = PAGES[suffix]
        for method in ("GET", "HEAD", "POST", "PUT"):
            for state in _states(suffix, method, asker):
                if state is State.PRESENT and rule.model not in home.one_of:
                    # The studio has none of it: a row that is there is one that is missing.
                    state = State.MISSING
                call = _call(rule, suffix, method, state, home, away)
                wanted = expected_admin(rule, page, method, asker, state)
                where = f"{method} {call.path} ({state}) by {asker.name}"
                since = written() if method == "POST" or rule.is_audited else {}
                with Undo() if method == "POST" else nullcontext():
                    answer = desk.ask(asker, method, call)
                    if method == "POST":
                        _look_for_writes(desk, since, where, asker, answer.status, tally)
                    if rule.is_audited and (page, answer.status) in AUDITED:
                        _look_for_an_event(since, where, tally)
                tally.cells += 1
                if answer.status not in wanted:
                    tally.faults.append(
                        f"{where}: {answer.status}, not {sorted(wanted)} {answer.body[:200]!r}"
                    )
                under = asker.administers if asker.signed_in else ""
                for leak in leaks(answer, asker, call, forbidden_houses(desk.world, asker, under)):
                    tally.leaks.append(f"{where}: {leak}")
    _look_for_writes(desk, begun, f"the reads of {rule.model} by {asker.name}", asker, 200, tally)


def _states(suffix: str, method: str, asker: Asker) -> list[State]:
    return [
        state
        for state in _all_states(suffix, method, asker)
        if IS_WHOLE or is_asked_in_admin(PAGES[suffix], method, asker, state)
    ]


def _all_states(suffix: str, method: str, asker: Asker) -> list[State]:
    if asker.administers and asker.asks_all:
        if method in ("GET", "POST"):
            return [State.PRESENT, State.FOREIGN, State.MISSING] if "object_id" in suffix else [State.PRESENT]
        return [State.PRESENT] if suffix in ("", "<path:object_id>/change/") else []
    # Everybody else is led to the sign-in page, whatever they ask for.
    asked: dict[str, tuple[str, ...]] = {
        "GET": ("", "<path:object_id>/change/"),
        "POST": ("add/", "<path:object_id>/delete/"),
    }
    if not asker.asks_all:
        asked = {"GET": ("<path:object_id>/change/",)}
    return [State.PRESENT] if suffix in asked.get(method, ()) else []


def _call(rule: AdminRule, suffix: str, method: str, state: State, home: Tenant, away: Tenant) -> Call:
    key = {State.PRESENT: home, State.FOREIGN: away}[state].one_of.get(rule.model, MISSING) if (
        state is not State.MISSING
    ) else MISSING  # fmt: skip
    path = f"/admin/{rule.model.lower().replace('.', '/')}/{suffix.replace('<path:object_id>', str(key))}"
    foreign = away.one_of.get(rule.model, MISSING)
    body = {"post": "yes", "action": "delete_selected", "_selected_action": str(foreign), "index": "0"}
    return Call(path, urlencode(body).encode() if method == "POST" else b"")


def _look_for_an_event(since: dict[str, int], where: str, tally: Tally) -> None:
    if written()["audit_entry"] == since["audit_entry"]:
        tally.faults.append(f"{where}: somebody was shown rows about people, and no audit event was written")


def _look_for_writes(
    desk: Desk, since: dict[str, int], where: str, asker: Asker, status: int, tally: Tally
) -> None:
    for tenant, tables in desk.changes(since).items():
        if tenant == asker.administers and status in (200, 302):
            continue
        if tables:
            tally.faults.append(f"{where} changed {', '.join(sorted(tables))} of the studio {tenant}")
