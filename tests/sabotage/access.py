"""Sabotages of who may see what. The first ten are the leaks that show the matrix to be honest."""

from tests.sabotage.sabotage import Sabotage, page, route

_CLASSES = "studio/<slug:slug>/classes/"
_CLASS = "studio/<slug:slug>/classes/<uuid:class_id>/"
_ACCESS = "control_plane/access/access.py"
_RULE = "control_plane/access/rule.py"
_VISIBLE = "tests/control_plane/access/test_visible.py::test_a_row_is_visible_exactly_where_one_can_see_it"
_SOURCES = "tests/control_plane/access/test_sources.py"
_TEST_ACCESS = "tests/control_plane/access/test_access.py"
_TOKENS = "tests/control_plane/fleet/test_tokens.py"

LEAKS = (
    Sabotage(
        "a view that checks no permission",
        "access",
        "control_plane/portal/people/views.py",
        "    access.require(actor, MANAGE_PEOPLE, request.studio)\n    note_read(",
        "    note_read(",
        (route("studio/<slug:slug>/people/"),),
    ),
    Sabotage(
        "visible() returns everything",
        "access",
        _ACCESS,
        "    return queryset.filter(rule.condition(action, rule.Rows(model, actor.id, timezone.now())))",
        "    return queryset",
        (route(_CLASS + "progress/"),),
    ),
    Sabotage(
        "row security taken from one table",
        "access",
        "control_plane/recordings/migrations/0002_row_security.py",
        '        ForceRowSecurity("Segment"),\n',
        "",
        (
            "tests/control_plane/common/test_row_security.py::test_every_tenant_table_is_behind_forced_row_security",
        ),
    ),
    Sabotage(
        "a segment of any class is given under the address of one that may be seen",
        "access",
        "control_plane/recordings/playback/views.py",
        '"this.id = %s AND this.class_session_id = %s", [segment_id, class_session.pk]',
        '"this.id = %s", [segment_id]',
        (route(_CLASS + "segments/<uuid:segment_id>/bytes.m4s"),),
    ),
    Sabotage(
        "a token is believed before its signature is checked",
        "access",
        "control_plane/fleet/authentication.py",
        "    claims = tokens.verify(\n        token,\n",
        "    claims = said or tokens.verify(\n        token,\n",
        (route("agent/v1/config"),),
    ),
    Sabotage(
        "the facts about a person are cached for a minute",
        "access",
        "control_plane/access/facts.py",
        "    return _read([user_id], on.values(), now).get(user_id, AccessFacts())",
        "    from django.core.cache import cache\n\n"
        '    name = f"facts:{user_id}:{sorted(map(str, on.values()))}"\n'
        "    return cache.get_or_set(\n"
        "        name, lambda: _read([user_id], on.values(), now).get(user_id, AccessFacts()), 60\n    )",
        (f"{_TEST_ACCESS}::test_taking_a_role_away_acts_at_once",),
    ),
    Sabotage(
        "the admin site lists rows without asking",
        "access",
        "control_plane/access/admin_base.py",
        "        queryset = access.visible(actor_of(request), self.model)",
        "        queryset = self.model._base_manager.all()",
        (page("accounts.User"),),
    ),
    Sabotage(
        "a stranger is told 403, and so that the studio exists",
        "access",
        "control_plane/identity/middleware.py",
        "        if studio_access is None:\n            raise NotFound",
        "        if studio_access is None:\n            raise Forbidden",
        (route(_CLASSES),),
    ),
    Sabotage(
        "an error names people of other studios",
        "access",
        "control_plane/identity/middleware.py",
        "        if studio_access is None:\n            raise NotFound",
        "        if studio_access is None:\n"
        "            from control_plane.accounts.models import User\n\n"
        "            raise NotFound(f\"Ask {', '.join(User.objects.values_list('email', flat=True))}.\")",
        (route(_CLASSES),),
    ),
    Sabotage(
        "a header names people of other studios",
        "access",
        "control_plane/portal/page.py",
        '    response["Cache-Control"] = "no-store"\n',
        '    response["Cache-Control"] = "no-store"\n'
        "    from control_plane.accounts.models import User\n\n"
        '    response["X-People"] = ",".join(User.objects.values_list("email", flat=True))\n',
        (route(_CLASSES),),
    ),
)

