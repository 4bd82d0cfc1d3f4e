"""Sabotages of keys, audit, storage and sign-in."""

from tests.sabotage.sabotage import Sabotage

_VAULT = "control_plane/keys/vault.py"
_TEST_VAULT = "tests/control_plane/keys/test_vault.py"
_TEST_KEYS = "tests/control_plane/keys/test_keys.py"
_RECORD = "tests/control_plane/audit/test_record.py"
_CHAIN = "tests/control_plane/audit/test_chain.py"
_MOVES = "tests/control_plane/recordings/test_store_migration.py"
_VIEWS = "tests/control_plane/recordings/playback/test_views.py"

KEYS = (
    Sabotage(
        "the vault opens keys without asking",
        "keys",
        _VAULT,
        "        access.require(actor, purpose.permission, subject)\n",
        "        pass\n",
        (f"{_TEST_VAULT}::test_a_key_is_not_opened_for_those_who_may_not",),
    ),
    Sabotage(
        "a key is given before the replay is on record",
        "keys",
        _VAULT,
        "        _require_audit_event(entry_id, purpose, actor, subject)\n",
        "        pass\n",
        (f"{_TEST_VAULT}::test_no_replay_without_its_own_entry",),
    ),
    Sabotage(
        "the permission to open keys outlives its transaction",
        "keys",
        _VAULT,
        "        if self._transaction is None or self._transaction is not _transaction():",
        "        if self._transaction is None:",
        (f"{_TEST_VAULT}::test_an_opening_does_not_outlive_the_transaction_of_its_entry",),
    ),
    Sabotage(
        "keys are wrapped without saying what they are for",
        "keys",
        "control_plane/keys/key_wrapping.py",
        '    return b"threedance/1/" + kind.encode() + b"/" + id_.bytes',
        '    return b"threedance/1/"',
        (f"{_TEST_KEYS}::test_a_wrapped_key_opens_for_nothing_else",),
    ),
    Sabotage(
        "the key share is not needed",
        "keys",
        "control_plane/keys/key_wrapping.py",
        '    return HKDF(SHA256(), KEY_BYTES, salt=share, info=b"share/" + associated_data(kind, id_)).derive(key)',
        '    return HKDF(SHA256(), KEY_BYTES, salt=None, info=b"share/" + associated_data(kind, id_)).derive(key)',
        (
            f"{_TEST_VAULT}::test_a_class_opens_only_together_with_its_half_on_the_shelf",
            f"{_TEST_KEYS}::test_a_key_with_a_half_is_another_for_each_key_half_kind_and_id",
        ),
    ),
    Sabotage(
        "a shred leaves the key share",
        "keys",
        "control_plane/keys/shares/folder.py",
        "        return sum([self._destroy(id_) for id_ in ids])",
        "        return len(list(ids))",
        (
            "tests/control_plane/keys/test_key_shares.py::test_what_is_destroyed_is_gone_for_good_and_once_more_is_harmless",
        ),
    ),
    Sabotage(
        "the root key stands in its repr, and so in logs",
        "keys",
        "control_plane/keys/roots/file.py",
        '        return f"FileRootKey({self._content.keys[0][0]})"',
        '        return f"FileRootKey({self._content.keys})"',
        (f"{_TEST_KEYS}::test_the_root_keys_repr_holds_no_key",),
    ),
)

AUDIT = (
    Sabotage(
        "entries can be changed",
        "audit",
        "control_plane/audit/migrations/0002_row_security.py",
        '        AppendOnly("Entry"),\n',
        "",
        (
            f"{_RECORD}::test_the_owner_changes_no_entry_either",
            f"{_RECORD}::test_the_application_changes_no_entry",
        ),
    ),
    Sabotage(
        "the content of an entry is not compared with its hash",
        "audit",
        "control_plane/audit/chain.py",
        "            if sha256(entry.content).hexdigest() != entry.stored:",
        "            if sha256(entry.content).hexdigest() == entry.previous:",
        (f"{_CHAIN}::test_any_changed_field_breaks_the_chain_at_that_entry",),
    ),
    Sabotage(
        "an entry need not follow from the one before it",
        "audit",
        "control_plane/audit/chain.py",
        "            if entry.previous != previous:",
        "            if entry.previous == '':",
        (f"{_CHAIN}::test_a_rehashed_entry_breaks_the_next_one",),
    ),
    Sabotage(
        "a chain whose end was cut off is called whole",
        "audit",
        "control_plane/audit/chain.py",
        "        if (head[0], head[1].hex()) == (self.sequence, self.hash):",
        "        if head[0] >= self.sequence:",
        (f"{_RECORD}::test_a_cut_off_end_is_found",),
    ),
    Sabotage(
        "two entries at once take the same place",
        "audit",
        "control_plane/audit/services.py",
        "    head: ChainHead | None = ChainHead.objects.select_for_update().first()",
        "    head: ChainHead | None = ChainHead.objects.first()",
        (f"{_RECORD}::test_parallel_acts_make_one_unbroken_chain",),
    ),
    Sabotage(
        "a replay leaves no entry",
        "audit",
        "control_plane/recordings/playback/view_sessions.py",
        "        entry = record_for(\n",
        "        from control_plane.audit.models import Entry\n\n"
        "        entry = (lambda *_, **__: Entry())(  # made up, and never written\n",
        (f"{_VIEWS}::test_a_replay_is_on_record_before_its_first_key_and_once",),
    ),
)

