"""The final model of a study: retrained if requested, tested once, and stored.

Its weights are always kept among the checkpoints. ``best.keras`` is written beside them where Keras
can save the model. What loading that file needs, or why there is none, is recorded and noted.
"""

import json
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paceline.core import PacelineError, Trial
from paceline.core.events import BestTested, Event, Json, Noted
from paceline.execute.base import Leaves
from paceline.store.files import checksum, remove, remove_unfinished, replacing
from paceline.store.paths import MODEL, PREDICTIONS
from paceline.study.models.best_file import fault_of
from paceline.study.models.models import Models
from paceline.study.planned.protocol import Plan
from paceline.study.planned.test_part import TestPart
from paceline.study.record.recorder import Recorder

if TYPE_CHECKING:
    from paceline.train.saving import LoadRequirements

ABOUT = "paceline.json"
"""Entry of the file (a zip archive) that describes the model's inputs and outputs."""

_REBUILD = (
    "study.best_model() builds the model again; in another process, study.best_model(build=build) "
    "does"
)


class BestModel:
    """Makes the model of a study's best trial, unless the right one is already there."""

    def __init__(self, plan: Plan, recorder: Recorder, directory: Path) -> None:
        """``directory`` is that of the study."""
        self._plan, self._recorder, self._directory = plan, recorder, directory
        self._record = recorder.record

    def make(self) -> None:
        """Trains, tests and keeps what is missing."""
        best, models, test_part = self._record.best, self._plan.models, self._plan.test_part
        remove_unfinished(self._directory, (MODEL, PREDICTIONS))
        if best is None or models is None or test_part is None or self._is_made(best, test_part):
            return
        known = self._recorder.best_model
        if (
            known is not None
            and self._is_of(known, best)
            and (leaves := self._recorder.best_model_leaves())
        ):
            self._keep(best, models, test_part, leaves, known)
            return
        try:
            leaves, details = self._trained(best)
        except PacelineError as error:
            self._recorder.tell([Noted(f"There is no model of the best trial: {error}")])
            return
        self._keep(best, models, test_part, leaves, details)

    @property
    def _refits(self) -> bool:
        """Whether the model is to be retrained on the training and validation parts together."""
        asked = self._plan.settings.evaluation.refit
        return self._record.final_is_current if asked is None else asked

    def _is_made(self, best: Trial, test_part: TestPart) -> bool:
        """Whether this trial's model is kept and tested, and has its file where it can have one."""
        known, tested = self._recorder.best_model, self._record.tested
        has_file = not fault_of(self._directory / MODEL, known)
        if known is None:  # written before weights were kept
            return has_file and tested is not None and self._record.outcome_status.is_tested
        is_tested = test_part.is_empty or (tested is not None and tested.number == best.number)
        if not (self._is_of(known, best) and is_tested):
            return False
        return has_file or (
            bool(known["keras"]["reason"]) and self._recorder.best_model_leaves() is not None
        )

    def _is_of(self, known: Mapping[str, Json], best: Trial) -> bool:
        """Whether the stored model is the one that would be made now."""
        return (known["trial"], known["refit"], known["epochs"]) == (
            best.number,
            self._refits,
            _epochs(best),
        )

    def _trained(self, best: Trial) -> tuple[Leaves, dict[str, Json]]:
        """The model's variables, and what to record about them.

        Raises:
            PacelineError: the variables are not kept, and the trial cannot be retrained.
        """
        refit = self._refits
        details: dict[str, Json] = {"refit": refit, "epochs": _epochs(best)}
        leaves = self._plan.refit(best, _epochs(best)) if refit else None
        if leaves is not None:
            return leaves, {**details, "refitted": True}
        leaves = self._recorder.model(best.number)
        leaves = self._plan.retrain(best) if leaves is None else leaves
        return leaves, {**details, "refitted": False}

    def _keep(
        self,
        best: Trial,
        models: Models,
        test_part: TestPart,
        leaves: Leaves,
        details: Mapping[str, Json],
    ) -> None:
        """Tests a trained model, writes its file, and records all of it in one transaction."""
        model, batch_size = models.of(best, leaves), models.rows_of_batch(best)
        test_part.keep_predictions(model, self._directory)
        metrics = test_part.measure(model, models.rows_of_evaluation(best))
        keras, notes = write_keras(
            model, self._directory, lambda: test_part.sample(batch_size), models.about
        )
        events: list[Event] = [Noted(note) for note in notes if note not in self._record.notes]
        if metrics:
            events.append(BestTested(best.number, metrics, details["refitted"], details["epochs"]))
        self._recorder.keep_best_model(best.number, leaves, {**details, "keras": keras}, events)


def write_keras(
    model: Any,
    directory: Path,
    sample: Callable[[], tuple[Any, Any]],
    about: Mapping[str, Json] | None = None,
) -> tuple[dict[str, Json], Sequence[str]]:
    """Writes ``best.keras`` where Keras can, and removes an earlier one where it cannot.

    Args:
        model: the model to write.
        directory: that of the study.
        sample: returns ``(x, y)`` of a few rows, on which the saved and the original model must
            agree.
        about: description stored in the file as `ABOUT`, for use elsewhere.

    Returns:
        What to record about the file, and sentences for the user.

    Raises:
        PacelineError: the file cannot be written.
    """
    from paceline.train.isolation import global_state_of
    from paceline.train.saving import CannotSave, save

    target = directory / MODEL
    try:
        with replacing(target) as new, global_state_of(model):
            needs = save(model, new, sample)
            if about is not None:
                with zipfile.ZipFile(new, "a") as archive:
                    archive.writestr(ABOUT, json.dumps(about, indent=1))
    except CannotSave as error:
        remove(target)
        return {"reason": str(error)}, [no_file(str(error))]
    details = {
        "reason": "",
        "objects": list(needs.objects),
        "registered": needs.registered,
        "safe": needs.safe_mode,
    }
    details["crc32"] = checksum(target)
    return details, file_needs(needs)


def file_notes(model: Any) -> Sequence[str]:
    """Notes about ``best.keras`` before the search, from a model that is not trained."""
    from paceline.train.saving import CannotSave, check_savable

    try:
        return file_needs(check_savable(model))
    except CannotSave as error:
        return [no_file(str(error))]


def no_file(reason: str) -> str:
    """Explains why there is no file, and what to do."""
    return f"No {MODEL}: Keras cannot save this model ({reason}). Its weights are kept; {_REBUILD}."


def file_needs(needs: "LoadRequirements") -> Sequence[str]:
    """Requirements for loading the file, as sentences; empty if there are none."""
    if needs.is_nothing:
        return []
    names, modules = ", ".join(needs.objects), ", ".join(needs.modules)
    if not needs.safe_mode:
        how = "with safe_mode=False at most, since the model contains a Python lambda"
        if needs.objects:
            how += f", and with custom_objects for {names}"
    elif needs.registered:
        how = (
            f"only where {names} is known to Keras: import "
            f"{modules.replace('__main__', 'your script')} first"
        )
    else:
        listed = ", ".join(f"{name!r}: {found.__name__}" for name, found in needs.objects.items())
        how = f"only with custom_objects={{{listed}}}, since they are not registered with Keras"
    return [f"{MODEL} can be loaded {how}. Without it, {_REBUILD}."]


def _epochs(best: Trial) -> int:
    return best.best_epoch or best.epochs
