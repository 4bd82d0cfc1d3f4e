"""Sabotages of what the web process takes from strangers: addresses, connections, bodies, logs."""

from tests.sabotage.sabotage import Sabotage

_CALLER = "control_plane/common/caller.py"
_CALLERS = "control_plane/config/callers.py"
_GATE = "control_plane/ingest/gate.py"
_TEST_ASSETS = "tests/control_plane/config/test_assets.py"
_TEST_CALLERS = "tests/control_plane/config/test_callers.py"
_TEST_CALLER = "tests/control_plane/common/test_caller.py"
_TEST_CONNECTIONS = "tests/control_plane/config/test_connections.py"
_TEST_HOSTILE = "tests/matrix/test_hostile.py::test_no_input_is_a_fault_of_ours"
_TEST_INPUTS = "tests/control_plane/common/test_inputs.py"
_TEST_LOGS = "tests/control_plane/common/test_request_logs.py"
_TEST_STRANGERS = "tests/control_plane/accounts/test_strangers.py"
_TEST_GATE = "tests/control_plane/ingest/test_gate.py"

WEB = (
    Sabotage(
        "a port in X-Forwarded-For makes the caller unknown",
        "web",
        _CALLER,
        '    elif text.count(":") == 1:',
        '    elif text.count(":") == 99:',
        (f"{_TEST_CALLER}::test_an_address_is_read_with_or_without_its_port",),
    ),
    Sabotage(
        "a caller whose address is unknown counts as this machine",
        "web",
        _CALLER,
        "        if entries:\n            _unreadable.failed()\n        return UNKNOWN_ADDRESS",
        '        return "127.0.0.1"',
        (f"{_TEST_CALLER}::test_what_is_no_address_becomes_nobodys_and_never_ours",),
    ),
    Sabotage(
        "agents' sockets are noted with the proxy's address",
        "web",
        "control_plane/fleet/gateway.py",
        "        address = address_of_scope(scope)\n",
        '        address = str(scope["client"][0])\n',
        (
            "tests/control_plane/fleet/test_gateway.py"
            "::test_two_boxes_with_one_identity_are_noticed_and_a_reconnect_is_not",
        ),
    ),
    Sabotage(
        "each address of an IPv6 network has tries of its own",
        "web",
        _CALLER,
        "LIMITED_PREFIX_V6 = 64",
        "LIMITED_PREFIX_V6 = 128",
        (
            "tests/control_plane/fleet/test_pairing.py"
            "::test_over_http_refusals_say_what_to_do_and_tries_are_limited",
        ),
    ),
    Sabotage(
        "a head of a request may be as long as it likes",
        "web",
        "control_plane/config/pace.py",
        "    head_bytes: int = 32 * 1024",
        "    head_bytes: int = 1 << 40",
        (f"{_TEST_CONNECTIONS}::test_headers_without_end_are_refused_and_take_no_memory",),
    ),
    Sabotage(
        "a head that does not end is waited for",
        "web",
        "control_plane/config/pace.py",
        "            return Reason.SLOW_HEAD",
        "            return None",
        (
            f"{_TEST_CONNECTIONS}::test_a_head_that_does_not_end_is_ended_and_so_is_the_next_one",
            "tests/control_plane/config/test_pace.py::test_a_head_has_ten_seconds_however_its_bytes_come",
        ),
    ),
    Sabotage(
        "one address may have all connections",
        "web",
        "control_plane/config/connections.py",
        "        while (surplus := self._connections.surplus(connection)) is not None:",
        "        while (surplus := None) is not None:",
        (
            f"{_TEST_CONNECTIONS}::test_an_address_with_too_many_connections_loses_its_oldest",
            f"{_TEST_CONNECTIONS}::test_the_address_with_most_connections_makes_room_for_others",
        ),
    ),
    Sabotage(
        "a reader who reads nothing keeps the answer in memory",
        "web",
        "control_plane/config/pace.py",
        "            return Reason.UNREAD",
        "            return None",
        (f"{_TEST_CONNECTIONS}::test_an_answer_that_is_not_read_is_given_up",),
    ),
    Sabotage(
        "pongs pile up for a link that does not read",
        "web",
        "control_plane/config/connections.py",
        "        if self.transport.get_write_buffer_size() > LIMITS.unread_bytes:",
        "        if False:",
        (f"{_TEST_CONNECTIONS}::test_pings_whose_answers_are_not_read_end_their_link",),
    ),
    Sabotage(
        "bodies that one address holds are not counted",
        "web",
        "control_plane/ingest/gate.py",
        "        self._held.set_amount(self, self._size)",
        "        pass",
        (
            f"{_TEST_GATE}::test_bodies_that_one_address_holds_have_a_bound_and_nobody_else_waits",
            f"{_TEST_GATE}::test_all_bodies_together_have_a_bound_and_the_largest_holder_gives_way",
        ),
    ),
    Sabotage(
        "every page takes as much as one with a file",
        "web",
        "control_plane/common/bodies.py",
        "    limit: int = getattr(view, _LIMIT, FORM_LIMIT_BYTES)",
        "    limit: int = getattr(view, _LIMIT, FILE_LIMIT_BYTES)",
        (f"{_TEST_GATE}::test_only_pages_that_take_a_file_take_more_than_a_form",),
    ),
    Sabotage(
        "all addresses wait in one queue",
        "web",
        "control_plane/config/callers.py",
        'Party(("network", _network(scope)), OF_NETWORK)',
        'Party("everybody", OF_NETWORK)',
        (
            "tests/control_plane/config/test_handler.py"
            "::test_somebody_else_is_answered_while_one_address_has_a_crowd",
        ),
    ),
    Sabotage(
        "everybody's session is a row",
        "web",
        "control_plane/accounts/session_store.py",
        "        if SESSION_KEY in data:",
        "        if data is not None:",
        (
            f"{_TEST_STRANGERS}::test_no_address_that_is_open_to_all_leaves_rows_behind",
            f"{_TEST_STRANGERS}::test_ways_to_a_provider_are_kept_for_an_hour_and_have_a_bound",
        ),
    ),
    Sabotage(
        "a provider's answer is kept whether or not we have asked",
        "web",
        "control_plane/accounts/saml.py",
        "    if QUESTIONS.get(_question_name(provider, question)) is None:",
        "    if False:",
        ("tests/control_plane/accounts/test_saml.py::test_an_answer_to_no_question_of_ours_is_not_kept",),
    ),
    Sabotage(
        "each refused sign-in of a stranger is an entry for ever",
        "web",
        "control_plane/accounts/record.py",
        "    if count > most:",
        "    if False:",
        (f"{_TEST_STRANGERS}::test_refused_sign_ins_are_counted_where_they_are_many",),
    ),
    Sabotage(
        "secrets in the path of a request are logged",
        "web",
        "control_plane/common/request_logs.py",
        "            path = path.replace(str(value), MASK)",
        "            pass",
        (
            f"{_TEST_LOGS}::test_every_parameter_that_names_a_secret_is_masked",
            f"{_TEST_LOGS}::test_no_refusal_of_any_address_logs_what_was_asked",
        ),
    ),
    Sabotage(
        "the query of a request is logged",
        "web",
        "control_plane/common/request_logs.py",
        '            record.request = f"{request.method} {shown}"',
        '            record.request = f"{request.method} {shown} {request.GET.dict()}"',
        (f"{_TEST_LOGS}::test_no_refusal_of_any_address_logs_what_was_asked",),
    ),
    Sabotage(
        "the row that the database refused is logged",
        "web",
        "shared/kernel/redact.py",
        '    text = _ROW.sub(rf"\\g<word>{MASK}", text)\n',
        "",
        (f"{_TEST_LOGS}::test_no_crash_of_any_address_logs_what_was_asked",),
    ),
    Sabotage(
        "redacting a long log line takes quadratic time",
        "web",
        "shared/kernel/redact.py",
        '_EMAIL = re.compile(r"(?<![\\w.+%-])[',
        '_EMAIL = re.compile(r"[',
        ("tests/shared/test_kernel.py::test_a_long_text_of_a_stranger_is_redacted_in_linear_time",),
    ),
    Sabotage(
        "an old log stays readable by everybody",
        "web",
        "control_plane/supervisor/logs.py",
        "        os.fchmod(file.fileno(), 0o600)",
        "        pass",
        ("tests/supervisor/test_logs.py::test_a_log_that_was_readable_is_closed",),
    ),
    Sabotage(
        "zero characters of a query reach the database",
        "web",
        "control_plane/common/inputs.py",
        "            or _fault_of_fields(request.GET)",
        "",
        (f"{_TEST_INPUTS}::test_what_no_address_takes_is_refused",),
    ),
    Sabotage(
        "a cookie with a zero character reaches the database",
        "web",
        "control_plane/common/inputs.py",
        "if any(map(_has_zero, request.COOKIES.items()))",
        "if False",
        (f"{_TEST_INPUTS}::test_what_no_address_takes_is_refused",),
    ),
    Sabotage(
        "an encoding that reads no text ends in a failure outside of Django",
        "web",
        "control_plane/config/handler.py",
        "            require_utf8(_content_type(scope))",
        "            pass",
        (
            "tests/control_plane/config/test_handler.py"
            "::test_a_request_in_another_encoding_is_refused_before_it_is_read",
        ),
    ),
    Sabotage(
        "deep JSON of programs is a fault of ours",
        "web",
        "control_plane/api/parsers.py",
        "        except RecursionError as error:",
        "        except KeyError as error:",
        (
            f"{_TEST_INPUTS}::test_deep_json_is_refused",
            f"{_TEST_HOSTILE}[api/v1/studios/<slug:slug>/dancers/]",
        ),
    ),
    Sabotage(
        "deep JSON of agents is a fault of ours",
        "web",
        "shared/protocol/codec.py",
        "    except RecursionError as error:",
        "    except KeyError as error:",
        (f"{_TEST_HOSTILE}[agent/v1/intent]",),
    ),
    Sabotage(
        "a text that is no address breaks the sign-in page",
        "web",
        "control_plane/accounts/adapter.py",
        "        except ValueError:\n            return False",
        "        except KeyError:\n            return False",
        (f"{_TEST_HOSTILE}[accounts/login/]",),
    ),
    Sabotage(
        "an answer of a passkey that is no JSON is a fault of ours",
        "web",
        "control_plane/accounts/passkey_forms.py",
        "        except (ValueError, RecursionError) as error:",
        "        except KeyError as error:",
        (f"{_TEST_HOSTILE}[accounts/2fa/webauthn/login/]",),
    ),
    Sabotage(
        "a refusal that repeats half a letter cannot be sent",
        "web",
        "shared/protocol/errors.py",
        'detail=detail.encode("utf-8", "backslashreplace").decode(),',
        "detail=detail,",
        (f"{_TEST_HOSTILE}[api/v1/studios/<slug:slug>/invitations/]",),
    ),
    Sabotage(
        "a browser's words make the API answer with a page",
        "web",
        "control_plane/common/problems.py",
        "return not request.path.startswith(PROGRAMS) and",
        "return",
        (f"{_TEST_INPUTS}::test_programs_are_answered_with_a_problem_whatever_they_accept",),
    ),
    Sabotage(
        "an upload header that HTTP cannot carry ends the agent's upload task",
        "web",
        "edge_agent/upload/http.py",
        "        self._check_headers(headers)\n",
        "",
        (
            "tests/faults/fuzz/test_targets.py"
            "::test_only_declared_errors_come_of_examples_and_of_their_damages[wire.put_target]",
        ),
    ),
    Sabotage(
        "the page for a fault does not show the request id",
        "web",
        "control_plane/portal/templates/500.html",
        "<code>{{ request_id }}</code>",
        "<code></code>",
        (
            "tests/control_plane/common/test_server_error.py::test_the_page_shows_the_id_that_the_log_has",
            "tests/control_plane/config/test_handler.py"
            "::test_what_fails_around_django_is_answered_with_the_id_that_the_log_has",
        ),
    ),
    Sabotage(
        "the log of a fault has no request id",
        "web",
        "control_plane/common/request_logs.py",
        '            record.request_id = getattr(request, "request_id", "")',
        "            pass",
        ("tests/control_plane/common/test_server_error.py::test_the_page_shows_the_id_that_the_log_has",),
    ),
    Sabotage(
        "what pages name is not kept by browsers",
        "web",
        "control_plane/config/assets.py",
        "        return super().url(hashed(name, path) if name and isinstance(path, str) else name)",
        "        return super().url(name)",
        (f"{_TEST_ASSETS}::test_what_a_page_names_is_compressed_and_kept_for_ever",),
    ),
    Sabotage(
        "a file is kept by browsers for ever under an address that may change",
        "web",
        "control_plane/config/assets.py",
        "        return is_current or _HASHED_BY_BUNDLER.fullmatch(url) is not None",
        "        return True",
        (f"{_TEST_ASSETS}::test_a_plain_address_is_asked_again_and_a_wrong_hash_leads_nowhere",),
    ),
    Sabotage(
        "static files go out uncompressed",
        "web",
        "control_plane/config/assets.py",
        '        copies = {"gzip": packed} if packed else {}',
        "        copies: dict[str, str] = {}",
        (f"{_TEST_ASSETS}::test_what_a_page_names_is_compressed_and_kept_for_ever",),
    ),
    Sabotage(
        "a PUT without a body counts to any studio that it names",
        "web",
        _GATE,
        "        if not _has_body(scope) and not _is_upload(scope):",
        "        if not _has_body(scope):",
        (f"{_TEST_GATE}::test_a_put_without_a_body_needs_a_signature_too",),
    ),
    Sabotage(
        "a header that no page reads hides a person's session",
        "web",
        _CALLERS,
        '    if authorization and scope["path"].startswith(API):',
        "    if authorization:",
        (f"{_TEST_CALLERS}::test_a_header_that_no_page_reads_hides_nobody",),
    ),
    Sabotage(
        "credentials that proved nothing push out those of others",
        "web",
        _CALLERS,
        "        if kind != proved_by:",
        "        if False:",
        (f"{_TEST_CALLERS}::test_a_credential_that_proved_nothing_is_not_remembered",),
    ),
    Sabotage(
        "health probes of one network fill the line of all",
        "web",
        _CALLERS,
        '            return [Party(("health", _network(scope)), OF_HEALTH_OF_NETWORK), HEALTH]',
        "            return [HEALTH]",
        (f"{_TEST_CALLERS}::test_health_for_one_network_waits_for_no_other",),
    ),
    Sabotage(
        "a token that is nested too deeply is a fault of the server",
        "web",
        _CALLERS,
        '        return decode(urlsafe_b64decode(payload + b"=" * (-len(payload) % 4)), _Claims).iss',
        '        return msgspec.json.decode(urlsafe_b64decode(payload + b"=="), type=_Claims).iss',
        (f"{_TEST_CALLERS}::test_a_token_that_is_nested_too_deeply_is_refused_like_any_other",),
    ),
    Sabotage(
        "an upload keeps its turn with a byte a minute",
        "web",
        _GATE,
        "OBJECT_PACE = Pace(idle_s=60.0, grace_s=60.0)",
        "OBJECT_PACE = Pace(idle_s=60.0, grace_s=60.0, bytes_per_s=10**-9)",
        (f"{_TEST_GATE}::test_an_upload_that_trickles_is_given_up",),
    ),
    Sabotage(
        "an upload keeps its turn after its address has expired",
        "web",
        _GATE,
        "            until_s = asyncio.get_running_loop().time() + left_s",
        "            until_s = math.inf",
        (f"{_TEST_GATE}::test_an_upload_ends_when_its_address_expires",),
    ),
    Sabotage(
        "uploads of a few studios take all turns",
        "web",
        _GATE,
        "FairTurns(in_all=UPLOADS, kept=UPLOADS_KEPT)",
        "FairTurns(in_all=UPLOADS)",
        (f"{_TEST_GATE}::test_uploads_of_a_few_studios_leave_turns_to_the_others",),
    ),
    Sabotage(
        "an honest agent's third large upload waits for its first two",
        "web",
        _GATE,
        "            takes = min(body.limit, LARGE_UPLOAD_BYTES)",
        "            takes = LARGE_OF_STUDIO_BYTES // 2",
        (f"{_TEST_GATE}::test_no_upload_of_honest_agents_waits_for_another",),
    ),
)
