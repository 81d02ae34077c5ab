"""Functions as objectives, through the public face."""

import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

import paceline
from paceline.core import Action, AllTrialsFailed, InvalidInput, StudyMismatch, TrialState
from paceline.core.events import SpaceChanged
from paceline.report.verdict import sentences
from paceline.store import StudyStore


def branin(hp: Any) -> float:
    """Branin's function; its minimum is 0.397887."""
    x, y = hp.Float("x", -5.0, 10.0), hp.Float("y", 0.0, 15.0)
    bowl = (y - 5.1 / (4 * np.pi**2) * x**2 + 5 / np.pi * x - 6) ** 2
    return float(bowl + 10 * (1 - 1 / (8 * np.pi)) * np.cos(x) + 10)


def curve(hp: Any) -> None:
    for step in range(1, 10):
        if not hp.report(
            {"score": hp.Float("rate", 0.0, 1.0) * step, "loss": 1.0 / step}, step=step
        ):
            return


def branching(hp: Any) -> float:
    """The second branch has a range of its own."""
    if hp.Choice("kind", ["flat", "steep"]) == "flat":
        return 0.0
    return float(hp.Float("slope", 1.0, 2.0))


def nested(hp: Any) -> float:
    """How many there are to be asked for, only plain Python knows."""
    return float(sum(hp.Float(f"x{i}", -1.0, 1.0) ** 2 - 1 for i in range(hp.Int("n", 1, 4))))


def fragile(hp: Any) -> float:
    if hp.Int("n", 0, 9) % 3 == 1:
        os._exit(5)
    if hp.Int("n", 0, 9) % 3 == 2:
        raise RuntimeError("no luck")
    return 1.0


def tune(
    directory: Path, function: Callable[[Any], Any] | str = branin, **options: Any
) -> paceline.Study:
    settings = {"objective": "min", "trials": 8, "search": "random", "seed": 3, "display": False}
    return paceline.tune(function, study=directory, **{**settings, **options})


def sequence(study: paceline.Study) -> list[Any]:
    """What a study did, without its times."""
    trials = [
        (dict(t.config), t.state, t.score, [m.metrics for m in t.measurements], t.origin)
        for t in study.trials
    ]
    return [*trials, study.record.decisions, study.space]


def test_a_function_that_returns_a_number(tmp_path: Path) -> None:
    study = tune(tmp_path / "s", trials=20)
    assert [trial.state for trial in study.trials] == [TrialState.COMPLETED] * 20
    assert all(
        trial.score == branin(paceline.HyperParameters(values=trial.config))
        for trial in study.trials
    )
    assert study.best.score == min(trial.score for trial in study.trials if trial.score is not None)
    assert study.record.objective.metric == "score"
    assert study.trials[0].config == {"x": -5.0, "y": 0.0}  # the default configuration comes first
    assert len({tuple(trial.config.values()) for trial in study.trials}) == 20
    assert list(study.trials_dataframe()["config_x"]) == [
        trial.config["x"] for trial in study.trials
    ]


def test_a_dict_of_metrics_and_an_objective_by_name(tmp_path: Path) -> None:
    def measured(hp: Any) -> dict[str, Any]:
        x = hp.Float("x", 0.0, 1.0)
        return {"accuracy": np.float32(x), "seconds": 3}

    study = tune(tmp_path / "s", measured, objective="accuracy")
    assert study.record.objective.direction == "maximize"
    assert study.best.config["x"] == max(trial.config["x"] for trial in study.trials)
    assert study.best.measurements[0].metrics == {
        "accuracy": pytest.approx(study.best.config["x"]),
        "seconds": 3.0,
    }


@pytest.mark.parametrize("workers", [None, 2])
def test_the_same_seed_is_the_same_study_also_when_it_is_stopped_in_between(
    tmp_path: Path, workers: int | None
) -> None:
    options: dict[str, Any] = {"objective": "max", "epochs": 9, "in_flight": 2, "workers": workers}
    whole = tune(tmp_path / "whole", curve, trials=12, **options)
    tune(tmp_path / "parts", curve, trials=5, **options)
    parts = tune(tmp_path / "parts", curve, trials=12, **{**options, "workers": 1})
    assert [trial.config for trial in parts.trials] == [trial.config for trial in whole.trials]
    alone = tune(tmp_path / "alone", curve, trials=12, **{**options, "workers": None})
    assert sequence(alone) == sequence(whole)


