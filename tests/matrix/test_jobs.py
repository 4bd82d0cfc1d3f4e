"""Tasks and management commands, really run: what they say, and which rows of which studio are others afterwards.

`of` in the table says whose: `one` studio, named by arguments; `each`, one after the other; `none`. A job of one studio is
also asked with a thing of the other one and with one that is not there, and then does nothing at all; a job of each is run
with one studio alone to be swept, some days later, so that there is something to sweep. Nothing of the other changes.
"""

import io
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import time_machine
from django.core.management import call_command
from django.core.management.base import CommandError

from control_plane.common.errors import ControlPlaneError
from control_plane.common.scoping import studio_scope
from control_plane.config.celery import app as celery_app
from control_plane.exports.models import Export, ExportState
from control_plane.retention.models import RetentionRun
from control_plane.storage.models import StoreMigration, StoreProbe
from control_plane.tenancy import sweeping
from tests import servers
from tests.matrix import routes
from tests.matrix.actors import Asker
from tests.matrix.calls import MISSING, Call
from tests.matrix.cells import Answer, Desk, Tally, Undo, leaks, written
from tests.matrix.policy import GROUPS, Policy
from tests.matrix.tenant import Tenant
from tests.matrix.test_routes import listed
from tests.matrix.world import World

LATER = timedelta(days=40)
NOBODY = Asker("nobody")


@dataclass(frozen=True)
class Job:
    """One way to run a task or a command."""

    name: str
    run: Callable[[], object]
    about: str = ""
    """The tenant that its arguments name; empty: none, or all."""
    refused: bool = False
    """Its arguments name an object that does not exist: nothing changes."""
    sent: tuple[str, ...] = ()
    """Values of the arguments; to see them again is no leak."""
    of: str = field(default="one")


@pytest.mark.parametrize("name", sorted(routes.tasks()))
def test_a_task_touches_one_studio_and_tells_of_none(
    name: str, desk: Desk, policy: Policy, record_property: Callable[[str, object], None]
) -> None:
    rule = policy.tasks[name]
    _try_all(desk, rule.writes, list(_task_jobs(name, rule.of, desk.world)), record_property)


