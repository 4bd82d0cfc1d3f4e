"""Every text for people goes through gettext, and the catalogue of its app holds it.

`UNTRANSLATED` lists the files that are still to do. It shrinks: a file on it that is done fails this test.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.utils.translation.template import templatize

from tests.repo.tracked import text_of, with_suffix
from tests.repo.untranslated import UNTRANSLATED

PORTAL = Path("control_plane/portal")
TEMPLATES = with_suffix(".html", ".txt", under="control_plane/")
SCRIPTS = with_suffix(".ts", under="control_plane/portal/web/src/")
VIEWS = with_suffix(".py", under="control_plane/portal/")
CATALOGUE = Path("locale") / "en" / "LC_MESSAGES"

_TRANSLATED = re.compile(r"\{% blocktrans(?:late)?\b.*?\{% endblocktrans(?:late)? %\}", re.DOTALL)
_TAG_OR_COMMENT = re.compile(
    r"\{% comment %\}.*?\{% endcomment %\}|\{%.*?%\}|\{\{.*?\}\}|\{#.*?#\}|<!--.*?-->|<!DOCTYPE[^>]*>",
    re.DOTALL,
)
_CODE = re.compile(r"<(code|pre|svg|script)\b.*?</\1>", re.DOTALL)
_SPOKEN_ATTRIBUTE = re.compile(r'\b(?:aria-label|title|placeholder|alt)="([^"]*)"')
_WORD = re.compile(r"[A-Za-z]{2,}")
_STRING = r'"((?:[^"\\\n]|\\.)*)"'
_NAMES_OF_KEYS = {"ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "Home", "End", "PageUp", "PageDown"}
_NOT_SHOWN = _NAMES_OF_KEYS | {"Enter", "Escape", "Accept", "NotAllowedError"}


def untranslated_in_template(text: str) -> list[str]:
    """Returns the words of a template that are outside of a translation."""
    rest = _TAG_OR_COMMENT.sub("", _TRANSLATED.sub("", text))
    spoken = " ".join(_SPOKEN_ATTRIBUTE.findall(rest))
    shown = re.sub(r"<[^>]*>|&\w+;|3Dance", " ", _CODE.sub("", rest))
    return _WORD.findall(f"{spoken} {shown}")


def untranslated_in_script(text: str) -> list[str]:
    """Returns the literals of a script that read like a text and are no argument of gettext."""
    code = re.sub(r"/\*.*?\*/|(?<!:)//[^\n]*|throw new \w+\(.*?\);", "", text, flags=re.DOTALL)
    code = re.sub(rf"\bgettext\(\s*{_STRING}", "", code)
    code = re.sub(rf"\bngettext\(\s*{_STRING},\s*{_STRING}", "", code)
    literals = re.findall(rf"{_STRING}|`([^`]*)`", code)
    shown = (re.sub(r"\$\{[^}]*\}", "", one or other) for one, other in literals)
    return [text for text in shown if re.match(r"\s*[A-Z][a-z]+", text) and text not in _NOT_SHOWN]


def untranslated_in_view(text: str) -> list[str]:
    """Returns messages, labels and help texts of views and forms that are plain literals."""
    return list(_literals(ast.parse(text)))


def _literals(tree: ast.Module) -> Iterator[str]:
    for call in ast.walk(tree):
        if not isinstance(call, ast.Call):
            continue
        shown = [one.value for one in call.keywords if one.arg in {"label", "help_text"}]
        if ast.unparse(call.func).startswith("messages."):
            shown += call.args[1:]
        yield from (ast.unparse(one) for one in shown if isinstance(one, ast.Constant | ast.JoinedStr))


def _found(path: Path) -> list[str]:
    text = text_of(path)
    if path.suffix == ".ts":
        return untranslated_in_script(text)
    return untranslated_in_view(text) if path.suffix == ".py" else untranslated_in_template(text)


@pytest.mark.parametrize("path", [*TEMPLATES, *SCRIPTS, *VIEWS], ids=str)
def test_a_file_shows_translated_texts_alone_or_is_on_the_list(path: Path) -> None:
    found = _found(path)
    if str(path) in UNTRANSLATED:
        assert found, f"{path} is done: take it off the list in tests/repo/untranslated.py"
    else:
        assert not found


def test_the_list_of_files_to_do_names_files_that_exist() -> None:
    assert {str(path) for path in (*TEMPLATES, *SCRIPTS, *VIEWS)} >= UNTRANSLATED


def test_the_catalogue_of_the_scripts_holds_their_texts() -> None:
    used = set()
    for path in SCRIPTS:
        for singular, plural in re.findall(rf"\bn?gettext\(\s*{_STRING}(?:,\s*{_STRING})?", text_of(path)):
            used |= {one for one in (singular, plural) if one}
    assert used - _ids(PORTAL / CATALOGUE / "djangojs.po") == set(), "run: python3 noxfile.py messages"


APPS = sorted({Path(*path.parts[:2]) for path in TEMPLATES})


@pytest.mark.parametrize("app", APPS, ids=str)
def test_the_catalogue_of_an_app_holds_the_texts_of_its_templates(app: Path) -> None:
    used = set()
    for path in TEMPLATES:
        if path.is_relative_to(app):
            used |= set(_ids_of_template(text_of(path)))
    assert used - _ids(app / CATALOGUE / "django.po") == set(), "run: python3 noxfile.py messages"


def _ids_of_template(text: str) -> Iterator[str]:
    call = re.compile(
        r"(?:\b_|gettext)\(u?('(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\")(?:,\s*u?('(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"))?"
    )
    for found in call.finditer(templatize(text)):
        yield from (ast.literal_eval(one) for one in found.groups() if one)


def _ids(path: Path) -> set[str]:
    lines = re.findall(r'^msgid(?:_plural)? ((?:"(?:[^"\\]|\\.)*"\n)+)', text_of(path), re.MULTILINE)
    return {"".join(ast.literal_eval(part) for part in one.splitlines()) for one in lines}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('<p>{% translate "Rooms" %} · {{ room }}</p>', []),
        ("<p>Rooms</p>", ["Rooms"]),
        ('<a aria-label="Go back" href="/x">{{ name }}</a>', ["Go", "back"]),
        ("{% if a %}{% blocktranslate %}{{ a }} is here{% endblocktranslate %}{% endif %} 3Dance", []),
    ],
)
def test_untranslated_text_of_a_template_is_found(text: str, found: list[str]) -> None:
    assert untranslated_in_template(text) == found


def test_untranslated_text_of_a_script_and_a_view_is_found() -> None:
    script = 'const a = gettext("Play"); b("Pause"); c(`Speed ${rate}`); key === "ArrowLeft"; el("div", {});'
    assert untranslated_in_script(script) == ["Pause", "Speed "]
    view = 'messages.info(request, "Saved.")\nmessages.info(request, _("Saved."))\nCharField(label="Name")'
    assert untranslated_in_view(view) == ["'Saved.'", "'Name'"]
