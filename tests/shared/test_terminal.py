"""Any text can be printed on any terminal."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.kernel.terminal import make_printable

TEXT = st.text(st.characters(exclude_categories=["Cs"]))


def printed(text: str, encoding: str) -> str:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding=encoding, newline="")
    make_printable(stream)
    stream.write(text)
    stream.flush()
    return raw.getvalue().decode(encoding)


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp437", "cp1252", "koi8-r", "shift_jis", "utf-8"])
@given(text=TEXT)
def test_nothing_raises_and_what_the_encoding_has_is_left_as_it_is(encoding: str, text: str) -> None:
    shown = printed(text, encoding)
    try:
        expected = text.encode(encoding).decode(encoding)
    except UnicodeEncodeError:
        return
    assert shown == expected


def test_our_own_signs_keep_their_meaning_in_plain_letters() -> None:
    assert printed("✓ ✗ ●", "ascii") == "ok BAD *"
    assert printed("±0.9 ms … Grün", "ascii") == "+-0.9 ms ... Gr?n"
    assert printed("±0.9 ms ✓ Grün", "latin-1") == "±0.9 ms ok Grün"
    make_printable(None)
