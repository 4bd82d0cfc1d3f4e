"""The root key and the key share store named by the settings; one of each per process."""

from functools import cache
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from django.conf import settings

from control_plane.keys.roots.file import FileRootKey
from control_plane.keys.roots.kms import KmsRootKey
from control_plane.keys.roots.root_key import RootKey, RootKeyring
from control_plane.keys.roots.transit import TransitRootKey
from control_plane.keys.shares.database import DatabaseShareStore
from control_plane.keys.shares.folder import FolderShareStore
from control_plane.keys.shares.store import KeyShareStore


def root_key() -> RootKeyring:
    """Returns the root key of `THREEDANCE_ROOT_KEY`, with the older ones of `THREEDANCE_ROOT_KEY_OLDER`.

    Raises:
        KeyRefused: a root key cannot be used; the message says why.
        ValueError: an address is invalid.
    """
    token_file: Path | None = settings.ROOT_KEY_TOKEN_FILE
    current, *older = [
        _root_key_at(url, token_file)
        for url in (
            settings.ROOT_KEY_URL or f"file://{quote(str(settings.ROOT_KEY_FILE.absolute()))}",
            *settings.ROOT_KEY_OLDER_URLS,
        )
    ]
    return RootKeyring(current, tuple(older))


def key_share_store() -> KeyShareStore:
    """Returns the key share store of `THREEDANCE_KEY_SHARES`; by default a folder next to the root key file.

    Raises:
        ValueError: the address is invalid.
    """
    return share_store_at(
        settings.KEY_SHARES_URL
        or f"file://{quote(str(settings.ROOT_KEY_FILE.absolute().parent / 'key-shares'))}"
    )


@cache
def share_store_at(url: str) -> KeyShareStore:
    """Returns the share store at an address: `file:///folder` or `postgresql://user:password@host:port/name`.

    Raises:
        ValueError: it is neither.
    """
    parts = urlsplit(url)
    if parts.scheme == "file" and parts.path:
        return FolderShareStore(Path(unquote(parts.path)))
    if parts.scheme in ("postgresql", "postgres"):
        return DatabaseShareStore(url)
    raise ValueError("a key share store is file:///folder or postgresql://user:password@host:port/name")


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
