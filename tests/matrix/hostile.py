"""Input that no honest sender sends, in every place of a request that takes input; which those are is found by listening.

The usual run sends the first few of each list, in all fields at once; with `THREEDANCE_TEST_HOSTILE=all` all are sent, each
in one field alone with the others good, which takes hours.
"""

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import Any, Self, TypeVar
from unittest.mock import patch
from urllib.parse import quote, urlencode

from django.forms import BaseForm
from django.http import QueryDict
from rest_framework.serializers import Serializer

from tests.matrix.calls import JSON, Call

IS_WHOLE = os.environ.get("THREEDANCE_TEST_HOSTILE") == "all"

TEXTS = (
    "a%00b%0A",
    "%C2%B2",
    "9" * 40,
    "9" * 5000,
    "0001-01-01",
    "9999-12-31T23:59",
    "%5B%7B%22%27%3C%3E%25%28%5C",
    "x" * 70_000,
    "http%3A%2F%2F%5B",
    "%5B" * 20_000,
    "%00",
    "%7B%22id%22%3A%7B%7D%2C%22rawId%22%3A1%2C%22type%22%3A%5B%5D%2C%22response%22%3A%7B%22clientDataJSON%22%3Anull%7D%7D",
    "%FF%FE",
    "%ED%A0%80",
    "%F0%9F%A9%B0%E2%80%AE",
    "-1",
    "1e400",
    "nan",
    "0001-01-01T00:00",
    "9999-12-31",
    "00:00:00",
    "00000000-0000-0000-0000-000000000000",
    "%0D%0ASet-Cookie%3A%20a%3Db",
)
"""As they stand in a query or a form, percent signs included."""
DEEP: list[Any] = []
for _ in range(900):
    DEEP = [DEEP]
VALUES: tuple[Any, ...] = (
    "a\0\ud800b",
    10**40,
    {"\0": {"\ud800": 1}},
    DEEP,
    "0001-01-01T00:00:00+14:00",
    "x" * 70_000,
    "a\0b",
    "\ud800",
    "",
    "http://[",
    -1,
    1e300,
    float("inf"),
    True,
    None,
    [],
    {},
    [[]],
    "9999-12-31T23:59:59-14:00",
    "²",
)
"""In place of one value of a JSON body."""
BODIES = (
    b"\xff\xfe",
    b'{"x":' + b"[" * 100_000,
    b'{"a":' + b"9" * 5000 + b"}",
    b'{"\\u0000":"\\ud800"}',
    b"null",
    b"",
    b"[1]",
    b'"x"',
    b"{",
    b'{"a":' * 100_000,
    b"[" * 100_000,
    b'{"a":1e999,"a":NaN}',
    b"{}" * 3,
    b"\xef\xbb\xbf{}",
    "{}".encode("utf-16"),
)
"""In place of a whole JSON body."""
# Encodings that Python knows and that read no text fail before Django has a request: see `config.test_handler`.
CONTENT_TYPES = (
    "multipart/form-data; boundary=\xff\x80",
    "application/x-www-form-urlencoded; charset=utf-16",
    "application/x-www-form-urlencoded; charset=no-such",
    "multipart/form-data",
    "multipart/form-data; boundary=",
    "text/plain",
    "\xff",
    ";;;=",
    "x" * 5000,
)
PIECES = (
    b'--x\r\nContent-Disposition: form-data; name="%b"; filename="a\x00/../b\xff.csv"\r\n\r\na\x00\xff,"\r\n--x--\r\n',
    b'--x\r\nContent-Disposition: form-data; name="%b"; filename="a.csv"\r\n\r\n\r\n--x--\r\n',
    b'--x\r\nContent-Disposition: form-data; name="%b"\r\nContent-Transfer-Encoding: base64\r\n\r\n=a=\r\n--x--\r\n',
    b'--x\r\nContent-Disposition: form-data; name="%b"',
    b"--x\r\n\r\n\r\n--x--",
    b'--x\r\nContent-Disposition: form-data; name="%b"\r\n\r\na\x00b\xff\r\n--x--\r\n',
    b'--x\r\nContent-Disposition: form-data; name="%b"; filename="a.json"\r\n\r\n' + b"[" * 50_000 + b"\r\n--x--\r\n",
    b'--x\r\nContent-Disposition: form-data; name="%b"; filename*=hex\'\'%%ff\r\nContent-Type: text/csv; charset=hex\r\n'
    b"\r\nx\r\n--x--\r\n",
)  # fmt: skip
"""Bodies of several parts; `%b` becomes the name of a field."""
HEADERS = (
    "ACCEPT", "ACCEPT_ENCODING", "ACCEPT_LANGUAGE", "AUTHORIZATION", "COOKIE", "HOST", "HX_CURRENT_URL", "HX_REQUEST",
    "HX_TRIGGER", "IF_MODIFIED_SINCE", "IF_NONE_MATCH", "IF_RANGE", "ORIGIN", "RANGE", "REFERER", "USER_AGENT",
    "X_CSRFTOKEN", "X_FORWARDED_FOR", "X_FORWARDED_PROTO", "X_REQUEST_ID", "THREEDANCE_PROTOCOL", "THREEDANCE_TIME",
)  # fmt: skip
HEADER_VALUES = (
    "\xff\x80\xe9",
    "bytes=\xb2-\xb2",
    "",
    ",;=\"'",
    "9" * 5000,
    "Bearer \xff",
    "Bearer a.b.c",
    "session=\xff; csrf=\x01",
    'session="\\000aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"; csrf="\\000"; messages="\\377"',
    "http://[",
    "Thu, 99 Xyz 0001 99:99:99 GMT",
)
QUERIES = (
    "%00=%FF&&&=&%",
    "&".join(f"q{number}=1" for number in range(3000)),
)
PATHS = ("%00", "%FF", "%C2%B2", "a" * 5000, "%0A", "..%2F..", "-1", "9" * 40)
"""In place of one part of a path."""
_Any = TypeVar("_Any")


