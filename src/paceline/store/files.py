"""Files beside a study's database: written atomically and durably, with clear errors.

A file is complete or absent: it is written under another name, flushed to the disk, and then
renamed.
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
from paceline.store import mirror
from paceline.store.paths import DATABASE, MARKER
from paceline.store.writer import process_of, this_process

_NEW = ".new-"
_ABANDONED_SECONDS = 3600.0  # after which files of a process on another machine are leftovers

_AT_ONCE = 1 << 20  # bytes

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
_NOT_ALLOWED = (errno.EROFS, errno.EACCES, errno.EPERM)
_IN_THE_WAY = (errno.EISDIR, errno.ENOTDIR, errno.EEXIST, errno.ELOOP, errno.ENOTEMPTY)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yields the path of a new file, with the same name in a new folder, to write in the block.

    When the block ends without error, the file is flushed to the disk and replaces the one at
    ``path``.

    Raises:
        PacelineError: it cannot be written; it is removed, and the file at ``path`` is unchanged.
    """
    folder: Path | None = None
    with explained(path):
        try:
            # new, so that a link that somebody placed under a predictable name is not followed
            folder = Path(tempfile.mkdtemp(prefix=f"{_NEW}{_owner()}-", dir=path.parent))
            new = folder / path.name
            yield new
            flush(new)
            new.replace(path)
            flush(path.parent)
            mirror.written(path)
        finally:
            if folder is not None:
                shutil.rmtree(folder, ignore_errors=True)


def remove_unfinished(folder: Path, names: Collection[str]) -> None:
    """Removes files that `replacing` began in a killed process; only for their sole writer."""
    for path in folder.glob(f"{_NEW}*/*"):
        if path.name in names:
            shutil.rmtree(path.parent, ignore_errors=True)


def write_text(path: Path, text: str) -> None:
    """Writes a text file in UTF-8 atomically.

    Raises:
        PacelineError: it cannot be written.
    """
    with replacing(path) as new:
        new.write_text(text, "utf-8")


def remove_leftovers(directory: Path) -> None:
    """Removes incomplete files that a killed process left behind."""
    for folder in leftovers(directory):
        shutil.rmtree(folder, ignore_errors=True)


def leftovers(directory: Path) -> list[Path]:
    """Folders of incomplete files of processes that have ended, or are on other machines."""
    return sorted(folder for folder in directory.glob(f"{_NEW}*") if _is_abandoned(folder))


def _owner() -> str:
    """This process in the names of its folders: machine, process id, and start time."""
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
    """Identifies a version of a file: inode, size and time of change; None if there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


def flush(path: Path) -> None:
    """Waits until a file, or the entries of a folder, are on the disk."""
    if os.name == "nt" and path.is_dir():  # not supported, and not needed, on Windows
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove(path: Path) -> None:
    """Removes a file if possible; otherwise it is left, which is harmless."""
    with suppress(OSError):
        path.unlink(missing_ok=True)
    mirror.removed(path)


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Converts failures to write a file to clear errors, inside the block.

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
    """The message for a file that cannot be written: the problem, and what to do.

    Args:
        path: of the file; if it is in a study's directory, that is what is resumed.
        number: the system's error number.
        error: the exception, for errors without a clear number.
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
    is_study = any(os.path.exists(study / name) for name in (DATABASE, MARKER))
    again = f"resume: {command_line('resume', study)}" if is_study else "try again"
    return f"{what}; {fix}, then {again}"


def _number(error: Exception) -> int | None:
    """The system's error number, also if a library has it in its text only; None without one."""
    if isinstance(error, OSError):
        return error.errno
    found = re.search(r"\(os error (\d+)\)", str(error))  # safetensors
    return None if found is None else int(found[1])
