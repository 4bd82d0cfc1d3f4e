"""Every address, every method, everybody, own and other studio, in every state."""

from collections.abc import Iterator

import pytest

from tests.matrix import routes
from tests.matrix.actors import Asker
from tests.matrix.calls import Call, call, targets, things
from tests.matrix.cells import Answer, Desk, Tally, Undo, changed, fingerprint, forbidden_houses, leaks
from tests.matrix.expected import State, Target, expected, may_write, unlisted
from tests.matrix.policy import GROUPS, METHODS, SAFE, Policy, Rule
from tests.matrix.routes import Route
from tests.matrix.world import World

Rows = dict[str, dict[str, tuple[int, int]]]
ASK_EVERY_METHOD = ("signed out", "stranger", "admin", "viewer", "other admin", "agent")
"""Who tries methods that the table does not list; the rest would get the same refusals."""
ROUTES = {route.address: route for route in routes.routes()}


@pytest.mark.parametrize("address", ROUTES, ids=lambda address: address or "/")
def test_an_address_answers_everybody_as_the_table_says(
    address: str, desk: Desk, askers: dict[str, Asker], policy: Policy, record_property: object
) -> None:
    tally = Tally()
    for asker in askers.values():
        with Undo():
            _ask_all(desk, ROUTES[address], policy, asker, tally)
    record_property("cells", tally.cells)
    assert not tally.leaks, listed(tally.leaks)
    assert not tally.faults, listed(tally.faults)


def _ask_all(desk: Desk, route: Route, policy: Policy, asker: Asker, tally: Tally) -> None:
    rules = policy.of(route.address)
    listed = {method: rule for rule in rules for method in rule.methods}
    before = all_rows(desk.world)
    for method in METHODS:
        rule = listed.get(method)
        if rule is None and asker.name not in ASK_EVERY_METHOD:
            continue
        for target, page in _cells(route, method if rule else ""):
            request = call(desk.world, route, method, target)
            if rule is None or method in SAFE:
                answer = desk.ask(asker, method, request, page=page)
            else:
                with Undo():
                    answer = desk.ask(asker, method, request, page=page)
                    if answer.status in rule.answer:
                        cell = f"{method} {request.path} by {asker.name}"
                        _look_for_writes(desk, before, rule, asker, target, cell, tally)
                if answer.status not in rule.answer:
                    # A refusal stays, and is looked for at the end.
                    desk.ask(asker, method, request, page=page)
            _judge(desk, route, rule or rules[0], method, asker, target, page, request, answer, tally)
    cell = f"the refusals and reads of {route.address} by {asker.name}"
    _look_for_writes(desk, before, listed.get("GET"), asker, None, cell, tally)


def _cells(route: Route, listed_method: str) -> Iterator[tuple[Target, bool]]:
    """Yields what is asked for, and whether as a browser."""
    for target in targets(route):
        usual = target.state is State.PRESENT and target.studio != "none"
        if usual or listed_method in ("GET", "POST", "PUT"):
            yield target, True
        if usual and listed_method and "slug" in route.parameters:
            yield target, False


def _judge(
    desk: Desk, route: Route, rule: Rule, method: str, asker: Asker, target: Target, page: bool,
    request: Call, answer: Answer, tally: Tally,
) -> None:  # fmt: skip
    tally.cells += 1
    wanted = expected(rule, asker, target, page=page, thing=things(route))
    if method not in rule.methods:
        wanted = unlisted(method)
    where = f"{method} {request.path} ({target.studio}, {target.state}) by {asker.name}"
    if answer.status not in wanted:
        tally.faults.append(f"{where}: {answer.status}, not {sorted(wanted)} {answer.body[:200]!r}")
    under = target.studio if "slug" in route.parameters else ""
    forbidden = forbidden_houses(desk.world, asker, under)
    if rule.kind == "bearer":
        # Whoever holds a studio's pairing code is told the studio's name.
        forbidden = [house for house in forbidden if (house.name == "own") != (target.state is State.PRESENT)]
    for leak in leaks(answer, asker, request, forbidden):
        tally.leaks.append(f"{where}: {leak}")


def _look_for_writes(
    desk: Desk, before: Rows, rule: Rule | None, asker: Asker, target: Target | None, cell: str, tally: Tally
) -> None:
    for house in desk.world.houses:
        tables = changed(before[house.name], fingerprint(house.studio.id))
        if rule is not None and may_write(asker, house.name, target):
            tables -= {table for group in rule.writes for table in GROUPS[group]}
        if tables:
            tally.faults.append(f"{cell} changed {', '.join(sorted(tables))} of the studio {house.name}")


def all_rows(world: World) -> Rows:
    """Returns the fingerprints of both studios."""
    return {house.name: fingerprint(house.studio.id) for house in world.houses}


def listed(lines: list[str]) -> str:
    return "\n".join([f"{len(lines)}:", *lines[:12]])
