"""Optuna's samplers as strategies: ``tune(search=paceline.search.optuna(TPESampler(seed=1)))``.

Each call of ask creates an in-memory Optuna study from the trials so far, and a new sampler: it is
stored as its class, arguments and seed, so a resumed study continues with an equal one. That works
for every sampler that depends on the trials alone, and for those that attach whole numbers (a
generation) to trials.

Optuna is an extra and is imported when the first sampler is made or used.
"""

import importlib
import inspect
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Self

import numpy as np

from paceline.core import InvalidInput, Trial, TrialState, Value
from paceline.search.strategy import History, Proposal, ProposalList, Strategy, register, stream
from paceline.space import Hyperparameter, Space

SAMPLERS = (
    "TPESampler",
    "GPSampler",
    "NSGAIISampler",
    "NSGAIIISampler",
    "RandomSampler",
    "BruteForceSampler",
)
"""Supported samplers of Optuna; the others keep state in memory."""

_INSTEAD = {"QMCSampler": "sobol", "CmaEsSampler": "cmaes", "GridSampler": "grid"}

_TRIES = 5
"""Duplicates in a row after which a random configuration is proposed instead."""


@register
@dataclass(frozen=True, slots=True)
class OptunaSampler(Strategy):
    """Proposes what a sampler of Optuna suggests, or a random configuration after many duplicates.

    Made by `optuna`.

    Attributes:
        sampler: name of the class in ``optuna.samplers``.
        arguments: its keyword arguments, without ``seed``.
        seed: of all draws, from 0.
        asks: number of calls so far; each has its own random stream.
        marks: by ``space.key``, the sampler's attributes of its trials: for NSGA-II, the
            generation.
    """

    name: ClassVar[str] = "optuna"

    sampler: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0
    asks: int = 0
    marks: Mapping[str, Mapping[str, int]] = field(default_factory=dict, repr=False)

    @property
    def learns(self) -> bool:
        """True; most samplers do."""
        return True

    def ask(self, space: Space, history: History, count: int) -> tuple[Self, tuple[Proposal, ...]]:
        """The sampler's next suggestions, given all trials, including running ones."""
        if count < 1:
            return self, ()
        batch, marks, duplicates = ProposalList(space, history), dict(self.marks), 0
        with _quietly() as library:
            study = library.create_study(sampler=self._fresh(library))
            for trial in history.trials:
                study.add_trial(_as_optuna_trial(library, space, history, trial, self.marks))
            while len(batch) < count and duplicates < _TRIES and not batch.may_be_complete:
                if batch.take(config := _suggested(study, space), self.name):
                    found = study.get_trials(deepcopy=False)[-1].system_attrs.items()
                    marked = {name: value for name, value in found if isinstance(value, int)}
                    marks |= {space.key(config): marked} if marked else {}
                    duplicates = 0
                else:
                    duplicates += 1
        # random configurations for those that are missing
        batch.fill(
            count,
            lambda n: space.sample(stream(self.seed, n)),
            self.asks << 16,
            self.seed,
            "random",
        )
        return replace(self, asks=self.asks + 1, marks=marks), tuple(batch.proposals)

    def _fresh(self, library: Any) -> Any:
        seed = int(np.random.SeedSequence(self.seed, spawn_key=(self.asks,)).generate_state(1)[0])
        return getattr(library.samplers, self.sampler)(**self.arguments, seed=seed)

    def to_json(self) -> dict[str, Any]:
        """The whole state as JSON types."""
        marks = {key: dict(marked) for key, marked in self.marks.items()}
        kept = {
            "sampler": self.sampler,
            "arguments": dict(self.arguments),
            "seed": self.seed,
            "asks": self.asks,
        }
        return {"strategy": self.name, **kept, "marks": marks}

    @classmethod
    def from_json(cls, state: Mapping[str, Any]) -> Self:
        """The inverse of `to_json`.

        Raises:
            InvalidInput: a sampler that is not among `SAMPLERS`.
        """
        if state["sampler"] not in SAMPLERS:
            raise InvalidInput(
                f"sampler is {state['sampler']!r}", expected=f"one of {', '.join(SAMPLERS)}"
            )
        return cls(
            state["sampler"], state["arguments"], state["seed"], state["asks"], state["marks"]
        )


