"""CSV: no text becomes a formula, what a program reads back is exact, and there is one writer."""

import csv
import io
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from control_plane.common.csv_lines import FORMULA_STARTS, Verbatim, csv_line

ROOT = Path(__file__).parents[3]
TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"))


def read(line: str) -> list[str]:
    (cells,) = csv.reader(io.StringIO(line, newline=""), strict=True)
    return cells


@pytest.mark.parametrize("start", FORMULA_STARTS)
def test_a_text_that_a_spreadsheet_would_evaluate_is_shown_as_text(start: str) -> None:
    formula = f"{start}HYPERLINK(1)"
    assert read(csv_line(["a", formula])) == ["a", f"'{formula}"]


@given(st.lists(TEXTS, min_size=2))
def test_no_cell_of_text_begins_like_a_formula_and_no_other_is_changed(cells: list[str]) -> None:
    written = read(csv_line(cells))
    assert not any(cell.startswith(FORMULA_STARTS) for cell in written)
    assert [cell.removeprefix("'") for cell in written] == [cell.removeprefix("'") for cell in cells]


@given(st.lists(TEXTS, min_size=2))
def test_what_a_program_reads_back_is_exact(cells: list[str]) -> None:
    assert read(csv_line([Verbatim(cell) for cell in cells])) == cells


def test_numbers_stay_numbers_and_none_is_empty() -> None:
    assert csv_line([-1, None, "x"]) == "-1,,x\r\n"


def test_nothing_else_writes_csv() -> None:
    writers = [
        str(path.relative_to(ROOT))
        for folder in ("control_plane", "edge_agent", "launcher", "shared")
        for path in (ROOT / folder).rglob("*.py")
        if re.search(r"\bcsv\.(writer|DictWriter)\b", path.read_text(encoding="utf-8"))
    ]
    assert writers == ["control_plane/common/csv_lines.py"]
