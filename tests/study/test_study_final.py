"""The final: finalists train anew on fresh seeds and splits, the winner is tested once, and nothing
is lost.
"""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from tests.study.definitions import defined

import paceline
from paceline.core import InvalidInput, Splits, TrialState
from paceline.core.events import Event, FinalMeasured
from paceline.report import Study
from paceline.search import Given
from paceline.study import carry_out, make_plan
from paceline.study.record.record import Record


def data(rows: int = 240) -> tuple[Any, Any, Any, Any]:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(rows, 4)).astype("float32")
    y = (x @ np.array([1.0, -2.0, 0.5, 0.0], "float32") + 0.3 * rng.normal(size=rows)).astype(
        "float32"
    )
    return x[:-40], y[:-40], x[-40:], y[-40:]


def build(hp: Any) -> keras.Model:
    model = keras.Sequential(
        [
            keras.Input((4,)),
            keras.layers.Dense(hp.Choice("units", [4, 8]), "tanh"),
            keras.layers.Dense(1),
        ]
    )
    model.compile(
        keras.optimizers.Adam(hp.Float("rate", 1e-4, 1e-1, sampling="log")),
        loss="mse",
        metrics=["mae"],
    )
    return model


def tuned(directory: Path, **options: Any) -> Study:
    settings: dict[str, Any] = {
        "objective": "val_loss",
        "epochs": 3,
        "trials": 5,
        "search": "random",
        "schedule": "full",
        "seed": 3,
        "final": 3,
        "validation": 0.2,
        "display": False,
    }
    return paceline.tune(build, data(), study=directory, **{**settings, **options})


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    return tuned(tmp_path_factory.mktemp("final") / "study")


def test_every_finalist_trains_on_every_pair(study: Study) -> None:
    final = study.record.final
    assert final is not None
    assert final.num_pairs == 3
    assert final.splits is Splits.ROWS
    assert not final.missing
    assert set(final.finalists) == {
        trial.number for trial in study.trials
    }  # fewer trials than eight
    assert final.validation_share == pytest.approx(0.25)
    for number in final.finalists:
        assert len(set(final.scores_of(number))) == 3


def test_the_default_configuration_is_among_the_finalists(study: Study) -> None:
    final = study.record.final
    assert final is not None
    assert final.default is not None
    assert study.trials[final.default].config == {"units": 4, "rate": 1e-4}


def test_the_winner_has_the_best_fresh_mean_and_is_the_best_trial(study: Study) -> None:
    final = study.record.final
    assert final is not None
    means = {number: np.mean(final.scores_of(number)) for number in final.finalists}
    assert final.winner == min(means, key=lambda number: means[number])
    assert study.best.number == final.winner


def test_a_pair_is_a_training_on_that_seed_and_split_alone(study: Study, tmp_path: Path) -> None:
    """The same configuration in a study whose seed and validation rows are those of the pair."""
    from paceline.data import load, split
    from paceline.data.pool import fresh_parts
    from paceline.study.planned.retraining import FINAL, seeds_of

    final = study.record.final
    assert final is not None
    x, y, *_ = data()
    own = split(load((x, y)), validation=0.2, seed=3, standardize=False, batch_rows=32)
    seed = seeds_of(3, FINAL, 3)[1]
    parts = fresh_parts(own, [seed])
    assert parts is not None
    train, held_out = parts[0]
    number = final.finalists[0]
    alone = paceline.tune(
        build,
        (x[train], y[train]),
        validation=(x[held_out], y[held_out]),
        objective="val_loss",
        epochs=3,
        seed=seed,
        search=Given((study.trials[number].config,)),
        schedule="full",
        study=tmp_path / "alone",
        final=False,
    )
    assert alone.best.score == pytest.approx(final.scores[number, 1], rel=1e-4)