def optuna(sampler: Any, **arguments: Any) -> OptunaSampler:
    """Makes a strategy of a sampler of Optuna.

    ``optuna(TPESampler(seed=1))``, or its name and arguments: ``optuna("TPESampler", seed=1)``.

    Args:
        sampler: an unused sampler, or the name of its class. Its seed is 0 by default.
        arguments: of the class, if the name is passed.

    Raises:
        InvalidInput: Optuna is not installed; the sampler or one of its arguments cannot be stored
            in a study.
    """
    if isinstance(sampler, str):
        name, given = sampler, dict(arguments)
    elif arguments:
        raise InvalidInput(
            f"arguments {', '.join(arguments)} beside a sampler", expected="arguments beside a name"
        )
    else:
        name, given = type(sampler).__name__, {}
    with _quietly() as library:
        kind = _kind(library, name, sampler)
        if not isinstance(sampler, str):
            given = _arguments(kind, sampler)
        for argument, value in given.items():
            if not isinstance(value, bool | int | float | str | None):
                fix = "Leave it out."
                raise InvalidInput(
                    f"{argument} of {name} is {value!r}", expected="a JSON value", fix=fix
                )
        try:
            kind(**given)
        except (TypeError, ValueError) as error:
            raise InvalidInput(
                f"arguments of {name} are {given}", expected=f"what it takes: {error}"
            ) from None
    seed = given.pop("seed", None)
    return OptunaSampler(name, given, 0 if seed is None else seed)


def _kind(library: Any, name: str, sampler: Any) -> Any:
    kind = getattr(library.samplers, name, None) if name in SAMPLERS else None
    if kind is None or not (isinstance(sampler, str) or type(sampler) is kind):
        fix = f"Paceline has its own: search={_INSTEAD[name]!r}." if name in _INSTEAD else ""
        raise InvalidInput(
            f"sampler is {name}", expected=f"one of Optuna's {', '.join(SAMPLERS)}", fix=fix
        )
    return kind


def _arguments(kind: Any, sampler: Any) -> dict[str, Any]:
    """A sampler's arguments, from its attributes, if they reproduce an equal sampler."""
    found, usual = vars(sampler), vars(kind())
    names = [name for name in inspect.signature(kind).parameters if f"_{name}" in found]
    changed = {
        name: found[f"_{name}"]
        for name in names
        if not _same(found[f"_{name}"], usual.get(f"_{name}"))
    }
    given = {
        name: value
        for name, value in changed.items()
        if isinstance(value, bool | int | float | str | None)
    }
    if not _same(kind(**given), sampler):
        raise InvalidInput(
            f"sampler is a {kind.__name__} whose arguments cannot be read from it",
            expected="an unused one, with arguments that JSON can represent",
            fix=f'Pass its name and arguments instead: optuna("{kind.__name__}", seed=1, ...).',
        )
    seed = _seed(sampler)
    return given if seed is None else {**given, "seed": seed}


def _same(one: Any, other: Any) -> bool:
    """Whether two objects are equal except for their random state."""
    if type(one) is not type(other):
        return False
    if type(one).__name__ == "LazyRandomState":
        return True
    if isinstance(one, tuple | list):
        return len(one) == len(other) and all(map(_same, one, other))
    if type(one).__module__.startswith("optuna.") and hasattr(one, "__dict__"):
        mine, others = vars(one), vars(other)
        return mine.keys() == others.keys() and all(
            _same(mine[name], others[name]) for name in mine
        )
    return bool(one is other or one == other)


def _seed(sampler: Any) -> int | None:
    """A sampler's seed: the first word of its Mersenne twister's state, which is not public."""
    state = getattr(getattr(sampler, "_rng", None), "_rng", None)
    return None if state is None else int(state.get_state()[1][0])


