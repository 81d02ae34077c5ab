"""Ladders of training techniques, on small networks and digits."""

import io
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats
from typer.testing import CliRunner

import paceline
from paceline.cli.app import app
from paceline.comparison import Ladder, read_ladder
from paceline.comparison.printing import show_ladder
from paceline.core import InvalidInput, TrialState
from paceline.core.events import FORMAT, Event, SessionStarted, StudyCreated, TrialAsked, TrialEnded
from paceline.report.terminal import console
from paceline.store import StudyStore

SEEDS = 3


def network(rate: float) -> Callable[[Any], Any]:
    def build(_: Any) -> Any:
        import keras

        model = keras.Sequential(
            [keras.Input((8, 8)), keras.layers.Flatten(), keras.layers.Dense(10, "softmax")]
        )
        model.compile(
            keras.optimizers.Adam(rate), "sparse_categorical_crossentropy", metrics=["accuracy"]
        )
        return model

    return build


def broken(_: Any) -> Any:
    raise RuntimeError("no such layer")


RUNGS = {"still": network(0.0), "learns": network(0.01), "like it": network(0.01), "broken": broken}
STEPS = [("still", "learns"), ("learns", "like it"), ("learns", "broken")]


def made(directory: Path) -> Ladder:
    return paceline.ladder(
        RUNGS,
        "digits",
        steps=STEPS,
        seeds=SEEDS,
        epochs=2,
        batch_size=64,
        study=directory,
        seed=1,
        display=False,
    )


@pytest.fixture(scope="module")
def ladder(tmp_path_factory: pytest.TempPathFactory) -> Ladder:
    return made(tmp_path_factory.mktemp("ladder"))


def num_events(directory: Path, *kinds: str) -> int:
    store = StudyStore(directory, writable=False)
    try:
        return sum(type(stored.event).__name__ in kinds for stored in store.events())
    finally:
        store.close()


def test_every_rung_has_a_test_score_of_every_seed(ladder: Ladder) -> None:
    assert ladder.metric == "test accuracy"
    assert [rung.name for rung in ladder.rungs] == ["still", "learns", "like it"]
    frame = ladder.scores()
    assert frame.groupby("rung")["seed"].count().tolist() == [SEEDS] * 3
    assert frame["score"].equals(frame["test_accuracy"])
    for rung in ladder.rungs:
        assert rung.score.low < rung.score.value < rung.score.high
        assert rung.score.value == pytest.approx(sum(rung.scores) / SEEDS)


def test_significant_steps_are_named(ladder: Ladder) -> None:
    learns, like_it = ladder.steps
    assert (learns.before, learns.after) == ("still", "learns")
    assert learns.is_real
    assert learns.is_better
    assert learns.low > 0
    # the same network on the same seeds
    assert like_it.difference == pytest.approx(0.0, abs=1e-6)
    assert not like_it.is_real
    assert any("a significant gain" in sentence for sentence in ladder.sentences)
    assert any("not significant" in sentence for sentence in ladder.sentences)


def test_a_failed_rung_is_reported_and_does_not_affect_others(ladder: Ladder) -> None:
    assert "no such layer" in ladder.failed["broken"]
    assert any(sentence.startswith("broken failed") for sentence in ladder.sentences)


def test_the_curves_have_bands(ladder: Ladder) -> None:
    frame = ladder.curves()
    assert frame["epoch"].tolist() == [1, 2] * 3
    assert (frame.query("rung == 'learns'")["val_accuracy_sd"] > 0).all()
    assert {"accuracy", "accuracy_sd", "val_accuracy"} <= set(frame.columns)


def test_saved_and_read_again(ladder: Ladder) -> None:
    for name in (
        "ladder.csv",
        "ladder_seeds.csv",
        "ladder_curves.csv",
        "ladder.html",
        "best.keras",
    ):
        assert (ladder.directory / name).stat().st_size > 0
    again = read_ladder(ladder.directory)
    assert repr(again) == repr(ladder)
    assert again.summary().equals(ladder.summary())


def measured(
    directory: Path,
    scores: Mapping[str, tuple[float, ...]],
    validation: float | None = None,
    folds: int | None = None,
) -> None:
    """Writes the study of a ladder with two rungs and validation scores of four seeds."""
    data = {"name": "mine", "fingerprint": "", "rows": {"train": 300, "val": 100, "test": 0}}
    settings = {"source": {"validation": validation}, "replication": {"repeats": 4, "folds": folds}}
    events: list[Event] = [
        StudyCreated(FORMAT, {"metric": "val_accuracy", "direction": "maximize"}, data, settings),
        SessionStarted({}),
    ]
    for number, (name, own) in enumerate(scores.items()):
        events.append(TrialAsked(number, {"rung": name}, 0, 1, "given"))
        events.append(TrialEnded(number, TrialState.COMPLETED, sum(own) / 4, 1, "", own))
    store = StudyStore(directory, writable=True)
    store.append(events)
    store.close()
    first, second = scores
    about = {"format": 1, "rungs": [first, second], "steps": [[first, second]]}
    (directory / "ladder.json").write_text(json.dumps(about))


