"""Sabotages of exports: who gets a package, what is asked when, and what is left of one that ended."""

from tests.sabotage.sabotage import Sabotage

_SERVICES = "control_plane/exports/services.py"
_WRITING = "control_plane/exports/writing.py"
_ATTEMPT = "control_plane/exports/attempt.py"
_DOWNLOADS = "control_plane/exports/downloads.py"
_REMOVAL = "control_plane/exports/removal.py"
_ANGLE = "control_plane/exports/media/angle.py"
_GRID = "control_plane/exports/media/grid.py"
_VIEWS = "control_plane/portal/exports/download_views.py"
_TESTS = "tests/control_plane/exports/test_exports.py"
_MEDIA = "tests/control_plane/exports/test_media.py"
_PAGES = "tests/control_plane/portal/test_exports.py"

EXPORTS = (
    Sabotage(
        "an export is readable by its address alone",
        "exports",
        _VIEWS,
        "access.visible(actor, Export).filter(pk=export_id)",
        "Export.objects.filter(pk=export_id)",
        (f"{_PAGES}::test_the_address_alone_opens_nothing",),
    ),
    Sabotage(
        "who requested an export approves it",
        "exports",
        _SERVICES,
        "if actor.kind is not ActorKind.USER or actor.id == row.requested_by:",
        "if actor.kind is not ActorKind.USER:",
        (f"{_TESTS}::test_a_second_person_approves_where_the_studio_says_so",),
    ),
    Sabotage(
        "anybody who may export approves exports",
        "exports",
        _SERVICES,
        "        access.require(actor, MANAGE_STUDIO, Studio.objects.get(pk=row.studio_id))\n"
        "        if actor.kind is not",
        "        if actor.kind is not",
        (f"{_TESTS}::test_a_second_person_approves_where_the_studio_says_so",),
    ),
    Sabotage(
        "consent is asked when an export begins, and not while it is written",
        "exports",
        _ATTEMPT,
        "        require_egress(requester(self.export), current, EgressKind.EXPORT, NOTHING_YET)\n",
        "",
        (f"{_TESTS}::test_what_changes_while_it_is_written_stops_the_job[refuse_consent]",),
    ),
    Sabotage(
        "a download asks only at its start",
        "exports",
        _DOWNLOADS,
        "        _require_download(self.actor, export, request)\n",
        "",
        (f"{_TESTS}::test_a_consent_withdrawn_during_a_download_stops_it",),
    ),
    Sabotage(
        "an expired export can be downloaded until it is swept",
        "exports",
        _DOWNLOADS,
        "state=ExportState.READY, expires_at__gt=timezone.now()",
        "state=ExportState.READY",
        (f"{_TESTS}::test_an_export_that_ends_has_neither_key_nor_objects[expire]",),
    ),
    Sabotage(
        "an export that ended keeps its key",
        "exports",
        _REMOVAL,
        '        "wrapped_key": b"",\n',
        "",
        (f"{_TESTS}::test_an_export_that_ends_has_neither_key_nor_objects[cancel]",),
    ),
    Sabotage(
        "the objects of an export that ended stay",
        "exports",
        _REMOVAL,
        "    schedule_deletion(list(parts",
        "    (lambda *_, **__: None)(list(parts",
        (f"{_TESTS}::test_an_export_that_ends_has_neither_key_nor_objects[cancel]",),
    ),
    Sabotage(
        "a package is stored in clear",
        "exports",
        _ATTEMPT,
        "        sealed = seal_part(self.content_key, self.export.id, self.parts, plain)\n",
        "        sealed = plain\n",
        (f"{_TESTS}::test_no_part_of_a_package_is_stored_in_clear",),
    ),
    Sabotage(
        "what a dead worker left stays in the store",
        "exports",
        _WRITING,
        "        drop_parts(export)\n",
        "        export.parts.all().delete()\n",
        (f"{_TESTS}::test_a_worker_that_dies_at_any_part_is_followed_by_a_whole_package",),
    ),
    Sabotage(
        "a cancelled export is written to its end",
        "exports",
        _ATTEMPT,
        "        if not renew(running(self.export), self.token, lease=LEASE, done_bytes=self.done_bytes):\n",
        "        if False:\n",
        (f"{_TESTS}::test_a_cancelled_export_stops_within_a_part",),
    ),
    Sabotage(
        "downloads do not count",
        "exports",
        _DOWNLOADS,
        "        count_egress(export.id, size_bytes, timezone.now())\n",
        "",
        (f"{_TESTS}::test_downloads_count_as_bytes_that_left_and_are_on_record",),
    ),
    Sabotage(
        "names of dancers go to anybody who may export",
        "exports",
        _DOWNLOADS,
        "    if export.with_roster:\n",
        "    if False:\n",
        (f"{_TESTS}::test_names_of_dancers_go_only_to_who_may_see_them",),
    ),
    Sabotage(
        "packages that show an erased dancer stay",
        "exports",
        _REMOVAL,
        '    _end(rows, reason="A dancer was erased.", actor=SYSTEM)\n',
        "    rows.count()\n",
        (f"{_TESTS}::test_packages_that_show_an_erased_dancer_end_also_where_the_class_is_kept",),
    ),
    Sabotage(
        "a new key of a destroyed studio wraps the keys of its packages",
        "exports",
        _REMOVAL,
        '        Export.objects.update(wrapped_key=b"", wrapped_content_key=b"")\n',
        "",
        (f"{_TESTS}::test_no_new_key_of_a_destroyed_studio_wraps_the_key_of_a_package",),
    ),
    Sabotage(
        "a part that is uploaded while its export is cancelled stays in the store",
        "exports",
        _ATTEMPT,
        "                schedule_deletion([(part.store_id, part.object_key)], reason=DeletionReason.SHREDDED)\n",
        "                pass\n",
        (f"{_TESTS}::test_an_export_cancelled_during_an_upload_leaves_no_object",),
    ),
    Sabotage(
        "an export that kills its workers is tried for ever",
        "exports",
        _WRITING,
        "    if export.attempts >= MOST_ATTEMPTS:\n",
        "    if False:\n",
        (f"{_TESTS}::test_an_export_that_kills_its_workers_is_given_up",),
    ),
    Sabotage(
        "pictures before the in point leave the studio",
        "exports",
        _ANGLE,
        "        return self._from_us <= item.at_us < self._to_us\n",
        "        return item.at_us < self._to_us\n",
        (f"{_MEDIA}::test_a_cut_is_exact_to_the_picture[h264]",),
    ),
    Sabotage(
        "a gap shows the last picture before it",
        "exports",
        _GRID,
        "            if at_us - last_end_us >= _BLACK_AFTER_US:\n",
        "            if False:\n",
        (f"{_MEDIA}::test_a_cell_is_black_where_a_camera_has_a_gap",),
    ),
)
