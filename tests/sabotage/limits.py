"""Sabotages of limits: one studio or one agent must not stop or slow the others."""

from tests.sabotage.sabotage import Sabotage

_PLAYLIST = "tests/control_plane/recordings/test_playlist.py"
_HOLES = "tests/control_plane/recordings/test_holes.py"
_DOCUMENTS = "tests/control_plane/recordings/test_documents.py"

_MANIFESTS = "tests/control_plane/ingest/test_manifests.py"
_VIEWS = "tests/control_plane/recordings/test_views.py"
_FOOTAGE = "tests/control_plane/recordings/test_footage_limits.py"

LIMITS = (
    Sabotage(
        "a class takes footage without end",
        "limits",
        "control_plane/recordings/services.py",
        "        if fragments > limits.fragments or size_bytes > limits.size_bytes:\n            break\n",
        "",
        (f"{_FOOTAGE}::test_more_than_a_class_can_hold_is_refused_for_now_before_and_after_it_was_sent",),
    ),
    Sabotage(
        "what a class can hold does not depend on its time",
        "limits",
        "control_plane/recordings/footage_limits.py",
        "    passed_s = max(0.0, (until_at - begun_at + GRACE).total_seconds())\n",
        "    passed_s = 1e12\n",
        (f"{_FOOTAGE}::test_what_fits_grows_with_the_time_and_ends_somewhere",),
    ),
    Sabotage(
        "a class takes gaps without end",
        "limits",
        "control_plane/recordings/services.py",
        "    taken = list(new.values())[: max(0, left)]\n",
        "    taken = list(new.values())\n",
        (f"{_FOOTAGE}::test_gaps_beyond_what_a_class_can_hold_are_settled_and_not_kept",),
    ),
    Sabotage(
        "every hole that nobody explained gets a row",
        "limits",
        "control_plane/recordings/services.py",
        "[:MOST_INFERRED_GAPS]",
        "[:]",
        (f"{_FOOTAGE}::test_of_holes_without_number_the_longest_get_a_row",),
    ),
    Sabotage(
        "a studio takes all pairing codes there are",
        "limits",
        "control_plane/fleet/pairing.py",
        "timezone.now() - 2 * LIFETIME).count() >= MOST_CODES:",
        "timezone.now() - 2 * LIFETIME).count() < 0:",
        ("tests/control_plane/fleet/test_pairing.py::test_a_studio_makes_so_many_codes_in_a_while",),
    ),
    Sabotage(
        "the fragments of a segment may lie weeks apart",
        "limits",
        "control_plane/ingest/manifests.py",
        "    if span > LONGEST_SEGMENT_90K:",
        "    if span < 0:",
        (f"{_MANIFESTS}::test_fragments_that_span_more_than_an_hour_are_refused",),
    ),
    Sabotage(
        "an init section of any size is read whole",
        "limits",
        "control_plane/recordings/views.py",
        "    if segment.init_size_bytes > LARGEST_INIT_BYTES:",
        "    if segment.init_size_bytes < 0:",
        (f"{_VIEWS}::test_an_init_section_larger_than_any_is_not_even_read",),
    ),
    Sabotage(
        "wrong padding of an init section is an error of the server",
        "limits",
        "control_plane/recordings/views.py",
        "    except ValueError as error:",
        "    except LookupError as error:",
        (f"{_VIEWS}::test_an_init_section_with_wrong_padding_is_damaged_footage_and_no_fault_of_ours",),
    ),
    Sabotage(
        "each hole of a playlist has a day of fillers of its own",
        "limits",
        "control_plane/recordings/playlist.py",
        "        left -= len(offsets)\n",
        "",
        (f"{_PLAYLIST}::test_many_holes_of_days_share_one_bound",),
    ),
    Sabotage(
        "each hole is held against all gaps that were reported",
        "limits",
        "control_plane/recordings/holes.py",
        "        if gap.from_us >= to_us:\n            break\n        start_us, end_us = max(",
        "        if max(gap.from_us, at_us) >= min(gap.to_us, to_us):\n            continue\n"
        "        start_us, end_us = max(",
        (f"{_HOLES}::test_the_work_grows_with_holes_and_reports_and_not_with_their_product",),
    ),
    Sabotage(
        "one studio has all of the documents written that are written at once",
        "limits",
        "control_plane/recordings/documents.py",
        "            before = self._making.get(owner)\n",
        "            before = self._making.get(key)\n            owner = key\n",
        (f"{_DOCUMENTS}::test_who_asks_while_it_is_made_is_told_to_come_again_and_when",),
    ),
    Sabotage(
        "documents of one studio push out those of others",
        "limits",
        "control_plane/recordings/documents.py",
        "                largest = max(self._held_bytes, key=self._held_bytes.__getitem__)\n",
        "                largest = next(iter(self._values.values()))[1]\n",
        (f"{_DOCUMENTS}::test_who_asks_for_much_pushes_out_nothing_of_others",),
    ),
)
