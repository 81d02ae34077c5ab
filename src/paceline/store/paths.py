"""A study's directory: validation of its path, and the names of its files."""

from pathlib import Path

from paceline.core import InvalidInput, checks
from paceline.core.errors import shown

DATABASE = "study.db"
"""The database; a directory with this file is a study."""

LOG = "study.db-wal"
"""SQLite's log: changes that are not in the database yet."""

MARKER = "store.json"
"""Contains the name of the store of a study that is not in SQLite."""

UNSTORED = "unstored.json"
"""Contains what could not be stored since the server of a database stayed away."""

LOCK, CHECKPOINTS = "study.lock", "checkpoints"
MODEL, PREDICTIONS, REPORT = "best.keras", "test.safetensors", "report.html"
"""Other files: the best model, its predictions on the test set, and the report."""

RUN_LOG = "paceline.log"
"""The log messages of its sessions."""

# The longest path in a study's directory: if the system accepts it, it accepts the others.
_LONGEST = Path(CHECKPOINTS) / "best-trial-000000000-000000000.safetensors"


def results_in(directory: Path) -> list[str]:
    """Files or folders of results in a directory; a study that has not begun has none."""
    has_networks = any((directory / CHECKPOINTS).glob("*.safetensors"))
    files = [name for name in (MODEL, PREDICTIONS) if (directory / name).exists()]
    return [*([CHECKPOINTS] if has_networks else []), *files]


def checked_directory(given: object, name: str = "study") -> Path:
    """Validates the directory of a study; it need not exist.

    Args:
        given: a string or a path.
        name: of the argument, for messages.

    Raises:
        InvalidInput: neither, empty, or not a possible name of a directory.
    """
    path = checks.path(name, given)
    expected = "the path of a directory, such as 'runs/mnist'"
    try:
        (path / _LONGEST).lstat()
    except (FileNotFoundError, NotADirectoryError):
        pass  # it does not exist, or a file is in its place; the latter is checked below
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InvalidInput(f"{name} is {shown(given)} ({reason})", expected=expected) from None
    if path.is_file():
        raise InvalidInput(f"{name} is {shown(given)}, which is a file", expected=expected)
    return path
