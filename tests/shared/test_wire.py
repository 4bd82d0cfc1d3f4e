"""The wire does not change by accident."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from shared.protocol import codec, config, errors, messages, pairing, status
from shared.protocol.ids import new_id
from shared.protocol.schema import schema_text
from shared.protocol.version import OLDEST_VERSION, PROTOCOL_VERSION
from tests.shared.examples import BODY, CONFIG, EXAMPLES, STATUS

VECTORS = Path(__file__).parent / "vectors"
TO_AGENT = {
    "commit_answer",
    "desired",
    "fault",
    "gaps_answer",
    "intent_answer",
    "pair_answer",
    "problem",
    "revoked",
    "welcome",
}
SINCE = {"send_again": messages.SEND_AGAIN_SINCE, "sending_again": messages.SEND_AGAIN_SINCE}
"""Frames that older versions neither send nor are sent."""
SCHEMA = Path(__file__).parents[2] / "docs" / "ref" / "protocol.schema.json"


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_golden_vector_decodes_to_its_value_and_encodes_to_its_bytes(name: str) -> None:
    type_, value = EXAMPLES[name]
    golden = (VECTORS / f"{name}.json").read_bytes().rstrip()
    assert codec.decode(golden, type_) == value
    assert msgspec.json.format(codec.encode(value), indent=2) == golden


@pytest.mark.parametrize(
    ("protocol", "name"),
    [
        (protocol, name)
        for protocol in range(OLDEST_VERSION, PROTOCOL_VERSION)
        for name in EXAMPLES
        if protocol >= SINCE.get(name, OLDEST_VERSION)
    ],
)
def test_an_agent_of_an_older_version_understands_and_is_understood(name: str, protocol: int) -> None:
    theirs = (VECTORS / f"v{protocol}" / f"{name}.json").read_bytes().rstrip()
    type_, value = EXAMPLES[name]
    codec.decode(theirs, type_)
    if isinstance(value, messages.Desired):
        body = config.body_for_version(protocol, value.config.body)
        value = messages.pushed(
            config.config_document(CONFIG.agent_id, CONFIG.version, body), protocol=protocol
        )
    if name in TO_AGENT:
        # It refuses fields that it does not know: what it is sent must not grow before its version is let go.
        assert msgspec.json.format(codec.encode(value), indent=2) == theirs


def test_what_is_not_wished_reads_and_hashes_the_same_in_every_version() -> None:
    # So no agent is given a new configuration for being updated, and a newer agent understands an older control plane.
    plain = config.body_for_version(OLDEST_VERSION, BODY)
    for protocol in range(OLDEST_VERSION, PROTOCOL_VERSION + 1):
        assert config.body_for_version(protocol, plain) == plain
        back = codec.decode(codec.encode(plain), config.AgentBody)
        assert codec.document_hash(back) == codec.document_hash(plain)
    assert codec.document_hash(plain) != CONFIG.hash
    assert config.body_for_version(PROTOCOL_VERSION, BODY) is BODY


def test_a_wish_is_written_for_those_who_know_it() -> None:
    for protocol in range(OLDEST_VERSION, PROTOCOL_VERSION + 1):
        written = codec.encode(config.body_for_version(protocol, BODY))
        assert (b'"window"' in written) == (protocol >= config.UPLOAD_WINDOW_SINCE)
        assert (b'"sealed_tail"' in written) == (protocol >= config.SEALED_TAIL_SINCE)
        # A camera whose address is not whole is none.
        assert (b'"http://192.168.1.22/flv?"' in written) == (protocol >= config.SEALED_TAIL_SINCE)


REASONS_BEFORE_4 = {
    "unreachable", "credentials_refused", "not_found", "no_video", "unsupported_codec", "timed_out", "ended",
    "bad_data", "tls", "not_on_list", "address_refused", "credentials_unreadable",
}  # fmt: skip


@pytest.mark.parametrize("reason", status.CameraError)
def test_an_older_control_plane_is_told_of_a_camera_in_reasons_that_it_knows(
    reason: status.CameraError,
) -> None:
    one = msgspec.structs.replace(STATUS.cameras[0], error=reason)
    told = msgspec.structs.replace(STATUS, cameras=(one, STATUS.cameras[1]))
    for protocol in range(OLDEST_VERSION, PROTOCOL_VERSION + 1):
        said = status.status_for_version(protocol, told)
        assert said.cameras[1] == told.cameras[1]
        assert (said.cameras[0].error in REASONS_BEFORE_4) or protocol >= 4
        if reason in REASONS_BEFORE_4 or protocol >= 4:
            assert said == told


def test_every_reason_of_a_camera_is_told_once_and_has_a_way_out() -> None:
    assert set(status.CAMERA_REASONS) == set(status.CAMERA_HINTS) == set(status.CameraError)
    for error in status.CameraError:
        reason, hint = status.CAMERA_REASONS[error], status.CAMERA_HINTS[error]
        assert reason.endswith(".")
        assert reason.count(".") == 1
        assert reason.rstrip(".").lower() not in hint.lower()
        assert status.camera_fault(error, "") == reason
        assert status.camera_fault(error, "why") == f"{reason} (why)"


def test_every_vector_has_an_example() -> None:
    assert {path.stem for path in VECTORS.glob("*.json")} == set(EXAMPLES)


def test_the_schema_in_the_documentation_is_that_of_the_code() -> None:
    assert SCHEMA.read_text() == schema_text(), (
        "run: python -m shared.protocol.schema > docs/ref/protocol.schema.json"
    )


def test_every_error_code_has_a_meaning_and_a_way_out() -> None:
    for code in errors.Code:
        meaning = errors.MEANINGS[code]
        assert 400 <= meaning.status < 600
        assert meaning.title
        assert meaning.hint.endswith(".")


def test_equal_configurations_have_equal_hashes_after_a_round_trip() -> None:
    back = codec.decode(codec.encode(CONFIG), config.AgentConfig)
    assert codec.document_hash(back.body) == CONFIG.hash
    changed = msgspec.structs.replace(BODY, recordings=())
    assert codec.document_hash(changed) != CONFIG.hash


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        (("cameras", 0, "source", "kind"), "exec", "kind"),
        (("cameras", 0, "source", "url"), "file:///etc/passwd", "url"),
        (("cameras", 0, "source", "url"), "rtsp://user:secret@camera/1", "url"),
        (("cameras", 2, "source", "name"), "../../etc/passwd", "name"),
        (("cameras", 0, "command"), "reboot", "command"),
        (("recipient", "public_key"), "AAAA", "public_key"),
        (("upload", "window", "opens"), "24:00", "opens"),
        (("upload", "window", "closes"), "6:00", "closes"),
        (("upload", "window", "closes"), "22:00", "both 22:00"),
        (("upload", "window", "time_zone"), "../../etc/passwd", "time_zone"),
        (("upload", "window"), None, "window"),
        (("upload", "max_bytes_per_s"), 0, "max_bytes_per_s"),
    ],
)
def test_a_configuration_that_asks_too_much_is_refused_by_name(
    path: tuple[str | int, ...], value: Any, words: str
) -> None:
    document: Any = msgspec.json.decode(codec.encode(BODY))
    target = document
    for step in path[:-1]:
        target = target[step]
    target[path[-1]] = value
    with pytest.raises(msgspec.ValidationError, match=words):
        codec.decode(msgspec.json.encode(document), config.AgentBody)


def test_a_frame_over_the_limit_is_refused() -> None:
    with pytest.raises(msgspec.DecodeError, match="over the limit"):
        codec.decode(b" " * (codec.MESSAGE_LIMIT_BYTES + 1), messages.ToAgent)  # type: ignore[arg-type]  # a union is no `type` to the checker


def test_new_ids_are_version_7_and_sort_by_time() -> None:
    ids = [new_id() for _ in range(3)]
    assert all(one.version == 7 and one.variant == "specified in RFC 4122" for one in ids)
    assert len({*ids}) == 3
    assert ids[0].int >> 80 <= ids[2].int >> 80


@pytest.mark.parametrize("text", ["bcdf-ghjk", "BCDFGHJK", " bcdf ghjk "])
def test_a_pairing_code_may_be_typed_as_people_do(text: str) -> None:
    assert pairing.normalise_pairing_code(text) == "BCDFGHJK"


@pytest.mark.parametrize(("text", "words"), [("BCDF", "has 4"), ("ABCD-EFGH", "AE"), ("", "has 0")])
def test_a_wrong_pairing_code_says_which_rule_it_breaks(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        pairing.normalise_pairing_code(text)


def test_credentials_do_not_show_themselves() -> None:
    assert "hunter2" not in repr(config.Credentials(username="admin", password="hunter2"))
