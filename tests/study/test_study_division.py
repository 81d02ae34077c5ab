"""The final trains on divisions of the user's own kind: groups stay together, nothing is trained on
the future.
"""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import pytest
from sklearn import model_selection as ms
from tests.study.definitions import planned
from tests.study.test_study_final import as_written_before
from typer.testing import CliRunner

import paceline
from paceline.cli.app import app
from paceline.core import InvalidInput, Splits, StudyMismatch
from paceline.core.events import FinalMeasured
from paceline.data import Split, load, split
from paceline.data.folds import order_of
from paceline.report import Study
from paceline.report.verdict import sentences
from paceline.search import Given
from paceline.store import StudyStore
from paceline.study.plan.division import Division
from paceline.study.planned.retraining import FINAL, seeds_of

GROUPS = np.repeat(np.arange(16), 12)
GOOD = {"rate": 0.03}
FOLDS = ms.TimeSeriesSplit(4, max_train_size=24)  # of one size: one program


def grouped() -> tuple[Any, Any]:
    """Rows of a group are alike, and its label is its own: what is learnt of one group says nothing
    of another.
    """
    rng = np.random.default_rng(4)
    x = np.repeat(rng.normal(size=(16, 12)), 12, axis=0) + 0.1 * rng.normal(size=(192, 12))
    return x.astype("float32"), np.repeat(np.arange(16) % 2, 12)


def drifting() -> tuple[Any, Any]:
    rng = np.random.default_rng(5)
    x = rng.normal(size=(120, 3)).astype("float32")
    return x, (x[:, 0] * np.linspace(-1, 1, 120) + 0.1 * rng.normal(size=120)).astype("float32")


def build(hp: Any) -> keras.Model:
    model = keras.Sequential(
        [keras.Input((12,)), keras.layers.Dense(16, "tanh"), keras.layers.Dense(2, "softmax")]
    )
    rate = hp.Float("rate", 1e-3, 1e-1, sampling="log")
    model.compile(
        keras.optimizers.Adam(rate), "sparse_categorical_crossentropy", metrics=["accuracy"]
    )
    return model


def line(hp: Any) -> keras.Model:
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.Adam(hp.Float("rate", 1e-3, 1e-1, sampling="log")), "mse")
    return model


def tuned(directory: Path, data: Any, **options: Any) -> Study:
    first = {
        "search": Given(({}, GOOD)),
        "schedule": "full",
        "seed": 3,
        "refit": False,
        "display": False,
    }
    function = build if data[0].shape[1] == 12 else line
    return paceline.tune(function, data, study=directory, trials=2, **{**first, **options})


def num_measured(directory: Path) -> int:
    store = StudyStore(directory, writable=False)
    try:
        return sum(isinstance(one.event, FinalMeasured) for one in store.events())
    finally:
        store.close()


def told(study: Study) -> str:
    assert study.verdict is not None
    return " ".join(sentences(study.verdict, study.record))


def honest(study: Study, kind: Splits) -> None:
    """All scores are those of groups that were not trained on; rows divided by chance give 1.0."""
    final = study.record.final
    assert final is not None
    assert final.splits is kind
    searched = [trial.score for trial in study.trials if trial.score is not None]
    fresh = [float(np.mean(final.scores_of(number))) for number in final.finalists]
    assert max(*searched, *fresh) < 0.8
    assert study.record.notes_of_final == []


@pytest.mark.exhaustive
def test_folds_of_groups_are_drawn_anew_as_such(tmp_path: Path) -> None:
    settings = {"objective": "val_accuracy", "epochs": 6, "folds": ms.GroupKFold(4), "final": 5}
    study = tuned(tmp_path / "s", grouped(), groups=GROUPS, **settings)
    honest(study, Splits.FOLDS)
    assert "split" not in told(study)
    assert study.record.final is not None
    assert study.record.final.validation_share == pytest.approx(1 / 3)
    with pytest.raises(StudyMismatch, match="groups are others"):
        tuned(tmp_path / "s", grouped(), groups=np.tile(np.arange(16), 12), **settings)
    with pytest.raises(
        InvalidInput,
        match=r"groups of study .* from memory.*with groups=\.\.\. from Python \(the command",
    ):
        paceline.ablate(tmp_path / "s", build, grouped())


