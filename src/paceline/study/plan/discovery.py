"""Runs ``build`` a few times to find the space, and which choices change the program."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from paceline.core import InvalidInput, Value, last_line
from paceline.data import Split
from paceline.space import Discovery, HyperParameters, discover
from paceline.study.evaluation.best_model import file_notes
from paceline.study.inputs.stream_parts import StreamParts
from paceline.study.plan.definition import Definition
from paceline.study.plan.engine import first_batch, training_data
from paceline.study.plan.keras_callbacks import StudyCallbacks


@dataclass(frozen=True, slots=True)
class Discovered:
    """The result of running ``build`` a few times.

    Attributes:
        found: the space, with everything that was inferred.
        structural: for each hyperparameter that was tried alone, whether it changes the network's
            structure: more than its sizes.
        sizes: those that change only its sizes.
        reads_epochs: whether ``build`` asks for the number of epochs.
        notes: sentences for the user.
        callbacks: the Keras callbacks of trainings.
    """

    found: Discovery
    structural: Mapping[str, bool]
    sizes: frozenset[str]
    reads_epochs: bool
    notes: Sequence[str]
    callbacks: StudyCallbacks


def discover_space(definition: Definition, parts: Split | StreamParts) -> Discovered:
    """Runs ``build`` to find the space, and which choices change the program."""
    from paceline.train.build import build_model
    from paceline.train.model_checks import check_model_fits_data
    from paceline.train.structure_hash import structure_hash

    batch = first_batch(
        parts, definition.class_weight, definition.settings.training.batch_size or 32
    )
    outlines: list[tuple[Mapping[str, Value], tuple[str, str]]] = []
    notes: list[str] = []
    reads_epochs, callbacks = False, StudyCallbacks()
    refused: list[InvalidInput] = []

    def build(hp: HyperParameters) -> None:
        nonlocal reads_epochs, callbacks
        try:
            later = (lambda: batch) if outlines else None
            # the first one is compared with the data below, which gives better messages where they
            # do not fit
            model = build_model(definition.build, hp, definition.seed, later)
            reads_epochs |= "epochs" in hp.used
            if not outlines:
                check_model_fits_data(model, batch, _targets(parts))
                callbacks = _check_metrics(definition, model, parts)
                notes.extend(file_notes(model))
        except InvalidInput as error:
            refused.append(error)
            raise
        outlines.append((hp.config, (structure_hash(model), structure_hash(model, False))))

    found = discover(build, space=definition.loop)
    if refused:
        raise refused[0]
    callbacks.warn()
    # hyperparameters of the training loop are not asked for by build, so nothing was inferred
    errors = [o.error for o in found.observations if o.error is not None]
    if len(errors) == len(found.observations):
        raise InvalidInput(
            f"build(hp) raised for every configuration tried; the first time: "
            f"{last_line(errors[0])}",
            expected="a build(hp) that works at least for the default values",
        )
    if not any(h.num_values != 1 for h in found.space):
        raise InvalidInput(
            "build(hp) defines no hyperparameter that varies",
            expected="at least one, such as hp.Float('learning_rate', 1e-4, 1e-1, sampling='log')",
        )
    changed, structural = (_changed([(c, both[i]) for c, both in outlines]) for i in (0, 1))
    sizes = frozenset(name for name, changes in changed.items() if changes and not structural[name])
    return Discovered(found, structural, sizes, reads_epochs, notes, callbacks)


def inferred_notes(found: Discovery) -> list[str]:
    """Inferred properties of the space, as sentences."""
    notes = []
    for name, conditions in found.inferred:
        variants = found.space.variants(name)
        if len(variants) == 1:
            notes.append(
                f"{name} matters only where {' and '.join(map(str, conditions))}, as the builds "
                f"show."
            )
    for name in found.space.names:
        variants = found.space.variants(name)
        if len(variants) > 1:
            each = "; ".join(f"{h} where {' and '.join(map(str, h.conditions))}" for h in variants)
            notes.append(f"{name} is {len(variants)} hyperparameters, as the builds show: {each}.")
    return notes


def _changed(outlines: Sequence[tuple[Mapping[str, Value], str]]) -> dict[str, bool]:
    """For hyperparameters that were changed alone, whether the text changed with them."""
    default, reference = outlines[0]
    changed: dict[str, bool] = {}
    for config, shape in outlines[1:]:
        names = [name for name in config if name in default and config[name] != default[name]]
        if len(names) == 1:
            changed[names[0]] = changed.get(names[0], False) or shape != reference
    return changed


def _check_metrics(
    definition: Definition, model: Any, parts: Split | StreamParts
) -> StudyCallbacks:
    """Checks that the objective is measured; the Keras callbacks, compared with the metrics."""
    from paceline.execute.measured_objective import check_objective
    from paceline.train.stream_feed import feed_of
    from paceline.train.trace import metric_shapes, trace
    from paceline.train.traced_model import CannotTrace

    training = definition.settings.training
    feed = feed_of(
        training_data(parts, definition.class_weight),
        training.batch_size or 32,
        training.validation_batch_size,
        (training.steps_per_epoch, training.validation_steps),
    )
    metric = definition.objective.metric
    callbacks = StudyCallbacks.of(definition.callbacks, model)
    is_monitored = any(hasattr(one, "monitor") for one in definition.callbacks)
    try:
        shapes = metric_shapes(model, feed, metric)
        if metric not in shapes or is_monitored:
            shapes = trace(model, feed).log_shapes
    except CannotTrace:
        return callbacks
    if callbacks.need_fit:  # they may add metrics
        return callbacks
    check_objective(metric, shapes, built_in=definition.settings.function.model is not None)
    scalars = [name for name, shape in shapes.items() if shape == ()]
    return callbacks.with_metrics(scalars) if is_monitored else callbacks


def _targets(parts: Split | StreamParts) -> Any:
    """All targets outside the test part if they are one array; else None."""
    targets = parts.dataset.y if isinstance(parts, Split) else None
    return targets if hasattr(targets, "shape") else None
