"""Sabotages of limits: one studio or one agent must not stop or slow the others."""

from tests.sabotage.sabotage import Sabotage

_PLAYLIST = "tests/control_plane/recordings/test_playlist.py"
_HOLES = "tests/control_plane/recordings/test_holes.py"
_DOCUMENTS = "tests/control_plane/recordings/test_documents.py"

_MANIFESTS = "tests/control_plane/ingest/test_manifests.py"
_VIEWS = "tests/control_plane/recordings/test_views.py"
_FOOTAGE = "tests/control_plane/recordings/test_footage_limits.py"
_READBACK = "tests/control_plane/ingest/test_readback.py"
_PENDING = "tests/control_plane/ingest/test_pending.py"
_TURNS = "tests/control_plane/common/test_turns.py"
_CALLERS = "tests/control_plane/config/test_callers.py"
_GATE = "tests/control_plane/ingest/test_gate.py"
_GATEWAY = "tests/control_plane/fleet/test_gateway.py"
_FLEET = "tests/control_plane/fleet/test_services.py"

LIMITS = (
    Sabotage(
        "a caller has all threads of the web process",
        "limits",
        "control_plane/common/turns.py",
        "            if any(self._held(party) + party.takes > party.most for party in parties):\n                continue\n",
        "",
        (
            f"{_TURNS}::test_a_party_holds_no_more_turns_than_it_may_and_others_go_past_it",
            f"{_CALLERS}::test_who_asks_for_all_threads_gets_some_and_others_are_answered",
        ),
    ),
    Sabotage(
        "whoever waits longest goes first, however much they have used",
        "limits",
        "control_plane/common/turns.py",
        "            if best is None or used_s < best[0]:",
        "            if best is None:",
        (f"{_TURNS}::test_who_has_used_least_goes_first",),
    ),
    Sabotage(
        "a page waits behind an upload of its studio that may not go yet",
        "limits",
        "control_plane/common/turns.py",
        "        names = tuple(party.name for party in parties)\n",
        "        names = (name,)\n",
        (f"{_TURNS}::test_what_may_not_go_yet_stops_nothing_else_of_its_party",),
    ),
    Sabotage(
        "requests wait without a bound for all",
        "limits",
        "control_plane/common/turns.py",
        "        while self._waiting > self._waiting_in_all:\n",
        "        while False:\n",
        (f"{_TURNS}::test_of_all_that_wait_the_party_with_most_loses_its_newest",),
    ),
    Sabotage(
        "nobody stops for who has used clearly less",
        "limits",
        "control_plane/common/turns.py",
        "        before = self._lighter(turn)\n",
        "        before = None\n",
        (f"{_TURNS}::test_who_has_used_clearly_more_stops_until_the_other_is_done",),
    ),
    Sabotage(
        "all threads go to those who hold some already",
        "limits",
        "control_plane/common/turns.py",
        "            if self._free <= self._kept and self._held(parties[0]):\n                continue\n",
        "",
        (f"{_TURNS}::test_some_turns_are_kept_for_those_who_hold_none",),
    ),
    Sabotage(
        "who asks for pages of another studio uses up its share",
        "limits",
        "control_plane/config/callers.py",
        '        name = credential, _slug(scope["path"]) if who.studio_id else ""\n',
        "        who = Who(who.caller, who.studio_id or UUID(int=1))\n"
        '        name = credential, _slug(scope["path"])\n',
        (f"{_CALLERS}::test_who_asks_for_pages_of_another_studio_uses_up_nothing_of_it",),
    ),
    Sabotage(
        "a request counts for the agent that its token names, whoever sends it",
        "limits",
        "control_plane/config/callers.py",
        '        return ("agent", (issuer, _network(scope))) if issuer else None',
        '        return ("agent", issuer) if issuer else None',
        (f"{_CALLERS}::test_another_agents_name_from_elsewhere_uses_up_nothing_of_its_studio",),
    ),
    Sabotage(
        "a studio has as many uploads at a time as it likes",
        "limits",
        "control_plane/ingest/gate.py",
        "                    await stack.enter_async_context(self._upload_turn(body))\n",
        "                    pass\n",
        (f"{_GATE}::test_uploads_of_a_studio_are_so_many_at_a_time_and_others_go_past_them",),
    ),
    Sabotage(
        "a studio fills the disk with large uploads at once",
        "limits",
        "control_plane/ingest/gate.py",
        "        if body.limit > LARGE_BYTES:",
        "        if False:",
        (f"{_GATE}::test_large_uploads_of_a_studio_have_a_bound_in_bytes_and_small_ones_go_past_them",),
    ),
    Sabotage(
        "an agent that floods its sockets is read without a pause",
        "limits",
        "control_plane/fleet/gateway.py",
        "        await self._gateway.throttle.take(self.caller.agent_id, 1 + len(data) / MESSAGE_BYTES)\n",
        "",
        (f"{_GATEWAY}::test_an_agent_that_floods_waits_and_others_are_heard",),
    ),
    Sabotage(
        "a slow store of a studio's own holds the threads of requests",
        "limits",
        "control_plane/recordings/views.py",
        "    if segment.store_id is None:\n        return b",
        "    if True:\n        return b",
        (f"{_VIEWS}::test_a_store_of_a_studios_own_that_is_slow_keeps_no_thread_of_a_request",),
    ),
    Sabotage(
        "a heartbeat is kept as long as it comes",
        "limits",
        "control_plane/fleet/fit.py",
        "            for camera in status.cameras[:MOST_CAMERAS_SHOWN]\n",
        "            for camera in status.cameras\n",
        (
            "tests/control_plane/fleet/test_fit.py::test_what_is_kept_of_a_heartbeat_has_a_length_that_a_page_can_show",
        ),
    ),
    Sabotage(
        "the words of an agent that was just revoked are taken",
        "access",
        "control_plane/fleet/reports.py",
        "        if not agent.is_trusted:\n            # A socket",
        "        if False:\n            # A socket",
        (f"{_FLEET}::test_the_words_of_an_agent_that_was_just_revoked_change_nothing",),
    ),
    Sabotage(
        "the footage of an agent that was just revoked is committed",
        "access",
        "control_plane/ingest/services.py",
        "            answers |= _commit(verified, _uploader(caller), caller)",
        "            answers |= _commit(verified, agent, caller)",
        (f"{_PENDING}::test_an_agent_that_was_just_revoked_brings_nothing_more",),
    ),
    Sabotage(
        "one studio has all threads that read objects back",
        "limits",
        "control_plane/common/fair_threads.py",
        "if self._running.get(id_, 0) < self._of_one), None)",
        "if True), None)",
        (f"{_READBACK}::test_one_studio_leaves_readers_to_the_others",),
    ),
    Sabotage(
        "an agent has as many commits under way as it likes",
        "limits",
        "control_plane/ingest/readback.py",
        "            if agent_id in self._agents or of_studio >= self._of_one_studio:\n",
        "            if False:\n",
        (f"{_READBACK}::test_an_agent_has_one_commit_under_way_and_a_studio_two",),
    ),
    Sabotage(
        "what was read back and refused is read again at each commit",
        "limits",
        "control_plane/ingest/verification.py",
        "    _read.put(name, True)\n",
        "",
        (f"{_READBACK}::test_what_was_read_back_and_refused_for_another_reason_is_not_read_again",),
    ),
    Sabotage(
        "a segment that is refused for good stays announced",
        "limits",
        "control_plane/ingest/services.py",
        "        drop_pending(for_good)\n",
        "        pass\n",
        (f"{_PENDING}::test_a_segment_whose_key_does_not_open_is_read_once_and_never_taken_again",),
    ),
    Sabotage(
        "what loses against a segment of its id takes that one's object along",
        "storage",
        "control_plane/ingest/quarantine.py",
        " for row in rows if row.object_key not in known],",
        " for row in rows],",
        (f"{_PENDING}::test_what_loses_against_a_segment_of_its_id_leaves_that_one_its_object",),
    ),
    Sabotage(
        "an agent announces without end",
        "limits",
        "control_plane/ingest/intents.py",
        "        if self._count >= MOST_PENDING or",
        "        if False and",
        (f"{_PENDING}::test_an_agent_announces_so_many_segments_before_some_are_committed",),
    ),
    Sabotage(
        "a class that nobody stops fills the platform's store",
        "limits",
        "control_plane/ingest/intents.py",
        "            self._overdrawn = most is not None and",
        "            self._overdrawn = most is None and",
        (
            f"{_PENDING}::test_a_class_that_is_recorded_goes_a_little_over_the_storage_of_its_plan_and_no_further",
        ),
    ),
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
