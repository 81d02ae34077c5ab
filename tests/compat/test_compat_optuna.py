"""Scripts for Optuna, carried out by Paceline."""

import threading
from pathlib import Path
from typing import Any

import pytest

import paceline
from paceline.core import AllTrialsFailed, InvalidInput

optuna: Any = pytest.importorskip("paceline.compat.optuna", reason="needs the extra optuna")
optuna.logging.set_verbosity(optuna.logging.WARNING)


def objective(trial: Any) -> float:
    x = trial.suggest_float("x", -10, 10)
    rate = trial.suggest_float("rate", 1e-5, 1e-1, log=True)
    n = trial.suggest_int("n", 1, 9, step=4)
    trial.set_user_attr("twice", 2 * x)
    return float((x - 2) ** 2 + n + rate)


def test_a_study_of_optuna_is_one_of_paceline(tmp_path: Path) -> None:
    study = optuna.create_study(direction="minimize", seed=1, directory=tmp_path / "study")
    seen: list[Any] = []
    study.optimize(objective, n_trials=12, callbacks=[lambda s, trial: seen.append((s, trial))])
    ours = study.paceline
    assert [trial.params for trial in study.trials] == [dict(one.config) for one in ours.trials]
    assert [trial.value for trial in study.trials] == [one.score for one in ours.trials]
    assert study.best_params == dict(ours.best.config)
    assert study.best_value == ours.best.score
    assert [trial.user_attrs["twice"] for trial in study.trials] == [
        2 * trial.params["x"] for trial in study.trials
    ]
    assert [(one is study, trial.number) for one, trial in seen] == [(True, n) for n in range(12)]
    assert len(study.trials_dataframe()) == 12

    def function(hp: Any) -> float:
        x, rate = hp.Float("x", -10, 10), hp.Float("rate", 1e-5, 1e-1, sampling="log")
        return float((x - 2) ** 2 + hp.Int("n", 1, 9, 4) + rate)

    plain = paceline.optimize(
        function, "min", trials=12, seed=1, study=tmp_path / "plain", final=False
    )
    assert [one.config for one in plain.trials] == [one.config for one in ours.trials]


def test_further_calls_go_on_also_in_another_process(tmp_path: Path) -> None:
    url, place = f"sqlite:///{tmp_path / 'optuna.db'}", tmp_path / "study"
    study = optuna.create_study(storage=url, study_name="one", seed=2, directory=place)
    study.optimize(objective, n_trials=3)
    study.optimize(objective, n_trials=2)
    again = optuna.load_study(study_name="one", storage=url, directory=place)
    again.optimize(objective, n_trials=2)
    assert [trial.number for trial in again.trials] == list(range(7))
    whole = optuna.create_study(seed=2, directory=tmp_path / "whole")
    whole.optimize(objective, n_trials=7)
    assert [trial.params for trial in again.trials] == [trial.params for trial in whole.trials]


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_trials_are_pruned_where_the_steps_are_known(tmp_path: Path, n_jobs: int) -> None:
    numbers: list[int] = []

    def of_steps(trial: Any) -> float:
        numbers.append(trial.number)
        x = trial.suggest_float("x", 0, 1)
        for step in range(9):
            trial.report(x + 1 / (step + 1), step * 10)
            if trial.should_prune():
                raise optuna.TrialPruned
        return float(x)

    pruner = optuna.pruners.MedianPruner()
    study = optuna.create_study(pruner=pruner, steps=9, seed=1, directory=tmp_path / "study")
    study.optimize(of_steps, n_trials=20, n_jobs=n_jobs)
    pruned = [trial for trial in study.trials if trial.state.name == "PRUNED"]
    assert 0 < len(pruned) < 20
    assert all(0 < len(trial.intermediate_values) < 9 for trial in pruned)
    complete = [trial for trial in study.trials if trial.state.name == "COMPLETE"]
    assert all(trial.value == trial.params["x"] for trial in complete)
    assert sorted(numbers) == list(range(20))


def test_a_pruner_without_steps_is_said_to_be_of_no_use() -> None:
    with pytest.warns(UserWarning, match=r"Nothing is pruned: MedianPruner .*steps=27"):
        optuna.create_study(pruner=optuna.pruners.MedianPruner())


def test_an_objective_can_prune_itself(tmp_path: Path) -> None:
    def own(trial: Any) -> float:
        x = trial.suggest_float("x", 0, 1)
        if x > 0.5:
            raise optuna.TrialPruned
        return float(x)

    study = optuna.create_study(seed=1, directory=tmp_path / "study")
    study.optimize(own, n_trials=8)
    for trial in study.trials:
        assert (trial.state.name == "PRUNED") == (trial.params["x"] > 0.5)


def test_categories_may_be_anything(tmp_path: Path) -> None:
    choices = [None, "a", (1, 2), 3]

    def of_choices(trial: Any) -> float:
        return float(choices.index(trial.suggest_categorical("k", choices)))

    study = optuna.create_study(direction="maximize", seed=1, directory=tmp_path / "study")
    study.optimize(of_choices, n_trials=4)
    assert {trial.value: trial.params["k"] for trial in study.trials} == {
        0.0: None,
        1.0: "a",
        2.0: "(1, 2)",
        3.0: 3,
    }
    assert study.best_params == {"k": 3}


def test_queued_configurations_are_tried(tmp_path: Path) -> None:
    study = optuna.create_study(seed=1, directory=tmp_path / "study")
    study.enqueue_trial({"x": 3.0, "n": 5})
    study.enqueue_trial({"x": 3.0, "n": 5}, skip_if_exists=True)
    study.optimize(objective, n_trials=3)
    assert [(t.params["x"], t.params["n"]) for t in study.trials].count((3.0, 5)) == 1
    with pytest.raises(InvalidInput, match="set_user_attr"):
        study.enqueue_trial({"x": 1.0}, user_attrs={"memo": 1})


