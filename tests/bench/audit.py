"""The audit log at size: a million entries written, verified, searched and exported; and entries a second as they come.

`python -m tests.bench audit`; the work is done in a process of its own (`python -m tests.bench.audit FOLDER ENTRIES`),
on a PostgreSQL of its own that syncs to disk like a real one.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

ENTRIES = int(os.environ.get("THREEDANCE_TEST_AUDIT_ENTRIES", "1000000"))
WRITES = 600
VIEWERS = 8
SLOW_PAGE_S = 0.05
TIMEOUT_S = 1500


def measure(folder: Path) -> dict[str, Any]:
    """Returns every figure."""
    folder.mkdir(parents=True)
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.audit", str(folder), str(ENTRIES)],
        stdout=subprocess.PIPE, text=True, timeout=TIMEOUT_S, check=True,
    )  # fmt: skip
    figures: dict[str, Any] = json.loads(done.stdout)
    return figures


def table(result: dict[str, Any]) -> str:
    """Returns the result as the Markdown of `docs/ref/measurements.md`."""
    size = f"{result['entries']:,}"
    rows = [
        ("one entry a transaction, one after the other", f"{result['writes_alone_per_s']:.0f} entries/s"),
        (f"the same from {VIEWERS} connections at once", f"{result['writes_together_per_s']:.0f} entries/s"),
        (
            f"{VIEWERS} viewers whose page takes {SLOW_PAGE_S * 1000:.0f} ms after its entry",
            f"{result['slow_pages_per_s']:.0f} pages/s (one after the other would be {1 / SLOW_PAGE_S:.0f})",
        ),
        (f"verify {size} entries in the database", f"{result['verify_database_s']:.1f} s"),
        (
            f"export {size} entries, signed ({result['export_bytes'] / 1e6:.0f} MB)",
            f"{result['export_s']:.1f} s",
        ),
        ("verify that file offline", f"{result['verify_file_s']:.1f} s"),
        (
            f"one byte changed in the database: entry {result['changed']:,}",
            f"named {result['named_in_database']:,}: {result['reason_in_database']}",
        ),
        (
            f"one byte changed in the file: entry {result['changed']:,}",
            f"named {result['named_in_file']:,}: {result['reason_in_file']}",
        ),
        *((f"search: {name}", f"{ms:.1f} ms") for name, ms in result["searches_ms"].items()),
    ]
    lines = ["| the audit log | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows)]
    return "\n".join(lines)


def main(folder: Path, entries: int) -> None:
    """Makes a database, measures, and prints the figures as JSON."""
    from launcher.postgres import EmbeddedPostgres
    from launcher.state_folder import ServiceUrls, control_plane_environment, prepare_state_folder

    state = prepare_state_folder(folder / "state")
    postgres = EmbeddedPostgres(state)
    postgres.start()
    try:
        postgres.create_database("bench")
        urls = postgres.urls("bench")
        told = control_plane_environment(
            state, ServiceUrls(urls.application, urls.owner, "", "http://127.0.0.1:8000")
        )
        told |= {"THREEDANCE_LOG_LEVEL": "WARNING"}
        subprocess.run(
            [sys.executable, "-m", "django", "migrate", "--verbosity", "0"],
            env=told | {"THREEDANCE_DATABASE_ROLE": "owner"}, timeout=120, check=True,
        )  # fmt: skip
        os.environ.update(told)
        import django

        django.setup()
        print(json.dumps(_figures(folder, entries)))
    finally:
        postgres.stop()


def _figures(folder: Path, entries: int) -> dict[str, Any]:
    from django.conf import settings
    from django.db import connections

    from control_plane.accounts.services import create_user
    from control_plane.administration.services import create_studio
    from control_plane.common.actors import Actor
    from control_plane.keys.roots.file import create_root_key

    if not settings.ROOT_KEY_FILE.exists():
        create_root_key(settings.ROOT_KEY_FILE)
    setup = Actor.system("bench")
    alice = create_user("alice@example.org", actor=setup, display_name="Alice")
    studio = create_studio(slug="bench", name="Bench", actor=setup, admin=alice)
    figures: dict[str, Any] = {"entries": entries, **_writes(studio.id, alice.id)}
    _say(f"making {entries:,} entries ...")
    _fill(studio.id, alice.id, entries)
    figures |= _verified(folder, studio, alice, entries)
    connections.close_all()
    return figures


def _writes(studio_id: UUID, user_id: UUID) -> dict[str, float]:
    from django.db import connections

    def one(slow_s: float) -> None:
        _write(studio_id, user_id, slow_s)

    def all_of(count: int, slow_s: float) -> None:
        try:
            for _ in range(count):
                one(slow_s)
        finally:
            connections.close_all()

    def together(slow_s: float, each: int) -> float:
        with ThreadPoolExecutor(VIEWERS) as pool:
            return _timed(lambda: list(pool.map(lambda _: all_of(each, slow_s), range(VIEWERS))))

    alone_s = _timed(lambda: all_of(WRITES, 0))
    together_s = together(0, WRITES // VIEWERS)
    slow_s = together(SLOW_PAGE_S, 20)
    return {
        "writes_alone_per_s": WRITES / alone_s,
        "writes_together_per_s": WRITES // VIEWERS * VIEWERS / together_s,
        "slow_pages_per_s": 20 * VIEWERS / slow_s,
    }


def _write(studio_id: UUID, user_id: UUID, slow_s: float) -> None:
    from control_plane.audit.services import record
    from control_plane.common.actors import Actor
    from control_plane.common.scoping import studio_scope
    from control_plane.recordings.audit_events import CLASS_REPLAYED

    with studio_scope(studio_id):
        record(
            CLASS_REPLAYED, actor=Actor.user(user_id), studio_id=studio_id,
            object_type="recordings.ClassSession", object_id=studio_id, details={"replay": str(user_id)},
        )  # fmt: skip
        time.sleep(slow_s)


def _fill(studio_id: UUID, user_id: UUID, entries: int) -> None:
    """Adds a chain as `record` would, by COPY: with the same rule of hashes, and the head after it.

    PostgreSQL copies into no table under row security: it is taken off for the while, which the owner alone can.
    """
    import psycopg
    from django.conf import settings

    from control_plane.audit.models import ChainHead
    from control_plane.audit.selectors import chain_head
    from control_plane.common.scoping import studio_scope

    with studio_scope(studio_id):
        start, previous = chain_head()
    last = (start, previous)
    with psycopg.connect(settings.ENV.database_owner_url) as owner, owner.cursor() as cursor:
        cursor.execute("ALTER TABLE audit_entry NO FORCE ROW LEVEL SECURITY")
        with cursor.copy(
            "COPY audit_entry (id, created_at, studio_id, sequence, occurred_at, action, actor_kind, actor_id,"
            " actor_job, object_type, object_id, details, previous_hash, hash) FROM STDIN"
        ) as copy:
            for row in _rows(studio_id, user_id, start + 1, entries, previous):
                copy.write_row(row)
                last = (row[3], row[13])
        cursor.execute("ALTER TABLE audit_entry FORCE ROW LEVEL SECURITY")
    with studio_scope(studio_id):
        ChainHead.objects.update(sequence=last[0], hash=last[1])


def _rows(
    studio_id: UUID, user_id: UUID, first: int, last: int, previous: bytes
) -> Iterator[tuple[Any, ...]]:
    from control_plane.audit.chain import Link, link_hash
    from shared.protocol.ids import new_id

    began = datetime.now(UTC) - timedelta(days=365)
    acts = ("class.replayed", "class.opened", "footage.committed", "room.changed")
    people = [user_id, *(UUID(int=number) for number in range(1, 40))]
    for sequence in range(first, last + 1):
        details = {
            "replay": str(UUID(int=sequence)),
            "right": "role",
            "role": "viewer",
            "network": "0123456789abcdef",
        }
        link = Link(
            studio_id=studio_id,
            sequence=sequence,
            occurred_at=began + timedelta(seconds=30 * sequence),
            action="audit.exported" if sequence % 200_000 == 0 else acts[sequence % 4],
            actor_kind="user",
            actor_id=people[sequence % len(people)],
            actor_job="",
            object_type="recordings.ClassSession",
            object_id=str(UUID(int=sequence % 3000)),
            details=details,
            previous_hash=previous,
        )
        stored = link_hash(link)
        yield (
            new_id(), link.occurred_at, studio_id, sequence, link.occurred_at, link.action, "user", link.actor_id,
            "", link.object_type, link.object_id, json.dumps(details), previous, stored,
        )  # fmt: skip
        previous = stored


def _verified(folder: Path, studio: Any, alice: Any, entries: int) -> dict[str, Any]:
    from control_plane.audit.offline import verify_export
    from control_plane.audit.selectors import verify_chain
    from control_plane.compliance.exporting import Form, export_log
    from control_plane.compliance.search import AuditQuery
    from control_plane.compliance.signing import public_key

    _as_owner("ANALYZE audit_entry")
    searches = _searches(studio, alice, entries)
    _say("verifying ...")
    checked: list[Any] = []
    verify_s = _timed(lambda: checked.append(verify_chain(studio.id)))
    assert checked[0][1] is None, checked[0]
    assert checked[0][0] >= entries
    path = folder / "log.jsonl"
    _say("exporting ...")

    def export() -> None:
        with path.open("wb") as file:
            for line in export_log(studio, AuditQuery(), Form.JSONL, actor=alice.actor):
                file.write(line)

    export_s = _timed(export)
    verify_file_s = _timed(lambda: checked.append(verify_export(path, public_key=public_key())))
    assert checked[1].holds, checked[1]
    changed = entries * 3 // 4
    _flip_in_file(path, changed)
    in_file = verify_export(path, public_key=public_key()).first_break
    _flip_in_database(studio.id, changed)
    in_database = verify_chain(studio.id)[1]
    assert in_file is not None
    assert in_database is not None
    assert in_file.sequence == in_database.sequence == changed
    return {
        "verify_database_s": verify_s,
        "export_s": export_s,
        "export_bytes": path.stat().st_size,
        "verify_file_s": verify_file_s,
        "changed": changed,
        "named_in_file": in_file.sequence,
        "reason_in_file": in_file.reason,
        "named_in_database": in_database.sequence,
        "reason_in_database": in_database.reason,
        "searches_ms": searches,
    }


def _searches(studio: Any, alice: Any, entries: int) -> dict[str, float]:
    from control_plane.audit.events import Category
    from control_plane.common.scoping import studio_scope
    from control_plane.compliance.search import AuditQuery, search

    began = datetime.now(UTC) - timedelta(days=365)
    middle = began + timedelta(seconds=15 * entries)
    asked = {
        "newest": (AuditQuery(), None),
        "in the middle of the log": (AuditQuery(), (middle, entries)),
        "by person": (AuditQuery(person_id=UUID(int=7)), None),
        "by class": (AuditQuery(thing=str(UUID(int=77))), None),
        "by a rare act": (AuditQuery(action="audit.exported"), None),
        "by category (a rare one)": (AuditQuery(category=Category.RECORD), None),
        "by person and time": (AuditQuery(person_id=alice.id, from_at=began, to_at=middle), None),
        "nothing found": (AuditQuery(person_id=UUID(int=99999)), None),
    }
    found = {}
    for name, (question, before) in asked.items():
        times = []
        for _ in range(5):
            with studio_scope(studio.id):
                times.append(_timed(lambda: search(question, reader=alice.actor, before=before)))  # noqa: B023
        found[name] = sorted(times)[2] * 1000
    return found


def _flip_in_file(path: Path, sequence: int) -> None:
    mark = f'"replay":"{UUID(int=sequence)}"'.encode()
    with path.open("r+b") as file:
        offset = 0
        for line in file:
            at = line.find(mark)
            if at >= 0:
                file.seek(offset + at + len(mark) - 2)
                byte = file.read(1)
                file.seek(-1, os.SEEK_CUR)
                file.write(b"0" if byte != b"0" else b"1")
                return
            offset += len(line)
    raise AssertionError(f"entry {sequence} is not in the file")


def _flip_in_database(studio_id: UUID, sequence: int) -> None:
    _as_owner(
        f"SELECT set_config('threedance.studio_id', '{studio_id}', false)",
        "ALTER TABLE audit_entry DISABLE TRIGGER append_only",
        f"UPDATE audit_entry SET object_id = '9' || substr(object_id, 2) WHERE sequence = {sequence:d}",  # noqa: S608
        "ALTER TABLE audit_entry ENABLE TRIGGER append_only",
    )


def _as_owner(*statements: str) -> None:
    import psycopg
    from django.conf import settings

    with psycopg.connect(settings.ENV.database_owner_url, autocommit=True) as owner:
        for statement in statements:
            owner.execute(statement)


def _timed(work: Callable[[], object]) -> float:
    began_s = time.monotonic()
    work()
    return time.monotonic() - began_s


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
