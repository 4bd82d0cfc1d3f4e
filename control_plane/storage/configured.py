"""The object store, the root key and the key shelf that the settings name; made once in each process."""

from functools import cache
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from django.conf import settings

from control_plane.storage.errors import KeyRefused
from control_plane.storage.local import LocalStore
from control_plane.storage.objects import ObjectStore
from control_plane.storage.roots.file import FileRootKey
from control_plane.storage.roots.kms import KmsRootKey
from control_plane.storage.roots.root import RootKey, RootRing
from control_plane.storage.roots.transit import TransitRootKey
from control_plane.storage.s3 import S3Store
from control_plane.storage.shelf.database import DatabaseShelf
from control_plane.storage.shelf.folder import FolderShelf
from control_plane.storage.shelf.shelf import KeyShelf


def object_store() -> ObjectStore:
    """Returns the store of `THREEDANCE_OBJECT_STORE`."""
    return store_at(settings.OBJECT_STORE_URL)


def root_key() -> RootRing:
    """Returns the root key of `THREEDANCE_ROOT_KEY`, with those of `THREEDANCE_ROOT_KEY_OLDER` beside it.

    Raises:
        KeyRefused: a holder is not fit; the message says why.
        ValueError: an address is none.
    """
    token_file: Path | None = settings.ROOT_KEY_TOKEN_FILE
    current, *older = [
        _root_key_at(url, token_file)
        for url in (
            settings.ROOT_KEY_URL or f"file://{quote(str(settings.ROOT_KEY_FILE.absolute()))}",
            *settings.ROOT_KEY_OLDER_URLS,
        )
    ]
    return RootRing(current, tuple(older))


def key_shelf() -> KeyShelf:
    """Returns the key shelf of `THREEDANCE_KEY_SHELF`; where none is named, a folder beside the root key's file.

    Raises:
        ValueError: the address is none.
    """
    return shelf_at(
        settings.KEY_SHELF_URL or f"file://{quote(str(settings.ROOT_KEY_FILE.absolute().parent / 'shelf'))}"
    )


def require_shelf_apart() -> None:
    """Returns where the key shelf lies neither in a database with other tables nor among the objects.

    Raises:
        KeyRefused: it does; every backup would bring back what was destroyed.
        KeysUnavailable: its database does not answer.
        ValueError: the address is none.
    """
    shelf, store = key_shelf(), object_store()
    fault = shelf.misplaced()
    if isinstance(shelf, FolderShelf) and isinstance(store, LocalStore):
        objects = store.root.absolute().resolve()
        if shelf.folder.absolute().resolve().is_relative_to(objects):
            fault = f"{shelf.folder} lies among the recordings ({store.root})"
    if fault:
        raise KeyRefused(f"the key shelf cannot be there: {fault}, and what is destroyed would come back")


@cache
def shelf_at(url: str) -> KeyShelf:
    """Returns the shelf at an address: `file:///folder` or `postgresql://user:password@host:port/name`.

    Raises:
        ValueError: it is neither.
    """
    parts = urlsplit(url)
    if parts.scheme == "file" and parts.path:
        return FolderShelf(Path(unquote(parts.path)))
    if parts.scheme in ("postgresql", "postgres"):
        return DatabaseShelf(url)
    raise ValueError("a key shelf is file:///folder or postgresql://user:password@host:port/name")


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
def _root_key_at(url: str, token_file: Path | None) -> RootKey:
    parts = urlsplit(url)
    match parts.scheme:
        case "file" if parts.path:
            return FileRootKey(Path(unquote(parts.path)))
        case "vault+https" | "vault+http":
            if token_file is None:
                raise ValueError("a root key in Vault or OpenBao needs THREEDANCE_ROOT_KEY_TOKEN_FILE")
            return TransitRootKey(url, token_file=token_file)
        case "kms":
            return KmsRootKey(url)
    raise ValueError("a root key is file:///path, vault+https://host/transit/name or kms://region/key-id")
