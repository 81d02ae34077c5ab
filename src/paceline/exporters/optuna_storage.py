"""Exports to a storage of Optuna, for example for optuna-dashboard."""

from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from paceline.core import Configuration, InvalidInput, Trial, TrialState
from paceline.exporters.base import ExportedStudy, Exporter, require, without_password
from paceline.exporters.optuna_bulk import add_trials
from paceline.space import Float, Hyperparameter, Int, Space

if TYPE_CHECKING:
    import optuna

_STUDY = _TRIAL = "paceline"
"""The user attributes of the study (its key) and of a trial (what Optuna has no place for)."""


class OptunaStorage(Exporter):
    """Writes the trials as a study of Optuna: parameters, values of each epoch, score and state.

    Stopped trials are "pruned" there. What Optuna has no place for is in the user attribute
    ``paceline`` of a trial: its number, state, origin and training time.

    Args:
        storage: a URL such as ``"sqlite:///optuna.db"``, or a storage object of Optuna; None for
            ``optuna.db`` in the study's directory.
        study_name: the name there; None for that of the study's directory.

    Raises:
        InvalidInput: Optuna is not installed, or the storage has another study of that name.
    """

    name = "optuna"
    needs = "the URL of a database that can be written, such as 'sqlite:///optuna.db'"

    def __init__(self, storage: Any = None, study_name: str | None = None) -> None:
        require("optuna", "Optuna", "optuna")
        self._storage, self._study_name = storage, study_name

    def begin(self, study: ExportedStudy) -> None:
        """Creates the study there, or continues it."""
        made = self.open(study)
        where = without_password(self._url(study) or "a storage of Optuna")
        self.place = f"the study {made.study_name!r} in {where}"
        trials = made.get_trials(deepcopy=False)
        known = made.user_attrs.get(_STUDY)
        if known != study.key and (trials or known is not None):
            raise InvalidInput(
                f"the storage has a study {made.study_name!r} already, which is not of this one",
                expected="a name of its own",
                fix="Pass another study_name.",
            )
        made.set_user_attr(_STUDY, study.key)
        self.adopt(made, study)

    def adopt(self, made: "optuna.Study", study: ExportedStudy) -> None:
        """Adds to a study of Optuna, whatever trials it has."""
        self._study, self._metric, self._space = made, study.objective.metric, study.space
        self.key = study.key
        facts = [one.user_attrs.get(_TRIAL, {}) for one in made.get_trials(deepcopy=False)]
        self.known = {one["trial"] for one in facts if one.get("study") == study.key}

    def change_space(self, study: ExportedStudy) -> None:
        """Takes up the space as it is now."""
        self._space = study.space

    def _url(self, study: ExportedStudy) -> str | None:
        """The URL of the storage; None if an object was passed."""
        if not self._storage:
            return f"sqlite:///{study.directory.absolute() / 'optuna.db'}"
        return self._storage if isinstance(self._storage, str) else None

    def open(self, study: ExportedStudy) -> "optuna.Study":
        """Creates the study of Optuna, or opens it."""
        import optuna

        verbosity = optuna.logging.get_verbosity()
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        try:
            return optuna.create_study(
                storage=self._url(study) or self._storage,
                study_name=self._study_name or study.name,
                direction=study.objective.direction,
                load_if_exists=True,
            )
        finally:
            optuna.logging.set_verbosity(verbosity)

    def add(self, trial: Trial) -> None:
        """Adds a trial, unless it is there."""
        if trial.number in self.known:
            return
        self.known.add(trial.number)
        self._study.add_trial(self.frozen(trial))

    def add_many(self, trials: Sequence[Trial]) -> None:
        """Adds trials that are not there in one transaction."""
        new = [trial for trial in trials if trial.number not in self.known]
        add_trials(self._study, [self.frozen(trial) for trial in new])
        self.known |= {trial.number for trial in new}

    def parameters(
        self, config: Configuration
    ) -> "tuple[dict[str, Any], dict[str, optuna.distributions.BaseDistribution]]":
        """Parameters and their distributions; values outside the space are none."""
        distributions = _distributions(config, self._space)
        return {name: config[name] for name in distributions}, distributions

    def state(self, trial: Trial) -> "optuna.trial.TrialState":
        """The state of a trial in Optuna's terms."""
        from optuna.trial import TrialState as Theirs

        if trial.state is TrialState.STOPPED:
            return Theirs.PRUNED
        return Theirs.FAIL if trial.score is None else Theirs.COMPLETE

    def frozen(self, trial: Trial) -> "optuna.trial.FrozenTrial":
        """A trial as Optuna has it."""
        from optuna.trial import create_trial

        params, distributions = self.parameters(trial.config)
        facts: dict[str, Any] = {"trial": trial.number, "study": self.key}
        facts["state"] = str(trial.state)
        facts |= {"origin": trial.origin, "seconds": trial.seconds}
        if outside := {k: v for k, v in trial.config.items() if k not in distributions}:
            facts["other_parameters"] = outside
        if trial.error:
            facts["error"] = trial.error
        return create_trial(
            state=self.state(trial),
            value=trial.score,
            params=params,
            distributions=distributions,
            intermediate_values={
                one.epoch: one.metrics[self._metric]
                for one in trial.measurements
                if self._metric in one.metrics
            },
            user_attrs={_TRIAL: facts},
        )


def _distributions(
    config: Configuration, space: Space
) -> "dict[str, optuna.distributions.BaseDistribution]":
    """The distributions of the values that lie in the space."""
    found = {}
    for one in space:
        with suppress(InvalidInput):  # a value from before the space was changed
            if one.name in config:
                one.legal(config[one.name])
                found[one.name] = _distribution(one)
    return found


def _distribution(one: Hyperparameter) -> "optuna.distributions.BaseDistribution":
    from optuna.distributions import (
        CategoricalDistribution,
        FloatDistribution,
        IntDistribution,
    )

    count = one.num_values
    sampling = getattr(one, "sampling", "")
    if isinstance(one, Float) and count is None:  # Optuna has no logarithm from the upper end
        return FloatDistribution(one.min_value, one.max_value, log=sampling == "log")
    if isinstance(one, Int) and one.step is None and sampling == "log":
        return IntDistribution(one.min_value, one.max_value, log=True)
    values = [one.value_at(index) for index in range(count or 0)]
    if isinstance(one, Int) and sampling == "linear":
        return IntDistribution(one.min_value, int(values[-1]), step=one.step or 1)
    if isinstance(one, Float) and sampling == "linear" and len(values) > 1:
        return FloatDistribution(one.min_value, float(values[-1]), step=one.step)
    return CategoricalDistribution(values)
