"""The nights of the check of the stores: a part each night, all of it in a told time, one studio after another."""

import re
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.core.mail import EmailMessage

from control_plane.common.scoping import studio_scope
from control_plane.integrity import inspect, scan, tasks
from control_plane.integrity.models import IntegrityScan, ScanDepth
from control_plane.storage.configured import object_store
from control_plane.storage.local import LocalStore
from control_plane.tenancy import sweeping
from shared.protocol.ids import new_id
from tests.control_plane.conftest import as_person
from tests.control_plane.integrity.test_damage import acts, faults, file_of, flip, remove
from tests.control_plane.scenes import Scene
from tests.control_plane.sending import upload


def test_the_small_parts_of_a_night_blame_nothing_on_an_empty_store(
    scene: Scene, tmp_path: Path, stores: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scan, "MIN_SEGMENTS_PER_NIGHT", 1)
    monkeypatch.setattr(inspect, "EMPTY_STORE_THRESHOLD", 4)
    upload(scene, *scene.cuts(tmp_path, seconds=5))
    store = object_store()
    assert isinstance(store, LocalStore)
    aside = store.root.with_name("elsewhere")
    store.root.rename(aside)
    store.root.mkdir()
    scan.run_nightly_scan(scene.cast.studio.id)
    store.root.rmdir()
    aside.rename(store.root)
    assert (faults(scene), acts(scene)) == ({}, [])


def test_a_night_takes_its_part_and_all_comes_round_in_the_told_time(
    scene: Scene, tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scan, "MIN_SEGMENTS_PER_NIGHT", 1)
    monkeypatch.setattr(scan, "SIZE_DAYS", 1)
    settings.CHECK_DAYS = 4
    cuts = scene.cuts(tmp_path, seconds=9)
    upload(scene, *cuts)
    read: list[UUID] = []
    looked = inspect._inspect_once

    def noted(item: inspect.StoredObject, store: Any, depth: ScanDepth) -> inspect.Inspection:
        if depth is ScanDepth.HASH:
            read.append(item.segment_id)
        return looked(item, store, depth)

    monkeypatch.setattr(inspect, "_inspect_once", noted)
    nights = []
    for _ in range(8):
        scan.run_nightly_scan(scene.cast.studio.id)
        nights.append(len(read))
    in_order = sorted(made.manifest.segment_id for made in cuts)
    assert nights[:4] == [3, 6, 9, 9], "a part each night; the last finds the end of the round"
    assert read[: len(cuts)] == in_order, "the longest not looked at first"
    assert sorted(read[len(cuts) :]) == in_order, "and round again"
    with studio_scope(scene.cast.studio.id):
        row = IntegrityScan.objects.get(depth=ScanDepth.HASH)
        assert row.finished_at is not None
    flip(file_of(scene, cuts[4]))
    for _ in range(5):
        scan.run_nightly_scan(scene.cast.studio.id)
    assert faults(scene) == {cuts[4].manifest.segment_id: "hash"}


def test_a_night_ends_in_time_and_the_next_goes_on(
    scene: Scene, tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.CHECK_DAYS = 0
    monkeypatch.setattr(inspect, "BATCH", dict.fromkeys(ScanDepth, 2))
    cuts = scene.cuts(tmp_path, seconds=7)
    upload(scene, *cuts)
    ids = sorted(made.manifest.segment_id for made in cuts)
    for last in (ids[1], ids[3]):
        readings = iter([0.0, 0.0, 0.0])
        scan.run_nightly_scan(scene.cast.studio.id, elapsed_s=partial(next, readings, scan.MAX_SCAN_S))
        with studio_scope(scene.cast.studio.id):
            assert IntegrityScan.objects.get().after == last


def test_studios_are_checked_one_after_another_also_behind_one_that_fails(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    studios = [new_id() for _ in range(3)]
    kicks: list[dict[str, Any]] = []
    checked: list[UUID] = []

    def check(studio_id: UUID) -> None:
        checked.append(studio_id)
        assert kicks == [], "no other worker is at it meanwhile"
        if studio_id == studios[0]:
            raise OSError("no disk")

    monkeypatch.setattr(sweeping, "studio_ids", lambda reason: studios)
    monkeypatch.setattr(tasks, "run_nightly_scan", check)
    monkeypatch.setattr(tasks.scan_footage, "delay", lambda **given: kicks.append(given))
    tasks.start_nightly_scans()
    while kicks:
        with suppress(OSError):
            tasks.scan_footage(**kicks.pop())
    assert checked == studios


def test_admins_are_mailed_once_about_what_a_night_found_damaged(
    scene: Scene,
    tmp_path: Path,
    mailoutbox: list[EmailMessage],
    django_capture_on_commit_callbacks: Callable[..., AbstractContextManager[Any]],
) -> None:
    cuts = scene.cuts(tmp_path, seconds=4)
    upload(scene, *cuts)
    mailoutbox.clear()

    def night() -> None:
        with django_capture_on_commit_callbacks(execute=True):
            scan.run_nightly_scan(scene.cast.studio.id)

    night()
    assert mailoutbox == [], "all is well"
    for made in cuts[:2]:
        remove(file_of(scene, made))
    night()
    admins = {message.to[0] for message in mailoutbox}
    assert scene.cast.alice.email in admins
    assert len(mailoutbox) == len(admins)
    assert "2 segments of footage, in 1 class," in mailoutbox[0].body
    (link,) = re.findall(r"https?://\S+", str(mailoutbox[0].body))
    page = as_person(scene.cast.alice).get(link)
    assert page.status_code == 200, link
    assert "missing or damaged" in page.content.decode()
    night()
    assert len(mailoutbox) == len(admins), "nothing is new"
