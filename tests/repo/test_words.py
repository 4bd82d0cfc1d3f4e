"""Words that the glossary retires do not come back.

Only words without another meaning in this code are listed; the glossary (`docs/design/glossary.md`) retires more. A file
name counts as text.
"""

import re
from pathlib import Path

import pytest

from tests.repo.tracked import text_of, tracked_files

RETIRED = {
    r"house(?!keeping)": "stack, launcher",
    r"standing": "access facts, status",
    r"tellings?": "audit event, detail text",
    r"(?<!bounding )(?<!bounding_)(?<!sealed )(?<!border-)(?<!mp4_)box(?:es)?(?!-shadow|-sizing)": "agent",
    r"holes?": "gap",
    r"sets? aside": "quarantined",
    r"require_room": "require_quota",
    r"(?:is|are|not|un)[_ ]?sound(?:ly)?": "intact",
    r"once more": "again",
    r"of late(?!\))": "recent",
    r"whoever": "the subject by name",
    r"(?:says|said) of (?:it|them|him|her)sel(?:f|ves)": "reports",
    r"entombs?": "record_tombstone",
}
"""Pattern of a whole word -> what to say. An underscore ends a word."""
WORDS = re.compile(r"(?<![a-z])(?:" + "|".join(RETIRED) + r")(?![a-z])", re.IGNORECASE)
PROSE = re.compile(r'(?:"""|(?<!#)# )(?:What|Whoever|Who) [a-z]+(?! \?)[^?\n]*$', re.MULTILINE)
"""Docstrings and comments that begin as riddles do. A heading of a guide below the first may be a question."""

EXEMPT = {
    "docs/design/glossary.md",  # names them
    "tests/repo/test_words.py",
    "NOTICE",
    "LICENSE",
}
ANOTHER_MEANING = {
    # Boxes of MP4.
    "control_plane/portal/web/src/player/mp4_boxes.ts": r"\bbox(?:es)?\b",
    "control_plane/portal/web/test/mp4_boxes.test.ts": r"\bbox(?:es)?\b",
    "control_plane/keys/seal.py": r"\bcrypto_box_seal\b",  # a function of libsodium
    "docs/design/replay.md": r"\bmp4_boxes\b|\bMP4 boxes\b|\bbox sizes\b|\bthe boxes that describe\b",
    # A table's border, boxes of MP4, and a comment in the SQL that each index is compared with.
    "edge_agent/cli/app.py": r"\bbox=",
    "edge_agent/cli/status.py": r"\bbox=",
    "edge_agent/recording/fragment_muxer.py": r"\b_boxes\b",
    "edge_agent/spool/schema.py": r"\bset aside\b",
    "tests/control_plane/api/test_api.py": r'"boxes"',  # words of the product
    "tests/shared/examples.py": r'"box"|one box\.',  # text of the golden vectors
    "tools/demo_scene/backdrop.py": r"\bbox(?:es)?\b",  # geometry
    "tools/demo_scene/rasterizer.py": r"\bbox(?:es)?\b",
}
SUFFIXES = {
    ".py", ".md", ".html", ".txt", ".ts", ".css", ".toml", ".service", ".path", ".sysusers", ".yaml", ".mjs", ""
}  # fmt: skip


def checked_files() -> list[Path]:
    return [
        path
        for path in tracked_files()
        if path.suffix in SUFFIXES and str(path) not in EXEMPT
        if not str(path).startswith("deploy/locks/")
    ]


def retired_words(text: str) -> list[str]:
    """Returns the retired words and phrases in a text."""
    return [match.group() for pattern in (WORDS, PROSE) for match in pattern.finditer(text)]


def test_no_retired_word_comes_back() -> None:
    back = []
    for path in checked_files():
        text = f"{path}\n{text_of(path)}"
        if str(path) in ANOTHER_MEANING:
            text = re.sub(ANOTHER_MEANING[str(path)], "", text)
        back += [f"{path}: {word}" for word in retired_words(text)]
    assert not back, "see docs/design/glossary.md:\n" + "\n".join(back)


@pytest.mark.parametrize(
    "text",
    ["class House:", "def standing_of(", "a box records", "BOXES = 3", "the hole_s", "is_sound", "not sound",
     "set aside", "once more", '"""What a caller sees."""', "# Whoever comes second waits"],
)  # fmt: skip
def test_a_retired_word_is_seen(text: str) -> None:
    assert retired_words(text)


@pytest.mark.parametrize(
    "text",
    [
        "housekeeping",
        "outstanding",
        "mailbox",
        "sandboxed",
        "a bounding box",
        "whole",
        "sound card",
        '"""What?',
    ],
)
def test_another_word_is_not(text: str) -> None:
    assert not retired_words(text)
