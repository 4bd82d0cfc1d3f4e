"""Every address, every method, everybody, own and other studio, in every state."""

from collections.abc import Callable, Iterator

import pytest

from tests.matrix import routes
from tests.matrix.actors import IS_WHOLE, Asker
from tests.matrix.calls import Call, call, targets, things
from tests.matrix.cells import Answer, Desk, Tally, Undo, forbidden_houses, leaks, written
from tests.matrix.expected import State, Target, belongs, expected, may_write, unlisted
from tests.matrix.policy import GROUPS, METHODS, SAFE, Policy, Rule
from tests.matrix.routes import Route
from tests.matrix.usual import is_asked

ASK_EVERY_METHOD = ("signed out", "admin", "other admin", "agent", "key of the admin")
"""Actors who try HEAD, and methods that the table does not list; the rest would get the same refusals."""
ASK_AS_PROGRAMS = ("signed out", "stranger", "admin", "viewer", "factorless", "agent")
"""Actors who repeat a request as a program, which is answered in JSON."""
ROUTES = {route.address: route for route in routes.routes()}


@pytest.mark.parametrize("address", ROUTES, ids=lambda address: address or "/")
def test_an_address_answers_everybody_as_the_table_says(
    address: str,
    desk: Desk,
    askers: dict[str, Asker],
    policy: Policy,
    record_property: Callable[[str, object], None],
) -> None:
    tally = Tally()
    for asker in askers.values():
        if asker.is_heard_nowhere_else and not address.startswith("api/"):
            continue
        with Undo():
            _ask_all(desk, ROUTES[address], policy, asker.at(address), tally)
    record_property("cells", tally.cells)
    record_property("leaks", len(tally.leaks))
    assert not tally.leaks, listed(tally.leaks)
    assert not tally.faults, listed(tally.faults)


def _ask_all(desk: Desk, route: Route, policy: Policy, asker: Asker, tally: Tally) -> None:
    rules = policy.of(route.address)
    listed = {method: rule for rule in rules for method in rule.methods}
    reads = [rule for rule in rules if "GET" in rule.methods]
    begun = written()
    for method in METHODS:
        rule = listed.get(method)
        for target, page in _cells(route, rules, method, asker):
            request = call(desk.world, route, method, target)
            cell = f"{method} {request.path} by {asker.name}"
            since = written() if rule is not None and (rule.demands or method not in SAFE) else {}
            if rule is None or method in SAFE:
                answer = desk.ask(asker, method, request, page=page)
                _look_for_demands(since, rule, asker, target, answer.status, cell, tally)
            else:
                with Undo():
                    answer = desk.ask(asker, method, request, page=page)
                    # A refusal changes nothing; what was read before it may have left an entry of the audit.
                    allowed = [rule, *reads] if answer.status in rule.answer else reads
                    _look_for_writes(desk, since, allowed, asker, target, cell, tally)
                    _look_for_demands(since, rule, asker, target, answer.status, cell, tally)
            _judge(desk, route, rule or rules[0], method, asker, target, page, request, answer, tally)
    cell = f"the reads of {route.address} by {asker.name}"
    _look_for_writes(desk, begun, reads, asker, None, cell, tally)


def _cells(route: Route, rules: list[Rule], method: str, asker: Asker) -> Iterator[tuple[Target, bool]]:
    """Yields what is asked for, and whether as a browser: all of it, or what the usual tests ask."""
    rule = next((rule for rule in rules if method in rule.methods), None)
    methods = [listed for rule in rules for listed in rule.methods]
    for cell in _all_cells(route, rule, method, asker):
        if IS_WHOLE or is_asked(route, rule, methods, method, asker, cell):
            yield cell


def _all_cells(route: Route, rule: Rule | None, method: str, asker: Asker) -> Iterator[tuple[Target, bool]]:
    """Yields all that is asked for.

    Those who are nobody to a kind of address (agents to pages, people to the agents' addresses, those who have left) ask
    for what is there and for nothing else; so do methods that the table does not list.
    """
    usual = asker.asks_all and bool(asker.agent_of) == route.address.startswith("agent/")
    everything = usual and rule is not None and method not in ("HEAD", "OPTIONS")
    if (
        not everything
        and asker.name not in ASK_EVERY_METHOD
        and (rule is None or method in ("HEAD", "OPTIONS"))
    ):
        return
    for target in targets(route):
        is_there = target.state is State.PRESENT and target.studio == "own"
        if everything or is_there:
            yield target, not route.address.startswith("api/")
        if (
            is_there
            and rule is not None
            and route.address.startswith("studio/")
            and asker.name in ASK_AS_PROGRAMS
        ):
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
        # The holder of a studio's pairing code gets the studio's name.
        forbidden = [
            tenant for tenant in forbidden if (tenant.name == "own") != (target.state is State.PRESENT)
        ]
    if rule.kind == "operator" and asker.is_operator:
        # Operators see that studios exist, by name and id; what is in them is looked for in their visits.
        forbidden = []
    for leak in leaks(answer, asker, request, forbidden):
        tally.leaks.append(f"{where}: {leak}")


def _look_for_writes(
    desk: Desk,
    since: dict[str, int],
    rules: list[Rule],
    asker: Asker,
    target: Target | None,
    cell: str,
    tally: Tally,
) -> None:
    for tenant, tables in desk.changes(since).items():
        if may_write(asker, tenant, target, bearer=any(rule.kind == "bearer" for rule in rules)):
            tables -= {table for rule in rules for group in rule.writes for table in GROUPS[group]}
        if tables:
            tally.faults.append(f"{cell} changed {', '.join(sorted(tables))} of the studio {tenant}")


def _look_for_demands(
    since: dict[str, int],
    rule: Rule | None,
    asker: Asker,
    target: Target,
    status: int,
    cell: str,
    tally: Tally,
) -> None:
    """Notes which of the writes that the table demands of a success are missing."""
    if rule is None or not rule.demands or target != Target("own", State.PRESENT):
        return
    if status not in rule.answer or status >= 400 or not _is_heard(rule, asker):
        return
    now = written()
    for group in rule.demands:
        if all(now[table] == since[table] for table in GROUPS[group]):
            tally.faults.append(f"{cell}: {status}, and nothing was written to {group}")


def _is_heard(rule: Rule, asker: Asker) -> bool:
    """Returns whether a success is one: a signed-out caller is redirected to the sign-in page with 302 as well."""
    match rule.kind:
        case "member":
            return asker.signed_in and belongs(asker, "own")
        case "operator":
            return asker.signed_in and asker.is_operator
        case "agent":
            return asker.agent_of == "own"
    return True


def listed(lines: list[str]) -> str:
    return "\n".join([f"{len(lines)}:", *lines[:12]])
