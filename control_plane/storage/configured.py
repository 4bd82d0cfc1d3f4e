"""The object store and the root key that the settings name; made once in each process."""

from functools import cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

from django.conf import settings

from control_plane.storage.keys import FileRootKey, RootKey
from control_plane.storage.local import LocalStore
from control_plane.storage.objects import ObjectStore
from control_plane.storage.s3 import S3Store


def object_store() -> ObjectStore:
    """Returns the store of `THREEDANCE_OBJECT_STORE`."""
    return store_at(settings.OBJECT_STORE_URL)


def root_key() -> RootKey:
    """Returns the root key of `THREEDANCE_ROOT_KEY_FILE`.

    Raises:
        KeyRefused: the file is not fit; the message says why.
    """
    return _root_key_in(settings.ROOT_KEY_FILE)


@cache
def store_at(url: str) -> ObjectStore:
    """Returns the store at an address: `file:///folder` or `s3+http(s)://access:secret@host:port/bucket?region=name`.

    Raises:
        ValueError: it is neither.
    """
    parts = urlsplit(url)
    if parts.scheme == "file" and parts.path:
        return LocalStore(Path(unquote(parts.path)))
    if parts.scheme in ("s3+http", "s3+https"):
        return S3Store(url)
    raise ValueError(
        "an object store is file:///folder or s3+http(s)://access:secret@host:port/bucket?region=name"
    )


@cache
def _root_key_in(path: Path) -> RootKey:
    return FileRootKey.read(path)