def test_hyperparameters_found_during_the_search_are_searched(tmp_path: Path) -> None:
    study = tune(tmp_path / "s", branching, objective="max", trials=12)
    assert study.space.names == ("kind", "slope")
    slopes = [trial.config["slope"] for trial in study.trials if trial.config["kind"] == "steep"]
    assert (
        len({*slopes, 1.0}) == len(slopes) + 1 > 2
    )  # not even the trial that met slope had its default, 1
    assert all(
        "slope" not in trial.config for trial in study.trials if trial.config["kind"] == "flat"
    )
    store = StudyStore(tmp_path / "s", writable=False)
    grown = [one.event.trial for one in store.events() if isinstance(one.event, SpaceChanged)]
    store.close()
    steep = [trial.number for trial in study.trials if trial.config["kind"] == "steep"]
    assert grown == [None, 0, steep[0]]
    assert [condition.values for condition in study.space["slope"].conditions] == [("steep",)]
    again = tune(tmp_path / "s", branching, objective="max", trials=14)
    assert again.space == study.space


@pytest.mark.exhaustive
def test_a_growing_space_is_the_same_study_whoever_is_first(tmp_path: Path) -> None:
    alone = tune(tmp_path / "alone", nested, trials=14, in_flight=3)
    together = tune(tmp_path / "together", nested, trials=14, in_flight=3, workers=3)
    assert sequence(alone) == sequence(together)
    assert alone.space.names == ("n", "x0", "x1", "x2", "x3")
    for trial in alone.trials:
        assert len(trial.config) == 1 + int(trial.config["n"])


def test_a_space_that_is_given_need_not_be_learnt(tmp_path: Path) -> None:
    space = {"x": paceline.Float(0.0, 1.0), "y": paceline.Float(0.0, 15.0, default=3.0)}
    study = tune(tmp_path / "s", space=space, fixed={"y": 2.0})
    assert all(
        0.0 <= float(trial.config["x"]) <= 1.0 and trial.config["y"] == 2.0
        for trial in study.trials
    )
    with pytest.raises(StudyMismatch, match="space differs in x"):
        tune(tmp_path / "s", space={"x": paceline.Float(0.0, 2.0)})


def test_every_configuration_of_a_small_space_is_tried_once(tmp_path: Path) -> None:
    def small(hp: Any) -> float:
        return float(hp.Int("m", 1, 2) * (hp.Int("n", 1, 3) if hp.Boolean("on") else 1))

    study = tune(tmp_path / "s", small, objective="max", trials=None, search="grid")
    used = [tuple(trial.config.items()) for trial in study.trials]
    assert len(set(used)) == 2 * (1 + 3)
    assert study.best.score == 6.0
    assert any("have been tried" in note for note in study.record.notes)


def noisy(hp: Any) -> float:
    """Best at 0.3, but for what the seed adds."""
    return float(
        (hp.Float("x", 0.0, 1.0) - 0.3) ** 2 + 0.01 * np.random.default_rng(hp.seed).normal()
    )


@pytest.mark.parametrize("final", [2, 4])
def test_of_a_function_without_chance_the_best_wins_and_is_better(
    tmp_path: Path, final: int
) -> None:
    """A spike that no model of the other trials expects: it is the best, and better than the
    default.
    """

    def spike(hp: Any) -> float:
        x, y = hp.Float("x", 0.0, 1.0), hp.Float("y", 0.0, 1.0)
        return float(1.0 if 0.88 < x < 0.91 else 0.99 - 0.1 * (x - 0.3) ** 2 - 0.1 * (y - 0.5) ** 2)

    study = tune(tmp_path / "study", spike, objective="max", trials=40, final=final)
    assert (
        study.best.score
        == max(trial.score for trial in study.trials if trial.score is not None)
        == 1.0
    )
    verdict = study.verdict
    assert verdict is not None
    assert verdict.exact
    assert verdict.beats_default is True
    assert all(study.trials[number].score == 1.0 for number in verdict.tied)
    assert "in each of" in " ".join(sentences(verdict, study.record))


def test_a_coarse_score_that_was_the_same_twice_proves_nothing(tmp_path: Path) -> None:
    def coarse(hp: Any) -> float:
        x, noise = (
            float(hp.Choice("x", [0.52, 0.54])),
            float(np.random.default_rng(hp.seed).normal()),
        )
        return round(x + 1e-4 * noise, 1) + x / 100

    verdict = tune(
        tmp_path / "study", coarse, objective="max", trials=2, search="grid", final=2
    ).verdict
    assert verdict is not None
    assert not verdict.exact
    assert verdict.beats_default is False


