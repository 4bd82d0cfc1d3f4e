"""What pages name is compressed and kept by browsers for a year; another content has another address. On the real server."""

import gzip
import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from django.contrib.staticfiles import finders
from django.templatetags.static import static

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
            assert answer.headers["content-encoding"] == "gzip"
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


def test_without_space_files_are_served_as_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(**_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(assets, "_folder", full)
    file = tmp_path / "a.css"
    file.write_text("a" * 5000)
    assert assets._packed(str(file), 1) == ""