@pytest.mark.parametrize(
    ("validation", "folds", "share"),
    [(0.25, None, 1 / 3), (None, None, 0.0), (0.1, 5, 0.25)],
    ids=str,
)
def test_without_a_test_part_splits_that_overlap_make_steps_less_sure(
    tmp_path: Path, validation: float | None, folds: int | None, share: float
) -> None:
    scores = {"still": (0.5, 0.6, 0.5, 0.6), "learns": (0.6, 0.65, 0.55, 0.75)}
    measured(tmp_path, scores, validation=validation, folds=folds)
    d = np.subtract(scores["learns"], scores["still"])
    error = np.sqrt((1 / 4 + share) * d.var(ddof=1))
    (step,) = read_ladder(tmp_path).steps
    assert step.p_holm == pytest.approx(2 * stats.t.sf(d.mean() / error, 3))


@pytest.mark.parametrize("equal", ["first", "second"])
def test_equal_scores_give_no_interval_with_a_remark(tmp_path: Path, equal: str) -> None:
    spread = (0.95, 0.999, 0.9, 0.999)
    scores = (
        {"naive": (0.1135,) * 4, "relu": spread}
        if equal == "first"
        else {"naive": spread, "relu": (0.9999,) * 4}
    )
    measured(tmp_path, scores, validation=0.25)
    found = read_ladder(tmp_path)
    of = {len(set(rung.scores)): rung for rung in found.rungs}
    same, others = of[1], next(rung for count, rung in of.items() if count > 1)
    assert np.isnan([same.score.low, same.score.high]).all()
    # Student's interval alone would leave the unit interval here
    assert 0.0 <= others.score.low < others.score.value < others.score.high == 1.0
    why = "with each of 4 seeds, which does not show how far others may differ."
    assert [same.name in message for message in found.sentences if message.endswith(why)] == [True]
    shown = io.StringIO()
    show_ladder(found, console(shown))
    assert "0.1135 to" not in shown.getvalue()
    assert "nan" not in shown.getvalue()


def test_a_second_call_trains_nothing(ladder: Ladder) -> None:
    before = num_events(ladder.directory, "TrialStarted", "EpochMeasured")
    assert made(ladder.directory).scores().equals(ladder.scores())
    assert num_events(ladder.directory, "TrialStarted", "EpochMeasured") == before


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rungs": {"one": network(0.1)}}, "at least two"),
        ({"rungs": [network(0.1)] * 2}, "a dict"),
        ({"seeds": 1}, "at least 2"),
        ({"steps": [("still", "flies")]}, "among still"),
        ({"steps": [("still", "still")]}, "different"),
    ],
)
def test_invalid_ladders_are_refused(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    asked = {"rungs": RUNGS, "data": "digits", "study": tmp_path / "none", **change}
    with pytest.raises(InvalidInput, match=message):
        paceline.ladder(asked.pop("rungs"), asked.pop("data"), **asked)
    assert not (tmp_path / "none").exists()


def test_on_the_terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "model.py").write_text(
        "import keras\n\n"
        "def network(rate):\n"
        "    def build(hp):\n"
        "        model = keras.Sequential([keras.Input((8, 8)), keras.layers.Flatten(),"
        " keras.layers.Dense(10, 'softmax')])\n"
        "        model.compile(keras.optimizers.Adam(rate), 'sparse_categorical_crossentropy', "
        "metrics=['accuracy'])\n"
        "        return model\n"
        "    return build\n\n"
        "rungs = {'still': network(0.0), 'learns': network(0.01)}\n"
    )
    monkeypatch.chdir(tmp_path)
    asked = (
        "ladder model.py:rungs --data digits --seeds 3 --epochs 2 --batch-size 64 --seed 1 "
        "--study found"
    )
    done = CliRunner().invoke(app, [*asked.split(), "--no-display"])
    assert done.exit_code == 0, done.output
    for words in ("still to learns", "a significant gain", "ladder.csv"):
        assert words in done.stdout
    refused = CliRunner().invoke(app, ["ladder", "model.py:network", "--data", "digits"])
    assert refused.exit_code == 2
    assert "a dict" in refused.output
