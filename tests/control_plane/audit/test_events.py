"""Audit events: each is written by something, whatever is written is declared, and each reads as a sentence."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from control_plane.audit.events import CATEGORY_LABELS, AuditEvent, Category, Severity, codes_of, described
from control_plane.config import declarations, registry
from control_plane.config.declarations import event_faults
from control_plane.tenancy.audit_events import ROOM_CREATED

ROOT = Path(__file__).parents[3] / "control_plane"
SOURCES = [
    path
    for path in sorted(ROOT.rglob("*.py"))
    if "migrations" not in path.parts and path.name != "audit_events.py"
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
    "transition",
    "transition_rows",
}
RECORDS = {"record", "record_for", "write", "note_read"}
UNRECORDED = {
    "order_recording": "a step of `recordings.start_class`, whose entry it is",
    "stop_recording": "a step of `recordings.stop_class`, likewise",
    "add_gaps": "an agent reports a gap; the row is the record and is never changed",
    "check_all_keys": "calls the check of each studio, which writes the entry",
    "destroy_due_generations": "calls `destroy_generation` of each that is due",
    "destroy_generation": "writes its entry by `tombstones`",
    "request_probe": "asks for a try, whose outcome is the entry",
}
"""Services that write rows and no entry of their own, each with where the entry is instead."""


def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def declared() -> dict[tuple[str, str], AuditEvent]:
    """Returns every event by the module and the name of its constant."""
    return {
        (module.__name__, name): value
        for module in registry.declared("audit_events")
        for name, value in vars(module).items()
        if isinstance(value, AuditEvent)
    }


def used() -> set[tuple[str, str]]:
    """Returns the constants that the product imports from a module of audit events, and names."""
    found = set()
    for path in SOURCES:
        tree = parsed(path)
        names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
        found |= {
            (node.module, alias.name)
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom) and node.module and node.module.endswith(".audit_events")
            for alias in node.names
            if (alias.asname or alias.name) in names
        }
    return found


def test_every_event_is_declared_where_it_is_imported_from_and_written_by_something() -> None:
    assert set(declared().values()) == set(AuditEvent.all())
    assert sorted(set(declared()) - used()) == []


def test_whatever_is_recorded_is_a_declared_event() -> None:
    """`record` takes an `AuditEvent`: no text."""
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


def test_every_event_reads_as_a_sentence_and_has_a_category() -> None:
    assert [fault for event in AuditEvent.all() for fault in event_faults(event)] == []
    assert all(event.meaning[0].isupper() for event in AuditEvent.all())
    listed = [code for category in Category for code in codes_of(category)]
    assert listed == [event.code for event in AuditEvent.all()]
    assert set(CATEGORY_LABELS) == set(Category)


def test_what_shows_people_counts_as_a_read() -> None:
    reads = [
        event for event in AuditEvent.all() if event.endswith((".read", ".listed", ".opened", ".replayed"))
    ]
    # Break-glass access and a sign-in are actions: what is read after them has events of its own.
    unmarked = [event for event in reads if not event.is_read]
    assert [event for event in unmarked if not event.startswith(("break_glass.", "signin"))] == []
    assert all(event.is_read for event in AuditEvent.all() if event.shows_footage or event.takes_data_out)


def test_an_event_of_a_later_version_is_shown_by_its_code() -> None:
    unknown = described("teleport.used")
    assert unknown.text == "teleport.used by {who}: {what}"
    assert (unknown.category, unknown.severity) == (Category.RECORD, Severity.NOTABLE)
    assert {unknown.is_read, unknown.shows_footage, unknown.takes_data_out} == {False}


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        pytest.param({"meaning": "Something"}, "no sentence", id="no sentence"),
        pytest.param({"sentence": "It happened"}, "names nobody", id="nobody"),
        pytest.param({"takes_data_out": True}, "is no read", id="no read"),
        pytest.param({"footage_access": "watched"}, "is no read", id="footage, no read"),
    ],
)
def test_an_event_that_says_too_little_stops_the_start(
    monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], fault: str
) -> None:
    for name, value in changes.items():
        monkeypatch.setitem(ROOM_CREATED.__dict__, name, value)
    assert [fault in message.msg for message in declarations.check_audit_events()] == [True]


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
