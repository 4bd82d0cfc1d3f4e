"""A folder of releases as a fetcher sees it, without HTTP between."""

from collections.abc import Iterator
from pathlib import Path

from tuf.api.exceptions import DownloadHTTPError
from tuf.ngclient import FetcherInterface


class ShelfFetcher(FetcherInterface):
    """Gives the files of a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def _fetch(self, url: str) -> Iterator[bytes]:
        try:
            yield (self._folder / url).read_bytes()
        except FileNotFoundError as error:
            raise DownloadHTTPError(url, 404) from error
