"""The trained models of a study as text: where they are, and how to load them."""

from collections.abc import Iterator

from paceline.report.columns import rows_of_model
from paceline.report.show import Summary
from paceline.store import has_study
from paceline.store.paths import MODEL
from paceline.study.record.checkpoints import Checkpoints


def lines(summary: Summary) -> Iterator[str]:
    """Where the best model is, how to load it, and which other models are kept."""
    path = summary.directory / MODEL
    note = next((note for note in reversed(summary.record.notes) if MODEL in note), None)
    is_file = path.is_file()
    if is_file and note is None:
        yield f"The trained model is {path}; load it with keras.saving.load_model."
    elif is_file:
        yield f"The trained model is {path}."
    if is_file:
        yield from rows_of_model(summary.record)
    if note is not None:
        yield note
    yield from kept(summary)


def kept(summary: Summary) -> Iterator[str]:
    """Which trials' models are kept, if there are several, and their size on disk."""
    numbers, num_bytes = _kept(summary) if summary.kept is None else summary.kept
    if len(numbers) > 1:
        listed = ", ".join(map(str, sorted(numbers)))
        yield (
            f"The trained models of the {len(numbers)} best trials of the search ({listed}) are "
            f"kept: study.model({min(numbers)}). They take {num_bytes / 1e6:,.3g} MB."
        )


def _kept(summary: Summary) -> tuple[tuple[int, ...], int]:
    if not has_study(summary.directory):
        return (), 0
    checkpoints = Checkpoints.read(summary.directory)
    return checkpoints.kept, checkpoints.num_bytes
