"""The object store of the settings, and the check of the key share store; one instance per process."""

from functools import cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

from django.conf import settings

from control_plane.keys.configured import key_share_store
from control_plane.keys.errors import KeyRefused
from control_plane.keys.shares.folder import FolderShareStore
from control_plane.storage.local import LocalStore
from control_plane.storage.objects import ObjectStore
from control_plane.storage.s3 import S3Store


def object_store() -> ObjectStore:
    """Returns the store of `THREEDANCE_OBJECT_STORE`."""
    return store_at(settings.OBJECT_STORE_URL)


def require_separate_key_shares() -> None:
    """Checks that the key share store is neither in a database with other tables nor among the objects.

    Raises:
        KeyRefused: it is; every backup would restore destroyed keys.
        KeysUnavailable: its database does not answer.
        ValueError: its address is invalid.
    """
    share_store, store = key_share_store(), object_store()
    fault = share_store.backup_risk()
    if isinstance(share_store, FolderShareStore) and isinstance(store, LocalStore):
        objects = store.root.absolute().resolve()
        if share_store.folder.absolute().resolve().is_relative_to(objects):
            fault = f"{share_store.folder} is among the recordings ({store.root})"
    if fault:
        raise KeyRefused(f"the key share store is misplaced: {fault}; a backup would restore destroyed keys")


@cache
def store_at(url: str) -> ObjectStore:
    """Returns the store at a URL: `file:///folder` or `s3+http(s)://access:secret@host:port/bucket?region=name`.

    Raises:
        ValueError: the URL has another form.
    """
    parts = urlsplit(url)
    if parts.scheme == "file" and parts.path:
        return LocalStore(Path(unquote(parts.path)))
    if parts.scheme in ("s3+http", "s3+https"):
        return S3Store(url)
    raise ValueError(
        "an object store is file:///folder or s3+http(s)://access:secret@host:port/bucket?region=name"
    )