def test_exceptions_end_the_study_unless_they_are_caught(tmp_path: Path) -> None:
    def fails(trial: Any) -> float:
        x = trial.suggest_float("x", 0, 1)
        if 0 < x < 0.5:
            raise ValueError(f"{x} is too small")
        return float(x)

    study = optuna.create_study(seed=1, directory=tmp_path / "study")
    with pytest.raises(ValueError, match="is too small"):
        study.optimize(fails, n_trials=20)
    assert len(study.trials) < 20
    study = optuna.create_study(seed=1, directory=tmp_path / "caught")
    study.optimize(fails, n_trials=8, catch=ValueError)
    assert len(study.trials) == 8
    assert any(trial.state.name == "FAIL" for trial in study.trials)

    def always(trial: Any) -> float:
        raise RuntimeError("always")

    with pytest.raises(RuntimeError, match="always"):
        optuna.create_study(directory=tmp_path / "always").optimize(always, n_trials=5)
    with pytest.raises(AllTrialsFailed, match="always"):
        optuna.create_study().optimize(always, n_trials=5, catch=(RuntimeError,))


def test_a_study_can_be_stopped_and_callbacks_may_raise(tmp_path: Path) -> None:
    study = optuna.create_study(seed=1, directory=tmp_path / "study")
    study.optimize(
        objective, n_trials=20, callbacks=[lambda s, t: s.stop() if t.number == 2 else None]
    )
    assert len(study.trials) == 3

    def raises(study: Any, trial: Any) -> None:
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        study.optimize(objective, n_trials=5, callbacks=[raises])


def test_a_sampler_of_optuna_may_be_used(tmp_path: Path) -> None:
    sampler = optuna.samplers.TPESampler(seed=3)
    study = optuna.create_study(sampler=sampler, seed=1, directory=tmp_path / "study")
    study.optimize(objective, n_trials=6)
    assert {trial.origin for trial in study.paceline.trials} >= {"optuna"}


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: optuna.create_study(directions=["minimize", "maximize"]), "one direction"),
        (lambda: optuna.create_study().optimize(objective), "n_trials and timeout"),
        (lambda: optuna.create_study().ask(), "paceline.open_study"),
    ],
)
def test_unsupported_calls_are_refused(call: Any, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        call()


def test_names_that_are_not_replaced_are_those_of_optuna() -> None:
    import optuna as theirs

    assert optuna.samplers is theirs.samplers
    assert optuna.TrialPruned is theirs.TrialPruned
    study = optuna.create_study(seed=1)
    study.optimize(objective, n_trials=2)
    assert study.best_trial.value == pytest.approx(min(trial.value for trial in study.trials))


def test_a_study_of_optuna_itself_is_carried_on(tmp_path: Path) -> None:
    import optuna as theirs

    url = f"sqlite:///{tmp_path / 'optuna.db'}"
    old = theirs.create_study(study_name="old", storage=url)
    old.optimize(objective, n_trials=2)
    study = optuna.create_study(
        study_name="old", storage=url, load_if_exists=True, directory=tmp_path / "study", seed=1
    )
    seen: list[int] = []
    study.optimize(objective, n_trials=3, callbacks=[lambda s, trial: seen.append(trial.number)])
    assert seen == [2, 3, 4]
    assert len(study.trials) == 5
    elsewhere = optuna.load_study(study_name="old", storage=url, directory=tmp_path / "other")
    elsewhere.optimize(objective, n_trials=2)
    assert [trial.number for trial in elsewhere.trials] == list(range(7))


def test_after_an_objective_was_mended_the_study_goes_on(tmp_path: Path) -> None:
    def broken(trial: Any) -> float:
        raise NameError("nonsense")

    study = optuna.create_study(seed=1, directory=tmp_path / "study")
    for _ in range(2):
        with pytest.raises(NameError, match="nonsense"):
            study.optimize(broken, n_trials=3)
    study.optimize(objective, n_trials=3)
    assert [trial.state.name for trial in study.trials] == ["FAIL"] * 2 + ["COMPLETE"] * 3


def test_numbers_are_those_of_optuna_also_where_trials_end_in_another_order() -> None:
    values: dict[int, float] = {}
    last = threading.Event()

    def waits(trial: Any) -> float:
        values[trial.number] = trial.suggest_float("x", 0, 1)
        if trial.number == 1:  # ends after the next one
            last.wait(60)
        if trial.number == 2:
            last.set()
        return values[trial.number]

    study = optuna.create_study(seed=1)
    study.optimize(waits, n_trials=5, n_jobs=2)
    assert {trial.number: trial.params["x"] for trial in study.trials} == values


def test_an_interruption_ends_the_study_and_pruning_all_trials_does_not_raise() -> None:
    def interrupted(trial: Any) -> float:
        if trial.number == 1:
            raise KeyboardInterrupt
        return float(trial.suggest_float("x", 0, 1))

    study = optuna.create_study(seed=1)
    with pytest.raises(KeyboardInterrupt):
        study.optimize(interrupted, n_trials=5)
    assert len(study.trials) == 2

    def prunes(trial: Any) -> float:
        trial.suggest_float("x", 0, 1)
        raise optuna.TrialPruned

    study = optuna.create_study(seed=1)
    study.optimize(prunes, n_trials=3)
    assert {trial.state.name for trial in study.trials} == {"PRUNED"}
