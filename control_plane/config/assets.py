"""Static files: under addresses that hold their hash, so that browsers keep them for a year, and compressed once.

They are read from the packages. Django's ManifestStaticFilesStorage needs them collected in a folder first, by each
deployment and again at each update; what is served would then depend on whether somebody did.
"""

import contextlib
import gzip
import hashlib
import os
import re
import tempfile
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any
from wsgiref.headers import Headers

from django.contrib.staticfiles import finders
from django.contrib.staticfiles.finders import BaseFinder
from django.contrib.staticfiles.storage import StaticFilesStorage
from whitenoise.middleware import WhiteNoiseMiddleware
from whitenoise.responders import StaticFile

_HASH_CHARS = 12
_HASHED = re.compile(rf"(?P<stem>.+)\.(?P<hash>[0-9a-f]{{{_HASH_CHARS}}})(?P<ending>\.[^./]+)")
_HASHED_BY_BUNDLER = re.compile(r".+/portal/dist/[^/]+-[A-Z0-9]{8}\.woff2")
"""Fonts, which the bundler names by their content."""
_PACKED = frozenset({".css", ".js", ".svg", ".json", ".txt", ".html", ".xml", ".ico"})
_WORTH = 0.9
"""A compressed copy is kept where it is at most this part of the file."""


class HashedStorage(StaticFilesStorage):
    """Makes the addresses that pages name."""

    def url(self, name: str | None) -> str:
        """Returns the address of a file with its hash; the plain one where there is no such file."""
        path = finders.find(name) if name and not name.endswith("/") else None
        return super().url(hashed(name, path) if name and isinstance(path, str) else name)


class HashedFinder(BaseFinder):
    """Finds a file by its name with its present hash in it. Lists nothing: the other finders do."""

    def check(self, **kwargs: Any) -> list[Any]:
        """Returns no complaint."""
        return []

    def find(self, path: str, find_all: bool = False, **kwargs: Any) -> Any:
        """Returns where it is; an empty list where it is not."""
        match = _HASHED.fullmatch(path)
        found = finders.find(match["stem"] + match["ending"]) if match else None
        if match is None or not isinstance(found, str) or hash_of(found) != match["hash"]:
            return []
        return [found] if find_all else found

    def list(self, ignore_patterns: Iterable[str] | None) -> Iterable[Any]:
        """Yields nothing."""
        return iter(())


class StaticFiles(WhiteNoiseMiddleware):
    """WhiteNoise, with the hashed address of each file beside its plain one, and compressed copies that it makes itself."""

    def add_file_to_dictionary(
        self, url: str, path: str, stat_cache: Mapping[str, Any] | None = None
    ) -> None:
        """Takes a file in, under both its addresses."""
        super().add_file_to_dictionary(url, path, stat_cache=stat_cache)  # type: ignore[no-untyped-call]
        again = hashed(url, path)
        self.files[again] = self.get_static_file(path, again, stat_cache=stat_cache)

    def get_static_file(self, path: str, url: str, stat_cache: Mapping[str, Any] | None = None) -> StaticFile:
        """Returns what answers requests for one file."""
        headers = Headers([])
        self.add_mime_headers(headers, path, url)  # type: ignore[no-untyped-call]
        self.add_cache_headers(headers, path, url)  # type: ignore[no-untyped-call]
        packed = _packed(path, os.stat(path).st_mtime_ns)
        copies = {"gzip": packed} if packed else {}
        return StaticFile(path, headers.items(), encodings=copies)  # type: ignore[no-untyped-call]

    def immutable_file_test(self, path: str, url: str) -> bool:
        """Returns whether what is at `url` can never change."""
        match = _HASHED.fullmatch(url)
        is_current = match is not None and match["hash"] == hash_of(path)
        return is_current or _HASHED_BY_BUNDLER.fullmatch(url) is not None


def hashed(name: str, path: str) -> str:
    """Returns `name` (a path or an address) with the hash of the file at `path` before its ending."""
    stem, ending = os.path.splitext(name)
    return f"{stem}.{hash_of(path)}{ending}" if ending else name


def hash_of(path: str) -> str:
    """Returns the hash of a file's content that its address holds; read once, and again when the file has changed."""
    return _hash(path, os.stat(path).st_mtime_ns)


@cache
def _hash(path: str, changed_ns: int) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()[:_HASH_CHARS]


@cache
def _packed(path: str, changed_ns: int) -> str:
    """Makes a compressed copy, and returns where it is; empty where there is none: not worth it, or no space."""
    if os.path.splitext(path)[1] not in _PACKED:
        return ""
    content = Path(path).read_bytes()
    packed = gzip.compress(content, mtime=0)
    if len(packed) > _WORTH * len(content):
        return ""
    with contextlib.suppress(OSError):  # a full disk must not keep pages from being served
        copy = Path(_folder().name) / f"{_hash(path, changed_ns)}.gz"
        part = copy.with_suffix(".part")
        part.write_bytes(packed)
        part.rename(copy)
        return str(copy)
    return ""


@cache
def _folder() -> "tempfile.TemporaryDirectory[str]":
    """Returns the folder of this process for compressed copies; it goes when the process ends."""
    return tempfile.TemporaryDirectory(prefix="threedance-static-")