@contextmanager
def _quietly() -> Iterator[Any]:
    """Optuna, without its log messages and warnings about in-memory studies and conditions."""
    try:
        library = importlib.import_module("optuna")
    except ImportError:
        fix = "Install it with: pip install 'paceline[optuna]'"
        raise InvalidInput(
            "Optuna is not installed", expected="the extra for Optuna's samplers", fix=fix
        ) from None
    before = library.logging.get_verbosity()
    library.logging.set_verbosity(library.logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", category=library.exceptions.ExperimentalWarning)
            warnings.filterwarnings("ignore", category=FutureWarning, module="paceline|optuna")
            yield library
    except ImportError as error:
        needed = (error.name or "torch").split(".")[0]
        fix = f"Install it with: pip install {needed}"
        raise InvalidInput(
            f"{needed} is not installed", expected="what this sampler of Optuna needs", fix=fix
        ) from None
    finally:
        library.logging.set_verbosity(before)


def _evenly(h: Hyperparameter) -> bool:
    """Whether its values are discrete, ordered and equally likely."""
    return (
        h.num_values is not None and h.is_ordered and h.to_unit(h.value_at(0)) == 0.5 / h.num_values
    )


def _distribution(library: Any, h: Hyperparameter) -> Any:
    """Categories and steps by their index, others by their coordinate in the unit interval."""
    if _evenly(h):
        return library.distributions.IntDistribution(0, (h.num_values or 1) - 1)
    if h.is_ordered:
        return library.distributions.FloatDistribution(0.0, 1.0)
    return library.distributions.CategoricalDistribution(range(h.num_values or 1))


def _suggested(study: Any, space: Space) -> dict[str, Value]:
    """The configuration of a new trial; only active hyperparameters are suggested."""
    trial, config = study.ask(), dict[str, Value]()
    for label, h in space.by_label.items():
        if h.num_values == 1 or h not in space.active(config):
            continue
        if _evenly(h):
            config[h.name] = h.value_at(trial.suggest_int(label, 0, (h.num_values or 1) - 1))
        elif h.is_ordered:
            config[h.name] = h.from_unit(trial.suggest_float(label, 0.0, 1.0))
        else:
            config[h.name] = h.value_at(trial.suggest_categorical(label, range(h.num_values or 1)))
    return space.complete(config)


def _as_optuna_trial(
    library: Any,
    space: Space,
    history: History,
    trial: Trial,
    marks: Mapping[str, Mapping[str, int]],
) -> Any:
    """A trial as Optuna's: losses are minimised; stopped ones are pruned, diverged ones failed."""
    config = space.complete(trial.config)
    active = set(space.active(config))
    asked = {label: h for label, h in space.by_label.items() if h.num_values != 1 and h in active}
    params = {
        label: h.to_unit(config[h.name])
        if h.is_ordered and not _evenly(h)
        else h.index_of(config[h.name])
        for label, h in asked.items()
    }
    found = {
        "params": params,
        "distributions": {label: _distribution(library, h) for label, h in asked.items()},
    }
    found["system_attrs"] = dict(marks.get(space.key(config), {}))
    states = library.trial.TrialState
    if not trial.state.is_final:
        return library.trial.create_trial(state=states.RUNNING, **found)
    objective, score = history.objective, trial.score
    if (
        trial.state is TrialState.FAILED
        or objective is None
        or score is None
        or not np.isfinite(score)
    ):
        return library.trial.create_trial(state=states.FAIL, **found)
    loss = objective.loss(score)
    if trial.state is TrialState.COMPLETED:
        return library.trial.create_trial(state=states.COMPLETE, value=loss, **found)
    reached = trial.measurements[-1].epoch if trial.measurements else 1
    return library.trial.create_trial(
        state=states.PRUNED, value=loss, intermediate_values={reached: loss}, **found
    )
