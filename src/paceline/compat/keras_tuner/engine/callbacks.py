"""Keras's callbacks of ``search`` as options of `paceline.tune`."""

from collections.abc import Sequence
from typing import Any

from paceline.compat.keras_tuner.engine.objective import Objective
from paceline.compat.keras_tuner.engine.options import warn_once
from paceline.core import InvalidInput, shown

_INSTEAD = {
    "TensorBoard": "Leave it out, and after the search: from paceline.exporters import "
    "TensorBoard, export; export(tuner.project_dir, TensorBoard('logs')).",
    "ModelCheckpoint": "Leave it out: tuner.get_best_models has the weights of the best epochs.",
    "CSVLogger": "Leave it out: tuner.study.learning_curves() has every epoch of every trial.",
    "ProgbarLogger": "Leave it out: search(verbose=1) shows progress.",
    "History": "Leave it out: tuner.study.learning_curves() has every epoch of every trial.",
    "ReduceLROnPlateau": "Tune the learning rate, or give the optimizer a schedule of "
    "keras.optimizers.schedules in build(hp).",
    "LearningRateScheduler": "Give the optimizer a schedule of keras.optimizers.schedules in "
    "build(hp).",
}


def options_of(callbacks: Any, objective: Objective, is_halving: bool) -> dict[str, Any]:
    """The options of `paceline.tune` that have the effect of callbacks.

    ``EarlyStopping`` of the objective is ``patience`` and ``min_delta``. Its
    ``restore_best_weights`` changes nothing: the score and the weights of a trial are those of its
    best epoch in any case.

    Args:
        callbacks: as passed to ``search``.
        objective: that of the search.
        is_halving: whether trials stop at several epochs and continue later.

    Raises:
        InvalidInput: a callback that has no such effect; says what to do.
    """
    each = list(callbacks) if isinstance(callbacks, Sequence) else [callbacks]
    stopping = [one for one in each if type(one).__name__ == "EarlyStopping"]
    for one in each:
        # a trial whose loss is not finite ends by itself
        if one not in stopping and type(one).__name__ != "TerminateOnNaN":
            raise _refusal(one)
    if len(stopping) > 1:
        raise InvalidInput(
            "callbacks has several EarlyStopping",
            expected="one, of the objective",
        )
    if not stopping:
        return {}
    found = _early_stopping(stopping[0], objective)
    if is_halving:
        warn_once(
            "patience",
            "EarlyStopping counts its patience over all epochs of a trial. KerasTuner's Hyperband "
            "starts to count anew in each round.",
        )
    return found


def _early_stopping(callback: Any, objective: Objective) -> dict[str, Any]:
    if callback.monitor != objective.name:
        raise _cannot(
            f"monitor={callback.monitor!r}",
            f"monitor={objective.name!r}, the objective",
            "Or use the monitored metric as the objective.",
        )
    mode = getattr(callback, "mode", "auto")
    if mode in ("min", "max") and mode != objective.direction:
        raise _cannot(f"mode={mode!r}", f"mode={objective.direction!r}, as the objective")
    if callback.baseline is not None:
        raise _cannot(f"baseline={callback.baseline}", "no baseline")
    if callback.start_from_epoch:
        raise _cannot(f"start_from_epoch={callback.start_from_epoch}", "start_from_epoch=0")
    # with patience 0 a trial ends at the first epoch without improvement, as with 1
    return {"patience": max(1, callback.patience), "min_delta": abs(float(callback.min_delta))}


def _cannot(what: str, expected: str, fix: str = "") -> InvalidInput:
    return InvalidInput(f"EarlyStopping has {what}", expected=expected, fix=fix)


def _refusal(callback: Any) -> InvalidInput:
    kind = type(callback)
    name = kind.__name__
    of_keras = kind.__module__.partition(".")[0] in ("keras", "tensorflow", "tf_keras")
    own = (
        "A callback of your own is called by fit alone: train the best configuration with it, "
        "tuner.hypermodel.build(tuner.get_best_hyperparameters()[0]).fit(..., callbacks=[...])."
    )
    return InvalidInput(
        f"callbacks has {name if of_keras else shown(callback)}",
        expected="EarlyStopping of the objective; others are not supported yet",
        fix=_INSTEAD.get(name, own) if of_keras else own,
    )
