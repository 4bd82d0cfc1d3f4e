"""Texts in another language reach pages and scripts; English pages carry no catalogue."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.template import Context, Template
from django.utils import translation

from control_plane.portal.templatetags import portal

PAGE = Template("{% load portal %}{% script_messages %}")


@pytest.fixture
def german(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Installs a catalogue of the scripts' texts in a language, compiled as `msgfmt` would."""
    folder = tmp_path / "de" / "LC_MESSAGES"
    folder.mkdir(parents=True)
    header = "Content-Type: text/plain; charset=UTF-8\nPlural-Forms: nplurals=2; plural=(n != 1);\n"
    texts = {
        "": header,
        "Play": "Abspielen <b>",
        "%(count)s minute\0%(count)s minutes": "%(count)s Minute\0%(count)s Minuten",
    }
    (folder / "djangojs.mo").write_bytes(compiled(texts))
    monkeypatch.setattr(portal, "LOCALE_DIR", tmp_path)
    portal._script_messages.cache_clear()
    yield
    portal._script_messages.cache_clear()


def compiled(texts: dict[str, str]) -> bytes:
    """Returns a `.mo` file. Source: GNU gettext manual, 10.3."""
    pairs = [(key.encode(), value.encode()) for key, value in sorted(texts.items())]
    at = 28 + 16 * len(pairs)
    tables: list[bytes] = []
    content = b""
    for column in (0, 1):
        table = b""
        for pair in pairs:
            table += len(pair[column]).to_bytes(4, "little") + (at + len(content)).to_bytes(4, "little")
            content += pair[column] + b"\0"
        tables.append(table)
    numbers = (0x950412DE, 0, len(pairs), 28, 28 + 8 * len(pairs), 0, at)
    return b"".join(number.to_bytes(4, "little") for number in numbers) + b"".join(tables) + content


def test_an_english_page_carries_no_catalogue() -> None:
    assert PAGE.render(Context()) == ""


def test_a_page_in_another_language_carries_the_texts_of_its_scripts(german: None) -> None:
    with translation.override("de"):
        page = PAGE.render(Context())
    found = re.fullmatch(r'<script id="messages" type="application/json">(.*)</script>', page)
    assert found is not None
    assert "<b>" not in found.group(1), "a translation cannot end the element"
    assert json.loads(found.group(1)) == {
        "Play": "Abspielen <b>",
        "%(count)s minute": ["%(count)s Minute", "%(count)s Minuten"],
    }
