"""Which store a study has, and opening it.

A study in SQLite, the default, is known by its database. Any other store is named by a small file
in the study's directory, so that only who begins the study has to say which it is.
"""

import json
from contextlib import suppress
from pathlib import Path

from paceline.core import InvalidInput, UnreadableStudy, shown
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
    """Opens the store of a study; where there is none yet, one is made.

    Args:
        directory: of the study.
        writable: whether this process is to write it. A reader makes no file.
        store: of a study that begins, the name of its store, alone or followed by a colon and an
            address, or a URL whose scheme is the name; None for SQLite. Of a study that is there,
            what it has, or None.

    Raises:
        StudyLocked: ``writable``, and another process writes it; the message says which.
        InvalidInput: not ``writable``, and there is no study; a store that is not known; another
            store than the study has.
        UnreadableStudy: what is stored is damaged, of a newer version, or no study.
        PacelineError: the directory or a file in it cannot be used; the message says why.
    """
    directory = directory.absolute()  # it stays this one, whatever a user's function changes
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
    """The store of the study of a directory, as it was asked for; SQLite where there is none.

    Raises:
        UnreadableStudy: the file that says so is damaged.
    """
    found = None if (directory / DATABASE).exists() else _marked(directory)
    return StudyStore.name if found is None else found["store"]


def _marked(directory: Path) -> dict[str, str] | None:
    """What the marker of a directory says; None where there is none."""
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
    """Makes sure that a store can be asked for, and is that of the study where there is one."""
    _parsed(store)
    if there is not None and store.strip() != there:
        raise InvalidInput(
            f"store is {store!r} and study {directory} has the store {there!r}",
            expected=f"store={there!r}, nothing, or another directory",
        )


def check_store(store: object) -> str:
    """A store as it is asked for: a name, alone or with an address.

    Raises:
        InvalidInput: no store of this name.
    """
    _parsed(store)
    return str(store).strip()


def _parsed(text: object) -> tuple[type[Store], str]:
    """The class of a store and the address, of the texts ``"name"``, ``"name:address"`` and
    ``"name://..."``, of which the last is an address as a whole.
    """
    name, _, rest = text.partition(":") if isinstance(text, str) else ("", "", "")
    kind = registry.get(name.partition("+")[0] if isinstance(text, str) else text)
    return kind, str(text).strip() if rest.startswith("//") else rest.strip()