def test_a_final_calls_the_finalists_anew_with_seeds_of_their_own(tmp_path: Path) -> None:
    assert (
        tune(tmp_path / "none", noisy).record.final is None
    )  # only the user knows what a call takes
    calls: list[tuple[float, int]] = []

    def counted(hp: Any) -> float:
        score = noisy(hp)
        calls.append((hp.config["x"], hp.seed))
        return score

    study = tune(tmp_path / "study", counted, trials=12, final=3)
    final, verdict = study.record.final, study.verdict
    assert final is not None
    assert verdict is not None
    searched, fresh = calls[:12], calls[12:]
    assert {seed for _, seed in searched} == {3}
    assert Counter(x for x, _ in fresh) == {study.trials[n].config["x"]: 3 for n in final.finalists}
    assert len({seed for _, seed in fresh}) == 3
    assert (
        final.default == 0
    )  # random search begins with the default configuration, since it is to be compared
    rng = np.random.default_rng(fresh[0][1])
    assert final.scores[final.finalists[0], 0] == pytest.approx(
        (fresh[0][0] - 0.3) ** 2 + 0.01 * rng.normal()
    )
    assert study.best.number == verdict.winner
    again = tune(tmp_path / "study", counted, trials=12, final=3)
    assert len(calls) == 12 + len(fresh)
    assert again.best.number == study.best.number


def endless(hp: Any) -> None:
    hp.Float("rate", 0.0, 1.0)
    step = 0
    while True:
        hp.report(float(step := step + 1))


def test_asha_stops_at_once_who_is_behind(tmp_path: Path) -> None:
    study = tune(tmp_path / "s", curve, objective="max", epochs=9, trials=30)
    states = Counter(trial.state for trial in study.trials)
    assert states[TrialState.STOPPED] > states[TrialState.COMPLETED] > 0
    assert set(states) == {TrialState.STOPPED, TrialState.COMPLETED}
    assert {len(trial.measurements) for trial in study.trials} <= {1, 3, 9}
    for trial in study.trials:
        actions = [decision.action for decision in study.record.decisions[trial.number]]
        assert Action.PAUSE not in actions
        assert (trial.state is TrialState.STOPPED) == (actions[-1] is Action.STOP)
    assert len(study.best.measurements) == 9


@pytest.mark.parametrize("workers", [None, 1])
@pytest.mark.parametrize("schedule", ["full", "asha"])
def test_steps_after_the_last_do_not_count(
    tmp_path: Path, workers: int | None, schedule: str
) -> None:
    with pytest.warns(paceline.StudyWarning, match=r"reported more than epochs=3 steps"):
        study = tune(
            tmp_path / "s",
            endless,
            objective="max",
            epochs=3,
            trials=2,
            workers=workers,
            schedule=schedule,
        )
    assert [trial.score for trial in study.trials] == [3.0, 3.0]
    assert [len(trial.measurements) for trial in study.trials] == [3, 3]
    assert [note for note in study.record.notes if "reported more than epochs=3 steps" in note][
        1:
    ] == []


def test_report_says_where_the_last_step_was(tmp_path: Path) -> None:
    answers = []

    def curve(hp: Any) -> float:
        rate = hp.Float("rate", 0.0, 1.0)
        while True:
            answers.append(hp.report(rate))
            if not answers[-1]:
                return 9.0  # counts: it is the value after the last step

    study = tune(tmp_path / "s", curve, objective="max", epochs=3, trials=1, schedule="full")
    assert answers == [True, True, False]
    assert study.best.score == 9.0
    assert not any("reported more" in note for note in study.record.notes)


def test_without_epochs_every_trial_runs_in_full(tmp_path: Path) -> None:
    study = tune(tmp_path / "s", curve, objective="max", trials=6)
    assert [len(trial.measurements) for trial in study.trials] == [9] * 6
    assert [trial.best_epoch for trial in study.trials] == [9] * 6


@pytest.mark.exhaustive
def test_failures_of_workers_are_recorded_and_the_study_goes_on(tmp_path: Path) -> None:
    study = tune(tmp_path / "s", fragile, objective="max", trials=None, search="grid", workers=2)
    assert len(study.trials) == 10
    for trial in study.trials:
        way = trial.config["n"] % 3 if "n" in trial.config else 1
        assert (trial.state is TrialState.COMPLETED) == (way == 0)
        assert (
            trial.error is None
            or {1: "exit code 5", 2: "RuntimeError: no luck"}[int(way)] in trial.error
        )


