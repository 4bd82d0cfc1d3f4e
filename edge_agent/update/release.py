"""Finds and downloads the newest release with The Update Framework's client; the same for the agent and for root.

It accepts only metadata signed by the keys of `root.json`, not older than what was seen before, and not expired. Source: https://theupdateframework.github.io/specification/latest/
"""

import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tuf.api.exceptions import (
    DownloadError,
    DownloadHTTPError,
    DownloadLengthMismatchError,
    ExpiredMetadataError,
    LengthOrHashMismatchError,
    RepositoryError,
)
from tuf.api.metadata import TargetFile
from tuf.ngclient import FetcherInterface, Updater, UpdaterConfig

from edge_agent.errors import ReleaseRefused
from edge_agent.update.trust import Trust

METADATA_URL, TARGETS_URL = "metadata", "targets"
PACKAGE_LIMIT_BYTES = 500 * 10**6
METADATA_LIMIT_BYTES = 200_000
VERSION = re.compile(r"[0-9][A-Za-z0-9.+~-]{0,60}")


@dataclass(frozen=True)
class Release:
    """A signed release for this kind of machine."""

    version: str
    size_bytes: int
    target: TargetFile


class Releases:
    """One check of the releases. Blocks; used by one thread, once.

    `fetcher` gives the bytes of addresses that begin with `METADATA_URL` or `TARGETS_URL`.
    """

    def __init__(self, trust: Trust, metadata: Path, fetcher: FetcherInterface) -> None:
        """Args:
        trust: the keys.
        metadata: folder with the metadata seen so far: nothing older is accepted.
        fetcher: downloads the files.
        """
        self._trust = trust
        self._metadata = metadata
        self._fetcher = fetcher
        self._updater: Updater | None = None

    def newest(self) -> Release | None:
        """Returns the newest release for this kind of machine; None if there is none.

        Raises:
            ReleaseRefused: the metadata is not trustworthy.
            ServerError: it could not be fetched.
        """
        config = UpdaterConfig(
            max_root_rotations=32,
            root_max_length=METADATA_LIMIT_BYTES,
            snapshot_max_length=METADATA_LIMIT_BYTES,
            targets_max_length=METADATA_LIMIT_BYTES,
        )
        with _refusals():
            self._updater = Updater(
                str(self._metadata),
                METADATA_URL,
                target_base_url=TARGETS_URL,
                fetcher=self._fetcher,
                config=config,
                bootstrap=self._trust.root,
            )
            try:
                self._updater.refresh()
            except DownloadHTTPError as error:
                if error.status_code == 404:
                    return None  # nothing is published there
                raise
            target = self._updater.get_targetinfo(f"{self._trust.platform}/threedance-agent.deb")
        if target is None:
            return None
        version = (target.custom or {}).get("version")
        if not isinstance(version, str) or not VERSION.fullmatch(version):
            raise ReleaseRefused("the newest release has no version")
        if target.length > PACKAGE_LIMIT_BYTES:
            raise ReleaseRefused(f"the package of version {version} is larger than any of ours")
        return Release(version, target.length, target)

    def fetch(self, release: Release, into: Path) -> None:
        """Writes the package of `release` to `into`, only once it is verified. Not synced.

        Raises:
            ReleaseRefused: other bytes came than were signed.
            ServerError: it could not be fetched.
        """
        if self._updater is None:
            raise ValueError("a release is looked for before it is fetched")
        with _refusals():
            if self._updater.find_cached_target(release.target, str(into)) is None:
                self._updater.download_target(release.target, str(into))


@contextlib.contextmanager
def _refusals() -> Iterator[None]:
    try:
        yield
    except ExpiredMetadataError as error:
        raise ReleaseRefused(
            f"the list of releases has expired: {error}",
            "It has to be signed again (`python -m deploy.agent refresh`). Check the date of this machine too.",
        ) from error
    except (LengthOrHashMismatchError, DownloadLengthMismatchError) as error:
        raise ReleaseRefused(f"other bytes came than were signed: {error}") from error
    except RepositoryError as error:
        raise ReleaseRefused(f"the metadata is not signed as required: {error}") from error
    except DownloadError as error:
        raise ReleaseRefused(f"the list of releases is incomplete: {error}") from error
