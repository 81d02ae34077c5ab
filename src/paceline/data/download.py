"""Downloads into the user's cache; a file gets its final name once its checksum is verified."""

import sys
from pathlib import Path
from typing import Any

from paceline.core import MissingData
from paceline.data import data_folders
from paceline.data.named_sets import NamedSet

_TIMEOUT = 30  # seconds without a response


def fetch(source: NamedSet) -> Path:
    """Downloads the missing files of a named data set and returns its folder.

    Raises:
        MissingData: no server responded, or the file was incomplete or has another checksum.
            Nothing incomplete is left behind.
    """
    folder = data_folders.cache(source.name)
    for file, checksum in source.files.items():
        failures = []
        for address in source.addresses:
            url = address.format(file=file)
            try:
                _retrieve(url, checksum, folder / file)
                break
            except (
                OSError,
                ValueError,
            ) as error:  # requests' errors are OSErrors; a wrong checksum is a ValueError
                failures.append(f"{url} ({_reason(error)})")
        else:
            raise _unreachable(source, file, failures)
    return folder


def _retrieve(url: str, checksum: str, path: Path) -> None:
    import pooch

    log = pooch.get_logger()
    level = log.level
    log.setLevel("WARNING")
    progress = _DownloadBar(path.name) if sys.stderr.isatty() else None
    downloader = pooch.HTTPDownloader(
        progressbar=progress or False, chunk_size=1 << 16, timeout=_TIMEOUT
    )
    try:
        pooch.retrieve(url, f"sha256:{checksum}", path.name, path.parent, downloader=downloader)
    finally:
        log.setLevel(level)
        if progress is not None:
            progress.close()


def _reason(error: Exception) -> str:
    if isinstance(error, ValueError) and "hash" in str(error):
        return "the downloaded file has another checksum than the official one"
    if isinstance(error, PermissionError):
        return f"cannot write to {error.filename}"
    response = getattr(error, "response", None)
    return f"HTTP status {response.status_code}" if response is not None else type(error).__name__


def _unreachable(source: NamedSet, file: str, failures: list[str]) -> MissingData:
    tried = "; ".join(failures)
    return MissingData(
        f"the data set {source.name!r} is not on this machine, and {file} could not be downloaded "
        f"from {tried}",
        expected=f"the files {', '.join(source.files)}",
        fix=f"Check the network, or put the files into a folder named {source.name} in your data "
        f"folder, and set the environment variable {data_folders.VARIABLE}, data_dir=... or "
        "--data-dir to that data folder.",
    )


class _DownloadBar:
    """pooch's progress interface (``total``, ``update``, ``reset``, ``close``), drawn by rich."""

    def __init__(self, title: str) -> None:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            DownloadColumn,
            Progress,
            TextColumn,
            TransferSpeedColumn,
        )

        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
        )
        self._bar = Progress(*columns, console=Console(stderr=True))
        self._task = self._bar.add_task(title, total=None)
        self._bar.start()
        self.total: Any = None

    def update(self, num_bytes: int) -> None:
        """Advances the bar."""
        self._bar.update(self._task, total=self.total or None, advance=num_bytes)

    def reset(self) -> None:
        """Sets the bar to 0; pooch calls this before it fills the bar at the end."""
        self._bar.reset(self._task)

    def close(self) -> None:
        """Leaves the bar unchanged."""
        self._bar.stop()