def test_when_the_first_ten_fail_the_study_stops(tmp_path: Path) -> None:
    def hopeless(hp: Any) -> Any:
        hp.Float("x", 0.0, 1.0)
        return None

    with pytest.raises(
        AllTrialsFailed, match=r"first 10 trials all failed.*the function returned None"
    ):
        tune(tmp_path / "s", hopeless, trials=40)
    assert len(paceline.load_study(tmp_path / "s").trials) == 10
    with pytest.raises(AllTrialsFailed, match="first 2 trials"):
        tune(tmp_path / "two", hopeless, trials=2)
    with pytest.raises(
        AllTrialsFailed, match=r"^the first trial failed: the function returned None"
    ):
        tune(tmp_path / "one", hopeless, trials=1)


def test_a_function_without_hyperparameters_ends_after_one_trial_with_a_note(
    tmp_path: Path,
) -> None:
    study = tune(tmp_path / "s", lambda hp: 1.0)
    assert len(study.trials) == 1
    assert study.record.notes == ["the function asked for no hyperparameter"]


def test_a_function_in_a_file_is_resumed_without_passing_it(tmp_path: Path) -> None:
    file = tmp_path / "objective.py"
    file.write_text("def cube(hp):\n    return hp.Float('x', 0.0, 1.0) ** 3\n")
    first = tune(tmp_path / "s", f"{file}:cube", trials=3, workers=1)
    more = paceline.resume(tmp_path / "s", trials=5, display=False)
    assert more.trials[:3] == first.trials
    assert len(more.trials) == 5
    tune(tmp_path / "memory", branin, trials=2)
    with pytest.raises(InvalidInput, match=r"function of study .* passed from memory"):
        paceline.resume(tmp_path / "memory", trials=3)
    assert len(paceline.resume(tmp_path / "memory", branin, trials=3, display=False).trials) == 3


def test_a_time_budget_ends_a_function_that_goes_on(tmp_path: Path) -> None:
    def slow(hp: Any) -> float:
        x = float(hp.Float("x", 0.0, 1.0))
        while x > 0.0:  # all but the default
            hp.report(x)
        return x

    study = tune(tmp_path / "s", slow, trials=None, budget=1.0)
    assert study.trials[0].state is TrialState.COMPLETED
    assert study.trials[1].state is TrialState.PAUSED
    assert not study.settings.search.ordered


_INTERRUPTED = """
import sys, threading, paceline
def forever(hp):
    hp.report(hp.Float("x", 0.0, 1.0))
    print("going", flush=True)
    while True:
        threading.Event().wait(0.01)
if __name__ == "__main__":
    workers = int(sys.argv[2]) or None
    given = {"objective": "max", "trials": 9, "seed": 1, "display": False}
    paceline.tune(forever, study=sys.argv[1], workers=workers, **given)
"""


@pytest.mark.parametrize("workers", [0, 2])
def test_ctrl_c_stops_the_study_and_leaves_nobody_behind(tmp_path: Path, workers: int) -> None:
    program = tmp_path / "program.py"
    program.write_text(_INTERRUPTED)
    words = [sys.executable, str(program), str(tmp_path / "s"), str(workers)]
    running = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert running.stdout is not None
    assert running.stdout.readline() == "going\n"
    family = psutil.Process(running.pid).children(recursive=True)
    running.send_signal(signal.SIGINT)
    _, errors = running.communicate(timeout=60.0)
    assert "StudyInterrupted: Stopped. 0 trials have ended" in errors
    assert (
        f"Continue with: paceline resume {tmp_path / 's'} --build FILE.PY:NAME, or in Python"
        in errors
    )
    assert f"paceline.resume({str(tmp_path / 's')!r}, build=build)" in errors
    _, left = psutil.wait_procs(family, timeout=30.0)
    assert all(process.status() == psutil.STATUS_ZOMBIE for process in left)
    study = paceline.load_study(tmp_path / "s")
    assert study.record.ended is not None
    assert study.record.ended.reason == "interrupted"
    assert study.trials[0].state is TrialState.PAUSED


