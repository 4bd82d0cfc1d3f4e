"""A CSV list of dancers is taken whole or refused with the lines that are wrong."""

import contextlib
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from control_plane.common.names import clean_name, name_key
from control_plane.people.dancer_list import (
    LARGEST_BYTES,
    MOST_ERRORS,
    MOST_LINES,
    InvalidDancerList,
    NewDancer,
    read_dancers,
)


def read(text: str) -> list[NewDancer]:
    return read_dancers(text.encode(), today=date(2026, 6, 1))


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_list_is_read_however_a_spreadsheet_wrote_it(delimiter: str, mark: str, end: str) -> None:
    lines = ["Name,Birth year,Protected,Note", "Ada,2014,yes,", "", "Börje ,,,allergic"]
    text = mark + end.join(lines).replace(",", delimiter)
    assert read(text) == [
        NewDancer("Ada", 2014, protected=True, line=2),
        NewDancer("Börje", None, note="allergic", line=4),
    ]


EXCEL = {
    "CSV UTF-8, Windows": "\ufeffname;birth_year\r\nZoë;2014\r\n".encode(),
    "Unicode text, Windows": "\ufeffname\tbirth_year\r\nZoë\t2014\r\n".encode("utf-16-le"),
    "Unicode text, big end first": "\ufeffname\tbirth_year\r\nZoë\t2014\r\n".encode("utf-16-be"),
    "empty columns at the end": "name;birth_year;;\r\nZoë;2014;;\r\n;;;\r\n".encode(),
    "empty cells at the end": "name;birth_year\r\nZoë;2014;;;\r\n".encode(),
    "an empty column in between": "name;;birth_year\r\nZoë;;2014\r\n".encode(),
    "sep=": "sep=;\r\nname;birth_year\r\nZoë;2014\r\n".encode(),
    "sep= behind a byte order mark": "\ufeffSEP=|\nname|birth_year\nZoë|2014\n".encode(),
    "line ends of the old Mac": "name,birth_year\rZoë,2014\r".encode(),
    "all quoted": '"name";"birth_year"\r\n"Zoë";"2014"\r\n'.encode(),
    "no-break spaces": "name\u00a0;birth\u00a0year\r\n\u00a0Zoë\u00a0;\u00a02014\r\n".encode(),
    "full-width letters": "ｎａｍｅ,birth_year\nＺｏë,２０１４\n".encode(),
    "decomposed": "name,birth_year\nZoe\u0308,2014\n".encode(),
    "Arabic digits": "name,birth_year\nZoë,٢٠١٤\n".encode(),
    "empty lines before": "\r\n\r\nname;birth_year\r\nZoë;2014\r\n".encode(),
}


@pytest.mark.parametrize("name", EXCEL)
def test_one_child_is_one_child_however_excel_or_a_mac_wrote_it(name: str) -> None:
    (found,) = read_dancers(EXCEL[name], today=date(2026, 6, 1))
    assert (name_key(found.name), found.birth_year) == ("zoë", 2014)
    if name != "full-width letters":
        assert found.name == "Zoë"


def test_yes_and_no_are_taken_in_the_words_of_excel() -> None:
    found = read(
        "name,protected\n"
        + "".join(f"{n},{word}\n" for n, word in enumerate(("WAHR", "FALSE", "Vrai", "faux", "")))
    )
    assert [one.protected for one in found] == [True, False, True, False, False]


SAME = ["José Núñez", "JOSÉ  NÚÑEZ", "Jose\u0301 Nu\u0301n\u0303ez", "José\u00a0Núñez", " José\tNúñez\n", "Ｊｏｓé Núñez",
        "Jo\u00adsé Nú\u200dñez", "José\u200b Núñez"]  # fmt: skip


@pytest.mark.parametrize("second", SAME[1:])
def test_one_name_in_two_forms_stands_there_twice(second: str) -> None:
    with pytest.raises(InvalidDancerList, match="is already on line 2"):
        read(f'name,birth_year\n{SAME[0]},2014\n"{second}",2014\n')
    assert name_key(second) == name_key(SAME[0])


@pytest.mark.parametrize(
    ("one", "another"), [("José", "Jose"), ("Ann Lee", "Annlee"), ("Anna", "Anne"), ("Ada 1", "Ada 2")]
)
def test_names_that_people_tell_apart_are_told_apart(one: str, another: str) -> None:
    assert name_key(one) != name_key(another)
    assert len(read(f"name,birth_year\n{one},2014\n{another},2014\n")) == 2


