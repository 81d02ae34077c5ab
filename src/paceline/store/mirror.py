"""Files of a study at a URL, such as ``s3://bucket/folder``, through fsspec.

A study works with files in a local directory. Where its files are at a URL, each file that is
written is copied there before the database names it, each that is removed is removed there, and one
that is read is fetched first. A writer begins with all files of the URL, since another machine may
have written the study before.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from paceline.core import InvalidInput, PacelineError
from paceline.store.paths import CHECKPOINTS, MARKER, MODEL, PREDICTIONS, UNSTORED

_LOCAL = (MARKER, UNSTORED)  # files that stay on the machine
_FETCHED = (MODEL, PREDICTIONS)

_mirrors: dict[Path, "Mirror"] = {}
"""By the directory."""


def is_url(files: str | None) -> bool:
    """Whether files are at a URL and not in a directory."""
    return files is not None and "://" in files


def check_url(files: str) -> None:
    """Checks a URL for files.

    Raises:
        InvalidInput: it contains a password, which would be stored.
    """
    if urlsplit(files).password is not None:
        raise InvalidInput(
            f"files= has a password in it (a URL of {urlsplit(files).scheme})",
            expected="a URL without one",
            fix="Its library reads passwords from the environment or from its configuration.",
        )


def use(directory: Path, url: str) -> "Mirror":
    """Sets the URL at which the files of a study are, for this process."""
    known = _mirrors.get(directory)
    if known is None or known.url != url:
        known = _mirrors[directory] = Mirror(directory, url)
    return known


def written(path: Path) -> None:
    """Copies a file that was written to the URL of its study, if that has one.

    Raises:
        PacelineError: it cannot be written there.
    """
    mirror = _of(path)
    if mirror is not None and path.name not in _LOCAL:
        mirror.put(path)


def removed(path: Path) -> None:
    """Removes a file that was removed at the URL too, if possible."""
    mirror = _of(path)
    if mirror is not None:
        with suppress(PacelineError):
            mirror.drop(path)


def fetched(path: Path) -> Path:
    """The path of a file that is to be read, which is fetched first if it is at a URL.

    Raises:
        PacelineError: it is there and cannot be fetched.
    """
    mirror = _of(path)
    if mirror is not None:
        mirror.fetch(path)
    return path


def _of(path: Path) -> "Mirror | None":
    if not _mirrors:
        return None
    whole = path.absolute()
    return _mirrors.get(whole.parent) or _mirrors.get(whole.parent.parent)


class Mirror:
    """The files of a study at a URL.

    Attributes:
        url: of the folder.
    """

    def __init__(self, directory: Path, url: str) -> None:
        """The files of ``directory`` at ``url``; nothing is read yet."""
        self._directory, self.url = directory, url
        self._system: Any = None
        self._root = ""
        self._same: set[Path] = set()  # files that are the same in both places

    def put(self, path: Path) -> None:
        """Copies a file to the URL."""
        with self._explained("written"):
            remote = self._remote(path)
            self._system.makedirs(remote.rpartition("/")[0], exist_ok=True)
            self._system.put_file(str(path), remote)
        self._same.add(path.absolute())

    def drop(self, path: Path) -> None:
        """Removes a file from the URL, if it is there."""
        self._same.discard(path.absolute())
        with self._explained("written"), suppress(FileNotFoundError):
            self._system.rm_file(self._remote(path))

    def fetch(self, path: Path) -> None:
        """Copies a file from the URL, if it is there; once in this process."""
        if path.absolute() in self._same:
            return
        with self._explained("read"):
            remote = self._remote(path)
            if self._system.exists(remote):
                path.parent.mkdir(parents=True, exist_ok=True)
                new = path.with_name(f".fetched-{os.getpid()}-{path.name}")
                try:
                    self._system.get_file(remote, str(new))
                    new.replace(path)
                finally:
                    new.unlink(missing_ok=True)
        self._same.add(path.absolute())

    def forget(self) -> None:
        """Fetches every file anew when it is read the next time."""
        self._same.clear()

    def fetch_all(self) -> None:
        """Copies all checkpoints, models and predictions from the URL."""
        self.forget()
        for name in _FETCHED:
            self.fetch(self._directory / name)
        folder = self._directory / CHECKPOINTS
        with self._explained("read"):
            try:
                there = self._system.ls(self._remote(folder), detail=False)
            except FileNotFoundError:
                there = []
        names = [str(one).rstrip("/").rpartition("/")[2] for one in there]
        for name in names:
            if name.endswith(".safetensors"):
                self.fetch(folder / name)

    def _remote(self, path: Path) -> str:
        if self._system is None:
            self._system, root = _system_of(self.url)
            self._root = root.rstrip("/")
        relative = path.absolute().relative_to(self._directory)
        return f"{self._root}/{relative.as_posix()}"

    @contextmanager
    def _explained(self, what: str) -> Iterator[None]:
        """Converts the errors of any file system to clear ones, inside the block."""
        try:
            yield
        except PacelineError:
            raise
        except Exception as error:  # each file system has its own
            reason = " ".join(str(error).split()) or type(error).__name__
            raise PacelineError(
                f"the study's files at {self.url} cannot be {what} ({reason})."
            ) from error


def _system_of(url: str) -> tuple[Any, str]:
    try:
        from fsspec.core import url_to_fs

        return url_to_fs(url)  # type: ignore[no-any-return]
    except (ImportError, ValueError) as error:
        raise InvalidInput(
            f"the study's files are at {url}, which cannot be used ({error})",
            expected="a URL of a kind that fsspec and its packages know",
            fix="Install them: pip install 'paceline[postgres]' and, for s3://, s3fs; for gs://, "
            "gcsfs; for abfs://, adlfs.",
        ) from error
