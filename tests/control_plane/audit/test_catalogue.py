"""The catalogue and the code agree: every act is written by something, and whatever is written is in the catalogue."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from control_plane.audit.catalogue import MEANINGS, Action
from control_plane.audit.words import (
    FOOTAGE_READS,
    READS,
    SENTENCES,
    Category,
    actions_of,
    has_category,
    kind_of,
)

ROOT = Path(__file__).parents[3] / "control_plane"
SOURCES = [
    path
    for path in sorted(ROOT.rglob("*.py"))
    if "migrations" not in path.parts and path.name != "catalogue.py" and path != ROOT / "audit" / "words.py"
]
WRITES = {
    "save",
    "create",
    "bulk_create",
    "update",
    "delete",
    "bulk_update",
    "update_or_create",
    "get_or_create",
}
RECORDS = {"record", "record_for", "write", "note_read"}
UNRECORDED = {
    "order_recording": "a step of `recordings.start_class`, whose entry it is",
    "stop_recording": "a step of `recordings.stop_class`, likewise",
    "add_gaps": "what a box reports is missing; the row is the record and is never changed",
    "check_all_keys": "calls the check of each studio, which writes the entry",
    "destroy_due_generations": "calls `destroy_generation` of each that is due",
    "destroy_generation": "writes its entry by `tombstones`",
    "request_probe": "asks for a try, whose outcome is the entry",
}
"""Services that write rows and no entry of their own, each with where the entry is instead."""


def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def named_in(tree: ast.AST, imported_as: set[str]) -> Iterator[str]:
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Attribute)
            and isinstance(node.value, ast.Name)
            and node.value.id in imported_as
        ):
            yield node.attr


def names_of_catalogue(tree: ast.Module) -> set[str]:
    return {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module == "control_plane.audit.catalogue"
        for alias in node.names
        if alias.name == "Action"
    }


def used() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for path in SOURCES:
        tree = parsed(path)
        for name in named_in(tree, names_of_catalogue(tree)):
            found.setdefault(name, []).append(str(path.relative_to(ROOT)))
    return found


def test_every_act_of_the_catalogue_is_written_by_something() -> None:
    written = used()
    assert sorted(action.name for action in Action if action.name not in written) == []


def test_whatever_is_recorded_is_an_act_of_the_catalogue() -> None:
    """`record` takes an `Action` and nothing else: no text, and no name that the catalogue lacks."""
    strange = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in SOURCES
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in {"record", "record_for"}
        and node.args
        and isinstance(node.args[0], ast.Constant)
    ]
    assert strange == []
    unknown = {name: where for name, where in used().items() if name not in Action.__members__}
    assert {name for name in unknown if name.isupper()} == set()


def test_every_act_has_a_meaning_a_category_and_reads_as_a_sentence() -> None:
    assert set(MEANINGS) == set(Action)
    assert sorted(action.value for action in Action if not has_category(action)) == []
    for action in Action:
        text = kind_of(action.value).sentence
        assert "{who}" in text or "{what}" in text or "{rule}" in text, action
    assert set(SENTENCES) <= {action.value for action in Action}
    assert sum(len(actions_of(category)) for category in Category) == len(Action)


def test_what_shows_people_counts_as_a_read() -> None:
    assert FOOTAGE_READS <= READS
    reads = {
        action for action in Action if action.value.endswith((".read", ".listed", ".opened", ".replayed"))
    }
    # A visit of support staff and a sign-in are acts: they open a door, and what is read behind it is put down there.
    assert {
        action for action in reads - READS if not action.value.startswith(("break_glass.", "signin"))
    } == set()


def test_an_act_of_a_later_version_is_shown_by_its_name() -> None:
    assert kind_of("teleport.used").sentence == "teleport.used by {who}: {what}"


SERVICES = [
    path
    for path in SOURCES
    if path.name == "services.py"
    or path.parent.name == "services"
    or path.name in ("rosters.py", "replays.py")
]


@pytest.mark.parametrize("path", SERVICES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_service_that_takes_an_actor_and_writes_a_row_writes_an_entry(path: Path) -> None:
    """Statically: a public function with `actor` that changes a table reaches `record`, by functions of its module."""
    functions = {node.name: node for node in parsed(path).body if isinstance(node, ast.FunctionDef)}
    calls = {name: set(called(node)) for name, node in functions.items()}
    silent = []
    for name, node in functions.items():
        takes_actor = "actor" in {item.arg for item in (*node.args.args, *node.args.kwonlyargs)}
        if name.startswith("_") or not takes_actor or name in UNRECORDED:
            continue
        reached = reach(name, calls)
        writes = any(calls[one] & WRITES for one in reached if one in calls)
        if writes and not reached & RECORDS:
            silent.append(name)
    assert silent == []


def called(node: ast.AST) -> Iterator[str]:
    for item in ast.walk(node):
        if isinstance(item, ast.Call):
            if isinstance(item.func, ast.Name):
                yield item.func.id
            elif isinstance(item.func, ast.Attribute):
                yield item.func.attr
        # A function handed to another one, such as `on_commit(...)`, is called there.
        elif isinstance(item, ast.Name):
            yield item.id


def reach(name: str, calls: dict[str, set[str]]) -> set[str]:
    found, waiting = set[str](), [name]
    while waiting:
        one = waiting.pop()
        if one not in found:
            found.add(one)
            waiting += calls.get(one, set())
    return found
