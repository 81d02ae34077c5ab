"""Choosing and opening the store of a study.

A study in SQLite, the default, is recognised by its database. Any other store is named in a small
file in the study's directory, so that it must be passed only when the study is created.
"""

import json
from contextlib import suppress
from pathlib import Path

from paceline.core import InvalidInput, StudyLocked, UnreadableStudy, shown
from paceline.store.database import StudyStore
from paceline.store.files import remove, write_text
from paceline.store.paths import DATABASE, MARKER
from paceline.store.store import Store, registry


def has_study(directory: Path) -> bool:
    """Whether there is a study in this directory."""
    if (directory / DATABASE).exists():
        return True
    found = _marked(directory)
    return found is not None and (directory / found["file"]).exists()


def open_store(directory: Path, *, writable: bool, store: str | None = None) -> Store:
    """Opens the store of a study, or creates one.

    Args:
        directory: of the study.
        writable: whether this process is to write it. A reader creates no file.
        store: for a new study, the name of its store, alone or followed by a colon and an address,
            or a URL whose scheme is the name; None for SQLite. For an existing study, its store, or
            None.

    Raises:
        StudyLocked: ``writable``, and another process writes it; the message says which.
        InvalidInput: not ``writable``, and there is no study; an unknown store; another store than
            that of the study.
        UnreadableStudy: the stored data are damaged, of a newer version, or not a study.
        PacelineError: the directory or a file in it cannot be used; the message says why.
    """
    directory = directory.absolute()  # independent of the working directory
    there = stored_in(directory) if has_study(directory) else None
    if store is not None:
        _check(directory, there, store)
    text = there or store or StudyStore.name
    kind, address = _parsed(text) if there is None else _of_study(directory)
    is_new = writable and there is None and kind is not StudyStore
    if is_new:
        directory.mkdir(parents=True, exist_ok=True)
        write_text(directory / MARKER, json.dumps({"store": text, "file": kind.files[0]}))
    try:
        return kind.open(directory, address, writable=writable)
    except StudyLocked:
        raise  # another process is creating it, with the same marker
    except BaseException:
        if is_new:
            remove(directory / MARKER)
            with suppress(OSError):
                directory.rmdir()
        raise


def files_of(directory: Path) -> tuple[Path, ...]:
    """The files that change when the study of a directory does; see `Store.files`."""
    kind = _of_study(directory)[0]
    return tuple(directory / name for name in kind.files)


def stored_in(directory: Path) -> str:
    """The store of a directory's study, as it was requested; SQLite if there is none.

    Raises:
        UnreadableStudy: the file with its name is damaged.
    """
    found = None if (directory / DATABASE).exists() else _marked(directory)
    return StudyStore.name if found is None else found["store"]


def _marked(directory: Path) -> dict[str, str] | None:
    """The content of a directory's marker; None if there is none."""
    path = directory / MARKER
    if not path.exists():
        return None
    try:
        found = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from error
    if not isinstance(found, dict) or {str} != {type(found.get(key)) for key in ("store", "file")}:
        raise _unreadable(path, found)
    return found


def _unreadable(path: Path, why: object) -> UnreadableStudy:
    return UnreadableStudy(
        f"{path} does not say which store the study has ({shown(why)}); restore it from a copy.",
        shown(why),
    )


def _of_study(directory: Path) -> tuple[type[Store], str]:
    """The class of a study's store, and its address.

    Raises:
        InvalidInput: the class is neither registered nor installed here, or cannot be imported.
    """
    text = stored_in(directory)
    try:
        return _parsed(text)
    except InvalidInput as error:
        raise InvalidInput(
            f"study {directory} cannot be opened: its {error.passed}",
            expected=error.expected,
            fix=error.fix or "Install the package that provides this store.",
        ) from error


def _check(directory: Path, there: str | None, store: str) -> None:
    """Checks that a store is known, and is that of an existing study."""
    asked = _parsed(store)
    if there is not None and asked != _of_study(directory):
        raise InvalidInput(
            f"store is {store!r} and study {directory} has the store {there!r}",
            expected=f"store={there!r}, nothing, or another directory",
        )


def check_store(store: object) -> str:
    """Validates a store: a name, alone or with an address.

    Raises:
        InvalidInput: no store of this name.
    """
    _parsed(store)
    return str(store).strip()


def _parsed(text: object) -> tuple[type[Store], str]:
    """The class of a store and the address, from ``"name"``, ``"name:address"`` or a URL."""
    name, _, rest = text.partition(":") if isinstance(text, str) else ("", "", "")
    kind = registry.get(name.partition("+")[0] if isinstance(text, str) else text)
    return kind, str(text).strip() if rest.startswith("//") else rest.strip()
