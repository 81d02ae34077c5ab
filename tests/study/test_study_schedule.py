"""Studies in which a schedule decides who goes on: continuation is exact, and nothing depends on
the clock.
"""

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from tests.study.definitions import defined, planned

import paceline
from paceline.core import Action, Configuration, InvalidInput, Trial, TrialState
from paceline.core.events import EpochMeasured, Event, TrialDecided, TrialEnded, TrialStarted
from paceline.execute.base import ExecutorUpdate
from paceline.execute.simulated import Curve, SimulatedExecutor
from paceline.execute.work import NetworkWork
from paceline.schedule import Asha, Median
from paceline.search import Given
from paceline.store import StudyStore
from paceline.study import Definition, carry_out, make_plan
from paceline.study.record.record import Record


def data() -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(240, 4)).astype("float32")
    return x, (x @ np.array([1.0, -2.0, 0.5, 0.0], "float32") + 0.1 * rng.normal(size=240)).astype(
        "float32"
    )


def build(hp: Any) -> keras.Model:
    units, rate = hp.Choice("units", [4, 8]), hp.Float("learning_rate", 1e-3, 1e-1, sampling="log")
    model = keras.Sequential(
        [keras.Input((4,)), keras.layers.Dense(units, "relu"), keras.layers.Dense(1)]
    )
    model.compile(keras.optimizers.SGD(rate), loss="mse", metrics=["mae"])
    return model


SETTINGS = {
    "objective": "val_loss",
    "epochs": 9,
    "trials": 14,
    "seed": 3,
    "validation": 0.2,
    "search": "random",
    "schedule": "asha",
}


def scheduled(directory: Path, **options: Any) -> paceline.Study:
    return paceline.tune(
        build, data(), study=directory, display=False, final=False, **{**SETTINGS, **options}
    )


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> paceline.Study:
    """A study that ran from its beginning to its end; to be looked at only."""
    return scheduled(tmp_path_factory.mktemp("studies") / "whole")


def request(directory: Path) -> Definition:
    rest: dict[str, Any] = {
        "class_weight": None,
        "fixed": None,
        "data_options": {},
        "batch_size": 32,
    }
    rest |= {"patience": None, "keep": "last"}
    rest |= {"memory": None, "ordered": None, "in_flight": None, "budget": None}
    return defined(build, data(), study=directory, **SETTINGS, **rest)


def events(directory: Path) -> list[Event]:
    store = StudyStore(directory, writable=False)
    found = [stored.event for stored in store.events()]
    store.close()
    return found


def story(study: paceline.Study) -> list[Any]:
    """Everything that a study decided and measured, but for times."""
    record = study.record
    return [
        (
            t.number,
            dict(t.config),
            t.state,
            t.score,
            [dict(m.metrics) for m in t.measurements],
            [(d.epoch, d.action, d.reason) for d in record.decisions.get(t.number, [])],
        )
        for t in study.trials
    ]


class Interrupt:
    """Presses Ctrl+C once so many events of a kind have been stored."""

    def __init__(self, kind: type[Event], count: int) -> None:
        self.kind, self.count = kind, count

    def __call__(self, record: Record, events: Sequence[Event]) -> None:
        self.count -= sum(isinstance(event, self.kind) for event in events)
        if self.count <= 0:
            self.count = 10**9
            raise KeyboardInterrupt


def test_asha_trains_the_promising_to_their_end_and_lets_the_others_go(
    whole: paceline.Study,
) -> None:
    study = whole
    epochs = [len(trial.measurements) for trial in study.trials]
    assert set(epochs) == {1, 3, 9}
    assert {t.state for t in study.trials if len(t.measurements) == 9} == {TrialState.COMPLETED}
    assert {t.state for t in study.trials if len(t.measurements) < 9} == {TrialState.STOPPED}
    assert study.best.state is TrialState.COMPLETED
    told = [event for event in events(study.directory) if isinstance(event, EpochMeasured)]
    for trial in study.trials:
        measured = [event.epoch for event in told if event.number == trial.number]
        assert measured == list(range(1, len(trial.measurements) + 1)), "no epoch is trained twice"
        said = study.record.decisions.get(trial.number, [])
        assert all(decision.reason for decision in said)
        if trial.state is TrialState.STOPPED:
            assert said[-1].action is Action.STOP
    kept = {path.name for path in (study.directory / "checkpoints").iterdir()}
    assert len(kept) == 1, "of all paused networks nothing is left on disk but the best"
    assert next(iter(kept)).startswith("trial-")


@pytest.mark.parametrize("keep", ["last", "best"])
def test_a_trial_that_was_paused_ends_as_if_it_had_not_been(
    tmp_path: Path, whole: paceline.Study, keep: str
) -> None:
    study = whole if keep == "last" else scheduled(tmp_path / "asha", keep=keep)
    completed = [trial for trial in study.trials if trial.state is TrialState.COMPLETED]
    assert completed
    through = scheduled(
        tmp_path / "through",
        trials=len(completed),
        keep=keep,
        schedule="full",
        search=Given(tuple(trial.config for trial in completed)),
    )
    for paused, same in zip(completed, through.trials, strict=True):
        assert paused.score == pytest.approx(same.score, rel=1e-4)
        for one, other in zip(paused.measurements, same.measurements, strict=True):
            assert one.metrics == pytest.approx(other.metrics, rel=1e-4)


