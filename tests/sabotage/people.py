"""Sabotages of what a studio learns about accounts, and of what it may do to them."""

from tests.sabotage.sabotage import Sabotage, page, route

_SCOPED = "control_plane/access/admin_base.py"
_RULES = "control_plane/identity/signin_rules.py"
_OWN_PART = "tests/control_plane/accounts/test_own_part.py"
_SERVICE = "control_plane/administration/services/members.py"
_LEAVING = "tests/control_plane/portal/test_leaving.py"
_RATES = "tests/control_plane/plans/test_rates.py"
_KEY_RANK = "tests/control_plane/api/test_key_rank.py"
_SSO = "control_plane/identity/services/sso.py"
_DOMAINS = "tests/control_plane/identity/test_domains.py"
_LINKS = "control_plane/administration/services/signin_links.py"
_COMMANDS = "tests/control_plane/accounts/test_signin_link.py"
_WAY_BACK = "tests/control_plane/accounts/test_way_back.py"
_AT_ONCE = "tests/control_plane/accounts/test_links_at_once.py"
_LISTS = "tests/matrix/test_api_lists.py"
_LOOKUPS = "tests/control_plane/console/test_lookups.py"

PEOPLE = (
    Sabotage(
        "the admin site takes a lookup on any column of the model",
        "access",
        _SCOPED,
        "        return lookup in self.filter_parameters()\n",
        "        return bool(super().lookup_allowed(lookup, value, request))\n",
        (
            f"{_LOOKUPS}::test_no_column_but_a_declared_filter_can_be_asked_about",
            f"{_LOOKUPS}::test_whether_a_row_fits_a_hidden_column_is_not_answered",
        ),
    ),
    Sabotage(
        "a row of the admin site can be named by any column",
        "access",
        _SCOPED,
        "        return to_field == self.opts.pk.name\n",
        "        return True\n",
        (f"{_LOOKUPS}::test_rows_are_named_by_their_primary_key_alone",),
    ),
    Sabotage(
        "the API lists classes that its reader may not see",
        "access",
        "control_plane/api/views/classes.py",
        "self.page(visible_classes(self.actor), shapes.class_session)",
        "self.page(\n"
        "            __import__('control_plane.recordings.models', fromlist=['models'])"
        ".ClassSession.objects.order_by('pk'),\n"
        "            shapes.class_session,\n"
        "        )",
        (
            f"{_LISTS}::test_a_list_of_the_api_holds_what_its_reader_may_see",
            f"{_LISTS}::test_the_list_of_classes_differs_by_role",
        ),
    ),
    Sabotage(
        "a page about one person in the admin site leaves no audit event",
        "audit",
        _SCOPED,
        "        return response if object_id is None else self._noted(request, response, object_id)\n",
        "        return response\n",
        (page("tenancy.Membership"), page("people.Dancer"), page("audit.Entry")),
    ),
    Sabotage(
        "the API lists people and leaves no audit event",
        "audit",
        "control_plane/api/views/people.py",
        "        note_read(PEOPLE_LISTED, self.studio, actor=self.actor)\n        return self.page(found.order_by(",
        "        return self.page(found.order_by(",
        (route("api/v1/studios/<slug:slug>/members/"),),
    ),
    Sabotage(
        "an admin makes a member of somebody who was not asked",
        "access",
        "control_plane/administration/services/members.py",
        '            raise Forbidden("People join a studio by invitation: invite them.")\n',
        "",
        (
            "tests/control_plane/administration/test_memberships.py::test_nobody_is_made_a_member_without_being_asked",
        ),
    ),
    Sabotage(
        "sessions that an admin ended go on in the studio",
        "sign-in",
        _RULES,
        "    return begins is not None and authenticated_at(request) < begins.timestamp()\n",
        "    return False\n",
        (f"{_OWN_PART}::test_ending_sessions_closes_this_studio_alone",),
    ),
    Sabotage(
        "a studio that asks for another sign-in ends the whole session",
        "sign-in",
        "control_plane/identity/middleware.py",
        "    if not wants_html(request):\n        return answer(request, SignInRequired(_SIGNIN_AGAIN[refused.missing]))\n",
        "    __import__('django.contrib.auth', fromlist=['auth']).logout(request)\n",
        (
            f"{_OWN_PART}::test_ending_sessions_closes_this_studio_alone",
            f"{_OWN_PART}::test_a_studio_may_ask_for_shorter_sessions_and_ends_none",
        ),
    ),
    Sabotage(
        "a long pause is forgotten at the first page of another studio",
        "sign-in",
        "control_plane/accounts/sessions.py",
        "    longest_idle_s = max(idle, _longest_idle_s(request))\n",
        "    longest_idle_s = idle\n",
        (f"{_OWN_PART}::test_a_long_pause_counts_whichever_page_comes_first",),
    ),
    Sabotage(
        "a studio is shown when a member last signed in anywhere",
        "access",
        "control_plane/portal/people/presenter.py",
        "            last_seen_at=item.last_seen_at,\n",
        "            last_seen_at=item.user.last_login,\n",
        (f"{_OWN_PART}::test_when_a_member_was_here_is_when_they_were_in_this_studio",),
    ),
    Sabotage(
        "the last admin leaves the studio to nobody",
        "access",
        _SERVICE,
        "        _require_other_admin(mine, None)\n",
        "",
        (f"{_LEAVING}::test_the_last_admin_does_not_leave_until_there_is_another",),
    ),
    Sabotage(
        "an admin ends a membership in its member's name",
        "access",
        _SERVICE,
        "Membership.objects.filter(pk=membership.pk, user_id=actor.id).first()",
        "Membership.objects.filter(pk=membership.pk).first()",
        (f"{_LEAVING}::test_nobody_leaves_for_somebody_else",),
    ),
    Sabotage(
        "invitations are not counted",
        "access",
        "control_plane/administration/services/invitations.py",
        "        require_rate(INVITATION_SENT, actor=actor)\n        if Membership",
        "        if Membership",
        (
            f"{_RATES}::test_invitations_count_alike_by_portal_and_api",
            f"{_RATES}::test_a_studio_with_many_admins_has_a_bound_of_its_own",
        ),
    ),
    Sabotage(
        "new keys of the studio are not counted",
        "keys",
        "control_plane/keys/services/generations.py",
        "        require_rate(STUDIO_KEY_MADE, actor=actor)\n",
        "",
        (f"{_RATES}::test_new_keys_of_the_studio_have_a_bound_by_portal_and_api",),
    ),
    Sabotage(
        "an API key ends its person's other keys",
        "access",
        "control_plane/access/services/api_keys.py",
        "    return mine if actor.scopes is None else mine.filter(pk=actor.job.removeprefix(_JOB))\n",
        "    return mine\n",
        (f"{_KEY_RANK}::test_a_key_sees_and_ends_itself_alone",),
    ),
    Sabotage(
        "an API key that lends less makes an admin",
        "access",
        "control_plane/access/member_permissions.py",
        "    access.require_in_scope(actor, [action for action in StudioPermission.all() if action in may])\n",
        "",
        (
            f"{_KEY_RANK}::test_a_key_that_lends_less_invites_no_admin",
            f"{_KEY_RANK}::test_a_key_that_lends_less_makes_no_member_an_admin",
        ),
    ),
    Sabotage(
        "an admin sends a member one mail after the other",
        "sign-in",
        "control_plane/administration/services/notices.py",
        "    if not may_mail(str(membership.id), MAILED):\n        return\n",
        "",
        ("tests/control_plane/administration/test_notices.py::test_an_admin_cannot_flood_a_members_mailbox",),
    ),
    Sabotage(
        "a claimed domain leads to its claimant",
        "sign-in",
        "control_plane/identity/migrations/0002_row_security.py",
        ' AND proven_domains ? {DOMAIN}"',
        '"',
        (
            f"{_DOMAINS}::test_a_claimed_domain_leads_nobody_to_a_provider",
            f"{_DOMAINS}::test_the_database_itself_has_the_condition",
        ),
    ),
    Sabotage(
        "any record of ours proves a domain, whichever studio it names",
        "sign-in",
        "control_plane/identity/services/domains.py",
        "    return record_text(studio_id) in txt_records(record_name(domain))\n",
        "    return any('threedance-studio=' in text for text in txt_records(record_name(domain)))\n",
        (f"{_DOMAINS}::test_a_record_that_names_another_studio_proves_nothing",),
    ),
    Sabotage(
        "a provider makes members of other studios' people",
        "sign-in",
        _SSO,
        "    if user is not None and not owns_domain:\n",
        "    if False:\n",
        (f"{_DOMAINS}::test_a_provider_makes_no_member_of_an_account_whose_domain_is_only_claimed",),
    ),
    Sabotage(
        "a provider proves addresses of a domain that it only claims",
        "sign-in",
        _SSO,
        "verified=owns_domain)",
        "verified=True)",
        (f"{_DOMAINS}::test_a_new_account_is_proven_where_the_domain_is",),
    ),
    Sabotage(
        "an admin's sign-in link opens the person's other studios",
        "sign-in",
        _LINKS,
        "    return studios_of_account(user.id) <= studios\n",
        "    return True\n",
        (f"{_WAY_BACK}::test_no_link_opens_more_than_the_studio_and_why_is_not_told",),
    ),
    Sabotage(
        "an admin's sign-in link opens an account with a password of its own",
        "sign-in",
        _LINKS,
        "    if user.has_usable_password() or user.is_operator or user.is_superuser:\n",
        "    if user.is_operator or user.is_superuser:\n",
        (f"{_WAY_BACK}::test_no_link_opens_more_than_the_studio_and_why_is_not_told",),
    ),
    Sabotage(
        "a link made before the person joined another studio opens that too",
        "sign-in",
        _SERVICE,
        "    end_signin_links(user)\n",
        "",
        (f"{_WAY_BACK}::test_a_link_is_void_once_the_account_is_worth_more",),
    ),
    Sabotage(
        "a session opened by an admin's link stays open when the person joins another studio",
        "sign-in",
        _SERVICE,
        "    if lacks_own_signin(lock_account(user)):\n",
        "    if False:\n",
        (
            f"{_WAY_BACK}::test_who_made_the_account_first_is_out_when_its_owner_is_invited",
            f"{_WAY_BACK}::test_a_session_of_a_link_ends_once_the_account_is_worth_more",
        ),
    ),
    Sabotage(
        "the session in which somebody joins a studio ends with the others",
        "sign-in",
        _SERVICE,
        "end_other_sessions(user, keep_key=keep_key, actor=JOB)",
        "end_other_sessions(user, keep_key=None, actor=JOB)",
        (f"{_WAY_BACK}::test_a_session_of_a_link_ends_once_the_account_is_worth_more",),
    ),
    Sabotage(
        "a link is made while the account gets a password",
        "sign-in",
        _LINKS,
        "lock_account(member.user)",
        "member.user",
        (f"{_AT_ONCE}::test_no_link_is_left_that_was_made_while_the_account_became_worth_more",),
    ),
    Sabotage(
        "a link is opened past the lock of its account",
        "sign-in",
        "control_plane/accounts/views.py",
        "    with transaction.atomic():\n        user = use",
        "    if True:\n        user = use",
        (f"{_AT_ONCE}::test_no_session_is_left_that_began_while_the_person_joined_elsewhere",),
    ),
    Sabotage(
        "a session begins by a link while the person joins another studio",
        "sign-in",
        "control_plane/accounts/views.py",
        "        request.session.save()\n",
        "",
        (f"{_AT_ONCE}::test_no_session_is_left_that_began_while_the_person_joined_elsewhere",),
    ),
    Sabotage(
        "a studio's link opens the account of a platform operator",
        "sign-in",
        "control_plane/administration/services/operators.py",
        "        end_signin_links(user)\n        record_for",
        "        record_for",
        (f"{_WAY_BACK}::test_a_link_is_void_once_the_account_is_an_operators",),
    ),
    Sabotage(
        "ending sessions in one studio keeps another studio's member from a first password",
        "sign-in",
        _SERVICE,
        "        if studios_of_account(locked.user_id) <= {locked.studio_id}:\n",
        "        if True:\n",
        (f"{_OWN_PART}::test_ending_sessions_leaves_another_studios_member_the_first_password",),
    ),
    Sabotage(
        "a session that an admin ended sets a first password",
        "sign-in",
        _SERVICE,
        "            forbid_first_credential(locked.user)\n",
        "            pass\n",
        (f"{_WAY_BACK}::test_a_session_that_an_admin_ended_sets_no_first_password",),
    ),
    Sabotage(
        "without mail the first password can be set for five minutes only",
        "sign-in",
        "control_plane/accounts/sessions.py",
        "    return not mail.has_server() and not provider_of(request) and authenticated_s_ago(request) is not None\n",
        "    return False\n",
        (f"{_WAY_BACK}::test_a_banner_stands_on_every_page_until_it_is_done",),
    ),
    Sabotage(
        "a typing error in `threedance sign-in-link` makes an account",
        "sign-in",
        "control_plane/accounts/management/commands/signin_link.py",
        "        if user is None:\n            raise Refused(\n",
        "        user = user or User.objects.create_user(options['email'])\n"
        "        if user is None:\n            raise Refused(\n",
        (f"{_COMMANDS}::test_an_unknown_address_gets_no_link_and_no_account",),
    ),
    Sabotage(
        "an account is left behind where its link is refused",
        "sign-in",
        "control_plane/accounts/management/commands/create_admin.py",
        "            with transaction.atomic():\n",
        "            if True:\n",
        (f"{_COMMANDS}::test_a_lifetime_out_of_range_makes_nothing",),
    ),
    Sabotage(
        "`threedance studio create` prints a bare link",
        "cli",
        "control_plane/administration/management/commands/create_studio.py",
        "            self.stderr.write(line, str)\n",
        "            pass\n",
        ("tests/control_plane/administration/test_create_studio.py::test_a_studio_its_admin_and_a_way_in",),
    ),
    Sabotage(
        "a key that is a second step alone counts as a way to sign in",
        "sign-in",
        "control_plane/accounts/services.py",
        "    return all(key.wrap().is_passwordless is False for key in keys)\n",
        "    return not keys.exists()\n",
        (f"{_WAY_BACK}::test_a_key_that_is_a_second_step_alone_is_no_way_back",),
    ),
    Sabotage(
        "an open session gives an account with a passkey a password",
        "sign-in",
        "control_plane/config/settings.py",
        "ACCOUNT_REAUTHENTICATION_REQUIRED = True\n",
        "",
        (
            "tests/control_plane/accounts/test_factors.py::test_a_first_password_takes_the_factor_that_is_there",
        ),
    ),
    Sabotage(
        "everybody in the studio declines an invited guardian",
        "people",
        "control_plane/administration/services/guardian_invitations.py",
        "        access.require(actor, MANAGE_DANCERS, waiting)\n        row = _locked(waiting)\n        record_for(",
        "        row = _locked(waiting)\n        record_for(",
        (
            "tests/control_plane/administration/test_guardian_invitations.py::test_others_neither_invite_nor_decide",
        ),
    ),
)
