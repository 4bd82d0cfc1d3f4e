"""Sabotages of what stands between the agent and its cameras."""

from tests.sabotage.sabotage import Sabotage

_ADDRESSES = "edge_agent/sources/addresses.py"
_AUTHENTICATION = "edge_agent/sources/authentication.py"
_DIAL = "edge_agent/sources/dial.py"
_EXCHANGE = "edge_agent/sources/rtsp/exchange.py"
_HTTP = "edge_agent/sources/http_source.py"
_TEST_ADDRESSES = "tests/edge_agent/sources/rtsp/test_addresses.py"
_TEST_CAMERA_ANSWERS = "tests/edge_agent/sources/rtsp/test_camera_answers.py"
_TEST_EXCHANGE = "tests/edge_agent/sources/rtsp/test_exchange.py"
_TEST_REDIRECTS = "tests/edge_agent/sources/rtsp/test_redirects.py"
_TEST_RELAY = "tests/edge_agent/sources/rtsp/test_relay.py"
_TEST_SIGN_IN = "tests/edge_agent/sources/rtsp/test_sign_in.py"
_TEST_TLS = "tests/edge_agent/sources/rtsp/test_tls.py"
_ODD = "tests/edge_agent/sources/test_odd_cameras.py"
_TIMES = "edge_agent/sources/timestamps.py"
_TEST_TIMES = "tests/edge_agent/sources/test_timestamps.py"
_TEST_HTTP_SOURCE = "tests/edge_agent/sources/test_http_source.py"
_SOUND = "edge_agent/recording/audio.py"
_TEST_AUDIO_SAMPLES = "tests/edge_agent/recording/test_audio_samples.py"
_TEST_SOURCES = "tests/control_plane/fleet/test_sources.py"
_TAILS = "tests/control_plane/fleet/test_sealed_tails.py"