@pytest.mark.exhaustive
def test_on_the_terminal_a_column_says_the_groups(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    x, y = grouped()
    frame = pd.DataFrame(x, columns=[f"x{i}" for i in range(12)]).assign(kind=np.where(y, "a", "b"))
    frame.assign(site=[f"site {group}" for group in GROUPS]).to_csv(tmp_path / "t.csv", index=False)
    (tmp_path / "model.py").write_text(f"from {__name__} import build\n")
    monkeypatch.chdir(tmp_path)
    options = (
        "--objective val_accuracy --epochs 6 --trials 2 --search random --schedule full "
        "--validation 0.25"
    )
    words = (
        f"tune model.py:build --data t.csv --target kind --groups site --final 3 --no-refit --seed "
        f"2 {options}"
    )
    result = CliRunner().invoke(app, [*words.split(), "--study", "s", "--no-display"])
    assert result.exit_code == 0, result.output
    study = paceline.load_study(tmp_path / "s")
    honest(study, Splits.ROWS)
    assert study.record.created is not None
    rows = study.record.created.data["rows"]
    assert {part: count % 12 for part, count in rows.items()} == {
        "train": 0,
        "val": 0,
        "test": 0,
    }  # whole groups
    assert "--groups site" in (tmp_path / "s" / "report.html").read_text("utf-8")


def in_the_order_of_time(directory: Path) -> Study:
    return tuned(directory, drifting(), objective="val_loss", epochs=3, folds=FOLDS, final=3)


@pytest.fixture(scope="module")
def in_time(tmp_path_factory: pytest.TempPathFactory) -> Study:
    return in_the_order_of_time(tmp_path_factory.mktemp("time") / "s")


def test_nothing_is_trained_on_the_future(in_time: Study, tmp_path: Path) -> None:
    """A pair of the final is a training on the past and a score on what follows, as a study of that
    alone gives it.
    """
    final, (x, y) = in_time.record.final, drifting()
    assert final is not None
    assert final.splits is Splits.SAME_FOLDS
    order = order_of(4)
    for pair in (0, 2):
        train, held_out = list(FOLDS.split(x))[order[pair]]
        number = final.finalists[0]
        alone = paceline.tune(
            line,
            (x[train], y[train]),
            validation=(x[held_out], y[held_out]),
            objective="val_loss",
            epochs=3,
            seed=seeds_of(3, FINAL, 3)[pair],
            search=Given((in_time.trials[number].config,)),
            schedule="full",
            study=tmp_path / str(pair),
            final=False,
            display=False,
        )
        assert alone.best.score == pytest.approx(final.scores[number, pair], rel=1e-4)


def test_it_says_that_the_folds_are_those_of_the_search(in_time: Study) -> None:
    said = told(in_time)
    assert "No other folds can be drawn of TimeSeriesSplit" in said
    assert "so the final trains on those of the search, with fresh seeds." in said
    assert (
        "All fresh trainings used the folds of the search, so the result holds for these folds "
        "only." in said
    )
    winner, verdict = in_time.trials[in_time.best.number], in_time.verdict
    assert verdict is not None
    seen = np.mean(
        [winner.scores[fold] for fold in order_of(4)[:3]]
    )  # on the folds that the final had
    assert verdict.optimism == pytest.approx(verdict.expected - seen)


@pytest.mark.parametrize("shuffle", [None, True])
def test_with_folds_in_the_order_of_time_the_test_part_is_the_last_rows(
    tmp_path: Path, shuffle: bool | None
) -> None:
    x, y = drifting()
    pd.DataFrame({"time": np.arange(120.0) ** 2, "x": x[:, 0], "z": x[:, 1], "y": y}).to_csv(
        tmp_path / "t.csv", index=False
    )

    plan = planned(
        line,
        tmp_path / "t.csv",
        objective="val_loss",
        trials=1,
        search="random",
        seed=1,
        study=tmp_path / "s",
        validation=0.1,
        epochs=1,
        batch_size=32,
        keep="last",
        folds=ms.TimeSeriesSplit(3),
        target="y",
        **({} if shuffle is None else {"shuffle": shuffle}),
    )
    assert isinstance(plan.split, Split)
    times = plan.split.dataset.x_test[:, 0]
    assert (sorted(times) == [time**2 for time in range(96, 120)]) is (shuffle is None)


def test_rows_in_the_order_of_time_are_not_divided_anew() -> None:
    for repeats in (1, 3):
        own = split(load(drifting(), shuffle=False), validation=0.25, seed=1, shuffle=False)
        division = Division(own, repeats, None, 3)
        assert own.val_rows is not None
        assert own.val_rows.tolist() == list(range(90, 120))
        assert (division.fresh_splits.kind, division.fresh(8)) == (Splits.SAME, None)
        assert (len(division.of_search[0]), division.of_search[1]) == (repeats, None)


def test_an_ablation_is_of_the_same_kind(in_time: Study) -> None:
    directory = in_time.directory
    study = paceline.ablate(
        directory, line, drifting(), pairs=3, display=False
    )  # the folds are found again
    final, found = study.record.final, study.record.ablation
    assert final is not None
    assert found is not None
    assert found.splits is Splits.SAME_FOLDS
    assert num_measured(directory) == 2 * 3
    assert {found.scores[key] for key in found.scores if not key[1]} == set(final.scores.values())


def test_a_final_of_an_earlier_version_that_leaked_begins_anew(
    in_time: Study, tmp_path: Path
) -> None:
    """It was interrupted at a time when the rows of a final were divided by chance, whatever the
    folds.
    """
    directory, whole = tmp_path / "s", in_time.record.final
    shutil.copytree(in_time.directory, directory)
    as_written_before(directory)
    with closing(sqlite3.connect(directory / "study.db")) as database, database:
        database.execute("delete from events where kind in ('FinalEnded', 'BestTested')")
        database.execute(
            "update events set id = (select count(*) from events as e where e.id <= events.id)"
        )
        fresh = "json_set(body, '$.fresh_splits', json('true'))"
        database.execute(f"update events set body = {fresh} where kind = 'FinalStarted'")
    before = paceline.load_study(directory).record.final
    again = in_the_order_of_time(directory).record.final
    assert whole is not None
    assert before is not None
    assert again is not None
    assert (before.splits, before.scores) == (Splits.ROWS, whole.scores)
    assert (again.splits, again.scores, again.winner) == (
        Splits.SAME_FOLDS,
        whole.scores,
        whole.winner,
    )
    assert num_measured(directory) == num_measured(in_time.directory) + 2 * 3