def test_the_model_is_refitted_on_everything_and_tested_once(study: Study) -> None:
    tested = study.record.tested
    assert tested is not None
    assert (tested.number, tested.refitted, tested.epochs) == (study.best.number, True, 3)
    x, _, x_test, y_test = data()
    model = study.best_model()
    assert model.evaluate(x_test, y_test, verbose=0, return_dict=True)["loss"] == pytest.approx(
        tested.metrics["loss"]
    )
    assert int(model.optimizer.iterations) == 3 * -(-len(x) // 32)  # steps on all 200 rows


def test_without_a_final_the_best_search_score_wins(tmp_path: Path) -> None:
    study = tuned(tmp_path / "study", final=False)
    assert study.record.final is None
    assert study.best.score == min(trial.score for trial in study.trials if trial.score is not None)
    assert study.record.tested is not None
    assert not study.record.tested.refitted


def as_written_before(directory: Path) -> None:
    """Takes from a study what earlier versions did not write of a final."""
    with closing(sqlite3.connect(directory / "study.db")) as database, database:
        for name in ("splits", "seeded", "about"):
            database.execute(
                "update events set body = json_remove(body, ?), checksum = null", (f"$.{name}",)
            )


class Interrupt:
    def __init__(self, count: int) -> None:
        self.count = count

    def __call__(self, record: Record, events: Sequence[Event]) -> None:
        self.count -= sum(isinstance(event, FinalMeasured) for event in events)
        if self.count <= 0:
            raise KeyboardInterrupt


@pytest.mark.exhaustive
def test_an_interrupted_final_goes_on_where_it_stopped(study: Study, tmp_path: Path) -> None:
    def request() -> Any:
        return defined(
            build,
            data(),
            objective="val_loss",
            trials=5,
            search="random",
            seed=3,
            study=tmp_path / "s",
            validation=0.2,
            epochs=3,
            batch_size=32,
            keep="last",
            schedule="full",
            final=3,
            memory="8KiB",  # so that few train at once
        )

    with pytest.raises(KeyboardInterrupt):
        carry_out(make_plan(request()), tmp_path / "s", Interrupt(4))
    before = paceline.load_study(tmp_path / "s").record
    assert before.final is not None
    assert before.final.winner is None
    assert 4 <= len(before.final.scores) < 15
    as_written_before(tmp_path / "s")
    carry_out(make_plan(request()), tmp_path / "s")
    after, whole = paceline.load_study(tmp_path / "s").record.final, study.record.final
    assert after is not None
    assert whole is not None
    assert after.scores == pytest.approx(dict(whole.scores), rel=1e-4)
    assert after.scores.items() >= before.final.scores.items()
    assert after.winner == whole.winner


@pytest.mark.exhaustive
def test_more_trials_are_followed_by_another_final_that_repeats_nothing(tmp_path: Path) -> None:
    first = tuned(tmp_path / "study", trials=2, final=2).record.final
    again = tuned(tmp_path / "study", trials=4, final=2).record
    assert first is not None
    assert again.final is not None
    assert len(again.final.finalists) == 4
    for key in first.scores:
        assert again.final.scores[key] == first.scores[key]
    same = tuned(tmp_path / "study", trials=4, final=2)
    assert same.record.final == again.final


def test_one_trial_needs_no_final(tmp_path: Path) -> None:
    study = tuned(tmp_path / "study", trials=1)
    assert study.record.final is None
    assert study.best.state is TrialState.COMPLETED


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"final": 1}, "final is 1"),
        ({"final": "hard"}, "final is"),
        ({"prefer": "cheap"}, "prefer is"),
        ({"refit": "yes"}, "refit is 'yes'"),
        ({"repeats": 0}, "repeats is 0"),
        ({"folds": 1}, "folds is 1"),
        ({"groups": [1, 2]}, "one group for each row"),
        ({"folds": 300}, "folds is 300"),
    ],
)
def test_impossible_finals_are_refused_before_anything_is_written(
    tmp_path: Path, options: Any, said: str
) -> None:
    with pytest.raises(InvalidInput, match=said):
        tuned(tmp_path / "study", **options)
    assert not (tmp_path / "study").exists()


@pytest.mark.exhaustive
def test_repeats_and_folds_are_lanes_whose_mean_counts(tmp_path: Path) -> None:
    study = tuned(tmp_path / "study", trials=2, folds=3, repeats=2, final=False, test_trials=True)
    for trial in study.trials:
        assert len(trial.scores) == 6
        assert trial.score == pytest.approx(np.mean(trial.scores))
        assert trial.standard_error == pytest.approx(np.std(trial.scores, ddof=1) / np.sqrt(6))
        assert [set(test) for test in trial.tests] == [{"loss", "mae"}] * 6
        assert set(trial.measurements[-1].spread) == set(trial.measurements[-1].metrics)