def test_a_script_without_a_main_guard_is_told_so(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(_INTERRUPTED.replace('__name__ == "__main__"', "True"))
    words = [sys.executable, str(program), str(tmp_path / "s"), "2"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120.0, check=False)
    assert done.returncode == 1
    assert "the call of tune under: if __name__ == '__main__':" in done.stderr  # the worker's words
    assert (
        done.stderr.strip()
        .splitlines()[-1]
        .startswith("paceline.core.errors.PacelineError: the worker process ended")
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"workers": 0}, "workers is 0"),
        ({"workers": True}, "workers is True"),
        ({"workers": 1.5}, "workers is 1.5"),
        (
            {"workers": 2, "function": partial(lambda _, hp: 1.0, threading.Lock())},
            "refers to something that cannot be copied to another process",
        ),
        ({"workers": 1, "time_limit": -5}, "time_limit is -5"),
        ({"workers": 1, "memory_limit": "much"}, "memory_limit is 'much'"),
        ({"time_limit": "90s"}, "time_limit was given without workers"),
        ({"budget": -1.0}, "budget is -1.0"),
        ({"trials": -1}, "trials is -1"),
        ({"trials": None}, "neither trials nor budget"),
        ({"epochs": 0}, "epochs is 0"),
        ({"in_flight": 0}, "in_flight is 0"),
        ({"objective": None}, "objective='max'"),
        ({"objective": "quality"}, "'quality'"),
        ({"objective": ("quality", "up")}, "direction is 'up'"),
        ({"search": "psychic"}, "search is 'psychic'"),
        ({"schedule": "psychic"}, "schedule is 'psychic'"),
        ({"schedule": "median"}, "schedule is 'median' and epochs was not given"),
        ({"schedule": "halving", "epochs": 9}, "schedule is 'halving', which pauses trials"),
        ({"schedule": "hyperband", "epochs": 9}, "schedule is 'hyperband', which pauses trials"),
        ({"function": 3}, "build is 3"),
        ({"function": "mlp"}, "'mlp'"),
        ({"patience": 3}, "patience was given without data"),
        ({"batch_size": 64}, "batch_size was given without data"),
        ({"target": "y"}, "target was given without data"),
        ({"space": {"x": 3}}, "the space contains 3"),
        ({"space": ["x"]}, "space is \\['x'\\]"),
        ({"seed": -1}, "seed is -1"),
    ],
)
def test_bad_input_is_refused_before_anything_is_written(
    tmp_path: Path, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidInput, match=message):
        tune(tmp_path / "s", **options)
    assert not (tmp_path / "s").exists()


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (
            lambda hp: hp.Float("rate", 0.0, 1.0, sampling="log"),
            "'rate' has sampling='log' and min_value=0.0",
        ),
        (lambda hp: hp.Int("n", 5, 2), "'n' has min_value=5 above max_value=2"),
        (lambda hp: hp.Choice("kind", []), "'kind' has no values"),
        (
            lambda hp: hp.Int("n", 1, 10, default=50),
            "default of Int 'n' is 50; expected a number from 1 to 10",
        ),
        (lambda hp: hp.Int("n", 1, 10, parent_name="kind", parent_values="a"), "parent is 'kind'"),
    ],
)
def test_a_mistake_in_the_space_is_refused_at_the_first_call(
    tmp_path: Path, ask: Any, message: str
) -> None:
    calls = []

    def function(hp: Any) -> float:
        calls.append(hp)
        return float(ask(hp))

    with pytest.raises(InvalidInput, match=message):
        tune(tmp_path / "s", function)
    assert len(calls) == 1
    assert not (tmp_path / "s").exists()


def test_bounds_that_contradict_each_other_later_fail_their_trials_alone(tmp_path: Path) -> None:
    def function(hp: Any) -> float:
        return float(hp.Int("low", 0, 3) + hp.Int("high", hp.Int("low", 0, 3), 2))

    study = tune(
        tmp_path / "s", function, search="grid", trials=None, start_with=[{"low": 0}, {"low": 3}]
    )
    assert {TrialState.COMPLETED, TrialState.FAILED} == {trial.state for trial in study.trials}


def test_a_directory_with_other_files_is_left_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(InvalidInput, match="has no values"):
        tune(tmp_path, lambda hp: hp.Choice("kind", []))
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_options_of_functions_are_refused_with_data(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="workers was given with a study of networks"):
        paceline.tune(
            branin, "digits", objective="val_loss", trials=1, workers=2, study=tmp_path / "s"
        )


def test_a_directory_of_another_study_is_refused(tmp_path: Path) -> None:
    tune(tmp_path / "s", trials=2)
    with pytest.raises(
        StudyMismatch, match=r"objective is score \(maximize\); expected score \(minimize\)"
    ):
        tune(tmp_path / "s", objective="max")
    with pytest.raises(StudyMismatch, match="epochs is 9"):
        tune(tmp_path / "s", epochs=9)
    with pytest.raises(StudyMismatch, match="trials that its user runs"):
        paceline.open_study(tmp_path / "s", {"x": paceline.Float(0, 1)}, "min")


def test_hp_report_is_refused_where_a_network_is_built() -> None:
    with pytest.raises(InvalidInput, match="function objective"):
        paceline.HyperParameters().report(1.0)
