"""Whole scripts as people write them for KerasTuner, with the import changed."""

import runpy
import warnings
from pathlib import Path
from typing import Any

import pytest

import paceline
from paceline.compat.keras_tuner.engine.fit_arguments import FitArguments
from paceline.compat.keras_tuner.engine.rows import Rows
from paceline.schedule import KerasTunerHyperband

SCRIPTS = Path(__file__).with_name("scripts")


@pytest.fixture(autouse=True)
def _in_a_directory_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("paceline.compat.keras_tuner.engine.options.said", set())


def run(name: str) -> dict[str, Any]:
    return runpy.run_path(str(SCRIPTS / f"{name}.py"))


@pytest.mark.exhaustive
def test_a_sequential_network(capsys: pytest.CaptureFixture[str]) -> None:
    found = run("mlp_sequential")
    tuner, best = found["tuner"], found["best_hps"]
    assert found["predicted"].shape == (96, 2)
    assert len(best) == 3
    assert len(tuner.study.trials[0].scores) == 2
    assert Path("my_dir/helloworld/study.db").exists()
    trial = tuner.oracle.get_best_trials()[0]
    assert best[0].values == trial.hyperparameters.values
    printed = capsys.readouterr().out
    assert "Search space summary" in printed
    assert printed.count("Score: ") == 3
    assert found["model"].layers[0].units == best[0].get("units_0")


@pytest.mark.exhaustive
def test_conditional_layers_of_a_hypermodel() -> None:
    with pytest.warns(UserWarning, match="num_initial_points: without effect"):
        found = run("conditional_hypermodel")
    tuner = found["tuner"]
    for trial in tuner.oracle.trials.values():
        is_deep = trial.hyperparameters.get("kind") == "deep"
        assert is_deep == ("units" in trial.hyperparameters) == ("rate" in trial.hyperparameters)
        assert "head/bias" in trial.hyperparameters
    kinds = {trial.hyperparameters.get("kind") for trial in tuner.oracle.trials.values()}
    assert kinds == {"linear", "deep"}
    # the target is not scaled: untrained networks are off by about its mean
    assert 1.0 < found["best_trial"].score < 21.0
    assert len(found["model"].layers) == (4 if found["best"].get("kind") == "deep" else 2)
    assert tuner.study.record.created.data["preparation"]["target"] is None
    assert tuner.study.report().exists()


@pytest.mark.exhaustive
def test_hyperband_on_images() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = run("hyperband_cnn")
    tuner = found["tuner"]
    trials = tuner.study.trials
    # KerasTuner: bracket 1 has ceil(3 / 2 * 2) = 3 trials of 2 epochs and 2 of 3, bracket 0 has 3
    assert [len(trial.measurements) for trial in trials[3:]] == [3, 3, 3]
    assert sorted(len(trial.measurements) for trial in trials[:3]) == [2, 3, 3]
    stopped = min(trials[:3], key=lambda trial: len(trial.measurements))
    assert all(
        stopped.measurements[-1].metrics["val_loss"] >= trial.measurements[1].metrics["val_loss"]
        for trial in trials[:3]
    )
    shown = tuner.oracle.get_trial(stopped.number)
    assert shown.status == "COMPLETED"
    assert shown.score == min(one.metrics["val_loss"] for one in stopped.measurements)
    assert shown.hyperparameters.get("tuner/epochs") == 2
    assert shown.hyperparameters.get("tuner/bracket") == 1
    best = found["best_hps"]
    assert best.get("tuner/initial_epoch") in (0, 2)
    x, y = found["x_train"][42:], found["y_train"][42:]
    score = found["model"].evaluate(x, y, verbose=0, return_dict=True)["loss"]
    assert score == pytest.approx(tuner.oracle.get_best_trials()[0].score, abs=1e-5)
    given = FitArguments(found["x_train"], found["y_train"], validation_split=0.3)
    rows = Rows.of(given)
    study = paceline.resume(
        "hyper/untitled_project", found["build"], rows.dataset, folds=[rows.division], trials=7
    )
    assert len(study.trials) == 7
    again = tuner._model(stopped)  # its weights are not kept, so it is trained again
    score = again.evaluate(x, y, verbose=0, return_dict=True)["loss"]
    assert score == pytest.approx(shown.score, abs=1e-5)


@pytest.mark.parametrize(
    ("max_epochs", "factor", "sizes"),
    [  # those of KerasTuner 1.4.8: trials and epochs of each round of each bracket
        (1, 3, [[(1, 1)]]),
        (10, 3, [[(12, 2), (4, 4), (2, 10)], [(6, 4), (2, 10)], [(4, 10)]]),
        (
            20,
            4,
            [[(22, 2), (6, 5), (2, 20)], [(8, 5), (2, 20)], [(4, 20)]],
        ),
    ],
)
def test_brackets_are_those_of_kerastuner(
    max_epochs: int, factor: int, sizes: list[list[tuple[int, int]]]
) -> None:
    schedule, first, found = KerasTunerHyperband(factor), 0, []
    for count, halvings in schedule.brackets(max_epochs):
        group = schedule.group(first + count - 1, max_epochs)
        rungs = schedule.rungs(first, max_epochs)
        assert (group.first, group.size, group.halvings) == (first, count, halvings)
        promoted = [schedule.num_promoted(group, rung, count) for rung in rungs[:-1]]
        found.append(list(zip([count, *promoted], rungs, strict=True)))
        first += count
    assert found == sizes
    assert schedule.num_trials(max_epochs) == first
    assert schedule.group(first, max_epochs).first == first
