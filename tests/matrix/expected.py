"""Expected answer of a cell: pure, from the table's rule, the actor and the target."""

from dataclasses import dataclass
from enum import StrEnum

from control_plane.access.permissions import MANAGE_POLICY, USE_API
from control_plane.access.rule import evaluate
from control_plane.access.sources import FactEffect, FactSource
from control_plane.audit.permissions import VIEW_AUDIT
from control_plane.common.permissions import StudioPermission
from control_plane.data_requests.permissions import ANSWER_DATA_REQUESTS
from control_plane.fleet.permissions import MANAGE_AGENTS, VIEW_AGENTS
from control_plane.people.permissions import MANAGE_CONSENTS, MANAGE_DANCERS, VIEW_DANCERS
from control_plane.recordings.permissions import EXPORT, SHARE, VIEW_CLASS
from control_plane.retention.permissions import MANAGE_RETENTION
from control_plane.storage.permissions import MANAGE_STORAGE
from control_plane.tenancy.permissions import MANAGE_PEOPLE, MANAGE_STUDIO, VIEW_STUDIO
from tests.matrix.actors import Asker
from tests.matrix.policy import AdminRule, Rule

SIGN_IN_PAGE, SIGN_IN_PROGRAM = 302, 401
NOT_FOUND, FORBIDDEN, WRONG_METHOD, GONE = 404, 403, 405, 410

VIEW_OF = {
    "class_id": VIEW_CLASS,
    "room_id": VIEW_STUDIO,
    "pairing_id": MANAGE_AGENTS,
    "agent_id": VIEW_AGENTS,
    "membership_id": MANAGE_PEOPLE,
    "grant_id": MANAGE_PEOPLE,
    "dancer_id": VIEW_DANCERS,
    "notice_id": MANAGE_CONSENTS,
    "class_type_id": MANAGE_DANCERS,
    "enrolment_id": MANAGE_DANCERS,
    "guardianship_id": MANAGE_DANCERS,
    "guardian_invitation_id": MANAGE_DANCERS,
    "data_request_id": ANSWER_DATA_REQUESTS,
    "retention_rule_id": MANAGE_RETENTION,
    "retention_run_id": MANAGE_RETENTION,
    "retention_hold_id": MANAGE_RETENTION,
    "provider_id": MANAGE_STUDIO,
    "invitation_id": MANAGE_PEOPLE,
    "break_glass_id": VIEW_AUDIT,
    "member_id": MANAGE_PEOPLE,
    "key_id": USE_API,
    "alert_id": MANAGE_POLICY,
    "migration_id": MANAGE_STORAGE,
    "link_id": SHARE,
    "clip_id": VIEW_CLASS,
    "export_id": EXPORT,
}
"""The parameter of an address that names a thing -> the right without which the thing is not there."""


class State(StrEnum):
    """The objects that the address or the body names."""

    PRESENT = "present"
    GRANTED = "granted"
    """A class that single people were given a right to."""
    FOREIGN = "foreign"
    """A thing of the other studio."""
    MIXED = "mixed"
    """A thing of this studio, and in it a part of another studio's."""
    SIBLING = "sibling"
    """The granted class, and in it a part of another class of the same studio."""
    SHREDDED = "shredded"
    """A class whose keys were destroyed."""
    MISSING = "missing"


CLASS_KEYS = {State.GRANTED: "granted_class", State.SIBLING: "granted_class", State.SHREDDED: "shredded"}
"""Which class of a tenant a state names, where it is not the first."""


@dataclass(frozen=True)
class Target:
    """Target of a request: the studio in the address (`own`, `other`, `none`), and the state of the thing in it.

    `class_key` says which class of the tenant it is, where neither the first nor the state says.
    """

    studio: str
    state: State
    class_key: str = ""


def may(asker: Asker, action: StudioPermission, target: Target, *, on_class: bool) -> bool:
    """Says whether the asker may do `action`: the product's own rule, over what the matrix knows of the asker.

    Args:
        on_class: the question is about the class that the target names; else about the studio or a thing beside classes.
    """
    key = (target.class_key or CLASS_KEYS.get(target.state, "class")) if on_class else ""
    if asker.lends is not None and action not in asker.lends:
        return False
    owns = on_class and key == "class" and asker.answers_for == target.studio

    def holds(source: FactSource) -> bool:
        # No dancer of the matrix refuses anything, and nothing is watched live: no veto holds.
        return owns and source.effect is FactEffect.OWN

    return bool(evaluate(asker.facts(target.studio, key), action, holds))


