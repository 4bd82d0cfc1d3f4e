"""States change along the tables of the models: every other pair is refused, also for two transactions at once."""

import ast
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from django.apps import apps
from django.db import connection, models
from django.utils import timezone

from control_plane.common.scoping import studio_scope
from control_plane.common.states import Stateful, TransitionRefused
from control_plane.data_requests.models import DataRequest, RequestKind
from control_plane.exports.models import Export
from control_plane.fleet.models import Agent, PairingCode
from control_plane.recordings import services as recordings
from control_plane.recordings.damage_models import DamageKind, SegmentDamage
from control_plane.recordings.models import AgentRecording, ClassSession
from control_plane.recordings.segment_factory import ObjectLocation
from control_plane.retention.models import RetentionRun, RetentionRunItem
from control_plane.storage.models import MigrationState, ProbeState, StoreMigration, StoreProbe
from shared.protocol.ids import new_id
from tests.control_plane.conftest import Cast
from tests.control_plane.scenes import make_scene

MODELS = [model for model in apps.get_models() if issubclass(model, Stateful)]
EXPECTED: set[type[models.Model]] = {
    Agent,
    AgentRecording,
    ClassSession,
    DataRequest,
    Export,
    PairingCode,
    RetentionRun,
    RetentionRunItem,
    SegmentDamage,
    StoreMigration,
    StoreProbe,
}

SOURCES = [
    path
    for path in (Path(__file__).parents[3] / "control_plane").rglob("*.py")
    if path.parent.name != "migrations" and path.parts[-2:] != ("common", "states.py")
]
WRITERS = {"update", "create", "get_or_create", "update_or_create", "bulk_update", "renew", "release"}
ELSEWHERE = {"provider_views.py": "`login.state` is what an OpenID Connect provider returns"}
"""Modules that write an attribute of the same name to something that is no row."""


def choices(model: type[Stateful]) -> list[models.TextChoices]:
    """Returns the members of the enum whose values the model's state column may hold."""
    enum = type(next(iter(model.transitions.allowed)))
    assert issubclass(enum, models.TextChoices)
    return list(enum)


def make_row(cast: Cast, model: type[Stateful], folder: Path) -> Any:
    """Returns a row of `model` in the studio of `cast`; call it in the studio's scope."""
    scene = make_scene(cast)
    if model is StoreProbe or model is StoreMigration:
        model(studio=cast.studio).save(force_insert=True)
    elif model is DataRequest:
        today = timezone.now().date()
        model(
            studio=cast.studio, kind=RequestKind.ACCESS, dancer_id=new_id(), received_on=today, due_on=today
        ).save(force_insert=True)
    elif model is Export:
        values = {"requested_by": cast.alice.id, "track_ids": [], "wrapped_key": b"x"}
        Export.objects.create(studio=cast.studio, class_session=scene.session, **values)
    elif model is RetentionRun or model is RetentionRunItem:
        now = timezone.now()
        counts = dict.fromkeys(("due_classes", "due_bytes", "total_classes", "total_bytes"), 1)
        run = RetentionRun.objects.create(studio=cast.studio, planned_at=now, **counts)
        RetentionRunItem.objects.create(studio=cast.studio, run=run, class_session_id=new_id(), due_at=now)
    elif model is SegmentDamage:
        (cut,) = scene.cuts(folder, seconds=1)
        arrived = [(cut.manifest, ObjectLocation(None, "key"), b"wrapped")]
        recordings.add_segments(scene.session, scene.agent, arrived, actor=scene.caller.actor)
        segment = scene.session.segments.get()
        SegmentDamage.objects.create(
            studio=cast.studio,
            segment=segment,
            class_session=scene.session,
            agent=scene.agent,
            kind=DamageKind.MISSING,
        )
    return model._base_manager.get()


def put(row: Any, state: str) -> None:
    """Writes a state to the row and the database without asking the table."""
    field = row.transitions.field
    type(row)._base_manager.filter(pk=row.pk).update(**{field: state})
    setattr(row, field, state)


def present(row: Any) -> str:
    return str(type(row)._base_manager.values_list(row.transitions.field, flat=True).get(pk=row.pk))


def test_every_model_with_a_state_column_declares_its_table() -> None:
    assert set(MODELS) == EXPECTED
    undeclared = [
        f"{model._meta.label}.{field.name}"
        for model in apps.get_models()
        for field in model._meta.concrete_fields
        if model.__module__.startswith("control_plane.")
        and (field.name == "state" or type(field.default).__name__.endswith("State"))
        and not (issubclass(model, Stateful) and model.transitions.field == field.name)
    ]
    assert undeclared == []


def written_in(tree: ast.AST) -> Iterator[int]:
    """Yields the lines on which code writes a state column: by attribute, by keyword, by `update_fields`, by SQL."""
    fields = {model.transitions.field for model in MODELS}
    makers = WRITERS | {model.__name__ for model in MODELS}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and node.attr in fields:
            yield node.lineno
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            if any(re.search(rf"(?i)\bset\b[^;]*\b{field}\b\s*=", node.value) for field in fields):
                yield node.lineno
        elif isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            named: set[object] = {item.arg for item in node.keywords} if name in makers else set()
            for item in node.keywords:
                if item.arg in ("update_fields", "defaults", "create_defaults"):
                    named |= {one.value for one in ast.walk(item.value) if isinstance(one, ast.Constant)}
            if name == "setattr" and isinstance(node.args[1], ast.Constant):
                named.add(node.args[1].value)
            if named & fields:
                yield node.lineno


