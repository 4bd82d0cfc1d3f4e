"""Static files: URLs contain the hash of the content, so that browsers cache them for a year; compressed once.

Files are served from the packages. Django's ManifestStaticFilesStorage would need `collectstatic` at each deployment and
update, and what is served would depend on whether that was done.
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
"""Fonts, whose names the bundler derives from their content."""
_COMPRESSIBLE = frozenset({".css", ".js", ".svg", ".json", ".txt", ".html", ".xml", ".ico"})
_MAX_RATIO = 0.9
"""A compressed copy is kept only if it is at most this fraction of the file."""
_STALE_AFTER_S = 7 * 24 * 3600
"""Each start rewrites its copies. A copy older than this belongs to files that are no longer served."""


class HashedStorage(StaticFilesStorage):
    """Returns the URLs that pages use."""

    def url(self, name: str | None) -> str:
        """Returns the URL of a file with its hash, or the plain URL if there is no such file."""
        path = finders.find(name) if name and not name.endswith("/") else None
        return super().url(hashed(name, path) if name and isinstance(path, str) else name)


class HashedFinder(BaseFinder):
    """Finds a file by a name that contains its current hash. Lists nothing, because the other finders do."""

    def check(self, **kwargs: Any) -> list[Any]:
        """Returns no errors."""
        return []

    def find(self, path: str, find_all: bool = False, **kwargs: Any) -> Any:
        """Returns the path of the file, or an empty list."""
        match = _HASHED.fullmatch(path)
        found = finders.find(match["stem"] + match["ending"]) if match else None
        if match is None or not isinstance(found, str) or hash_of(found) != match["hash"]:
            return []
        return [found] if find_all else found

    def list(self, ignore_patterns: Iterable[str] | None) -> Iterable[Any]:
        """Yields nothing."""
        return iter(())


class StaticFiles(WhiteNoiseMiddleware):
    """WhiteNoise, with a hashed URL for each file next to its plain one, and compressed copies that it creates itself."""

    def add_file_to_dictionary(
        self, url: str, path: str, stat_cache: Mapping[str, Any] | None = None
    ) -> None:
        """Adds a file under both URLs."""
        super().add_file_to_dictionary(url, path, stat_cache=stat_cache)  # type: ignore[no-untyped-call]
        again = hashed(url, path)
        self.files[again] = self.get_static_file(path, again, stat_cache=stat_cache)

    def get_static_file(self, path: str, url: str, stat_cache: Mapping[str, Any] | None = None) -> StaticFile:
        """Returns the object that serves one file."""
        headers = Headers([])
        self.add_mime_headers(headers, path, url)  # type: ignore[no-untyped-call]
        self.add_cache_headers(headers, path, url)  # type: ignore[no-untyped-call]
        packed = _compressed_copy(path, os.stat(path).st_mtime_ns)
        copies = {"gzip": packed} if packed else {}
        return _StaticFile(path, headers.items(), encodings=copies)  # type: ignore[no-untyped-call]

    def immutable_file_test(self, path: str, url: str) -> bool:
        """Returns whether the content at `url` can never change."""
        match = _HASHED.fullmatch(url)
        is_current = match is not None and match["hash"] == hash_of(path)
        return is_current or _HASHED_BY_BUNDLER.fullmatch(url) is not None


class _StaticFile(StaticFile):
    """One served file. Falls back to the plain file if the compressed copy cannot be read."""

    def get_response(self, method: str, request_headers: Mapping[str, str]) -> Response:
        """Returns the response to a request.

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
    """Returns `name` (a path or URL) with the hash of the file at `path` before its extension."""
    stem, ending = os.path.splitext(name)
    return f"{stem}.{hash_of(path)}{ending}" if ending else name


def hash_of(path: str) -> str:
    """Returns the hash of a file's content for its URL. Cached until the file changes."""
    return _hash(path, os.stat(path).st_mtime_ns)


@cache
def _hash(path: str, changed_ns: int) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()[:_HASH_CHARS]


@cache
def _compressed_copy(path: str, changed_ns: int) -> str:
    """Creates a compressed copy and returns its path; empty if that is not worthwhile, or the disk is full."""
    if os.path.splitext(path)[1] not in _COMPRESSIBLE:
        return ""
    content = Path(path).read_bytes()
    packed = gzip.compress(content, mtime=0)
    if len(packed) > _MAX_RATIO * len(content):
        return ""
    try:
        return _write_copy(packed)
    except OSError:  # a full disk, or a folder of another user, must not prevent serving pages
        return ""


def _write_copy(packed: bytes) -> str:
    """Writes a compressed copy and returns its path.

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
    """Returns the folder for compressed copies; creates it and removes stale copies.

    It is in the state folder, because systems delete old files from temporary folders even while processes run. Processes
    share it: a copy is named by the hash of its content, and renamed into place.

    Raises:
        OSError: it cannot be created or listed.
    """
    # Absolute, because the state folder may be given relative to the working directory at start.
    folder = (Path(settings.STATE_DIR) / "run" / "static").absolute()
    folder.mkdir(parents=True, exist_ok=True)
    oldest_s = time.time() - _STALE_AFTER_S
    for copy in folder.iterdir():
        with contextlib.suppress(FileNotFoundError):  # removed by another process that is starting
            if copy.stat().st_mtime < oldest_s:
                copy.unlink()
    return folder
