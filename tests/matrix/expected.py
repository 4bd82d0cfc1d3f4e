"""What a cell has to answer: pure, from the table's rule, from who asks, and from what is asked for."""

from dataclasses import dataclass
from enum import StrEnum

from control_plane.studios.access import ROLE_PERMISSIONS, Action
from tests.matrix.actors import Asker
from tests.matrix.policy import AdminRule, Rule

SIGN_IN_PAGE, SIGN_IN_PROGRAM = 302, 401
NOT_FOUND, FORBIDDEN, WRONG_METHOD = 404, 403, 405

VIEW_OF = {"class_id": Action.VIEW_CLASS, "room_id": Action.VIEW_STUDIO, "pairing_id": Action.MANAGE_AGENTS}
"""The parameter of an address that names a thing -> the right without which the thing is not there."""


class State(StrEnum):
    """What the address, or the body, names."""

    PRESENT = "present"
    GRANTED = "granted"
    """A class that single people were given a right to."""
    FOREIGN = "foreign"
    """A thing of the other studio."""
    MIXED = "mixed"
    """A thing of this studio, and in it a part of another studio's."""
    MISSING = "missing"


@dataclass(frozen=True)
class Target:
    """What is asked for: the studio in the address (`own`, `other`, `none`), and the state of the thing in it."""

    studio: str
    state: State


def rights(asker: Asker, target: Target) -> frozenset[Action]:
    """Returns what the asker may do to the target's thing."""
    role = asker.roles.get(target.studio)
    if role is None:
        return frozenset()
    found = ROLE_PERMISSIONS[role]
    if target.state is State.GRANTED and asker.granted == target.studio:
        found |= {Action.VIEW_CLASS, Action.REPLAY}
    return found


def expected(rule: Rule, asker: Asker, target: Target, *, page: bool, thing: str) -> frozenset[int]:
    """Returns the statuses that are right, one in nearly all cells.

    Args:
        page: a browser asks for a page; else a program asks.
        thing: the parameter of the address that names a thing; empty where it names a studio only.
    """
    out = frozenset({SIGN_IN_PAGE if page else SIGN_IN_PROGRAM})
    match rule.kind:
        case "anyone" | "bearer":
            return rule.signed_out if rule.signed_out and not asker.signed_in else rule.answer
        case "signed in":
            return rule.answer if asker.signed_in else rule.signed_out or frozenset({SIGN_IN_PAGE})
        case "agent":
            return rule.answer if asker.agent_of else frozenset({SIGN_IN_PROGRAM})
        case "admin":
            return rule.answer if asker.administers and asker.signed_in else rule.signed_out
        case "member":
            return _member(rule, asker, target, thing) if asker.signed_in else out
    return frozenset({FORBIDDEN, NOT_FOUND, SIGN_IN_PAGE})


def _member(rule: Rule, asker: Asker, target: Target, thing: str) -> frozenset[int]:
    if asker.roles.get(target.studio) is None:
        return frozenset({NOT_FOUND})
    mine = rights(asker, target)
    lacks = rule.right != "" and Action(rule.right) not in mine
    if thing:
        if target.state in (State.FOREIGN, State.MISSING) or VIEW_OF[thing] not in mine:
            return frozenset({NOT_FOUND, FORBIDDEN} if lacks else {NOT_FOUND})
        if target.state is State.MIXED:
            return frozenset({FORBIDDEN if lacks else NOT_FOUND})
    return frozenset({FORBIDDEN}) if lacks else rule.answer


def unlisted(method: str) -> frozenset[int]:
    """Returns the statuses of a method that the table does not list: never a 2xx, but for an empty OPTIONS."""
    return frozenset({302, 401, NOT_FOUND, FORBIDDEN, WRONG_METHOD, *([200] if method == "OPTIONS" else [])})


def may_write(asker: Asker, house: str, target: Target | None) -> bool:
    """Says whether anything of a studio may change because of this asker; `target` None: of many targets."""
    if not asker.signed_in and not asker.agent_of:
        # Whoever holds a pairing code is a box of the studio that made the code.
        return target is not None and house == ("own" if target.state is State.PRESENT else "other")
    return house == asker.agent_of or house in asker.roles


def expected_admin(rule: AdminRule, page: str, method: str, asker: Asker, state: State) -> frozenset[int]:
    """Returns the statuses that are right for one page of a model in the admin site."""
    if not (asker.signed_in and asker.administers):
        return frozenset({302} if method in ("GET", "HEAD", "POST") else {302, WRONG_METHOD})
    if method not in ("GET", "HEAD", "POST"):
        return frozenset({WRONG_METHOD})
    mine = ROLE_PERMISSIONS[asker.roles[asker.administers]]
    may_view = Action(rule.view) in mine if rule.view != "nobody" else False
    may_write = bool(rule.write) and Action(rule.write) in mine
    there = state is State.PRESENT
    match page:
        case "list":
            if method == "POST":
                return frozenset({200, 302, 403} if may_view else {403})
            return frozenset({200 if may_view else 403})
        case "add":
            return frozenset({200} if may_write and "add" in rule.verbs else {403})
        case "history":
            return frozenset({404} if rule.view != "nobody" else {403, 302})
        case "redirect":
            return frozenset({302})
        case "delete":
            if not (may_write and "remove" in rule.verbs):
                return frozenset({403})
            return frozenset({200 if method in ("GET", "HEAD") else 302} if there else {302})
        case "change":
            if method == "POST" and not (may_write and "change" in rule.verbs):
                return frozenset({403})
            return frozenset(({200 if there else 302} if may_view else {403}))
    raise ValueError(f"{page} is no page of the admin site that the matrix knows; teach `expected_admin`")