@pytest.mark.parametrize(
    "line",
    [
        "row.state = x",
        "row.state, row.ended_at = x, now",
        "rows.update(state=x)",
        "renew(rows, token, state=x)",
        "rows.filter(pk=1).update(repair=x, at=now)",
        "Agent(state=x)",
        "row.save(update_fields=['state'])",
        "rows.get_or_create(pk=1, defaults={'state': x})",
        "setattr(row, 'state', x)",
        "cursor.execute('UPDATE fleet_agent SET seen = now(), state = %s', [x])",
    ],
)
def test_a_write_past_the_table_is_found(line: str) -> None:
    assert list(written_in(ast.parse(line))) == [1]


def test_nothing_else_writes_a_state() -> None:
    found = [
        f"{path}:{line}"
        for path in SOURCES
        if path.name not in ELSEWHERE
        for line in written_in(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert found == [], "use Stateful.transition"


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_a_table_names_every_state_and_no_other(model: type[Stateful]) -> None:
    field = model._meta.get_field(model.transitions.field)
    assert isinstance(field, models.CharField)
    states = {value for value, _ in field.choices or ()}
    assert set(model.transitions.allowed) == states
    assert {to for successors in model.transitions.allowed.values() for to in successors} <= states
    assert str(field.default) in states


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_every_pair_that_the_table_lacks_is_refused(
    cast: Cast, model: type[Stateful], tmp_path: Path
) -> None:
    with studio_scope(cast.studio.id):
        row = make_row(cast, model, tmp_path)
        allowed = 0
        for before, to in product(choices(model), repeat=2):
            put(row, before)
            if to in model.transitions.allowed[before]:
                row.transition(to)
                assert (present(row), getattr(row, model.transitions.field)) == (to, to)
                allowed += 1
                continue
            with pytest.raises(TransitionRefused, match=f"that is {before} cannot become {to}"):
                row.transition(to)
            mine = model._base_manager.filter(pk=row.pk)
            assert model.transition_rows(mine, to) == 0
            assert model.touch_and_transition(mine, to) == 1, "the row is touched and keeps its state"
            assert (present(row), getattr(row, model.transitions.field)) == (before, before)
        assert allowed == sum(len(list(one)) for one in model.transitions.allowed.values())


def rivals(model: type[Stateful]) -> Iterator[tuple[Any, Any, Any]]:
    """Yields a state with two successors of which the second may not follow the first; they may be the same."""
    table = model.transitions.allowed
    for before in choices(model):
        for first, second in product(choices(model), repeat=2):
            if {first, second} <= set(table[before]) and second not in table[first]:
                yield before, first, second


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_of_two_transactions_at_once_the_second_obeys_the_state_that_the_first_left(
    committed: Cast, model: type[Stateful], tmp_path: Path
) -> None:
    with studio_scope(committed.studio.id):
        row = make_row(committed, model, tmp_path)
    pairs = list(rivals(model))
    assert pairs
    for before, first, second in pairs:
        with studio_scope(committed.studio.id):
            put(row, before)
        written, trying = Event(), Event()

        def lead(to: Any = first, written: Event = written, trying: Event = trying) -> None:
            try:
                with studio_scope(committed.studio.id):
                    model._base_manager.get(pk=row.pk).transition(to)
                    written.set()
                    assert trying.wait(20)
            finally:
                connection.close()

        def follow(to: Any = second, written: Event = written, trying: Event = trying) -> None:
            try:
                with studio_scope(committed.studio.id):
                    stale = model._base_manager.get(pk=row.pk)
                    assert written.wait(20)
                    trying.set()
                    stale.transition(to)
            finally:
                connection.close()

        with ThreadPoolExecutor(2) as pool:
            tasks = pool.submit(lead), pool.submit(follow)
            tasks[0].result(30)
            with pytest.raises(TransitionRefused):
                tasks[1].result(30)
        with studio_scope(committed.studio.id):
            assert present(row) == first


def test_a_row_that_is_gone_is_refused(cast: Cast) -> None:
    with studio_scope(cast.studio.id):
        probe = StoreProbe(studio=cast.studio)
        probe.save(force_insert=True)
        StoreProbe.objects.filter(pk=probe.pk).delete()
        with pytest.raises(TransitionRefused, match="gone"):
            probe.transition(ProbeState.RUNNING)


def test_values_are_written_with_the_state_or_not_at_all(cast: Cast) -> None:
    now = timezone.now()
    with studio_scope(cast.studio.id):
        row = StoreMigration(studio=cast.studio)
        row.save(force_insert=True)
        with pytest.raises(TransitionRefused):
            row.transition(MigrationState.DONE, finished_at=now)
        assert row.finished_at is StoreMigration.objects.get().finished_at is None
        row.transition(MigrationState.GRACE, copied_at=now)
        assert row.copied_at == StoreMigration.objects.get().copied_at == now
