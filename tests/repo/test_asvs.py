"""The table of security requirements names every one of its levels, and tests that exist."""

import ast
import re
from functools import cache
from pathlib import Path

from tests.repo.tracked import ROOT

TABLE = ROOT / "docs/ref/asvs.md"
REQUIREMENTS = {
    "V1": (2, 9, 11, 3, 2), "V2": (3, 3, 4, 1), "V3": (0, 2, 4, 6, 5, 0, 2), "V4": (3, 1, 2, 4),
    "V5": (1, 3, 2, 3), "V6": (3, 12, 4, 4, 5, 3, 0, 4), "V7": (3, 4, 2, 5, 2, 2), "V8": (2, 3, 1, 1),
    "V9": (3, 4), "V10": (2, 2, 4, 11, 5, 2, 3), "V11": (2, 3, 3, 4, 1, 1), "V12": (3, 2, 4),
    "V13": (1, 5, 2, 5), "V14": (2, 4, 3), "V15": (3, 3, 7), "V16": (1, 5, 4, 3, 3), "V17": (1, 4, 2),
}  # fmt: skip
"""How many requirements of levels 1 and 2 each section has. Source: OWASP ASVS 5.0.0."""
STATES = {"met", "partly", "open", "deploy", "none"}
TEST = re.compile(r"`((?:[a-z0-9_]+/)*[a-z0-9_]+(?:\.py|/))?(?:::(test_\w+))?`")


def rows() -> list[list[str]]:
    return [
        [cell.strip() for cell in line.strip("|\n").split(" | ")]
        for line in TABLE.read_text().splitlines()
        if re.match(r"\| V\d", line)
    ]


def test_every_requirement_is_answered_once() -> None:
    counts: dict[str, dict[str, int]] = {}
    numbers = [row[0] for row in rows()]
    assert len(numbers) == len(set(numbers))
    for number in numbers:
        chapter, section, _ = number.split(".")
        counts.setdefault(chapter, {}).setdefault(section, 0)
        counts[chapter][section] += 1
    told = {c: {str(n): k for n, k in enumerate(sections, 1) if k} for c, sections in REQUIREMENTS.items()}
    assert counts == told


def test_every_answer_has_a_state_and_a_reason() -> None:
    for row in rows():
        assert len(row) == 4, row
        assert row[2] in STATES, row
        assert row[3].rstrip(" |"), row


def test_every_test_that_is_named_exists() -> None:
    missing = []
    for row in rows():
        file = ""
        for path, name in TEST.findall(row[3]):
            if path and (path.startswith(("docs/", "deploy/", "edge_agent/http")) or (ROOT / path).is_file()):
                continue
            file = path or file
            if not file:
                continue
            place = ROOT / "tests" / file
            if not place.exists() or (name and name not in functions(place)):
                missing.append(f"{row[0]}: {file}{'::' + name if name else ''}")
    assert not missing, "\n".join(missing)


@cache
def functions(path: Path) -> set[str]:
    return {
        node.name
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
