"""Sabotages of egress and of share links."""

from tests.sabotage.sabotage import Sabotage

_EGRESS = "control_plane/sharing/egress.py"
_OPENINGS = "control_plane/sharing/openings.py"
_VIEWS = "control_plane/sharing/views.py"
_LINKS = "control_plane/sharing/links.py"
_PART = "control_plane/recordings/part.py"
_PAGES = "control_plane/portal/shares/views.py"
_TEST_PAGES = "tests/control_plane/portal/test_shares.py"
_SELECTORS = "control_plane/sharing/selectors.py"
_LIST = "control_plane/portal/shares/list_views.py"
_TEST_LIST = "tests/control_plane/portal/test_share_list.py"
_RULES = "control_plane/portal/shares/rules_views.py"
_TEST_RULES = "tests/control_plane/portal/test_share_rules.py"
_LEAVING = "control_plane/portal/access/leaving.py"
_TEST_LEAVING = "tests/control_plane/portal/test_leaving_studio.py"
_TEST_EGRESS = "tests/control_plane/sharing/test_egress.py"
_TEST_LINKS = "tests/control_plane/sharing/test_links.py"
_ENDS = f"{_TEST_LINKS}::test_an_open_view_ends_with_the_next_request"

SHARING = (
    Sabotage(
        "consent, roster and rules are asked when a link is made, and not when it plays",
        "sharing",
        _OPENINGS,
        "        authorization = require_egress(_sharer(link), link.class_session, EgressKind.SHARE, request)\n",
        "        authorization = access.require(_sharer(link), SHARE, link.class_session)\n",
        (f"{_TEST_LINKS}::test_consent_that_is_withdrawn_ends_an_open_view",),
    ),
    Sabotage(
        "consent to sharing counts as consent to downloads",
        "sharing",
        _EGRESS,
        "missing_consents(dancer_ids, PURPOSES[kind], now)",
        "missing_consents(dancer_ids, ConsentPurpose.SHARE, now)",
        (f"{_TEST_EGRESS}::test_everyone_enrolled_or_present_must_have_consented_to_the_kind",),
    ),
    Sabotage(
        "a protected dancer stops nothing",
        "sharing",
        _EGRESS,
        "    if guarded := protected_dancers(dancer_ids):",
        "    if guarded := protected_dancers(()):",
        (f"{_TEST_LINKS}::test_a_protected_dancer_ends_an_open_view",),
    ),
    Sabotage(
        "the error of a refused egress names the dancers",
        "sharing",
        _EGRESS,
        'f"{item.plain} {item.way_out}" for item in blockers',
        'f"{item.text} {item.way_out}" for item in blockers',
        (f"{_TEST_EGRESS}::test_a_protected_dancer_stops_it_and_is_named_to_those_who_may_know",),
    ),
    Sabotage(
        "the expiry of a link is ignored by an open view",
        "sharing",
        _OPENINGS,
        "view.link.revoked_at is not None or now >= view.link.expires_at:",
        "view.link.revoked_at is not None:",
        (f"{_ENDS}[_expire]",),
    ),
    Sabotage(
        "a revoked link goes on playing",
        "sharing",
        _OPENINGS,
        "view.link.revoked_at is not None or now >= view.link.expires_at:",
        "now >= view.link.expires_at:",
        (f"{_ENDS}[_revoke]",),
    ),
    Sabotage(
        "answers of a link may be cached by a proxy",
        "sharing",
        _VIEWS,
        '    response["Cache-Control"] = "no-store"\n',
        '    response["Cache-Control"] = "public, max-age=600"\n',
        (f"{_TEST_LINKS}::test_every_answer_is_private",),
    ),
    Sabotage(
        "the secret of a link stands in the database",
        "sharing",
        _LINKS,
        "secret_sha256=sha256(secret).digest()",
        "secret_sha256=secret",
        (f"{_TEST_LINKS}::test_the_database_and_the_log_know_no_secret",),
    ),
    Sabotage(
        "wrong PINs are not counted for the link",
        "sharing",
        _OPENINGS,
        "    link.pin_failures += 1\n",
        "",
        (f"{_TEST_LINKS}::test_ten_thousand_pins_do_not_pass",),
    ),
    Sabotage(
        "a network tries PINs without limit",
        "sharing",
        _OPENINGS,
        "    if row.failures >= PIN_TRIES:",
        "    if row.failures >= 10**9:",
        (f"{_TEST_LINKS}::test_a_locked_network_may_try_again_later_and_others_meanwhile",),
    ),
    Sabotage(
        "a camera outside a link is served",
        "sharing",
        _PART,
        "for id_, track in whole.tracks.items() if id_ in part.track_ids}",
        "for id_, track in whole.tracks.items()}",
        (f"{_TEST_LINKS}::test_cameras_outside_the_link_are_not_served",),
    ),
    Sabotage(
        "bytes beyond the bounds of a link are served",
        "sharing",
        _VIEWS,
        "    if part is None or not is_shown(part.first, part.last, places):",
        "    if part is None:",
        (f"{_TEST_LINKS}::test_bytes_beyond_the_bounds_are_not_served",),
    ),
    Sabotage(
        "a fragment that begins before the end of a link is served as a whole",
        "sharing",
        _PART,
        "        and from_us <= item.class_us\n        and item.class_us + item.duration_us <= to_us\n",
        "        and from_us < item.class_us + item.duration_us\n        and item.class_us <= to_us\n",
        (f"{_TEST_LINKS}::test_bytes_beyond_the_bounds_are_not_served",),
    ),
    Sabotage(
        "the views of a link are not limited",
        "sharing",
        "control_plane/sharing/models.py",
        "            and (self.max_views is None or self.views < self.max_views)\n",
        "",
        (f"{_TEST_LINKS}::test_views_are_counted_when_the_secret_is_traded",),
    ),
    Sabotage(
        "the cookie of one link opens another",
        "sharing",
        _OPENINGS,
        "token_sha256=sha256(token.encode()).digest(), link__public_id=public_id, expires_at__gt=now",
        "token_sha256=sha256(token.encode()).digest(), expires_at__gt=now",
        (f"{_TEST_LINKS}::test_the_cookie_of_one_link_opens_no_other",),
    ),
    Sabotage(
        "links of another studio are revoked",
        "sharing",
        _LINKS,
        "        access.require(actor, SHARE, link)\n",
        "",
        (f"{_TEST_LINKS}::test_another_studio_neither_makes_sees_nor_revokes",),
    ),
    Sabotage(
        "a link without a PIN goes on where a PIN is demanded now",
        "sharing",
        _OPENINGS,
        "    if not link.pin_hash and needs_pin(link.class_session, egress_policy()):",
        "    if not link.pin_hash and False:",
        (f"{_ENDS}[_demand_pins]",),
    ),
    Sabotage(
        "the page of a link may be kept by a proxy",
        "sharing",
        _PAGES,
        '    response["Cache-Control"] = "no-store"\n',
        "",
        (f"{_TEST_PAGES}::test_the_page_of_a_link_is_the_same_for_every_id",),
    ),
    Sabotage(
        "the links of a destroyed class stay, with the networks that opened them",
        "sharing",
        "control_plane/sharing/subscriptions.py",
        "ClassShredded.subscribe(remove_links)\n",
        "",
        (f"{_TEST_LINKS}::test_the_links_of_a_destroyed_class_are_removed",),
    ),
    Sabotage(
        "everybody who may share sees the links that others made",
        "sharing",
        _SELECTORS,
        "    return found.filter(created_by=actor.id) if actor.id else found.none()\n",
        "    return found\n",
        (f"{_TEST_LIST}::test_an_admin_sees_all_links_and_an_instructor_their_own",),
    ),
    Sabotage(
        "revoking a list reaches links of others that the list does not show",
        "sharing",
        _LINKS,
        "filtered(links_for(actor, studio), wanted, now)",
        "filtered(access.visible(actor, ShareLink), wanted, now)",
        (f"{_TEST_LIST}::test_the_filter_of_another_person_shows_nobody_elses_links",),
    ),
    Sabotage(
        "revoking a list revokes links that came after it was shown",
        "sharing",
        _LINKS,
        "        if len(ids) > seen:\n",
        "        if not ids:\n",
        (f"{_TEST_LIST}::test_a_link_that_came_after_the_list_was_shown_is_not_revoked_unseen",),
    ),
    Sabotage(
        "a filter that cannot be read counts as none, and everything is revoked",
        "sharing",
        _LIST,
        '        raise BadRequest("This filter names nothing. Load the page again.") from error\n',
        "        return None\n",
        (f"{_TEST_LIST}::test_a_filter_that_cannot_be_read_revokes_nothing",),
    ),
    Sabotage(
        "everybody in the studio reads the rules of sharing",
        "sharing",
        _RULES,
        "    access.require(actor, MANAGE_STUDIO, request.studio)\n",
        "",
        (f"{_TEST_RULES}::test_only_admins_see_and_change_the_rules",),
    ),
    Sabotage(
        "an address within a network counts as the whole network",
        "sharing",
        "control_plane/sharing/policies.py",
        "        return str(ipaddress.ip_network(wanted))\n",
        "        return str(ipaddress.ip_network(wanted, strict=False))\n",
        (f"{_TEST_RULES}::test_a_wrong_value_has_its_error_and_changes_nothing",),
    ),
    Sabotage(
        "the log of a change of the rules holds the networks",
        "sharing",
        "control_plane/sharing/policies.py",
        '"networks": len(policy.networks)}',
        '"networks": policy.networks}',
        (f"{_TEST_RULES}::test_rules_are_saved_shown_and_audited_without_addresses",),
    ),
    Sabotage(
        "the page of access names dancers without consent to people who may not see dancers",
        "sharing",
        _LEAVING,
        "if knows else {}",
        "if present else {}",
        (f"{_TEST_LEAVING}::test_names_and_links_are_for_people_who_may_know_them",),
    ),
    Sabotage(
        "the page of access shows links to people who may not share the class",
        "sharing",
        _LEAVING,
        "    if access.can(actor, SHARE, class_session):\n",
        "    if rows is not None:\n",
        (f"{_TEST_LEAVING}::test_names_and_links_are_for_people_who_may_know_them",),
    ),
)
