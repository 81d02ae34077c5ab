"""The directory of a study, from whatever a user passes as its name."""

import os
from pathlib import Path

from paceline.core import InvalidInput

DATABASE = "study.db"
"""The file of a study's directory that makes it one."""

# The longest path below a study's directory: if the system takes that one, it takes the others.
_LONGEST = Path("checkpoints") / "best-trial-000000000-000000000.safetensors"


def study_directory(given: object, name: str = "study") -> Path:
    """The directory that a user named; it need not exist.

    Args:
        given: a text or a path.
        name: of the argument, for messages.

    Raises:
        InvalidInput: it is neither, it is empty, or the system has no directories of this name.
    """
    expected = "the path of a directory, such as 'runs/mnist'"
    text = os.fspath(given) if isinstance(given, str | os.PathLike) else None
    if not isinstance(text, str) or not text:
        raise InvalidInput(f"{name} is {given!r}", expected=expected)
    path = Path(text)
    try:
        (path / _LONGEST).lstat()
    except (FileNotFoundError, NotADirectoryError):
        pass  # nothing is there yet, or a file is in the way; the latter is looked at below
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InvalidInput(f"{name} is {_shortened(text)}, which cannot be used ({reason})", expected=expected) from None
    if path.is_file():
        raise InvalidInput(f"{name} is {_shortened(text)}, which is a file", expected=expected)
    return path


def _shortened(text: str, longest: int = 80) -> str:
    return repr(text if len(text) <= longest else f"{text[:longest]}...")