CAMERAS = (
    Sabotage(
        "the first address of a name is the only one that is looked at",
        "cameras",
        _ADDRESSES,
        "    for _, address in addresses:\n",
        "    for _, address in addresses[:1]:\n",
        (f"{_TEST_ADDRESSES}::test_a_name_is_refused_when_any_of_its_addresses_is",),
    ),
    Sabotage(
        "a metadata service may be a camera",
        "cameras",
        _ADDRESSES,
        "    if ip in _METADATA:\n",
        "    if False:\n",
        (f"{_TEST_ADDRESSES}::test_a_metadata_service_is_no_camera_whatever_is_allowed",),
    ),
    Sabotage(
        "the agent's own machine is an allowed network by default",
        "cameras",
        "edge_agent/settings.py",
        'PRIVATE_NETWORKS = ("10.0.0.0/8",',
        'PRIVATE_NETWORKS = ("127.0.0.0/8", "10.0.0.0/8",',
        (
            f"{_TEST_ADDRESSES}::test_by_default_no_camera_is_on_this_machine_at_a_metadata_service_or_outside[127.0.0.1]",
        ),
    ),
    Sabotage(
        "RTSP redirects are handed to FFmpeg",
        "cameras",
        _EXCHANGE,
        "        if 300 <= answer.status < 400:\n"
        '            self._fail(error_from_response(answer.status, answer.reason, location=answer.header("location")))\n',
        "        if 300 <= answer.status < 400:\n"
        "            lines = [answer.start, f'CSeq: {pending.cseq}', 'Location: ' + answer.header('location')]\n"
        '            self.to_player += ("\\r\\n".join(lines) + "\\r\\n\\r\\n").encode()\n',
        (f"{_TEST_REDIRECTS}::test_a_redirect_leads_nowhere_and_is_named",),
    ),
    Sabotage(
        "FFmpeg connects to the camera itself, by name",
        "cameras",
        "edge_agent/sources/rtsp/rtsp_source.py",
        'return av.open(self._relay.start(name=f"relay-{self._endpoint.port}"), options=self._options)',
        "return av.open(self._endpoint.url, options=self._options)",
        (f"{_TEST_REDIRECTS}::test_a_redirect_leads_nowhere_and_is_named",),
    ),
    Sabotage(
        "formats of HTTP cameras may name other addresses",
        "cameras",
        _HTTP,
        '            "format_whitelist": FORMATS,\n'
        "            # It has nothing to open: no format may name another address.\n"
        '            "protocol_whitelist": "none",\n',
        '            "protocol_whitelist": "file,http,tcp,udp,rtp,crypto,concat",\n',
        (f"{_TEST_HTTP_SOURCE}::test_no_format_may_name_another_address",),
    ),
    Sabotage(
        "HTTP redirects are followed",
        "cameras",
        _HTTP,
        "                if answer.status != 401:\n",
        "                if where := answer.getheader('Location'):\n"
        "                    self._endpoint = endpoint_of(where.replace('trick:hidden@', ''))\n"
        "                    continue\n"
        "                if answer.status != 401:\n",
        (f"{_TEST_HTTP_SOURCE}::test_a_redirect_cannot_lead_the_agent_elsewhere",),
    ),
    Sabotage(
        "only the first address of a name is tried",
        "cameras",
        _DIAL,
        "    waiting = deque(addresses)\n",
        "    waiting = deque(addresses[:1])\n",
        (f"{_TEST_ADDRESSES}::test_each_address_of_a_name_is_tried",),
    ),
    Sabotage(
        "anybody on the machine may watch a camera through the relay",
        "cameras",
        "edge_agent/sources/rtsp/relay.py",
        '                if secrets.compare_digest(first.partition(b"\\n")[0].partition(secret)[1], secret):\n',
        "                if first:\n",
        (f"{_TEST_RELAY}::test_a_stranger_who_is_quicker_than_ffmpeg_gets_nothing",),
    ),
    Sabotage(
        "certificates of cameras are not checked",
        "cameras",
        "edge_agent/sources/dial.py",
        "    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN\n",
        "    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE\n",
        (f"{_TEST_TLS}::test_a_secure_camera_is_read_where_its_certificate_is_trusted",),
    ),
    Sabotage(
        "a studio may try as many addresses of its network as it likes",
        "cameras",
        "control_plane/fleet/services.py",
        '        valkey.limit(f"camera-address:{studio_id}", most=most, window_s=HOUR_S)\n',
        "        pass\n",
        (
            "tests/control_plane/fleet/test_services.py"
            "::test_a_studio_sets_so_many_addresses_an_hour_and_no_other_studio_notices",
        ),
    ),
    Sabotage(
        "every time that a camera stamps is believed",
        "cameras",
        _TIMES,
        "            if self._is_on_line(last, seen):\n",
        "            if True:\n",
        (
            f"{_TEST_TIMES}::test_a_wild_time_is_never_believed",
            f"{_ODD}::test_strays_cost_at_most_their_own_picture",
        ),
    ),
    Sabotage(
        "a clock that was set is taken for strays",
        "cameras",
        _TIMES,
        "        if self._follow(self._held):\n",
        "        if False:\n",
        (f"{_ODD}::test_a_clock_that_is_set_begins_another_run",),
    ),
    Sabotage(
        "the first picture stands a frame before the one that comes next",
        "cameras",
        _TIMES,
        "    before_all = min(others) - frame\n",
        "    return others[0] - frame\n    before_all = 0\n",
        (f"{_ODD}::test_every_picture_has_its_place_from_the_first_one_on",),
    ),
    Sabotage(
        "an address that can be read in two ways is read in one",
        "cameras",
        "control_plane/fleet/sources.py",
        "    if at and _BEGIN_OF_PATH.search(user) and _is_host_and_port(_BEGIN_OF_PATH.split(rest, maxsplit=1)[0]):\n",
        "    if False:\n",
        (f"{_TEST_SOURCES}::test_each_bad_address_is_refused_with_its_own_words",),
    ),
    Sabotage(
        "a # ends a pasted address",
        "cameras",
        "control_plane/fleet/sources.py",
        '    user, at, behind = rest.rpartition("@")\n',
        '    user, at, behind = rest.partition("#")[0].rpartition("@")\n',
        (
            f"{_TEST_SOURCES}::test_a_pasted_password_is_taken_whole_or_refused_and_never_changes_the_host",
            f"{_TEST_SOURCES}::test_each_bad_address_is_refused_with_its_own_words",
        ),
    ),
    Sabotage(
        "secrets at the end of an address are stored in clear",
        "cameras",
        "control_plane/fleet/sources.py",
        '    clear, tail = split_tail(f"{scheme}://{host}{path}")\n',
        '    clear, tail = f"{scheme}://{host}{path}", ""\n',
        (f"{_TAILS}::test_the_secret_end_reaches_the_agent_and_is_read_by_nobody_else",),
    ),
    Sabotage(
        "an agent that is too old is told of half an address",
        "cameras",
        "shared/protocol/config.py",
        "        cameras = tuple(camera for camera in body.cameras if camera.sealed_tail is UNSET)\n",
        "        cameras = tuple(msgspec.structs.replace(c, sealed_tail=UNSET) for c in body.cameras)\n",
        (f"{_TAILS}::test_an_agent_that_is_too_old_is_not_told_of_half_an_address_and_its_card_says_so",),
    ),
    Sabotage(
        "secret ends of addresses stand in the log",
        "cameras",
        "shared/kernel/redact.py",
        "    masked = clear + MASK if tail else clear\n",
        "    masked = clear + tail\n",
        ("tests/shared/test_kernel.py::test_no_secret_is_left_in_a_redacted_text",),
    ),
    Sabotage(
        "one name in two Unicode forms is two dancers",
        "cameras",
        "control_plane/common/names.py",
        '    folded = unicodedata.normalize("NFD", _INVISIBLE.sub("", text)).casefold()\n'
        '    folded = unicodedata.normalize("NFKD", folded).casefold()\n'
        '    return _SPACE.sub(" ", unicodedata.normalize("NFKC", _INVISIBLE.sub("", folded))).strip()\n',
        '    return _SPACE.sub(" ", text.casefold()).strip()\n',
        ("tests/control_plane/people/test_dancers.py::test_one_name_in_two_forms_is_one_dancer",),
    ),
    Sabotage(
        "cells behind the last column are dropped in silence",
        "cameras",
        "control_plane/people/dancer_list.py",
        "        if any(cells[len(header) :]) or any(\n",
        "        if any(\n",
        ("tests/control_plane/people/test_dancer_list.py::test_what_is_wrong_is_named_with_its_line",),
    ),
    Sabotage(
        "hints of the agent ask for a home although a state folder is named",
        "cameras",
        "edge_agent/cli/console.py",
        "    with contextlib.suppress(HomeMissing):\n",
        "    with contextlib.nullcontext():\n",
        (
            "tests/edge_agent/cli/test_commands.py::test_a_home_is_missed_only_where_no_state_folder_is_named[arguments1]",
        ),
    ),
    Sabotage(
        "a terminal without our signs ends the agent's commands",
        "cameras",
        "edge_agent/cli/console.py",
        "make_printable(sys.stdout)\n",
        "",
        ("tests/edge_agent/cli/test_commands.py::test_the_commands_work_on_every_terminal[env0]",),
    ),
    Sabotage(
        "a text file may stand in for a camera",
        "cameras",
        "edge_agent/cli/media.py",
        "        return file, carried(source.open())\n",
        '        return file, "a video"\n',
        ("tests/edge_agent/cli/test_media.py::test_a_file_that_is_no_video_is_refused_at_once",),
    ),
    Sabotage(
        "run says a failing camera anew at each try",
        "cameras",
        "edge_agent/cli/camera_lines.py",
        "            if is_known and (facts is None or self._known[camera.camera_id] == facts):\n",
        "            if is_known and facts is None:\n",
        (
            "tests/edge_agent/cli/test_camera_lines.py::test_run_says_of_each_camera_what_is_new_and_only_that",
        ),
    ),
    Sabotage(
        "the encoder is given samples that are no numbers",
        "cameras",
        _SOUND,
        "                    self._queue(_bounded(piece))\n",
        "                    self._queue(piece)\n",
        (f"{_TEST_AUDIO_SAMPLES}::test_a_sample_that_is_no_sound_costs_itself_alone[nan]",),
    ),
    Sabotage(
        "a frame of sound that the encoder refuses leaves a break in the track",
        "cameras",
        _SOUND,
        "            except _FAULTS:\n                encoded = self._restart_encoder(2)\n",
        "            except _FAULTS:\n                encoded = []\n",
        (
            f"{_TEST_AUDIO_SAMPLES}::test_an_encoder_that_refuses_frames_leaves_the_pictures_and_an_unbroken_track",
        ),
    ),
    Sabotage(
        "an address that ends in a slash gets another before its tracks",
        "cameras",
        _EXCHANGE,
        'self._camera_url.removesuffix("/") if rest.startswith("/") else self._camera_url\n',
        "self._camera_url\n",
        (
            f"{_TEST_CAMERA_ANSWERS}::test_a_track_follows_the_address_where_the_camera_says_no_other[-/trackID=0]",
        ),
    ),
    Sabotage(
        "what a camera says is encoded twice before it is hashed",
        "cameras",
        _AUTHENTICATION,
        'text = ":".join(parts).encode("latin-1", "replace")\n',
        'text = ":".join(parts).encode()\n',
        (
            f"{_TEST_SIGN_IN}::test_what_a_camera_says_goes_back_to_it_byte_by_byte[MD5-Latin-1]",
            f"{_TEST_HTTP_SOURCE}::test_http_cameras_get_back_what_they_say_byte_by_byte",
        ),
    ),
    Sabotage(
        "what a camera does not read piles up",
        "cameras",
        _EXCHANGE,
        "        if len(self.to_camera) + len(data) > UNREAD_LIMIT_BYTES:\n",
        "        if False:\n",
        (
            f"{_TEST_EXCHANGE}::test_a_camera_that_asks_and_never_reads_is_left",
            f"{_TEST_EXCHANGE}::test_reports_to_a_camera_that_does_not_read_are_bounded",
        ),
    ),
)