def test_the_same_seed_is_the_same_study(tmp_path: Path, whole: paceline.Study) -> None:
    assert story(scheduled(tmp_path / "other")) == story(whole)


@pytest.mark.parametrize(
    ("kind", "count"), [(EpochMeasured, 7), (TrialDecided, 9), (TrialEnded, 6)]
)
def test_it_is_the_same_study_after_an_interruption(
    tmp_path: Path, whole: paceline.Study, kind: type[Event], count: int
) -> None:
    with pytest.raises(KeyboardInterrupt):
        carry_out(
            make_plan(request(tmp_path / "study")), tmp_path / "study", Interrupt(kind, count)
        )
    stopped = Record.of(events(tmp_path / "study"))
    assert (
        0
        < sum(len(t.measurements) for t in stopped.all_trials())
        < sum(len(t.measurements) for t in whole.trials)
    )
    carry_out(make_plan(request(tmp_path / "study")), tmp_path / "study")
    assert story(paceline.load_study(tmp_path / "study")) == story(whole)


@pytest.mark.exhaustive
def test_median_stops_what_is_worse_than_most(tmp_path: Path) -> None:
    study = scheduled(tmp_path / "study", schedule=Median())
    states = {trial.state for trial in study.trials}
    assert states == {TrialState.COMPLETED, TrialState.STOPPED}
    assert all(t.score is not None for t in study.trials)


def test_a_time_budget_that_ends_early_still_gives_a_model(tmp_path: Path) -> None:
    study = scheduled(tmp_path / "study", trials=None, budget=1.0, schedule=Asha(), epochs=2000)
    assert study.best.score is not None
    assert study.best_model() is not None


def test_a_schedule_and_epochs_that_vary_exclude_each_other(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="epochs are a hyperparameter"):
        scheduled(tmp_path / "study", epochs=paceline.Choice([3, 9]))
    assert not (tmp_path / "study").exists()


def test_an_unknown_schedule_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"one of .*'asha'"):
        scheduled(tmp_path / "study", schedule="ash")
    assert not (tmp_path / "study").exists()


def wide(hp: Any) -> keras.Model:
    """A network of many widths."""
    units, rate = hp.Int("units", 2, 64), hp.Float("learning_rate", 1e-3, 1e-1, sampling="log")
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(units), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(rate), loss="mse")
    return model


class Formula(SimulatedExecutor):
    """Scores follow a formula; merged widths are one program and differ by rounding."""

    def __init__(self, work: NetworkWork) -> None:
        self.merges = work.options.merge

        def curve(config: Configuration) -> Curve:
            units, rate = float(config["units"]), float(config["learning_rate"])
            loss = (math.log(rate / 2e-2) / 4) ** 2 + (units / 40 - 1) ** 2
            loss *= 1 + 1e-7 * self.merges
            return [({"val_loss": loss + 1 / epoch}, float(epoch)) for epoch in range(1, 10)]

        super().__init__(curve, work.options, num_lanes=3)

    def progress(self, seconds: float | None = None) -> list[ExecutorUpdate]:
        return [
            replace(update, events=tuple(map(self._named, update.events)), results={})
            for update in super().progress(seconds)
        ]

    def _named(self, event: Event) -> Event:
        if not isinstance(event, TrialStarted):
            return event
        units = int(event.config["units"])
        program = "one" if self.merges else f"{units}"
        return replace(event, program=program, parameters=6 * units + 1)


def trials_by_formula(directory: Path, merge: bool) -> list[Trial]:
    options = {**SETTINGS, "search": "auto", "merge": merge, "executor": Formula}
    record = carry_out(planned(wide, data(), study=directory, **options), directory)
    return list(record.trials.values())


def test_merging_changes_neither_what_is_tried_nor_what_is_stopped(tmp_path: Path) -> None:
    """From the first points to a model's proposals, although scores differ by rounding."""
    merged, alone = (trials_by_formula(tmp_path / str(merge), merge) for merge in (True, False))
    assert {trial.origin for trial in merged} == {"default", "sobol", "bayes"}
    assert [decisions(one) for one in alone] == [decisions(one) for one in merged]
    assert len({trial.program for trial in merged}) == 1
    assert len({trial.program for trial in alone}) > 4


def test_scores_without_merging_are_those_with_it(tmp_path: Path, whole: paceline.Study) -> None:
    alone = scheduled(tmp_path / "study", merge=False)
    assert [decisions(one) for one in alone.trials] == [decisions(one) for one in whole.trials]
    assert [one.score for one in alone.trials] == pytest.approx(
        [one.score for one in whole.trials], rel=1e-5
    )
    programs = [len({trial.program for trial in study.trials}) for study in (whole, alone)]
    assert programs == [1, 2]


def decisions(trial: Trial) -> tuple[Any, ...]:
    """What was decided of a trial: its configuration, how long it trained, how it ended."""
    return trial.config, trial.origin, len(trial.measurements), trial.state
