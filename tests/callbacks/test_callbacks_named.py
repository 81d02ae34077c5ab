"""Callbacks by name: Paceline's own, registered ones and those of installed packages."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from tests.callbacks.test_callbacks import of_steps

import paceline
from paceline import Callback, InvalidInput, StudyView
from paceline.callbacks import TrialsCSV, callback_names, register
from paceline.callbacks.named import CALLBACKS
from paceline.testing.packages import installed

OURS = ("csv", "mlflow", "optuna", "tables", "tensorboard", "wandb")


def test_trials_are_written_as_csv_while_the_study_runs_and_at_its_end(tmp_path: Path) -> None:
    rows = []

    class Looks(Callback):
        def on_trial_end(self, study: StudyView, trial: Any) -> None:
            rows.append(len(pd.read_csv(study.directory / "trials.csv")))

    elsewhere = TrialsCSV(tmp_path / "all.csv")
    study = of_steps(tmp_path / "study", ["csv", elsewhere, Looks()])
    assert rows[0] >= 1
    for path in (tmp_path / "study" / "trials.csv", tmp_path / "all.csv"):
        frame = pd.read_csv(path, keep_default_na=False, na_values=[""])
        pd.testing.assert_frame_equal(frame, study.trials_dataframe(), check_dtype=False)


def test_a_callback_is_found_by_the_name_under_which_it_is_registered(tmp_path: Path) -> None:
    ended = []

    class Counts(Callback):
        name = "counts"

        def on_trial_end(self, study: StudyView, trial: Any) -> None:
            ended.append(trial.number)

    with CALLBACKS.scope():
        register(Counts)
        assert callback_names() == ("counts", *OURS)
        of_steps(tmp_path / "study", ["Counts "])
    assert sorted(ended) == list(range(7))
    with pytest.raises(InvalidInput, match="Did you mean 'csv'"):
        of_steps(tmp_path / "other", ["csw"])
    assert not (tmp_path / "other").exists()


def test_a_callback_of_an_installed_package_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = """
import paceline

class Writes(paceline.Callback):
    name = "writes"

    def on_study_end(self, study, reason):
        (study.directory / "ended").write_text(reason)

class Needs(paceline.Callback):
    name = "needs"

    def __init__(self, address): ...
"""
    points = {"paceline.callbacks": {"writes": "Writes", "needs": "Needs"}}
    installed(tmp_path, "paceline_writes", code, points)
    monkeypatch.syspath_prepend(tmp_path)
    with CALLBACKS.scope():
        of_steps(tmp_path / "study", ["writes"])
        assert (tmp_path / "study" / "ended").read_text() == "all 7 trials have ended"
        with pytest.raises(InvalidInput, match=r"needs.*address.*Pass an instance"):
            of_steps(tmp_path / "other", ["needs"])


@pytest.mark.parametrize("given", [Callback(), "csv", 3])
def test_callbacks_are_a_list(tmp_path: Path, given: Any) -> None:
    with pytest.raises(InvalidInput, match=r"callbacks=\[\.\.\.\]"):
        of_steps(tmp_path / "study", given)
    assert paceline.callbacks.callback_names() == OURS


class Misspelt(Callback):
    def on_trial_ended(self, study: StudyView, trial: Any) -> None: ...


class TakesLess(Callback):
    def on_trial_end(self, trial: Any) -> None: ...  # type: ignore[override]


class HasItsOwn(Callback):
    def on_click(self) -> None: ...

    def on_trial_end(self, study: StudyView, trial: Any, more: int = 3) -> None: ...

    def on_epoch_end(self, *arguments: Any) -> None: ...


def test_methods_that_would_not_be_called_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"on_trial_ended.*Did you mean 'on_trial_end'\?"):
        of_steps(tmp_path / "study", [Misspelt()])
    with pytest.raises(InvalidInput, match=r"expected on_trial_end\(self, study, trial\)"):
        of_steps(tmp_path / "study", [TakesLess()])
    assert not (tmp_path / "study").exists()
    of_steps(tmp_path / "study", [HasItsOwn()], trials=2)
