"""The data of a study: loaded, divided, prepared and checked against its networks.

One rule applies to all forms of data; see `paceline.data.split` for inputs. In addition:

- classes that are whole numbers stay as they are where the network has an output for each of them,
  and are numbered from 0 where not;
- a regression target far from 0 ± 1 is scaled for training, and measured in its own unit
  (`paceline.train.target_scaling`).

These decisions are recorded, so that a resumed study and every model that it returns use the same.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from paceline import networks
from paceline.core import InvalidInput, checks
from paceline.core.events import Json
from paceline.data import Dataset, Split, Stream, targets, weights
from paceline.data.folds import GivenFolds
from paceline.data.preparation import How
from paceline.data.records import RULE
from paceline.data.splits import split_with
from paceline.data.targets import TargetScale
from paceline.data.trees import map_leaves, take
from paceline.settings.training import TrainingSettings
from paceline.space import HyperParameters
from paceline.study.inputs.loading_data import as_stream, load_data, open_validation, rule_of
from paceline.study.inputs.model_inputs import build_for_target
from paceline.study.inputs.stream_parts import StreamParts
from paceline.study.plan.definition import Definition
from paceline.study.plan.streams import stream_parts

_PROBED_ROWS = 16


@dataclass(frozen=True, eq=False)
class StudyData:
    """The data on which a study's networks are trained.

    Attributes:
        parts: the data, divided and prepared.
        definition: the study's definition, with the build function and class weights for these
            data.
        notes: what was done, as sentences.
        preparation: the same for the record; None for streams and for studies that recorded none.
    """

    parts: Split | StreamParts
    definition: Definition
    notes: tuple[str, ...] = ()
    preparation: Mapping[str, Json] | None = None


def study_data(definition: Definition) -> StudyData:
    """Loads, divides and prepares the data.

    Args:
        definition: the study's definition.

    Raises:
        InvalidInput: data, or options, that cannot be used.
    """
    rule = rule_of(definition.recorded)
    dataset, definition = _loaded(definition)
    if isinstance(dataset, Stream):
        rows = getattr(dataset.source, "source", None)  # of batches whose rows have numbers
        known = () if rows is None else (rows.class_names, rows.labels)
        weight = weights.of_stream(weights.plain(definition.class_weight), *known)
        definition = definition.weighted(weight)
        parts = stream_parts(dataset, definition)
        return StudyData(parts, definition, (*dataset.notes, *parts.notes))
    kept = None if definition.recorded is None else definition.recorded.get("preparation")
    probe = _Probe(definition)
    dataset, class_notes = (dataset, ()) if rule < RULE else _with_classes(dataset, probe, kept)
    divided = split_with(
        _how(dataset, definition, rule),
        dataset,
        validation=definition.validation,
        seed=definition.seed,
        shuffle=definition.data_options.get("shuffle", True),
        batch_rows=_batch_rows(definition),
        keep_groups=definition.folds is None,  # otherwise the folds do
    )
    notes = (*dataset.notes, *class_notes, *divided.notes)
    definition = definition.weighted(_class_weight(definition, divided, rule))
    if rule < RULE:
        return StudyData(divided, definition, notes)
    scale, always, target_notes = _target_scale(divided, probe, kept)
    notes = (*notes, *target_notes)
    own = None if divided.preparation is None else probe.own_method
    if own is not None:
        notes = (
            *notes,
            f"The preparation is not part of the models, which have a {own} of their own: their "
            "rows are those that study.prepare(x) gives.",
        )
    preparation = _to_json(divided, scale, always, own is None)
    definition = replace(definition, build=build_for_target(definition.build, preparation))
    return StudyData(divided, definition, notes, preparation)


def _loaded(definition: Definition) -> tuple[Dataset | Stream, Definition]:
    """The training data, and the definition with opened validation data and their batch size."""
    training, recorded = definition.settings.training, definition.recorded
    arguments = (definition.data, definition.data_options, definition.seed, recorded, training)
    dataset = load_data(*arguments)
    validation = open_validation(
        definition.validation, recorded, training, definition.data_options.get("target")
    )
    if isinstance(validation, Stream):
        dataset = as_stream(dataset, *arguments)
    definition = replace(definition, validation=validation)
    if training.batch_size is not None or "batch_size" in definition.loop:
        return dataset, definition
    own = None if isinstance(dataset, Stream) else dataset.batch_size
    default = TrainingSettings().batch_size
    settings = definition.settings.with_values(training={"batch_size": own or default})
    return dataset, replace(definition, settings=settings)


def _to_json(
    parts: Split, scale: TargetScale | None, always: bool, in_model: bool
) -> Mapping[str, Json]:
    dataset = parts.dataset
    return {
        "rule": RULE,
        "inputs": None if parts.preparation is None else parts.preparation.to_json(),
        "columns": [column.to_json() for column in dataset.columns],
        "became": [list(pair) for pair in dataset.became],
        "target": None if scale is None else {**scale.to_json(), "always": always},
        "classes": _classes(dataset) if parts.dataset.task == "classification" else None,
        "in_model": in_model,
        "kept": bool(dataset.class_names) and not dataset.class_values and dataset.y.ndim == 1,
    }


def _classes(dataset: Dataset) -> list[Json]:
    """The classes in the order of their numbers, as plain types; whole numbers as strings."""
    if dataset.are_bools and dataset.num_classes == 2:
        return [False, True]
    return list(dataset.class_names)


@dataclass
class _Probe:
    """The model of the default configuration, to check the data against; never trained."""

    definition: Definition

    @property
    def is_built_in(self) -> bool:
        """Whether the network is a built-in one."""
        return bool(self.definition.settings.function.model)

    @property
    def own_method(self) -> str | None:
        """The first method for training or evaluation that the model overrides."""
        from paceline.train.target_scaling import overridden_method

        model = None if self.is_built_in else self.model()
        return None if model is None else overridden_method(model)

    def model(self) -> Any:
        """The model; None if it cannot be built, which discovery reports."""
        from paceline.train.build import build_model

        try:
            return build_model(
                self.definition.build, HyperParameters(self.definition.loop), self.definition.seed
            )
        except Exception:
            return None


def _how(dataset: Dataset, definition: Definition, rule: int) -> How:
    """Which numbers are shifted and scaled: those of tables, and more for built-in networks."""
    given = definition.data_options.get("standardize")
    if given is not None:
        return "all" if checks.flag("standardize", given, also=", or nothing") else "none"
    if rule < RULE:
        return "none" if dataset.name == "arrays" else "columns"
    model = definition.settings.function.model
    return networks.find(model).scales if model else "tables"


def _batch_rows(definition: Definition) -> int:
    """A number of rows that every possible batch size divides; 1 if rows are not to be moved."""
    if isinstance(definition.folds, GivenFolds) and len(definition.folds.parts) == 1:
        return 1  # a single pair of parts is the division itself
    if "batch_size" not in definition.loop:
        return definition.settings.training.batch_size or 1
    sizes = definition.loop["batch_size"]
    count = sizes.num_values or 1
    return math.lcm(*(int(sizes.value_at(i)) for i in range(count))) if count <= 16 else 1


def _class_weight(definition: Definition, parts: Split, rule: int) -> dict[int, float] | None:
    given = weights.plain(definition.class_weight)
    if rule < RULE and isinstance(given, Mapping):  # by the number of a class in the targets
        return {int(number): weight for number, weight in given.items()}
    return weights.by_number(given, parts.dataset, parts.y_train)


def _with_classes(
    dataset: Dataset, probe: _Probe, kept: Mapping[str, Json] | None
) -> tuple[Dataset, tuple[str, ...]]:
    """Keeps classes that are whole numbers if the network has an output for each of them."""
    if not dataset.class_values or probe.is_built_in:
        return dataset, ()
    width = _kept_width(kept) if kept is not None else _num_outputs(dataset, probe)
    if width is None or width <= max(dataset.class_values):
        return dataset, ()
    listed = ", ".join(map(str, dataset.class_values[:10]))
    listed += ", ..." if len(dataset.class_values) > 10 else ""
    note = f"Classes {listed} stay as they are: the network has {width} outputs."
    return targets.keep_values(dataset, width), (note,)


def _kept_width(kept: Mapping[str, Json]) -> int | None:
    return len(kept["classes"]) if kept.get("kept") and kept["classes"] else None


def _num_outputs(dataset: Dataset, probe: _Probe) -> int | None:
    from paceline.train.target_scaling import num_outputs

    model = probe.model()
    if model is None:
        return None
    try:
        if dataset.columns:
            return num_outputs(model, np.zeros((1, *dataset.input_shape), np.float32))
        return num_outputs(model, map_leaves(lambda _, leaf: leaf[:1], dataset.x))
    except Exception:  # it does not fit these inputs, which discovery reports
        return None


def _target_scale(
    parts: Split, probe: _Probe, kept: Mapping[str, Json] | None
) -> tuple[TargetScale | None, bool, tuple[str, ...]]:
    """How the target is scaled, whether it always is, and a note about it."""
    given = probe.definition.data_options.get("scale_target")
    given = None if given is None else checks.flag("scale_target", given, also=", or nothing")
    if kept is not None:
        known = kept.get("target")
        if known is None:
            return None, False, ()
        return TargetScale.from_json(known), known["always"], ()
    name = parts.dataset.target_name
    scale = targets.scale_of(parts.y_train) if parts.dataset.task == "regression" else None
    if scale is None and given:
        raise InvalidInput(
            f"scale_target is True and the target {name} is not one of amounts",
            expected="a regression target that varies, in one array",
        )
    if scale is None or given is False or not (given or targets.is_far(scale)):
        return None, False, ()
    found = _usable_scale(parts, probe, scale, given is True)
    about = (
        f"The target {name} (mean {_formatted(scale.shift)}, standard deviation "
        f"{_formatted(scale.scale)})"
    )
    if isinstance(found, str):
        note = (
            f"{about} lies far from 0 ± 1 and is learnt as it is: {found}. scale_target=True "
            f"scales it all the same."
        )
        return None, False, (note,) if found else ()
    moved = f"(y - {_formatted(found.shift)})" if np.any(found.shift) else "y"
    note = (
        f"{about} is learnt as {moved} / {_formatted(found.scale)}; scores, metrics and the model "
        "are in its own unit. To train a configuration elsewhere, scale the target in the same way."
    )
    return found, given is True, (note,)


def _usable_scale(
    parts: Split, probe: _Probe, scale: TargetScale, always: bool
) -> TargetScale | str:
    """The scale with which the default configuration can learn the target, or why it cannot.

    Raises:
        InvalidInput: it cannot, although scaling was asked for.
    """
    from paceline.train import target_scaling

    model = probe.model()
    if model is None:
        return ""
    rows = np.arange(min(_PROBED_ROWS, len(parts.y_train)))
    x, y = take(parts.x_train, rows), parts.y_train[rows]
    own = target_scaling.AffineScale(scale.shift, scale.scale)
    try:
        reason = target_scaling.scaling_obstacle(model, x, y)
        found = reason or own if always else target_scaling.choose_scale(model, own, x, y)
    except Exception:  # it does not fit these inputs, which discovery reports
        return ""
    if always and reason:
        raise InvalidInput(
            f"scale_target is True and {reason}", expected="a model that can learn a scaled target"
        )
    if isinstance(found, str):
        return found
    return TargetScale(np.asarray(found.shift), np.asarray(found.scale))


def _formatted(numbers: Any) -> str:
    listed = [f"{float(number):,.6g}" for number in np.ravel(numbers)[:3]]
    return ", ".join(listed) + (", ..." if np.size(numbers) > 3 else "")
