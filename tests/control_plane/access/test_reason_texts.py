"""Reasons of decisions as sentences."""

from dataclasses import replace
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from control_plane.access.decision import Decision, Reason, ReasonCode
from control_plane.access.reason_text import reason_text
from control_plane.common.roles import Role
from control_plane.recordings.permissions import REPLAY

BERLIN = ZoneInfo("Europe/Berlin")
ROLE = Reason(ReasonCode.ROLE, REPLAY, role=Role.VIEWER)
UNTIL = datetime(2026, 12, 1, 16, 5, tzinfo=UTC)
GRANT = replace(ROLE, code=ReasonCode.GRANT, object_label="recordings.ClassSession", until=UNTIL)
DENIAL = replace(GRANT, code=ReasonCode.DENIED, object_label="tenancy.Room", note="replay", until=None)


@pytest.mark.parametrize(
    ("reason", "text"),
    [
        (ROLE, "Viewers may watch it."),
        (GRANT, "Granted for this class until 1 December 2026, 17:05, by Alice."),
        (DENIAL, "Denied for the room, by Alice."),
        (
            replace(ROLE, code=ReasonCode.BREAK_GLASS, role=None, until=UNTIL),
            "Break-glass access until 1 December 2026, 17:05.",
        ),
        (replace(ROLE, code=ReasonCode.MACHINE), "Part of the system."),
        (replace(ROLE, code=ReasonCode.NOT_A_MEMBER, role=None), "Not a member of the studio."),
        (replace(ROLE, code=ReasonCode.NO_PERMISSION), "Viewers may not watch it."),
        (replace(ROLE, code=ReasonCode.NO_PERMISSION, role=None), "No access."),
        (replace(ROLE, code=ReasonCode.OUT_OF_SCOPE), "The API key does not include this permission."),
    ],
)
def test_a_reason_is_a_sentence(reason: Reason, text: str) -> None:
    assert reason_text(reason, zone=BERLIN, by="Alice") == text


@pytest.mark.parametrize("code", ReasonCode)
def test_every_reason_has_a_sentence(code: ReasonCode) -> None:
    text = reason_text(replace(ROLE, code=code, role=Role.GUARDIAN), zone=UTC)
    assert text[0].isupper()
    assert text.endswith(".")


def test_a_decision_counts_as_its_answer() -> None:
    assert Decision(True, ROLE)
    assert not Decision(False, ROLE)
    # Two decisions are equal if their answers are: a reason explains, it does not decide.
    assert Decision(True, ROLE) == Decision(True, GRANT)