def belongs(asker: Asker, tenant: str) -> bool:
    """Says whether a studio's pages open at all."""
    return asker.roles.get(tenant) is not None or asker.visits == tenant


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
            if asker.signed_in and any(_may_not_use_a_key(asker, tenant) for tenant in asker.roles):
                return frozenset({FORBIDDEN})
            return rule.answer if asker.signed_in else rule.signed_out or frozenset({SIGN_IN_PAGE})
        case "agent":
            return rule.answer if asker.agent_of else frozenset({SIGN_IN_PROGRAM})
        case "operator":
            if not asker.signed_in:
                return frozenset({SIGN_IN_PAGE})
            return rule.answer if asker.is_operator else frozenset({NOT_FOUND})
        case "admin":
            if asker.lacks_factor:
                return rule.signed_out | {302}
            return rule.answer if asker.administers and asker.signed_in else rule.signed_out
        case "member":
            return _member(rule, asker, target, thing, page) if asker.signed_in else out
        case "family":
            return _family(rule, asker, target, page) if asker.signed_in else out
    return frozenset({FORBIDDEN, NOT_FOUND, SIGN_IN_PAGE})


def _member(rule: Rule, asker: Asker, target: Target, thing: str, page: bool) -> frozenset[int]:
    if not belongs(asker, target.studio):
        return frozenset({NOT_FOUND})
    if asker.lacks_factor:
        return frozenset({SIGN_IN_PAGE if page else FORBIDDEN})
    if _may_not_use_a_key(asker, target.studio):
        return frozenset({FORBIDDEN})
    if rule.visit and asker.visits == target.studio:
        return rule.visit
    on_class = thing in ("class_id", "clip_id")
    lacks = rule.right != "" and not may(asker, StudioPermission.named(rule.right), target, on_class=on_class)
    if rule.or_visitor and asker.visits == target.studio:
        lacks = False
    if thing == "dancer_id" or rule.or_own:
        lacks = lacks and not (rule.or_own and asker.answers_for == target.studio)
    if thing:
        hidden = not may(asker, VIEW_OF[thing], target, on_class=on_class)
        if thing == "dancer_id" and asker.answers_for == target.studio:
            hidden = False
        if rule.or_visitor and asker.visits == target.studio:
            hidden = False
        if target.state in (State.FOREIGN, State.MISSING) or hidden:
            return frozenset({NOT_FOUND, FORBIDDEN} if lacks else {NOT_FOUND})
        if target.state in (State.MIXED, State.SIBLING):
            return frozenset({FORBIDDEN, NOT_FOUND} if lacks else {NOT_FOUND})
    # One's own dancer is shown without the right to see dancers: of more than that there is nothing to know.
    refused = {FORBIDDEN, NOT_FOUND} if thing == "dancer_id" else {FORBIDDEN}
    answer = frozenset(refused) if lacks else rule.answer
    if target.state is State.SHREDDED:
        # Most pages say that it is gone before they ask for more; those who do not see it are told nothing.
        return rule.gone if rule.gone and not lacks else answer | {GONE}
    return answer


def _family(rule: Rule, asker: Asker, target: Target, page: bool) -> frozenset[int]:
    if not belongs(asker, target.studio):
        return frozenset({NOT_FOUND})
    if asker.lacks_factor:
        return frozenset({SIGN_IN_PAGE if page else FORBIDDEN})
    if _may_not_use_a_key(asker, target.studio):
        return frozenset({FORBIDDEN})
    is_own = asker.answers_for == target.studio and target.state is State.PRESENT
    return rule.answer if is_own else frozenset({NOT_FOUND})


def _may_not_use_a_key(asker: Asker, tenant: str) -> bool:
    here = Target(tenant, State.PRESENT)
    return asker.lends is not None and not may(asker, USE_API, here, on_class=False)


def unlisted(method: str) -> frozenset[int]:
    """Returns the statuses of a method that the table does not list: never a 2xx, but for an empty OPTIONS."""
    return frozenset({302, 401, NOT_FOUND, FORBIDDEN, WRONG_METHOD, *([200] if method == "OPTIONS" else [])})


def may_write(asker: Asker, tenant: str, target: Target | None, *, bearer: bool = False) -> bool:
    """Says whether anything of a studio may change because of this asker; `target` None: of many targets.

    Args:
        bearer: anybody who holds a code may: the code belongs to the studio that made it, not to its sender.
    """
    if bearer:
        return target is not None and tenant == ("own" if target.state is State.PRESENT else "other")
    return tenant in (asker.agent_of, asker.visits) or tenant in asker.roles


def expected_admin(rule: AdminRule, page: str, method: str, asker: Asker, state: State) -> frozenset[int]:
    """Returns the statuses that are right for one page of a model in the admin site."""
    if not (asker.signed_in and asker.administers):
        return frozenset({302} if method in ("GET", "HEAD", "POST") else {302, WRONG_METHOD})
    if method not in ("GET", "HEAD", "POST"):
        return frozenset({302, WRONG_METHOD} if asker.lacks_factor else {WRONG_METHOD})
    if asker.lacks_factor:
        return frozenset({302, WRONG_METHOD})
    here = Target(asker.administers, State.PRESENT)
    may_view = rule.view != "nobody" and may(asker, StudioPermission.named(rule.view), here, on_class=False)
    may_write = bool(rule.write) and may(asker, StudioPermission.named(rule.write), here, on_class=False)
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
            return frozenset({200 if there else 302} if may_view else {403})
    raise ValueError(f"{page} is no page of the admin site that the matrix knows; teach `expected_admin`")
