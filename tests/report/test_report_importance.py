"""What mattered, of a whole study: which trials say it, in words, as data frames, and where it
cannot be said.
"""

import io
import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from paceline.core import InvalidInput, TrialState, Value
from paceline.core.events import (
    EpochMeasured,
    Event,
    SessionStarted,
    SpaceChanged,
    StudyCreated,
    TrialAsked,
    TrialEnded,
    TrialStarted,
)
from paceline.report import Study, read, text
from paceline.report.curves import progress
from paceline.report.evidence import MOST_LOSSES, evidence
from paceline.report.importance_text import bars
from paceline.space import Choice, Condition, Float, Int, Space
from paceline.store import StudyStore
from paceline.study import Record

SPACE = Space(
    {
        "rate": Float(1e-4, 1e-1, sampling="log"),
        "[red]kind": Choice(["a", "b"]),
        "momentum": Float(0, 1, conditions=[Condition("[red]kind", "a")]),
        "units": Int(8, 64),
    }
)
Score = Callable[[Mapping[str, Value]], float]


def accuracy(config: Mapping[str, Value]) -> float:
    return (
        0.9 - 0.1 * abs(math.log10(float(config["rate"])) + 2) - 0.03 * (config["[red]kind"] == "b")
    )


def begin(space: Space = SPACE) -> list[Event]:
    created = StudyCreated(
        2,
        {"metric": "val_accuracy", "direction": "maximize"},
        {"name": "mine", "rows": {"train": 80}},
        {},
    )
    return [created, SpaceChanged(space.to_json())]


def trial(
    number: int,
    config: Mapping[str, Value],
    score: float | None,
    *,
    origin: str = "random",
    state: TrialState = TrialState.COMPLETED,
    reason: str = "",
    epochs: int = 2,
) -> list[Event]:
    measured = [
        EpochMeasured(
            number, e, {"val_accuracy": score if score is not None else math.nan}, 0.5 * e
        )
        for e in range(1, epochs + 1)
    ]
    return [
        TrialAsked(number, config, 0, 2, origin),
        TrialStarted(number, "p", config),
        *measured,
        TrialEnded(number, state, score, epochs, reason),
    ]


def many(num: int, space: Space = SPACE, score: Score = accuracy) -> list[Event]:
    rng = np.random.default_rng(0)
    configs = [space.sample(rng) for _ in range(num)]
    return [
        event
        for number, config in enumerate(configs)
        for event in trial(number, config, score(config))
    ]


def write(directory: Path, events: list[Event]) -> Path:
    store = StudyStore(directory, writable=True)
    store.append(events)
    store.close()
    return directory


def shown(directory: Path) -> str:
    stream = io.StringIO()
    text.show(read(directory), Console(file=stream, width=120, highlight=False))
    return stream.getvalue()


def test_the_terminal_shows_bars_with_intervals_and_reliability(tmp_path: Path) -> None:
    told = shown(write(tmp_path, [*begin(), *many(60)])).split("Importance: ")[1].splitlines()
    assert told[0].endswith("explains (95 % interval).")
    assert told[1].startswith("  rate")
    assert told[1].count("█") == 28  # of 30 for 100 %
    assert told[2].startswith("  [red]kind")
    assert "% (" in told[1]
    assert any(
        "a model of the scores after each epoch of 60 trials, 60 of them" in line for line in told
    )


@pytest.mark.parametrize(
    ("space", "num", "score", "said"),
    [
        (SPACE, 9, accuracy, "cannot be computed: 9 trials have a score; it takes at least 10"),
        (SPACE, 30, lambda config: 0.5, "cannot be computed: all scores are equal"),
        (
            Space({"rate": SPACE["rate"]}),
            30,
            lambda config: float(config["rate"]),
            "only one hyperparameter",
        ),
        (Space(), 30, lambda config: 0.5, "no hyperparameter varies"),
        (SPACE, 0, accuracy, "cannot be computed: 0 trials"),
    ],
)
def test_a_sentence_if_importance_is_unknown(
    tmp_path: Path, space: Space, num: int, score: Score, said: str
) -> None:
    study = write(tmp_path, [*begin(space), *many(num, space, score)])
    told = bars(read(study).record)
    assert len(told) == 1
    assert said in told[0]
    assert told[0] in shown(study)


