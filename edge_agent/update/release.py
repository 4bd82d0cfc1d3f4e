"""Which release is the newest, and its bytes: The Update Framework's client, the same for the agent and for root.

Only what the keys of `root.json` have signed is believed, none of it is older than what was seen before, and it must not
have expired. Source: https://theupdateframework.github.io/specification/latest/
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
    """A signed release for this kind of box."""

    version: str
    size_bytes: int
    target: TargetFile


class Releases:
    """One look at what is released. Blocks; used by one thread, once.

    `fetcher` gives the bytes of addresses that begin with `METADATA_URL` or `TARGETS_URL`.
    """

    def __init__(self, trust: Trust, metadata: Path, fetcher: FetcherInterface) -> None:
        """Args:
        trust: the keys.
        metadata: a folder of ours that remembers what was seen: nothing older is believed.
        fetcher: where the bytes come from.
        """
        self._trust = trust
        self._metadata = metadata
        self._fetcher = fetcher
        self._updater: Updater | None = None

    def newest(self) -> Release | None:
        """Returns the newest release for this kind of box, None where there is none.

        Raises:
            ReleaseRefused: what was found is not to be believed.
            ServerError: it could not be looked for.
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
            raise ReleaseRefused("the newest release names no version")
        if target.length > PACKAGE_LIMIT_BYTES:
            raise ReleaseRefused(f"the package of version {version} is larger than any of ours")
        return Release(version, target.length, target)

    def fetch(self, release: Release, into: Path) -> None:
        """Puts the package of `release` at `into`, once every byte of it is proven; not before. Not synced.

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
            "It has to be signed anew (`python -m deploy.agent refresh`). Check the date of this box, too.",
        ) from error
    except (LengthOrHashMismatchError, DownloadLengthMismatchError) as error:
        raise ReleaseRefused(f"other bytes came than were signed: {error}") from error
    except RepositoryError as error:
        raise ReleaseRefused(f"what was found is not signed as it has to be: {error}") from error
    except DownloadError as error:
        raise ReleaseRefused(f"the list of releases is not whole: {error}") from error
