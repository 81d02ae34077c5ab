"""Files of a study beside its database: written so that they survive a power cut, and clear when
they cannot be.

A file is complete or not there: it is written under another name, flushed to the disk, and then
    takes its own name.
"""

import errno
import hashlib
import os
import platform
import re
import shutil
import tempfile
import time
import zlib
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from paceline.core import PacelineError, command_line
from paceline.store.writer import process_of, this_process

_NEW = ".new-"
_ABANDONED_SECONDS = 3600.0  # after which a process of another machine is not writing any more

_AT_ONCE = 1 << 20  # bytes

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
_NOT_ALLOWED = (errno.EROFS, errno.EACCES, errno.EPERM)
_IN_THE_WAY = (errno.EISDIR, errno.ENOTDIR, errno.EEXIST, errno.ELOOP, errno.ENOTEMPTY)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Gives the path of a new file, with the same name in a fresh folder, to be written in the
    block.

    When the block ends well, the file is flushed to the disk and takes the place of the one at
    ``path``.

    Raises:
        PacelineError: it cannot be written; nothing is left of it, and what was at ``path`` before
            is still there.
    """
    folder: Path | None = None
    with explained(path):
        try:
            # fresh, so that no link that somebody left under a name that can be foreseen is
            # followed
            folder = Path(tempfile.mkdtemp(prefix=f"{_NEW}{_owner()}-", dir=path.parent))
            new = folder / path.name
            yield new
            flush(new)
            new.replace(path)
            flush(path.parent)
        finally:
            if folder is not None:
                shutil.rmtree(folder, ignore_errors=True)


def remove_unfinished(folder: Path, names: Collection[str]) -> None:
    """Removes what `replacing` had begun of these files when its process was killed; only for who
    alone writes them.
    """
    for path in folder.glob(f"{_NEW}*/*"):
        if path.name in names:
            shutil.rmtree(path.parent, ignore_errors=True)


def write_text(path: Path, text: str) -> None:
    """Writes a text file in UTF-8, whole or not at all.

    Raises:
        PacelineError: it cannot be written.
    """
    with replacing(path) as new:
        new.write_text(text, "utf-8")


def remove_leftovers(directory: Path) -> None:
    """Removes what a process that was killed left of files that it was writing with `replacing`."""
    for folder in leftovers(directory):
        shutil.rmtree(folder, ignore_errors=True)


def leftovers(directory: Path) -> list[Path]:
    """Folders of files that were being written by processes that are gone, or on other machines a
    while ago.
    """
    return sorted(folder for folder in directory.glob(f"{_NEW}*") if _is_abandoned(folder))


def _owner() -> str:
    """This process, as the names of its folders have it: machine, process id, and when that
    began.
    """
    process = this_process()
    return f"{_machine(process['host'])}-{process['pid']}-{round(100 * process['began'])}"


def _machine(host: str) -> str:
    return hashlib.sha256(host.encode()).hexdigest()[:8]


def _is_abandoned(folder: Path) -> bool:
    machine, pid, began, *_ = [*folder.name.removeprefix(_NEW).split("-"), "", "", ""]
    here = platform.node()
    if machine == _machine(here) and pid.isdigit() and began.isdigit():
        return process_of({"host": here, "pid": int(pid), "began": int(began) / 100}) is None
    try:
        return time.time() - folder.lstat().st_mtime > _ABANDONED_SECONDS
    except OSError:
        return False


def checksum(path: Path) -> int:
    """The CRC-32 of a file.

    Raises:
        OSError: it cannot be read.
    """
    found = 0
    with path.open("rb") as file:
        while part := file.read(_AT_ONCE):
            found = zlib.crc32(part, found)
    return found


def stamp(path: Path) -> tuple[int, int, int] | None:
    """What tells a file from what was there before: its node, bytes and time of change; None where
    there is none.
    """
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


def flush(path: Path) -> None:
    """Waits until a file, or the names in a folder, are on the disk."""
    if os.name == "nt" and path.is_dir():  # folders cannot be opened there, and need not be
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove(path: Path) -> None:
    """Removes a file where that is possible; one that cannot be removed stays, and does no harm."""
    with suppress(OSError):
        path.unlink(missing_ok=True)


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """While it lasts, a failure to write a file is raised in words.

    Raises:
        PacelineError: an operation on files failed.
    """
    try:
        yield
    except PacelineError:
        raise
    except Exception as error:
        number = _number(error)
        if number is None:
            raise
        raise PacelineError(cannot_write(path, number, error)) from error


def cannot_write(path: Path, number: int, error: object = None) -> str:
    """What is wrong with a file that cannot be written, and what to do about it.

    Args:
        path: of the file, in a study's directory or in a folder of it.
        number: the system's number of the error.
        error: what was raised, where the number says little.
    """
    study = path.parent.parent if path.parent.name == "checkpoints" else path.parent
    reason = os.strerror(number)
    if number in _NO_ROOM:
        what = "the disk fails" if number == errno.EIO else "no room left on disk"
        what, fix = f"{what} ({reason}) for {path}", "make room"
    elif number in _NOT_ALLOWED:
        what, fix = f"{path} cannot be written ({reason})", "make it writable for this user"
    elif number in _IN_THE_WAY:
        what, fix = f"{path} cannot be written ({reason})", "move away what is in its place"
    else:
        return f"{path} cannot be written ({error or reason})."
    return f"{what}; {fix}, then go on: {command_line('resume', study)}"


def _number(error: Exception) -> int | None:
    """The system's number of an error, also where a library says it in its text only; None where it
    has none.
    """
    if isinstance(error, OSError):
        return error.errno
    found = re.search(r"\(os error (\d+)\)", str(error))  # safetensors
    return None if found is None else int(found[1])
