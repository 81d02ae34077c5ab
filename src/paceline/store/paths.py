"""The directory of a study, from whatever a user passes as its name, and the files that are in
it.
"""

from pathlib import Path

from paceline.core import InvalidInput, checks
from paceline.core.errors import shown

DATABASE = "study.db"
"""The file of a study's directory that makes it one."""

LOG = "study.db-wal"
"""SQLite's log of it: what was written and is not in the database yet."""

MARKER = "store.json"
"""Names the store of a study that is not in SQLite."""

LOCK, CHECKPOINTS = "study.lock", "checkpoints"
MODEL, PREDICTIONS, REPORT = "best.keras", "test.safetensors", "report.html"
"""What else there may be in it: the best model, what it predicts on the test part, and the
report.
"""

RUN_LOG = "paceline.log"
"""The log messages of its sessions."""

# The longest path below a study's directory: if the system takes that one, it takes the others.
_LONGEST = Path(CHECKPOINTS) / "best-trial-000000000-000000000.safetensors"


def results_in(directory: Path) -> list[str]:
    """Which files or folders of a study's directory hold what was trained: no study that has not
    begun has any.
    """
    has_networks = any((directory / CHECKPOINTS).glob("*.safetensors"))
    files = [name for name in (MODEL, PREDICTIONS) if (directory / name).exists()]
    return [*([CHECKPOINTS] if has_networks else []), *files]


def study_directory(given: object, name: str = "study") -> Path:
    """The directory that a user named; it need not exist.

    Args:
        given: a text or a path.
        name: of the argument, for messages.

    Raises:
        InvalidInput: it is neither, it is empty, or the system has no directories of this name.
    """
    path = checks.path(name, given)
    expected = "the path of a directory, such as 'runs/mnist'"
    try:
        (path / _LONGEST).lstat()
    except (FileNotFoundError, NotADirectoryError):
        pass  # nothing is there yet, or a file is in the way; the latter is looked at below
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InvalidInput(f"{name} is {shown(given)} ({reason})", expected=expected) from None
    if path.is_file():
        raise InvalidInput(f"{name} is {shown(given)}, which is a file", expected=expected)
    return path
