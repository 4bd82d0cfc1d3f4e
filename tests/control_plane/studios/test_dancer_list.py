"""A CSV list of dancers is taken whole or refused with the lines that are wrong."""

import pytest

from control_plane.studios.dancer_list import (
    LARGEST_BYTES,
    MOST_ERRORS,
    MOST_LINES,
    NewDancer,
    NotAList,
    read_dancers,
)


def read(text: str) -> list[NewDancer]:
    return read_dancers(text.encode(), this_year=2026)


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_list_is_read_however_a_spreadsheet_wrote_it(delimiter: str, mark: str, end: str) -> None:
    lines = ["Name,Birth year,Protected,Note", "Ada,2014,yes,", "", "Börje ,,,allergic"]
    text = mark + end.join(lines).replace(",", delimiter)
    assert read(text) == [
        NewDancer("Ada", 2014, protected=True, line=2),
        NewDancer("Börje", None, note="allergic", line=4),
    ]


def test_quoted_cells_hold_commas_and_line_ends() -> None:
    found = read('name,note\n"Ada, the second","tall\nand fast"\nBea,\n')
    assert found == [
        NewDancer("Ada, the second", note="tall\nand fast", line=2),
        NewDancer("Bea", line=4),
    ]


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("", 1, "names the columns"),
        ("Ada\nBea\n", 1, "one of them is called name"),
        ("name,phone\nAda,1\n", 1, "unknown column phone"),
        ("name,name\nAda,Ada\n", 1, "twice"),
        ("name\n\n", 2, "no dancer"),
        ("name,birth_year\nAda,2014\n,2013\n", 3, "name is empty"),
        ("name,birth_year\nAda,14\n", 2, "no year"),
        ("name,birth_year\nAda,2027\n", 2, "no year"),
        ("name,birth_year\nAda,٢٠١٤\n", 2, "no year"),
        ("name,protected\nAda,maybe\n", 2, "neither yes nor no"),
        ("name\nAda\nada\n", 3, "stands on line 2 already"),
        ("name\nAda,2014\n", 2, "more cells"),
        ("name\n" + "A" * 121 + "\n", 2, "more than 120"),
        ('name\n"Ada\n', 2, "quotation marks"),
        ("name\nA\0da\n", 1, "zero byte"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(text: str, line: int, says: str) -> None:
    with pytest.raises(NotAList, match=says) as caught:
        read(text)
    assert caught.value.errors[0].line == line


def test_a_file_in_another_encoding_is_refused_with_the_way_out() -> None:
    with pytest.raises(NotAList, match=r"Line 2.*UTF-8"):
        read_dancers("name\nBörje\n".encode("latin-1"), this_year=2026)


def test_a_file_is_bounded_in_bytes_lines_and_errors() -> None:
    with pytest.raises(NotAList, match="more than 256 kB"):
        read("name\n" + "A" * LARGEST_BYTES)
    with pytest.raises(NotAList, match=f"at most {MOST_LINES}"):
        read("name\n" + "".join(f"Dancer {n}\n" for n in range(MOST_LINES + 1)))
    with pytest.raises(NotAList) as caught:
        read("name,birth_year\n" + "Ada,x\n" * 500)
    assert len(caught.value.errors) == MOST_ERRORS
