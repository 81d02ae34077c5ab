"""How a study that was stopped is continued, in words."""

from pathlib import Path

from paceline.core import command_line
from paceline.core.commands import study_name
from paceline.settings.function import ASKED, BY_HAND
from paceline.settings.rules import FromMemory
from paceline.study.record.record import Record


def how_to_resume(record: Record, directory: Path) -> str:
    """How to continue a study, as the end of a sentence: ``"with: paceline resume runs/mnist"``.

    What was passed from memory was not stored, and has to be passed again: in Python, where the
    terminal cannot name it. Trials that are run by the user, or by a search of scikit-learn,
    continue where they were begun.

    Args:
        record: of the study.
        directory: that of the study.
    """
    if record.created is None:
        return "with the same command or call"
    settings, study = record.settings, repr(study_name(directory))
    if settings.function.kind == ASKED:
        name = record.created.data["name"]
        if name == BY_HAND:
            return f"in Python: paceline.open_study({study})"
        return f"in Python: call fit of the {name} again, with the same arguments and study={study}"
    command = command_line("resume", directory)
    sources = {"build": settings.function.build, "data": settings.data.source}
    missing = [name for name, source in sources.items() if isinstance(source, FromMemory)]
    if not missing:
        return f"with: {command}"
    given = ", ".join([study, *(f"{name}={name}" for name in missing)])
    call = f"in Python: paceline.resume({given})"
    # on the terminal, the function can be named, but data cannot be passed
    return call if "data" in missing else f"with: {command} --build FILE.PY:NAME, or {call}"
