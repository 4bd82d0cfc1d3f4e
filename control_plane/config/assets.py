"""Static files: under addresses that hold their hash, so that browsers keep them for a year, and compressed once.

They are read from the packages. Django's ManifestStaticFilesStorage needs them collected in a folder first, by each
deployment and again at each update; what is served would then depend on whether somebody did.
"""

import contextlib
import gzip
import hashlib
import os
import re
import time
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any
from wsgiref.headers import Headers

from django.conf import settings
from django.contrib.staticfiles import finders
from django.contrib.staticfiles.finders import BaseFinder
from django.contrib.staticfiles.storage import StaticFilesStorage
from whitenoise.middleware import WhiteNoiseMiddleware
from whitenoise.responders import Response, StaticFile

_HASH_CHARS = 12
_HASHED = re.compile(rf"(?P<stem>.+)\.(?P<hash>[0-9a-f]{{{_HASH_CHARS}}})(?P<ending>\.[^./]+)")
_HASHED_BY_BUNDLER = re.compile(r".+/portal/dist/[^/]+-[A-Z0-9]{8}\.woff2")
"""Fonts, which the bundler names by their content."""
_PACKED = frozenset({".css", ".js", ".svg", ".json", ".txt", ".html", ".xml", ".ico"})
_WORTH = 0.9
"""A compressed copy is kept where it is at most this part of the file."""
_STALE_AFTER_S = 7 * 24 * 3600
"""Each start writes its copies anew; one that no start has written for so long is of files that are served no more."""


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
        return _StaticFile(path, headers.items(), encodings=copies)  # type: ignore[no-untyped-call]

    def immutable_file_test(self, path: str, url: str) -> bool:
        """Returns whether what is at `url` can never change."""
        match = _HASHED.fullmatch(url)
        is_current = match is not None and match["hash"] == hash_of(path)
        return is_current or _HASHED_BY_BUNDLER.fullmatch(url) is not None


class _StaticFile(StaticFile):
    """One file that is served; as it is where its compressed copy cannot be read (any more)."""

    def get_response(self, method: str, request_headers: Mapping[str, str]) -> Response:
        """Return the answer to a request.

        Raises:
            OSError: the file itself cannot be read.
        """
        try:
            return self._response(method, request_headers)
        except OSError:
            plain = {**request_headers, "HTTP_ACCEPT_ENCODING": "identity"}
            return self._response(method, plain)

    def _response(self, method: str, request_headers: Mapping[str, str]) -> Response:
        response: Response = super().get_response(method, request_headers)  # type: ignore[no-untyped-call]
        return response


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
    """Make a compressed copy, and return where it is; empty where the file is served as it is: not worth it, or no space."""
    if os.path.splitext(path)[1] not in _PACKED:
        return ""
    content = Path(path).read_bytes()
    packed = gzip.compress(content, mtime=0)
    if len(packed) > _WORTH * len(content):
        return ""
    try:
        return _keep(packed)
    except OSError:  # a full disk, or a folder of somebody else's, must not keep pages from being served
        return ""


def _keep(packed: bytes) -> str:
    """Write a compressed copy, and return where it is.

    Raises:
        OSError: it could not be written; nothing of it is left.
    """
    copy = _folder() / f"{hashlib.sha256(packed).hexdigest()[:_HASH_CHARS]}.gz"
    part = copy.with_suffix(f".{os.getpid()}.part")
    try:
        part.write_bytes(packed)
        part.rename(copy)
    except OSError:
        with contextlib.suppress(OSError):
            part.unlink()
        raise
    return str(copy)


@cache
def _folder() -> Path:
    """Return the folder for compressed copies, made where it is missing and freed of stale ones.

    It is in the state folder: systems clean their folders for temporary files of what is ten days old, also below
    processes that run. Processes share it: a copy is named by the hash of its content, and renamed into its place.

    Raises:
        OSError: it cannot be made or listed.
    """
    # Absolute: the state folder may be given relative to the working folder at the start.
    folder = (Path(settings.STATE_DIR) / "run" / "static").absolute()
    folder.mkdir(parents=True, exist_ok=True)
    oldest_s = time.time() - _STALE_AFTER_S
    for copy in folder.iterdir():
        with contextlib.suppress(FileNotFoundError):  # another process that starts has removed it
            if copy.stat().st_mtime < oldest_s:
                copy.unlink()
    return folder