@pytest.mark.parametrize("name", sorted(routes.commands()))
def test_a_command_touches_no_studio_but_its_own_and_tells_of_none(
    name: str, desk: Desk, policy: Policy, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    rule = policy.commands[name]
    jobs = [_command_job(name, rule.of, *case) for case in _command_cases(name, desk.world, tmp_path)]
    _try_all(desk, rule.writes, jobs, record_property)


def test_sweeps_find_something_to_do(desk: Desk, policy: Policy) -> None:
    """Else what the tests above say of them would be said of nothing."""
    desk.begin()
    busy = set()
    for name in sorted(routes.tasks()):
        for job in _task_jobs(name, policy.tasks[name].of, desk.world):
            since = written()
            with Undo():
                _said(job)
                busy |= {name.rpartition(".")[2] for tables in desk.changes(since).values() if tables}
    expected = {
        "sweep_uploads",
        "sweep_shredded",
        "probe_stores",
        "run_store_probe",
        "detect_anomalies_everywhere",
    }
    assert expected <= busy, busy


def _try_all(
    desk: Desk, writes: tuple[str, ...], jobs: list[Job], note: Callable[[str, object], None]
) -> None:
    tally = Tally()
    desk.begin()
    for job in jobs:
        allowed = set() if job.refused else {table for group in writes for table in GROUPS[group]}
        files = {tenant.name: _files(tenant) for tenant in desk.world.tenants}
        since = written()
        with Undo():
            said = _said(job)
            changes = desk.changes(since)
        tally.cells += 1
        for tenant in desk.world.tenants:
            found = changes.get(tenant.name, set())
            found -= allowed if job.about in ("", tenant.name) else set()
            if found:
                tally.faults.append(
                    f"{job.name} changed {', '.join(sorted(found))} of the studio {tenant.name}"
                )
            if _files(tenant) != files[tenant.name] and (job.refused or job.about not in ("", tenant.name)):
                tally.faults.append(f"{job.name} changed what lies in the store of the studio {tenant.name}")
            # An operator may read which studio a job was about; the log states its id only.
            ids = (
                frozenset({str(tenant.studio.id)})
                if job.of == "each" or job.about == tenant.name
                else frozenset[str]()
            )
            tally.leaks += [
                f"{job.name}: {leak}"
                for leak in leaks(said, NOBODY, Call(" ".join(job.sent)), [tenant], known=ids)
            ]
    note("cells", tally.cells)
    note("leaks", len(tally.leaks))
    assert jobs, "nobody has said how to run it: add it to tests/matrix/test_jobs.py"
    assert not tally.leaks, listed(tally.leaks)
    assert not tally.faults, listed(tally.faults)


def _task_jobs(name: str, of: str, world: World) -> Iterator[Job]:
    task = celery_app.tasks[name]
    short = name.rpartition(".")[2]
    own, other = world.own, world.other
    if of == "one" and short not in _THINGS:
        yield Job(f"{short} of the studio", lambda: task(studio=str(own.studio.id)), "own")
    elif of == "one":
        parameter, make = _THINGS[short]
        cases = [
            ("what is there", own, own, False),
            ("a thing of the other studio", own, other, True),
            ("a thing of this studio under the other's name", other, own, True),
        ]
        for words, tenant, owner, refused in cases:
            yield Job(
                f"{short} of {words}", _given(task, tenant, parameter, make, owner), tenant.name, refused
            )
        yield Job(
            f"{short} of what is not there",
            lambda: task(studio=str(own.studio.id), **{parameter: str(MISSING)}),
            "own",
            True,
        )
    elif of == "each":
        for tenant in (own, other):
            yield Job(f"{short} over {tenant.name} alone", _sweep(task, tenant), tenant.name, of=of)
    else:
        yield Job(short, task, "", of=of)


def _given(
    task: Any, tenant: Tenant, parameter: str, make: Callable[[Tenant], UUID], owner: Tenant
) -> Callable[[], object]:
    named = {parameter: str(make(owner))}
    return lambda: task(studio=str(tenant.studio.id), **named)


def _probe(tenant: Tenant) -> UUID:
    with studio_scope(tenant.studio.id):
        return UUID(str(StoreProbe.objects.get_or_create(studio=tenant.studio)[0].id))


def _move(tenant: Tenant) -> UUID:
    with studio_scope(tenant.studio.id):
        return UUID(str(StoreMigration.objects.get_or_create(studio=tenant.studio)[0].id))


def _retention_run(tenant: Tenant) -> UUID:
    """Returns the open run of a studio, in which one class is left."""
    with studio_scope(tenant.studio.id):
        run: RetentionRun = RetentionRun.objects.get()
        return UUID(str(run.id))


def _export(tenant: Tenant) -> UUID:
    """Returns an export that waits for its job; what it would read may not leave."""
    with studio_scope(tenant.studio.id):
        export: Export = Export.objects.get()
        Export.objects.filter(pk=export.pk).update(state=ExportState.QUEUED)
        return UUID(str(export.id))


_THINGS: dict[str, tuple[str, Callable[[Tenant], UUID]]] = {
    "run_store_probe": ("probe_id", _probe),
    "continue_migration": ("migration_id", _move),
    "continue_retention": ("run_id", _retention_run),
    "write_export": ("export_id", _export),
}
"""Task -> the parameter that names a thing, and what makes one."""


def _sweep(task: Any, tenant: Tenant) -> Callable[[], object]:
    def run() -> None:
        with pytest.MonkeyPatch.context() as patch, time_machine.travel(datetime.now(UTC) + LATER, tick=True):
            patch.setattr(sweeping, "studio_ids", lambda reason: [tenant.studio.id])
            task()

    return run


def _command_job(
    name: str, of: str, words: str, about: str, arguments: tuple[str, ...], refused: bool
) -> Job:
    def run() -> None:
        was_refused = False
        try:
            call_command(name, *arguments)
        except CommandError as error:
            print(error)
            was_refused = True
        assert was_refused is refused, f"{name} {words}: {'refused' if was_refused else 'done'}"

    return Job(f"{name} {words}", run, about, refused, arguments, of)


def _command_cases(name: str, world: World, folder: Path) -> Iterator[tuple[str, str, tuple[str, ...], bool]]:
    """Yields a description of the job, its tenant, its arguments, and whether it is refused."""
    own, other = world.own, world.other
    stranger = world.people["sam"].email
    match name:
        case "audit_verify":
            yield "of one studio", "own", ("--studio", own.slug), False
            yield "of the platform", "none", ("--platform",), False
            yield "of a studio that is not there", "none", ("--studio", "no-such-studio"), True
        case "create_studio":
            yield "with a name that is taken", "none", (other.slug, "--admin", stranger), True
            yield (
                "for somebody of another studio",
                "none",
                ("nova", "--admin", other.people["admin"].email),
                False,
            )
        case "create_admin":
            yield "for somebody of a studio", "none", (other.people["viewer"].email,), True
            yield "for nobody yet", "none", ("nobody@example.org",), False
        case "create_operator" | "signin_link":
            yield "for somebody of a studio", "none", (other.people["viewer"].email,), False
        case "end_operator":
            yield "for one who visits", "own", (world.people["otto"].email,), False
            yield "for nobody", "none", ("nobody@example.org",), True
        case "key_shares":
            yield "copy", "none", ("copy", str(folder / "shares")), False
            yield "restore of nothing", "none", ("restore", str(folder / "no-such-folder")), True
        case "sweep_uploads":
            yield "without doing it", "none", ("--dry-run",), False
            yield "", "", (), False
        case "fsck":
            yield "of one studio", "own", ("--studio", own.slug), False
            yield "of a studio that is not there", "none", ("--studio", "no-such-studio"), True
            yield "", "", ("--depth", "hash"), False
        case _:
            yield "", "", (), False


def _said(job: Job) -> Answer:
    """Runs it and returns all that it says: output, log, and what it ends with."""
    output = io.StringIO()
    with redirect_stdout(output), redirect_stderr(output), _logged(output):
        try:
            result = job.run()
        except ControlPlaneError as error:
            result = f"{type(error).__name__}: {error} {error.detail}"
    return Answer(0, b"", f"{result}\n{output.getvalue()}".encode())


@contextmanager
def _logged(output: io.StringIO) -> Iterator[None]:
    handler = logging.StreamHandler(output)
    logging.disable(logging.NOTSET)
    logging.getLogger().addHandler(handler)
    try:
        yield
    finally:
        logging.getLogger().removeHandler(handler)
        logging.disable(logging.WARNING)


def _files(tenant: Tenant) -> set[str]:
    """Returns what lies in the platform's store under a studio's name."""
    root = servers.STATE / "objects" / servers.WORKER
    return {str(path) for path in root.rglob("*") if str(tenant.studio.id) in path.parts}