def some(values: Sequence[_Any], usual: int) -> Sequence[_Any]:
    """Returns all of `values` where everything is sent, else as many of the first."""
    return values if IS_WHOLE else values[:usual]


Fields = dict[str, list[str]]


@dataclass(frozen=True)
class Sent:
    """One request; `headers` as they stand in the environment of a server."""

    method: str
    call: Call
    headers: dict[str, str] = field(default_factory=dict)
    what: str = ""
    """The fault of the value, for the message of a failure."""


class Listening:
    """Notes which fields the code that runs meanwhile asks a request for, and what would be a good value."""

    def __init__(self) -> None:
        self.fields: Fields = {}
        self.json: dict[str, Any] = {}

    def __enter__(self) -> Self:
        self._stack = ExitStack()
        note, take_form, take_serializer = self._note, self._take_form, self._take_serializer
        get, get_list = QueryDict.__getitem__, QueryDict._getlist  # type: ignore[attr-defined]
        form, serializer = BaseForm.__init__, Serializer.__init__

        def heard(self: Any, key: Any) -> Any:
            note(key)
            return get(self, key)

        def heard_list(self: Any, key: Any, *rest: Any, **more: Any) -> Any:
            note(key)
            return get_list(self, key, *rest, **more)

        def heard_in(self: Any, key: Any) -> bool:
            note(key)
            return dict.__contains__(self, key)

        def made(self: Any, *args: Any, **kwargs: Any) -> None:
            form(self, *args, **kwargs)
            take_form(self)

        def read(self: Any, *args: Any, **kwargs: Any) -> None:
            serializer(self, *args, **kwargs)
            take_serializer(self)

        for target, name, function in (
            (QueryDict, "__getitem__", heard),
            (QueryDict, "_getlist", heard_list),
            (QueryDict, "__contains__", heard_in),
            (BaseForm, "__init__", made),
            (Serializer, "__init__", read),
        ):
            self._stack.enter_context(patch.object(target, name, function, create=True))
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def _note(self, name: object) -> None:
        if isinstance(name, str) and name.isascii() and name.isprintable():
            self.fields.setdefault(name, ["1"])

    def _take_form(self, form: BaseForm) -> None:
        for name, one in form.fields.items():
            self.fields[form.add_prefix(name)] = [str(value) for value in _good(one) or ("1",)]

    def _take_serializer(self, serializer: Serializer[Any]) -> None:
        for name, one in serializer.fields.items():
            if not one.read_only:
                good = _good(one)
                if good is not None:
                    self.json[name] = good[0]


def _good(one: Any) -> list[Any] | None:
    """Returns a value that a field of a form or of a serializer is likely to take; None: no guess."""
    kinds = {kind.__name__ for kind in type(one).__mro__}
    if "ModelChoiceField" in kinds:
        row = one.queryset.first() if one.queryset is not None else None
        return None if row is None else [one.prepare_value(row)]
    if kinds & {"ChoiceField", "TypedChoiceField"}:
        keys = [key for key in _flat(getattr(one, "choices", ())) if key not in ("", None)]
        return keys[:1] or None
    longest = getattr(one, "max_length", None) or 20
    for kind, value in (
        ("BooleanField", "on"),
        ("EmailField", "nova@example.org"),
        ("URLField", "https://nova.invalid/"),
        ("UUIDField", "01a22dcb-827f-73fe-b039-4bf530ea40a8"),
        ("DecimalField", getattr(one, "min_value", None) or 1),
        ("FloatField", getattr(one, "min_value", None) or 1),
        ("IntegerField", getattr(one, "min_value", None) or 1),
        ("DateTimeField", "2026-11-30T20:00:00+00:00"),
        ("DateField", "2026-11-30"),
        ("TimeField", "20:00"),
        ("SlugField", "nova"),
        ("CharField", "Nova"[:longest]),
        ("ListField", []),
    ):
        if kind in kinds:
            return [value]
    return None


