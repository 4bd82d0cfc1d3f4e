"""Faults of consent: who answers, what decides, and what a record, a link and a page must never do."""

from tests.sabotage.sabotage import Sabotage

_SELECTORS = "control_plane/people/consent_selectors.py"
_SERVICES = "control_plane/people/consent_services.py"
_REQUESTS = "control_plane/people/consent_requests.py"
_FACTS = "control_plane/recordings/consent_facts.py"
_PRESENCE = "control_plane/recordings/presence.py"
_VIEWS = "control_plane/portal/consents/family_views.py"
_CONSENT = "tests/control_plane/people/test_consent.py"
_ASKING = "tests/control_plane/people/test_consent_requests.py"
_CLOSING = "tests/control_plane/recordings/test_consent_facts.py"
_PAGES = "tests/control_plane/portal/test_consents.py"
_VISIBLE = "tests/control_plane/access/test_visible.py"

CONSENT = (
    Sabotage(
        "a guardian of another child answers",
        "consent",
        _SERVICES,
        "        dancer_id=dancer.pk, user=user, ended_at__isnull=True, started_at__lte=timezone.now()\n",
        "        user=user, ended_at__isnull=True, started_at__lte=timezone.now()\n",
        (f"{_CONSENT}::test_a_guardian_of_another_child_does_not_answer",),
    ),
    Sabotage(
        "a former guardian answers",
        "consent",
        _SERVICES,
        "user=user, ended_at__isnull=True, started_at__lte=timezone.now()\n",
        "user=user, started_at__lte=timezone.now()\n",
        (f"{_CONSENT}::test_only_a_guardian_answers_for_a_minor",),
    ),
    Sabotage(
        "a guardian answers for an adult",
        "consent",
        _SERVICES,
        "    if not is_minor and Relation.SELF not in relations:\n",
        "    if False:\n",
        (f"{_CONSENT}::test_a_dancer_who_comes_of_age_takes_over",),
    ),
    Sabotage(
        "a guardian's consent outlasts the dancer's majority",
        "consent",
        _SELECTORS,
        '(Q(**{f"{to_dancer}adult_on__isnull": True}) | ~is_adult) & Q(consent_signer=Signer.GUARDIAN)',
        "Q(consent_signer=Signer.GUARDIAN)",
        (f"{_CONSENT}::test_a_dancer_who_comes_of_age_takes_over",),
    ),
    Sabotage(
        "the oldest record decides",
        "consent",
        _SELECTORS,
        '"-answered_at", "-id"',
        '"answered_at", "id"',
        (f"{_CONSENT}::test_the_latest_answer_decides_for_each_purpose_alone",),
    ),
    Sabotage(
        "an older paper overrides a withdrawal",
        "consent",
        _SERVICES,
        "answered_at=given_at if answer == ConsentAnswer.GRANTED and evidence.signed_on else now,",
        "answered_at=now,",
        (f"{_CONSENT}::test_an_older_paper_overrides_no_later_answer_but_a_refusal_counts_at_once",),
    ),
    Sabotage(
        "an unknown dancer counts as one who consents",
        "consent",
        _SELECTORS,
        "dict.fromkeys(wanted, MissingReason.NEVER_ASKED)",
        "{}",
        (f"{_CONSENT}::test_an_unknown_dancer_has_allowed_nothing",),
    ),
    Sabotage(
        "a withdrawal is ignored by the decision",
        "consent",
        _SELECTORS,
        "AGAINST = (ConsentAnswer.REFUSED, ConsentAnswer.WITHDRAWN)",
        "AGAINST = (ConsentAnswer.REFUSED,)",
        (f"{_CLOSING}::test_a_refusal_closes_the_recording_to_families_and_viewers",),
    ),
    Sabotage(
        "the decision about one class and the list of classes differ about consent",
        "consent",
        _FACTS,
        "        return _against(paths[CLASS], now) if CLASS in paths else Q(pk__in=[])\n",
        "        return Q(pk__in=[])\n",
        (f"{_CLOSING}::test_a_list_leaves_out_what_a_refusal_closes", _VISIBLE),
    ),
    Sabotage(
        "live view opens when nobody has answered",
        "consent",
        _FACTS,
        "    return present.any(Q()) & ~present.any(Q(consent_holds=False) | Q(consent_holds__isnull=True))\n",
        "    return ~present.any(Q(consent_answer__in=AGAINST))\n",
        (f"{_CLOSING}::test_live_is_closed_to_an_audience_until_everybody_allows_it",),
    ),
    Sabotage(
        "an enrolled dancer does not count as present",
        "consent",
        _FACTS,
        "(Appearance.objects.filter(class_session_id=class_id), enrolled_in(class_id))",
        "(Appearance.objects.filter(class_session_id=class_id),)",
        (f"{_CLOSING}::test_an_expected_or_enrolled_dancer_counts_as_present",),
    ),
    Sabotage(
        "an enrolment that has ended counts",
        "consent",
        _PRESENCE,
        "Q(Q(ends_at__isnull=True) | Q(ends_at__gt=at), starts_at__lte=at)",
        "Q(starts_at__lte=at)",
        (f"{_CLOSING}::test_an_enrolment_counts_only_while_it_is_in_force",),
    ),
    Sabotage(
        "a veto about consent spares viewers",
        "consent",
        _FACTS,
        "TEACHING = frozenset({Role.ADMIN, Role.INSTRUCTOR})",
        "TEACHING = frozenset({Role.ADMIN, Role.INSTRUCTOR, Role.VIEWER})",
        (f"{_CLOSING}::test_a_refusal_closes_the_recording_to_families_and_viewers",),
    ),
    Sabotage(
        "a consent record is updated in place",
        "consent",
        "control_plane/people/migrations/0004_consent_security.py",
        '        AppendOnly("ConsentRecord", erased_with="dancer_id"),\n',
        "",
        (f"{_CONSENT}::test_the_database_keeps_records_as_they_were",),
    ),
    Sabotage(
        "the erasure of one dancer deletes the records of another",
        "consent",
        "control_plane/common/rls.py",
        "IS DISTINCT FROM {setting('erasing')})",
        "IS NOT NULL AND {setting('erasing')} IS NULL)",
        (f"{_CONSENT}::test_records_go_only_with_the_erasure_of_their_dancer",),
    ),
    Sabotage(
        "a published notice is rewritten",
        "consent",
        "control_plane/people/migrations/0004_consent_security.py",
        '        FrozenOnce("ConsentNotice", column="published_at"),\n',
        "",
        (f"{_CONSENT}::test_a_published_notice_never_changes",),
    ),
    Sabotage(
        "an expired link is accepted",
        "consent",
        _REQUESTS,
        "    return request.revoked_at is None and request.expires_at > timezone.now()\n",
        "    return request.revoked_at is None\n",
        (f"{_ASKING}::test_a_link_ends_by_time_by_a_newer_one_and_with_the_guardianship",),
    ),
    Sabotage(
        "an older link works beside a newer one",
        "consent",
        _REQUESTS,
        "    earlier.update(revoked_at=now)\n",
        "    earlier.update(answered_at=now)\n",
        (f"{_ASKING}::test_a_link_ends_by_time_by_a_newer_one_and_with_the_guardianship",),
    ),
    Sabotage(
        "a link answers what was not asked",
        "consent",
        _REQUESTS,
        "    if not set(granted) <= set(asked):\n",
        "    asked += [ConsentPurpose(one) for one in granted if one not in asked]\n    if False:\n",
        (f"{_ASKING}::test_a_guardian_answers_only_what_they_were_asked",),
    ),
    Sabotage(
        "a person answers a request that was made to somebody else",
        "consent",
        _REQUESTS,
        "    if request.user_id != user.pk:\n",
        "    if False:\n",
        (f"{_ASKING}::test_a_guardian_answers_only_what_they_were_asked",),
    ),
    Sabotage(
        "a former guardian is mailed the name of the child",
        "consent",
        _REQUESTS,
        "    if row.user not in _who_answers(row.dancer):\n",
        "    if False:\n",
        (f"{_ASKING}::test_nobody_is_mailed_after_the_answer_or_the_guardianship",),
    ),
    Sabotage(
        "a GET answers",
        "consent",
        _VIEWS,
        '    error = ""\n    if request.method == "POST":\n',
        '    error = ""\n    request.POST = request.POST or request.GET\n    if "purpose" in request.POST:\n',
        (f"{_PAGES}::test_opening_the_link_shows_the_question_and_changes_nothing",),
    ),
    Sabotage(
        "the checkboxes of a question are checked",
        "consent",
        "control_plane/portal/consents/templates/portal/consents/question.html",
        'name="purpose" value="{{ state.purpose.value }}">',
        'name="purpose" value="{{ state.purpose.value }}" checked>',
        (f"{_PAGES}::test_opening_the_link_shows_the_question_and_changes_nothing",),
    ),
    Sabotage(
        "the page of a person's own dancers names a protected dancer of another family",
        "consent",
        "control_plane/portal/consents/presenter.py",
        "Guardianship.objects.filter(user=user, ended_at__isnull=True, started_at__lte=now)",
        "Guardianship.objects.filter(ended_at__isnull=True, started_at__lte=now)",
        (f"{_PAGES}::test_other_families_see_no_name_of_a_protected_dancer",),
    ),
    Sabotage(
        "a former guardian is told that the dancer came of age",
        "consent",
        "control_plane/people/coming_of_age.py",
        "Guardianship.objects.filter(dancer=dancer, ended_at__isnull=True)",
        "Guardianship.objects.filter(dancer=dancer)",
        (
            "tests/control_plane/people/test_coming_of_age.py::test_who_is_no_guardian_or_member_any_more_is_not_told",
        ),
    ),
    Sabotage(
        "guardians learn each other's addresses from the mail about the age",
        "consent",
        "control_plane/people/coming_of_age.py",
        'mail.send("people/mail/of_age", facts, bcc=addresses,',
        'mail.send("people/mail/of_age", facts, to=addresses,',
        ("tests/control_plane/people/test_coming_of_age.py::test_the_own_account_gets_its_own_words",),
    ),
    Sabotage(
        "a family is told every hour that its dancer came of age",
        "consent",
        "control_plane/people/coming_of_age.py",
        "        age_told_at=None,\n",
        "",
        (
            "tests/control_plane/people/test_coming_of_age.py::test_the_family_is_told_once_and_the_consent_has_ended",
        ),
    ),
)