# The matrix asks `rule.evaluate` itself what is right: a fault in the rule is for the tests of the rule to catch.
ACCESS = (
    *LEAKS,
    Sabotage(
        "the filter of the studio in scope is dropped",
        "access",
        "control_plane/common/scoping.py",
        "        return super().get_queryset().filter(studio_id=CurrentStudio())",
        "        return super().get_queryset()",
        ("tests/control_plane/common/test_scoping.py::test_a_tenant_query_without_a_scope_raises",),
    ),
    Sabotage(
        "a policy of row security lets every row through",
        "access",
        "control_plane/common/rls.py",
        "USING ({self.writable}) WITH CHECK",
        "USING (true) WITH CHECK",
        (
            "tests/control_plane/common/test_row_security.py::test_with_the_filters_off_a_studio_sees_only_itself",
            "tests/control_plane/recordings/test_walls.py::test_every_table_shows_its_own_studio_and_nobody_elses",
        ),
    ),
    Sabotage(
        "a denial is ignored",
        "access",
        _RULE,
        "        found = [grant for grant in facts.grants if grant.action in self.of.denied_by]\n",
        "        found = [grant for grant in facts.grants[:0] if grant.action in self.of.denied_by]\n",
        ("tests/control_plane/access/test_grants.py::test_a_denial_beats_right_and_role_wherever_it_stands",),
    ),
    Sabotage(
        "the end of rights and memberships is ignored",
        "access",
        "control_plane/tenancy/selectors.py",
        '    return Q(**{f"{field}__isnull": True}) | Q(**{f"{field}__gt": now})',
        '    return Q(**{f"{field}__isnull": True}) | Q(**{f"{field}__isnull": False})',
        (
            "tests/control_plane/administration/test_memberships.py::test_a_membership_ends_at_the_very_instant",
        ),
    ),
    Sabotage(
        "the end of a right on a single thing is ignored",
        "access",
        "control_plane/access/facts.py",
        "            AND (given.until IS NULL OR given.until > %(now)s)),",
        "            AND (given.until IS NULL OR given.until IS NOT NULL)),",
        ("tests/control_plane/access/test_grants.py::test_a_right_ends_at_the_very_instant",),
    ),
    Sabotage(
        "support enters a studio and does not tell it",
        "access",
        "control_plane/access/services/break_glass.py",
        "        _notify_admins(studio, operator, glass)\n",
        "",
        (
            "tests/control_plane/access/test_break_glass.py::"
            "test_every_admin_is_told_by_mail_and_by_the_portal",
        ),
    ),
    Sabotage(
        "a key of the API gives all that its person may",
        "access",
        _ACCESS,
        "    return actor.scopes is None or action in actor.scopes",
        "    return actor.scopes is None or bool(action)",
        (route("api/v1/studios/<slug:slug>/dancers/"),),
    ),
    Sabotage(
        "a key of the API that was taken back still opens",
        "access",
        "control_plane/access/models.py",
        "        return self.revoked_at is None and self.expires_at > timezone.now()",
        "        return self.expires_at > timezone.now()",
        (route("api/v1/studios/<slug:slug>/classes/"),),
    ),
    Sabotage(
        "a task works on a thing of another studio",
        "access",
        "control_plane/storage/tasks.py",
        "    run_probe(UUID(studio), UUID(probe_id))",
        "    from control_plane.tenancy.selectors import studio_ids\n\n"
        '    for found in studio_ids("wherever it is"):\n        run_probe(UUID(str(found)), UUID(probe_id))',
        (
            "tests/matrix/test_jobs.py::test_a_task_touches_one_studio_and_tells_of_none"
            "[control_plane.storage.tasks.run_store_probe]",
        ),
    ),
    Sabotage(
        "a guardian sees the classes of every dancer",
        "access",
        _RULE,
        "    everywhere = RoleIncludes(of, of.at_most - of.own_only)",
        "    everywhere = RoleIncludes(of, of.at_most)",
        (
            "tests/control_plane/people/test_guardians.py::test_a_guardian_sees_the_classes_of_own_dancers_once_confirmed",
        ),
    ),
    Sabotage(
        "break-glass opens more than was asked for",
        "access",
        _RULE,
        "        found = [access for access in facts.break_glasses if self.of.action in access.actions]",
        "        found = list(facts.break_glasses)",
        (
            "tests/control_plane/access/test_break_glass.py::test_an_operator_is_a_stranger_until_the_glass_is_broken_and_after",
        ),
    ),
    Sabotage(
        "the limits of a role do not bind rights on single things",
        "access",
        _RULE,
        "        return facts.role in self.roles\n",
        "        return facts.role is not None\n",
        (
            "tests/control_plane/access/test_grants.py::test_a_right_stays_within_the_limit_of_the_role",
            _VISIBLE,
        ),
    ),
    Sabotage(
        "a denial no longer beats a role",
        "access",
        _RULE,
        "    for line in lines(action):\n",
        "    for line in sorted(lines(action), key=lambda line: line.code != ReasonCode.ROLE):\n",
        ("tests/control_plane/access/test_grants.py::test_a_denial_beats_right_and_role_wherever_it_stands",),
    ),
    Sabotage(
        "a query condition leaves denials and vetoes out",
        "access",
        _RULE,
        "            allowed &= ~line.condition(rows)",
        "            allowed &= Q()",
        (_VISIBLE, f"{_SOURCES}::test_a_veto_refuses_every_role_and_break_glass_and_names_its_reason"),
    ),
    Sabotage(
        "visible() ignores the facts that apps register",
        "access",
        _RULE,
        "        return self.source.facts.condition(rows.user_id, rows.paths, rows.now)",
        "        return Q(pk__in=[])",
        (
            f"{_SOURCES}::test_a_source_that_grants_changes_every_answer_alike_and_names_its_reason",
            f"{_SOURCES}::test_a_veto_refuses_every_role_and_break_glass_and_names_its_reason",
            _VISIBLE,
        ),
    ),
    Sabotage(
        "a veto does not bind break-glass access",
        "access",
        _RULE,
        "        *each(FactEffect.VETO, False, belongs),",
        "        *each(FactEffect.VETO, False, member),",
        (f"{_SOURCES}::test_a_veto_refuses_every_role_and_break_glass_and_names_its_reason",),
    ),
    Sabotage(
        "a studio can give a role more than the platform allows",
        "access",
        "control_plane/access/roles.py",
        "    return (known & LIMITS[role]) | FLOOR[role]",
        "    return known | FLOOR[role]",
        ("tests/control_plane/access/test_roles.py",),
    ),
    Sabotage(
        "a revoked agent is answered",
        "access",
        "control_plane/fleet/authentication.py",
        "    if not agent.is_trusted:",
        "    if agent.is_trusted is None:",
        (f"{_TOKENS}::test_a_revoked_agent_is_told_so_and_only_who_has_its_key_learns_it",),
    ),
    Sabotage(
        "a token of an agent is good more than once",
        "access",
        "control_plane/fleet/authentication.py",
        "    if not valkey.first_time(",
        "    if not valkey.first_time(claims.jti * 2, remember_s=1) and not valkey.first_time(",
        (f"{_TOKENS}::test_a_good_token_names_the_agent_once",),
    ),
    Sabotage(
        "an agent writes to another agent's track",
        "access",
        "control_plane/recordings/services.py",
        "        return track if agent.id in owners else None",
        "        return track",
        (
            "tests/control_plane/recordings/test_handover.py::"
            "test_an_agent_of_the_class_cannot_write_to_another_ones_track",
        ),
    ),
    Sabotage(
        "playback asks for no right",
        "access",
        "control_plane/recordings/playback/views.py",
        "def _require(actor: Actor, class_session: ClassSession) -> access.Authorization:\n    return access.require(",
        "def _require(actor: Actor, class_session: ClassSession) -> access.Authorization:\n    return access.can(",
        (route(_CLASS + "timeline.json"),),
    ),
)
