"""The root key and the key shelf that the settings name; made once in each process."""

from functools import cache
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from django.conf import settings

from control_plane.keys.roots.file import FileRootKey
from control_plane.keys.roots.kms import KmsRootKey
from control_plane.keys.roots.root import RootKey, RootRing
from control_plane.keys.roots.transit import TransitRootKey
from control_plane.keys.shelf.database import DatabaseShelf
from control_plane.keys.shelf.folder import FolderShelf
from control_plane.keys.shelf.shelf import KeyShelf


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