STORAGE = (
    Sabotage(
        "an address in the store is good for an hour",
        "storage",
        "control_plane/recordings/playback/views.py",
        "PRESIGNED_LIFETIME = timedelta(seconds=4)",
        "PRESIGNED_LIFETIME = timedelta(hours=1)",
        (f"{_VIEWS}::test_a_store_elsewhere_is_pointed_at_for_seconds",),
    ),
    Sabotage(
        "an upload address is believed without its signature",
        "storage",
        "control_plane/ingest/targets.py",
        "    if not hmac.compare_digest(allowed.signature().encode(), signature.encode()):",
        "    if not signature:",
        (
            "tests/control_plane/ingest/test_refusals.py::"
            "test_the_target_takes_exactly_the_announced_bytes_for_a_quarter_of_an_hour",
        ),
    ),
    Sabotage(
        "a store may be inside our network",
        "storage",
        "control_plane/common/ssrf_guard.py",
        "    return ip.is_global and not (ip.is_multicast or ip.is_reserved or is_inside)",
        "    return True",
        ("tests/control_plane/storage/test_probe.py::test_no_store_is_inside_our_network",),
    ),
    Sabotage(
        "footage leaves the region that it is pinned to",
        "storage",
        "control_plane/storage/stores.py",
        "    if not pinned or region == pinned:",
        "    if not pinned or region:",
        ("tests/control_plane/recordings/test_stores.py::test_a_pinned_region_keeps_footage_in",),
    ),
    Sabotage(
        "a worker writes after its lease went to another",
        "storage",
        "control_plane/common/leases.py",
        "    return bool(rows.filter(lease_token=token).update(lease_until=now + lease",
        "    return bool(rows.filter(lease_token__isnull=False).update(lease_until=now + lease",
        (f"{_MOVES}::test_a_worker_that_slept_past_its_lease_points_at_nothing",),
    ),
    Sabotage(
        "a playlist is kept without what the class consisted of",
        "storage",
        "control_plane/recordings/playback/playback_cache.py",
        "    return ClassVersion(class_session.id, class_session.state, tuple(zip(row[::2], row[1::2], strict=True)))",
        '    return ClassVersion(class_session.id, "", ((len(row), 0),))',
        (f"{_VIEWS}::test_what_is_kept_of_a_class_is_not_shown_once_more_of_it_came",),
    ),
    Sabotage(
        "a kept answer is good for every version of a configuration",
        "storage",
        "control_plane/fleet/api.py",
        "    etag = f'\"{document.version}-{document.hash}\"'",
        "    etag = f'\"{document.agent_id}\"'",
        (
            "tests/control_plane/fleet/test_services.py::"
            "test_the_configuration_by_http_is_sent_once_until_it_changes",
        ),
    ),
    Sabotage(
        "an object is written over",
        "storage",
        "control_plane/storage/local.py",
        "                    os.link(part, path)",
        "                    os.replace(part, path)",
        ("tests/control_plane/storage/test_object_store.py::test_of_parallel_writers_of_one_key_one_wins",),
    ),
)

SIGN_IN = (
    Sabotage(
        "a session outlives the account that was switched off",
        "sign-in",
        "control_plane/accounts/sessions.py",
        "        if request.session.session_key and request.user.is_authenticated:\n            _expire_or_touch(request)\n",
        '        if (known := request.session.get("_auth_user_id")) and not request.user.is_authenticated:\n'
        "            request.user = User.objects.get(pk=known)\n"
        "        if request.session.session_key and request.user.is_authenticated:\n            _expire_or_touch(request)\n",
        (
            "tests/control_plane/accounts/test_sessions.py::"
            "test_a_session_ends_with_the_account_and_with_the_password",
        ),
    ),
    Sabotage(
        "a sign-in link works again and again",
        "sign-in",
        "control_plane/accounts/services.py",
        "            token_sha256=hash_, used_at__isnull=True, expires_at__gt=now, user__in=active",
        "            token_sha256=hash_, expires_at__gt=now, user__in=active",
        ("tests/control_plane/accounts/test_signin_link.py::test_a_link_signs_in_once",),
    ),
    Sabotage(
        "an account that was switched off signs in by link",
        "sign-in",
        "control_plane/accounts/services.py",
        "expires_at__gt=now, user__in=active",
        "expires_at__gt=now",
        ("tests/control_plane/accounts/test_signin_link.py::test_a_person_switched_off_is_not_let_in",),
    ),
    Sabotage(
        "admins come in without the second factor that the studio asks for",
        "sign-in",
        "control_plane/identity/signin_rules.py",
        "    if policy.admins_need_second_factor and not has_factor and not asked_there:",
        "    if policy.admins_need_second_factor and not asked_there and provider is not None:",
        (
            "tests/matrix/test_routes.py::test_an_address_answers_everybody_as_the_table_says[studio/<slug:slug>/classes/]",
        ),
    ),
)