def _flat(choices: Any) -> Iterator[Any]:
    for key, label in choices.items() if isinstance(choices, dict) else choices:
        if isinstance(label, list | tuple | dict):
            yield from _flat(label)
        else:
            yield key


def queries(call: Call, fields: Fields) -> Iterator[Sent]:
    """Yields reads of an address with fields of the query wrong, and queries that are none."""
    for query, what in (*_texts(fields), *((query, query[:40]) for query in QUERIES)):
        yield Sent("GET", Call(f"{call.path}?{query}"), what=what)


def forms(method: str, call: Call, fields: Fields) -> Iterator[Sent]:
    """Yields forms with fields wrong, and such as are no forms."""
    for query, what in (*_texts(fields), *((query, query[:40]) for query in QUERIES)):
        yield Sent(method, Call(call.path, query.encode()), what=what)
    for name in list(fields) if IS_WHOLE else list(fields)[-1:]:
        for piece in some(PIECES, 4):
            body = piece.replace(b"%b", quote(name).encode()).replace(b"%%", b"%")
            sent = Call(call.path, body, "multipart/form-data; boundary=x")
            yield Sent(method, sent, what=f"{name} in {body[:60]!r}")
    everything = urlencode(fields, doseq=True).encode()
    for content_type in some(CONTENT_TYPES, 2):
        yield Sent(method, Call(call.path, everything or b"a=b", content_type), what=content_type[:60])


def _texts(fields: Fields) -> Iterator[tuple[str, str]]:
    if IS_WHOLE:
        for name in fields:
            others = urlencode({key: value for key, value in fields.items() if key != name}, doseq=True)
            for text in TEXTS:
                yield f"{quote(name)}={text}&{others}", f"{name}={text[:40]}"
    for text in some(TEXTS, 10):
        yield "&".join(f"{quote(name)}={text}" for name in fields), f"everything={text[:40]}"


def documents(method: str, call: Call, value: Any) -> Iterator[Sent]:
    """Yields JSON bodies with values wrong, and such as are no JSON."""
    for body in some(BODIES, 5):
        yield Sent(method, replace(call, body=body, content_type=JSON), what=repr(body[:40]))
    for where, wrong in _changed(value):
        sent = json.dumps(wrong).encode()
        yield Sent(method, replace(call, body=sent, content_type=JSON), what=where)
    for content_type in some(CONTENT_TYPES, 2):
        yield Sent(method, replace(call, content_type=content_type), what=content_type[:60])


def _changed(value: Any, where: str = "$") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, one in value.items():
            for inner, changed in _changed(one, f"{where}.{key}"):
                yield inner, {**value, key: changed}
    elif isinstance(value, list) and value:
        for inner, changed in _changed(value[0], f"{where}[0]"):
            yield inner, [changed, *value[1:]]
    if where != "$":
        for wrong in some(VALUES, 6):
            yield f"{where}={str(wrong)[:40]!a}", wrong


def headers(method: str, call: Call) -> Iterator[Sent]:
    """Yields good requests with one header wrong, or with all but those that say who asks."""
    if IS_WHOLE:
        for name in HEADERS:
            for value in HEADER_VALUES:
                yield Sent(method, call, {f"HTTP_{name}": value}, f"{name}: {value[:40]!r}")
    together = [name for name in HEADERS if name not in ("AUTHORIZATION", "COOKIE", "HOST")]
    for value in some(HEADER_VALUES, 2):
        yield Sent(method, call, {f"HTTP_{name}": value for name in together}, f"headers: {value[:40]!r}")


def paths(method: str, call: Call) -> Iterator[Sent]:
    """Yields requests with one part of the path wrong."""
    path, _, query = call.path.partition("?")
    parts = path.split("/")
    for at in range(1, len(parts)) if IS_WHOLE else (len(parts) - 2,):
        for wrong in some(PATHS, 2):
            changed = "/".join([*parts[:at], wrong, *parts[at + 1 :]])
            yield Sent(method, replace(call, path=f"{changed}?{query}"), what=f"part {at} is {wrong[:40]}")
