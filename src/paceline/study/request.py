"""What a user asks for, normalised and checked before anything is written."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

from paceline.core import Budget, InvalidInput, Objective, known_name, parse_bytes, shown
from paceline.core.checks import flag, whole_number
from paceline.core.events import Json
from paceline.schedule import Schedule
from paceline.schedule import create as create_schedule
from paceline.search import Strategy
from paceline.space import Hyperparameter, HyperParameters, Space
from paceline.study.bring import SearchChoice
from paceline.study.closing import Closing, Replication

Build = Callable[[HyperParameters], Any]


class Builder(Protocol):
    """An object with a method ``build(hp)``, as KerasTuner's ``HyperModel``."""

    def build(self, hp: HyperParameters, /) -> Any:
        """The compiled model."""


Buildable = Build | Builder | str
"""What users pass as ``build``: a function, an object with such a method, or a name."""


@dataclass(frozen=True, slots=True)
class Request:
    """A study as asked for; `Request.of` is the generous form.

    Attributes:
        build: the user's function.
        data: what `paceline.data.load` takes.
        objective: what to optimise.
        directory: where the study lives.
        epochs: epochs of each trial; None when it is a hyperparameter.
        batch_size: rows in a batch; None when it is a hyperparameter.
        validation_batch_size: rows in a validation batch; None for as many as in a training batch.
        loop: hyperparameters of the training loop: ``epochs``, ``batch_size``.
        budget: limits.
        search: where to look next.
        schedule: which trials continue; ``"auto"`` for what suits the objective and the length of
            training.
        ordered: whether what is asked next may not depend on the clock; None: where only ``trials``
            limit the study.
        in_flight: trials in flight at once, where a model or a schedule decides what follows; None
            for the standard.
        seed: of everything random.
        validation: fraction, or ``(x, y)``.
        data_options: further arguments of `paceline.data.load` and `split`.
        class_weight: weight of each class in the loss, as `paceline.data.weights.plain` takes it.
        patience: epochs without improvement after which a trial is complete.
        keep: ``"last"`` or ``"best"``: the epoch whose score and weights count.
        memory: bytes that a cohort may take.
        closing: the final, and how the winner's model is made.
        replication: how often each configuration is trained.
        test_trials: whether every completed trial is measured on the test part, too.
        keep_models: of how many trials the trained networks are kept; None for as many as before.
        source: how the terminal can find build and data again, for ``paceline resume``.
        change_space: whether the study that is there may go on in another space.
        recorded: what the study that is there recorded of its data; None where it begins.
    """

    build: Build
    data: Any
    objective: Objective
    directory: Path
    epochs: int | None
    batch_size: int | None
    loop: Space
    budget: Budget
    search: SearchChoice
    schedule: Literal["auto"] | Schedule
    ordered: bool | None
    in_flight: int | None
    seed: int
    validation: Any
    data_options: Mapping[str, Any]
    class_weight: Any
    patience: int | None
    keep: Literal["last", "best"]
    memory: int | None
    closing: Closing = field(default_factory=Closing)
    replication: Replication = field(default_factory=Replication)
    test_trials: bool = False
    keep_models: int | None = None
    validation_batch_size: int | None = None
    source: Mapping[str, Any] = field(default_factory=dict)
    recorded: Mapping[str, Json] | None = None
    change_space: bool = False

    @classmethod
    def of(
        cls,
        build: Build,
        data: Any,
        *,
        objective: Any,
        study: str | os.PathLike[str],
        epochs: Any,
        batch_size: Any,
        budget: Budget,
        search: str | Strategy | SearchChoice,
        seed: int,
        validation: Any,
        data_options: Mapping[str, Any],
        class_weight: Any,
        patience: int | None,
        keep: str,
        memory: int | str | None,
        schedule: str | Schedule = "auto",
        ordered: bool | None = None,
        in_flight: int | None = None,
        closing: Closing | None = None,
        replication: Replication | None = None,
        test_trials: bool = False,
        keep_models: int | None = None,
        validation_batch_size: int | None = None,
        source: Mapping[str, Any] | None = None,
        recorded: Mapping[str, Json] | None = None,
        change_space: bool = False,
    ) -> "Request":
        """Takes what users pass and checks it.

        Raises:
            InvalidInput: anything that cannot be.
        """
        if not callable(build):
            expected = "a function build(hp) that returns a compiled model, or an object with such a method"
            raise InvalidInput(f"build is {shown(build)}", expected=expected)
        loop = [
            h
            for h in (_loop("epochs", epochs), _loop("batch_size", batch_size))
            if isinstance(h, Hyperparameter)
        ]
        seed = whole_number("seed", seed, at_least=0)
        return cls(
            build,
            data,
            Objective.of(objective),
            Path(study),
            epochs=_constant("epochs", epochs, [10, 20]),
            batch_size=_constant("batch_size", batch_size, [32, 64]),
            loop=Space(loop),
            budget=budget,
            search=SearchChoice.of(search, seed),
            schedule=schedule_named(schedule),
            ordered=None if ordered is None else flag("ordered", ordered, also=", or nothing"),
            in_flight=None if in_flight is None else whole_number("in_flight", in_flight),
            seed=seed,
            validation=validation,
            data_options=dict(data_options),
            class_weight=class_weight,
            patience=None if patience is None else whole_number("patience", patience),
            keep="best" if known_name("keep", keep, ("last", "best")) == "best" else "last",
            memory=None if memory is None else parse_bytes(memory),
            closing=closing or Closing(),
            replication=replication or Replication(),
            test_trials=flag("test_trials", test_trials),
            keep_models=None if keep_models is None else whole_number("keep_models", keep_models),
            validation_batch_size=(
                None
                if validation_batch_size is None
                else whole_number("validation_batch_size", validation_batch_size)
            ),
            source=dict(source or {}),
            recorded=recorded,
            change_space=flag("change_space", change_space),
        )


def schedule_named(given: str | Schedule) -> Literal["auto"] | Schedule:
    """A schedule, or ``"auto"``.

    Raises:
        InvalidInput: it is neither, nor the name of one.
    """
    is_open = isinstance(given, str) and given.strip().lower() == "auto"
    return "auto" if is_open else create_schedule(given)


def _constant(name: str, given: Any, example: list[int]) -> int | None:
    """A setting of the training loop that is the same in all trials; None where it is tuned."""
    also = f", or a hyperparameter such as paceline.Choice({example})"
    return None if isinstance(given, Hyperparameter) else whole_number(name, given, also=also)


def _loop(name: str, value: Any) -> Any:
    if not isinstance(value, Hyperparameter):
        return None
    named = value.named(name)
    values = getattr(named, "values", None) or (
        getattr(named, "value", getattr(named, "min_value", 0)),
    )
    if not all(isinstance(one, int) and not isinstance(one, bool) and one >= 1 for one in values):
        raise InvalidInput(f"{name} is {shown(value)}", expected="whole numbers of at least 1")
    return named