def test_importance_of_noise_is_not_shown(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    study = write(tmp_path, [*begin(), *many(60, score=lambda config: float(rng.random()))])
    (told,) = bars(read(study).record)
    assert told.startswith("Importance is not shown: a model of the scores predicts ")
    assert "at least 30 % is needed" in told
    frame = Study.open(study).importance()
    assert frame[["share", "low", "high", "best", "best_low", "best_high"]].isna().all(axis=None)
    assert "predicts" in frame.attrs["reason"]
    assert Study.open(study).interactions()["share"].isna().all()
    assert Study.open(study).dependence("rate")["score"].isna().all()


def test_a_study_that_has_not_begun_has_no_importance() -> None:
    assert bars(Record()) == []


def test_losses_that_are_used() -> None:
    config = SPACE.default()
    crash, diverged = (
        "Traceback\nValueError: no",
        "diverged: the training loss is nan after epoch 1",
    )
    record = Record.of(
        [
            *begin(),
            *trial(0, config, 0.7, origin="default"),
            *trial(1, config, 0.9),
            *trial(2, config, 0.8, state=TrialState.STOPPED, epochs=1),
            *trial(3, config, 0.1, origin="bayes"),
            *trial(4, config, None, state=TrialState.FAILED, reason=crash),
            *trial(5, config, None, state=TrialState.FAILED, reason=diverged),
            TrialAsked(6, config, 0, 2, "random"),
        ]
    )
    table = evidence(record).table
    rows = list(
        zip(table.trials.tolist(), table.epochs.tolist(), table.losses.tolist(), strict=True)
    )
    assert rows == [
        (0, 1, -0.7),
        (0, 2, -0.7),
        (1, 1, -0.9),
        (1, 2, -0.9),
        (2, 1, -0.8),
        (3, 1, -0.1),
        (3, 2, -0.1),
        (4, 2, math.inf),
    ]
    assert table.even[table.first_rows].tolist() == [False, True, True, False, True]


def test_losses_are_best_so_far_if_the_best_epoch_is_kept() -> None:
    config = SPACE.default()
    events: list[Event] = [TrialAsked(0, config, 0, 27, "random"), TrialStarted(0, "p", config)]
    scores = [0.9 if epoch == 2 else 0.5 for epoch in range(1, 28)]
    events += [
        EpochMeasured(0, e, {"val_accuracy": score}, 0.5 * e)
        for e, score in enumerate(scores, start=1)
    ]
    stopped = trial(1, config, 0.1, state=TrialState.STOPPED, epochs=1)
    for keep, expected in (("best", [-0.5, -0.9, -0.9, -0.9]), ("last", [-0.5, -0.5, -0.5, -0.5])):
        created, space = begin()
        assert isinstance(created, StudyCreated)
        score = -expected[-1]
        ended = TrialEnded(0, TrialState.COMPLETED, score, 2, "")
        record = Record.of(
            [replace(created, settings={"keep": keep}), space, *events, ended, *stopped]
        )
        assert evidence(record).table.losses.tolist()[:4] == expected


def test_many_trials_are_sampled(tmp_path: Path) -> None:
    """2,000 trials, of which one in nine was trained in full."""
    rng = np.random.default_rng(0)
    events = begin()
    for number in range(2_000):
        config = SPACE.sample(rng)
        stopped = number % 9 > 0
        state, score = (
            TrialState.STOPPED if stopped else TrialState.COMPLETED,
            accuracy(config) - 0.05 * stopped,
        )
        events += trial(number, config, score, state=state, epochs=1 if stopped else 2)
    record = Record.of(events)
    known = evidence(record)
    assert len(known.table.losses) <= MOST_LOSSES
    assert known.table.num_full >= 40
    assert known.table.num_trials > 150
    assert known.remark == f"{known.table.num_trials} of 2,000 trials were used."
    np.testing.assert_array_equal(known.table.losses, evidence(record).table.losses)
    assert known.remark in bars(record)[-1]


def test_analyses_as_data_frames(tmp_path: Path) -> None:
    study = Study.open(write(tmp_path, [*begin(), *many(60)]))
    importance = study.importance()
    assert importance["hyperparameter"].tolist()[:2] == ["rate", "[red]kind"]
    assert (importance["low"] <= importance["share"]).all()
    assert (importance["share"] <= importance["high"]).all()
    assert (importance["r2"] > 0.3).all()
    assert (importance["sure"] > 0.7).all()
    assert importance.attrs["reason"] == ""
    assert importance["share"].sum() + study.interactions()["share"].sum() <= 1
    assert (
        len(study.interactions()) == 5
    )  # momentum has one kind only, and so none of a pair with it
    rate = study.dependence("rate")
    best = rate.sort_values("score").iloc[-1]
    assert best["value"] == pytest.approx(0.01, rel=1.5)
    assert best["score"] == pytest.approx(0.885, abs=0.03)
    assert (rate["low"] <= rate["high"]).all()
    with pytest.raises(InvalidInput, match="one that varies: rate"):
        study.dependence("nothing")
    learning = study.learning_curves()
    assert learning.columns.tolist() == ["number", "state", "epoch", "seconds", "val_accuracy"]
    assert len(learning) == 120


def test_curves_have_cumulative_cost_and_the_best_score(tmp_path: Path) -> None:
    config = SPACE.default()
    write(tmp_path, [*begin(), SessionStarted({})])
    for ending in (
        trial(0, config, 0.5),
        trial(1, config, 0.9, state=TrialState.STOPPED, epochs=1),
        trial(3, config, 0.4, origin="bayes"),
        trial(2, config, 0.8),
    ):
        write(tmp_path, ending)
    study = Study.open(tmp_path)
    curves = study.curves()
    assert curves["number"].tolist() == [0, 1, 3, 2]  # in the order in which they ended
    assert curves["epochs"].tolist() == [2, 3, 5, 7]
    ended = read(tmp_path).timeline.ended
    assert curves["seconds"].tolist() == [ended[number] for number in (0, 1, 3, 2)]
    assert progress(study.record, {0: 1.0, 1: 1.5, 3: 2.5, 2: 3.5}).seconds.tolist() == [
        1.0,
        1.5,
        2.5,
        3.5,
    ]
    assert curves["best"].tolist() == [0.5, 0.5, 0.5, 0.8]
    expected = study.expected_best()
    # of 0.5, 0.9 and 0.8: what was stopped early counts with what it had, what a model chose does
    # not count
    np.testing.assert_allclose(expected["score"], [2.2 / 3, (0.9 + 0.8 + 0.9) / 3, 0.9])


def test_a_study_without_trials_has_empty_frames(tmp_path: Path) -> None:
    study = Study.open(write(tmp_path, begin()))
    assert study.curves().empty
    assert study.learning_curves().empty
    assert study.expected_best().empty
    with pytest.raises(InvalidInput, match="0 trials"):
        study.importance()


def test_stopped_trials_count_for_importance_after_full_training(tmp_path: Path) -> None:
    """After one epoch units decide, at the end the rate does; two of three trials are stopped after
    one.
    """
    rng = np.random.default_rng(0)
    events = begin()
    for number in range(90):
        config = SPACE.sample(rng)
        early = 0.2 + 0.005 * float(config["units"])
        stopped = early < 0.4
        measured = [EpochMeasured(number, 1, {"val_accuracy": early}, 0.5)]
        measured += (
            [] if stopped else [EpochMeasured(number, 2, {"val_accuracy": accuracy(config)}, 1.0)]
        )
        state = TrialState.STOPPED if stopped else TrialState.COMPLETED
        score = early if stopped else accuracy(config)
        events += [
            TrialAsked(number, config, 0, 2, "random"),
            TrialStarted(number, "p", config),
            *measured,
        ]
        events.append(TrialEnded(number, state, score, len(measured), ""))
    study = Study.open(write(tmp_path, events))
    frame = study.importance().set_index("hyperparameter")
    assert frame["share"]["rate"] > 0.7
    assert frame["best"]["rate"] > frame["best"]["units"]
    assert frame["share"]["units"] < 0.1
    assert "of them trained in full" in bars(study.record)[-1]


def test_trials_chosen_by_earlier_scores_are_not_enough_for_importance(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    events = begin()
    for number in range(60):
        config = SPACE.sample(rng)
        events += trial(
            number, config, accuracy(config), origin="sobol" if number < 11 else "bayes"
        )
    told = bars(read(write(tmp_path, events)).record)
    assert told == [
        "Importance is not shown: only 11 of 60 trials were drawn uniformly from the space, to "
        "which the shares refer; at least 12 are needed that were not chosen by earlier scores."
    ]
