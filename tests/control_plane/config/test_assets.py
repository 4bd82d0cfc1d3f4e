"""Assets are compressed and kept by browsers for a year; another content has another address. On the real server."""

import contextlib
import gzip
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from django.contrib.staticfiles import finders
from django.http import HttpResponse
from django.templatetags.static import static
from whitenoise.responders import StaticFile

from control_plane.config import assets
from tests.control_plane.live import serve

FOREVER = "max-age=315360000, public, immutable"


@pytest.fixture
def site(transactional_db: None) -> Iterator[httpx.Client]:
    """The served application."""
    with serve() as address, httpx.Client(base_url=address) as client:
        yield client


def content(name: str) -> bytes:
    """Returns the file that a name stands for."""
    path = finders.find(name)
    assert isinstance(path, str)
    return Path(path).read_bytes()


def test_what_a_page_names_is_compressed_and_kept_for_ever(site: httpx.Client) -> None:
    page = site.get("/accounts/login/", headers={"accept": "text/html"}).text
    named = set(re.findall(r'(?:href|src)="(/static/[^"]+)"', page))
    assert {"css", "js", "svg"} <= {one.rpartition(".")[2] for one in named}
    for address in named:
        answer = site.get(address, headers={"accept-encoding": "gzip"})
        assert answer.status_code == 200, address
        assert answer.headers["cache-control"] == FOREVER, address
        assert re.search(r"\.[0-9a-f]{12}\.\w+$", address), address
        plain = content(re.sub(r"\.[0-9a-f]{12}(?=\.\w+$)", "", address.removeprefix("/static/")))
        assert answer.content == plain
        if address.endswith((".css", ".js")):
            assert answer.headers.get("content-encoding") == "gzip"
            assert answer.headers["vary"] == "Accept-Encoding"
            assert int(answer.headers["content-length"]) == len(gzip.compress(plain, mtime=0))


def test_who_takes_no_compressed_file_gets_the_file(site: httpx.Client) -> None:
    answer = site.get(static("portal/dist/style.css"), headers={"accept-encoding": "identity"})
    assert "content-encoding" not in answer.headers
    assert answer.content == content("portal/dist/style.css")
    again = site.get(static("portal/dist/style.css"), headers={"if-none-match": answer.headers["etag"]})
    assert again.status_code == 304


def test_fonts_that_a_style_names_are_there_and_kept_for_ever(site: httpx.Client) -> None:
    style = httpx.URL(static("portal/dist/style.css"))
    fonts = re.findall(r"url\(\"?([^)\"]+\.woff2)\"?\)", content("portal/dist/style.css").decode())
    assert fonts
    for font in fonts:
        answer = site.get(style.join(font))
        assert (answer.status_code, answer.headers["cache-control"]) == (200, FOREVER), font


def test_a_plain_address_is_asked_again_and_a_wrong_hash_leads_nowhere(site: httpx.Client) -> None:
    plain = site.get("/static/portal/dist/style.css")
    assert (plain.status_code, plain.headers["cache-control"]) == (200, "max-age=60, public")
    assert site.get("/static/portal/dist/style.0123456789ab.css").status_code == 404
    assert site.get("/static/portal/dist/../../../../settings.py").status_code == 404


def test_another_content_has_another_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "a.css"
    monkeypatch.setattr(finders, "find", lambda name, **_: str(file) if name == "a.css" else None)
    file.write_text("one")
    first = static("a.css")
    file.write_text("another")
    assert static("a.css") != first
    assert re.fullmatch(r"/static/a\.[0-9a-f]{12}\.css", first)
    assert static("no-such.css") == "/static/no-such.css"


@pytest.fixture
def state(tmp_path: Path, settings: Any) -> Iterator[Path]:
    """A state folder of the test's own, and nothing compressed yet."""
    settings.STATE_DIR = tmp_path / "state"
    forget()
    yield settings.STATE_DIR
    forget()


def forget() -> None:
    """Has copies made anew, as at a start."""
    assets._compressed_copy.cache_clear()
    assets._folder.cache_clear()


@pytest.fixture
def style(tmp_path: Path) -> Path:
    """A file that is worth compressing."""
    file = tmp_path / "a.css"
    file.write_text("a" * 5000)
    return file


def answer_to(file: StaticFile, **headers: str) -> tuple[bytes, dict[str, str]]:
    response = file.get_response("GET", {"HTTP_ACCEPT_ENCODING": "gzip"} | headers)  # type: ignore[no-untyped-call]
    with response.file as opened:
        return opened.read(), dict(response.headers)


def test_compressed_copies_lie_in_the_state_folder_not_among_temporary_files(
    state: Path, style: Path
) -> None:
    """Folders for temporary files are cleaned of what is ten days old, also below a process that runs."""
    copy = Path(assets._compressed_copy(str(style), 1))
    assert copy.parent == state / "run" / "static"
    assert gzip.decompress(copy.read_bytes()) == style.read_bytes()
    assert list(copy.parent.iterdir()) == [copy]


def test_a_copy_that_has_gone_costs_the_compression_alone(state: Path, style: Path) -> None:
    served = assets.StaticFiles(lambda request: HttpResponse())  # type: ignore[no-untyped-call]
    file = served.get_static_file(str(style), "/static/a.css")
    content, headers = answer_to(file)
    assert (headers["Content-Encoding"], gzip.decompress(content)) == ("gzip", style.read_bytes())
    for copy in (state / "run" / "static").iterdir():
        copy.unlink()
    content, headers = b"", {}
    with contextlib.suppress(FileNotFoundError):  # which a server answers with 500
        content, headers = answer_to(file)
    assert (content, headers.get("Content-Length")) == (style.read_bytes(), "5000")
    assert "Content-Encoding" not in headers
    assert answer_to(file, HTTP_RANGE="bytes=0-9")[0] == b"a" * 10


def test_a_start_removes_stale_copies(state: Path, style: Path) -> None:
    folder = state / "run" / "static"
    folder.mkdir(parents=True)
    old, other = folder / "0123456789ab.gz", folder / "ba9876543210.gz"
    for copy in (old, other):
        copy.write_bytes(b"")
    long_ago = time.time() - 8 * 24 * 3600
    os.utime(old, (long_ago, long_ago))
    ours = Path(assets._compressed_copy(str(style), 1))
    os.utime(ours, (long_ago, long_ago))
    assert set(folder.iterdir()) == {ours, other}
    forget()
    assert Path(assets._compressed_copy(str(style), 1)) == ours, "one that is served is written anew"
    assert set(folder.iterdir()) == {ours, other}


def test_without_space_files_are_served_as_they_are_and_nothing_is_left(
    state: Path, style: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = Path.write_bytes

    def full(path: Path, content: bytes) -> None:
        whole(path, content[:10])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    assert assets._compressed_copy(str(style), 1) == ""
    assert list((state / "run" / "static").iterdir()) == []


def test_without_a_state_folder_files_are_served_as_they_are(state: Path, style: Path) -> None:
    state.write_text("no folder")
    assert assets._compressed_copy(str(style), 1) == ""
