"""Which cells the usual tests ask; `nox -s matrix` asks all. Each rule says why what it leaves out cannot differ.

What every usual run asks: every address by everybody who may be something to it, with every method of the table, for
what is there in the own studio; and every address of a studio by every role under the other studio's name.
"""

from tests.matrix.actors import Asker
from tests.matrix.expected import State, Target, expected
from tests.matrix.policy import SAFE, Rule
from tests.matrix.routes import Route

MAY_MOST = "admin"
"""Tries the methods that the table does not list, and HEAD: a method is refused by a decorator that asks for nobody's name,
or after a question of access, which refuses this one least. HEAD runs the view of GET."""
OUTSIDE = ("ended", "expired", "inactive", "operator")
"""To a studio they are strangers, by one query that is made before any view: once for each address, with one method."""
LIKE_THEIR_ROLE = ("denied", "childless")
"""A viewer and a guardian but for the classes: elsewhere one method of each address."""
AS_PROGRAMS = ("signed out", "stranger", "factorless")
"""Actors who repeat a request as a program: one of each refusal. The shape of an error is decided in `problems`, for all."""
NAMES_THINGS = ("admin", "viewer", "guardian", "granted", "key of the admin")
"""Actors who name objects that are foreign, missing, in parts another's, granted or destroyed, where they may do it at all.
The others are refused before the object is read or, as with a missing one, by not finding it."""


def is_asked(
    route: Route, rule: Rule | None, methods: list[str], method: str, asker: Asker, cell: tuple[Target, bool]
) -> bool:
    """Says whether the usual tests ask a cell of `nox -s matrix`.

    Args:
        rule: the line of the table; None where the method is not listed.
        methods: all that are listed for the address.
        cell: what is asked for, and whether as a browser.
    """
    target, page = cell
    if rule is None or method in ("HEAD", "OPTIONS"):
        return asker.name == MAY_MOST
    is_first = method == methods[0]
    if not _is_heard(route, asker):
        # Pages read no token and agents' calls no session: a caller with the wrong one is signed out there.
        return is_first and asker.name in ("agent", "admin", "key of the admin", "stranger")
    if asker.is_spent:
        # A key that has ended is refused before its address is looked at.
        return is_first
    if route.address.startswith("studio/") and not page and asker.name not in AS_PROGRAMS:
        return False
    on_classes = "class" in route.address
    if target == Target("own", State.PRESENT):
        return is_first or not (asker.name in OUTSIDE or (asker.name in LIKE_THEIR_ROLE and not on_classes))
    if target.studio == "none":
        return asker.name in ("signed out", MAY_MOST) and is_first
    if target.studio == "other":
        if asker.name == "other admin":
            return target.state is not State.PRESENT
        return target.state is State.PRESENT and (is_first or asker.name == MAY_MOST)
    if asker.name not in NAMES_THINGS:
        return False
    may = expected(rule, asker, Target("own", State.PRESENT), page=page, thing="") == rule.answer
    return may or (target.state is State.GRANTED and method in SAFE)


def is_asked_in_admin(page: str, method: str, asker: Asker, state: State) -> bool:
    """Says whether the usual tests ask one page of each model of the admin site.

    The two studios are alike, so the admin of the other one would get what the admin gets, with the names
    changed; all others are sent away by the site before it looks at the model.

    Args:
        page: what it is, such as `change`.
    """
    match asker.name:
        case "admin":
            # A missing object is refused as a foreign one is, which has a row to find; HEAD and PUT never reach a model.
            return method in ("GET", "POST") and (state is not State.MISSING or page == "change")
        case "other admin":
            return (method, page) in (
                ("GET", "list"),
                ("GET", "change"),
                ("POST", "delete"),
            ) and state is not State.MISSING
        case "both":
            return (method, page) == ("GET", "change") and state is not State.MISSING
        case "signed out" | "viewer":
            return True
    return (method, page) == ("GET", "change") and state is State.PRESENT


def _is_heard(route: Route, asker: Asker) -> bool:
    if route.address.startswith("agent/"):
        return asker.token is not None or asker.name == "signed out"
    return asker.token is None or route.address.startswith("api/")
