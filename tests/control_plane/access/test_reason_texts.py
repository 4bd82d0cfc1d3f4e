"""Reasons of decisions as sentences, for programs (`Reason.words`) and for pages (`portal.access.wording`)."""

from dataclasses import replace
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from control_plane.access.decision import Decision, Reason, ReasonCode
from control_plane.common.roles import Role
from control_plane.portal.access.wording import because
from control_plane.recordings.permissions import REPLAY

BERLIN = ZoneInfo("Europe/Berlin")
ROLE = Reason(ReasonCode.ROLE, REPLAY, role=Role.VIEWER)
UNTIL = datetime(2026, 12, 1, 16, 5, tzinfo=UTC)
GRANT = replace(ROLE, code=ReasonCode.GRANT, object_label="recordings.ClassSession", until=UNTIL)
DENIAL = replace(GRANT, code=ReasonCode.DENIED, object_label="tenancy.Room", note="replay", until=None)


@pytest.mark.parametrize(
    ("reason", "for_programs", "for_people"),
    [
        (ROLE, "The role Viewer includes replay.", "Viewers may watch it."),
        (
            GRANT,
            "Granted replay on this class until 01 December 2026, 17:05 by Alice.",
            "Granted for this class until 1 December 2026, 17:05, by Alice.",
        ),
        (DENIAL, "Denied replay on the room by Alice.", "Denied for the room, by Alice."),
        (
            replace(ROLE, code=ReasonCode.BREAK_GLASS, role=None, until=UNTIL),
            "Break-glass access to replay until 01 December 2026, 17:05.",
            "Break-glass access until 1 December 2026, 17:05.",
        ),
        (replace(ROLE, code=ReasonCode.MACHINE), "A part of the system itself.", "Part of the system."),
        (
            replace(ROLE, code=ReasonCode.NOT_A_MEMBER, role=None),
            "Not a member of this studio.",
            "Not a member of the studio.",
        ),
        (
            replace(ROLE, code=ReasonCode.NO_PERMISSION),
            "Nothing grants replay; the role Viewer does not include it.",
            "Viewers may not watch it.",
        ),
        (
            replace(ROLE, code=ReasonCode.NO_PERMISSION, role=None),
            "The break-glass access does not include replay.",
            "No access.",
        ),
    ],
)
def test_a_reason_is_a_sentence_for_programs_and_for_people(
    reason: Reason, for_programs: str, for_people: str
) -> None:
    assert reason.words(zone=BERLIN, by_name="Alice") == for_programs
    assert because(reason, zone=BERLIN, by="Alice") == for_people


@pytest.mark.parametrize("code", ReasonCode)
def test_every_reason_has_a_sentence_of_its_own(code: ReasonCode) -> None:
    reason = replace(ROLE, code=code, role=Role.GUARDIAN)
    for text in (str(reason), because(reason, zone=UTC)):
        assert text[0].isupper()
        assert text.endswith(".")


def test_a_decision_counts_as_its_answer() -> None:
    assert Decision(True, ROLE)
    assert not Decision(False, ROLE)
    # Two decisions are equal if their answers are: a reason explains, it does not decide.
    assert Decision(True, ROLE) == Decision(True, GRANT)