@given(st.text(max_size=40))
def test_cleaning_a_name_changes_nothing_twice_and_nothing_that_counts(text: str) -> None:
    cleaned = clean_name(text)
    assert clean_name(cleaned) == cleaned
    assert name_key(cleaned) == name_key(text)
    assert name_key(name_key(text)) == name_key(text)
    assert "\n" not in cleaned


@given(st.binary(max_size=400))
def test_any_file_is_a_list_or_refused(content: bytes) -> None:
    for begun in (content, b"name\n" + content, b"sep=" + content, b"\xff\xfe" + content):
        with contextlib.suppress(InvalidDancerList):
            read_dancers(begun, today=date(2026, 6, 1))


def test_quoted_cells_hold_commas_and_line_ends() -> None:
    found = read('name,note\n"Ada, the second","tall\nand fast"\nBea,\n')
    assert found == [
        NewDancer("Ada, the second", note="tall\nand fast", line=2),
        NewDancer("Bea", line=4),
    ]


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("", 1, "must name the columns"),
        ("Ada\nBea\n", 1, "one called name"),
        ("name,phone\nAda,1\n", 1, "unknown column phone"),
        ("name,name\nAda,Ada\n", 1, "twice"),
        ("name\n\n", 2, "no dancer"),
        ("name,birth_year\nAda,2014\n,2013\n", 3, "name is empty"),
        ("name,birth_year\nAda,14\n", 2, "not a year"),
        ("name,birth_year\nAda,2027\n", 2, "not a year"),
        ("name,birth_year\nAda,²⁰¹\n", 2, "not a year"),
        ("name,,birth_year\nAda,x,2014\n", 2, "more cells"),
        ("name,birth_year,,\nAda,2014,,x\n", 2, "more cells"),
        ("sep=;\nname;phone\nAda;1\n", 2, "unknown column phone"),
        ("sep=;\nname\nAda\nada\n", 4, "is already on line 3"),
        ("name,protected\nAda,maybe\n", 2, "neither yes nor no"),
        ("name\nAda\nada\n", 3, "is already on line 2"),
        ("name\nAda,2014\n", 2, "more cells"),
        ("name\n" + "A" * 121 + "\n", 2, "more than 120"),
        ('name\n"Ada\n', 2, "quotation marks"),
        ("name\nA\0da\n", 1, "zero byte"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(text: str, line: int, says: str) -> None:
    with pytest.raises(InvalidDancerList, match=says) as caught:
        read(text)
    assert caught.value.errors[0].line == line


def test_a_file_in_another_encoding_is_refused_with_the_way_out() -> None:
    with pytest.raises(InvalidDancerList, match=r"Line 2.*UTF-8"):
        read_dancers("name\nBörje\n".encode("latin-1"), today=date(2026, 6, 1))


def test_a_file_is_bounded_in_bytes_lines_and_errors() -> None:
    with pytest.raises(InvalidDancerList, match="more than 256 kB"):
        read("name\n" + "A" * LARGEST_BYTES)
    with pytest.raises(InvalidDancerList, match=f"at most {MOST_LINES}"):
        read("name\n" + "".join(f"Dancer {n}\n" for n in range(MOST_LINES + 1)))
    with pytest.raises(InvalidDancerList) as caught:
        read("name,birth_year\n" + "Ada,x\n" * 500)
    assert len(caught.value.errors) == MOST_ERRORS


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("Ada,2014-02-30,", "birth_date '2014-02-30' is not a past date"),
        ("Ada,31.5.2014,", "birth_date '31.5.2014' is not a past date"),
        ("Ada,2026-06-02,", "birth_date '2026-06-02' is not a past date"),
        ("Ada,2014-05-31,2013", "birth_year 2013 is not the year of birth_date 2014-05-31"),
    ],
)
def test_a_wrong_date_of_birth_is_named(line: str, words: str) -> None:
    with pytest.raises(InvalidDancerList, match=words):
        read(f"name,birth_date,birth_year\n{line}\n")


def test_a_date_of_birth_gives_the_year() -> None:
    (found,) = read("name,birth_date\nAda,2014-05-31\n")
    assert (found.birth_date, found.birth_year) == (date(2014, 5, 31), 2014)
