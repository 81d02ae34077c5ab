"""What a study says of its final: in sentences, as rows and as JSON, however far the final came."""

import io
import json
import math
from collections.abc import Sequence
from pathlib import Path

import pytest
from rich.console import Console

from paceline.core import TrialState
from paceline.core.events import (
    Event,
    FinalEnded,
    FinalMeasured,
    FinalStarted,
    Json,
    SessionEnded,
    SessionStarted,
    SpaceChanged,
    StudyCreated,
    TrialAsked,
    TrialEnded,
)
from paceline.report import Study, read, text
from paceline.report.verdict import rows, sentences
from paceline.space import Float, Space
from paceline.store import StudyStore

SPACE = Space({"rate": Float(0.0, 1.0)})
WIGGLE = (0.001, -0.001, 0.0005, -0.0005)
UNLIKE = (-0.001, -0.0005, 0.001, 0.0008)


def trials(*scores: float) -> list[Event]:
    told: list[Event] = []
    for number, score in enumerate(scores):
        config = {"rate": number / 10}
        told += [
            TrialAsked(number, config, 0, 1, "random"),
            TrialEnded(number, TrialState.COMPLETED, score, 1, ""),
        ]
    return told


def measured(number: int, scores: Sequence[float | None]) -> list[Event]:
    return [FinalMeasured(number, pair, score, 1, {}, 1.0) for pair, score in enumerate(scores)]


def around(mean: float, by: Sequence[float] = WIGGLE) -> list[float]:
    return [mean + one for one in by]


def study(
    path: Path,
    *events: Event,
    finalists: int = 3,
    default: int | None = 2,
    pairs: int = 4,
    fresh: bool = True,
    objective: tuple[str, str] = ("val_accuracy", "maximize"),
    **settings: Json,
) -> Study:
    metric, direction = objective
    created = StudyCreated(
        2, {"metric": metric, "direction": direction}, {"name": "mine", "rows": {}}, settings
    )
    begin = FinalStarted(tuple(range(finalists)), default, pairs, fresh, 0.1)
    searched = [event for event in events if isinstance(event, TrialAsked | TrialEnded)]
    rest = [event for event in events if not isinstance(event, TrialAsked | TrialEnded)]
    store = StudyStore(path, writable=True)
    store.append(
        [created, SessionStarted({}), SpaceChanged(SPACE.to_json()), *searched, begin, *rest]
    )
    store.close()
    return Study.open(path)


def told(study: Study) -> str:
    assert study.verdict is not None
    return " ".join(sentences(study.verdict, study.record))


def shown(path: Path) -> str:
    stream = io.StringIO()
    text.show(read(path), Console(file=stream, width=140))
    return stream.getvalue()


def clear_winner(path: Path, *last: Event) -> Study:
    events = [
        *measured(0, around(0.97)),
        *measured(1, around(0.93, UNLIKE)),
        *measured(2, around(0.90, UNLIKE)),
    ]
    return study(path, *trials(0.975, 0.93, 0.90), *events, *last)


def test_a_clear_winner(tmp_path: Path) -> None:
    one = clear_winner(tmp_path, FinalEnded(0, "best"), SessionEnded("enough", 1.0))
    said = told(one)
    for words in (
        "Trial 0 is the winner: val_accuracy 0.9700, the mean of 4 fresh trainings (standard "
        "deviation 0.0009129).",
        "Its expected score: 0.9700 (95 % interval 0.9685 to 0.9715).",
        "It is better than all 2 other finalists.",
        "It is better than the default configuration by 0.06992 (95 % interval 0.06",
        "Its score in the search was 0.9750, which was too optimistic by 0.0050.",
    ):
        assert words in said
    for words in ("Trial 0 is the winner", "2 (default)", "worse", "0.9700"):
        assert words in shown(tmp_path)
    stream = io.StringIO()
    text.result(read(tmp_path), Console(file=stream, width=140))
    assert "Trial 0 is the winner" in stream.getvalue()


def test_the_gain_over_the_default_is_that_of_the_table_with_its_optimism(
    tmp_path: Path,
) -> None:
    events = [
        *measured(0, around(0.97, (0.01, -0.01, 0.005, -0.005))),
        *measured(1, around(0.968, UNLIKE)),
    ]
    events += [*measured(2, around(0.90, UNLIKE)), FinalEnded(0, "best")]
    one = study(tmp_path, *trials(0.975, 0.93, 0.90), *events)
    assert one.verdict is not None
    default = next(row for row in rows(one.verdict, one.record) if row[0] == "2 (default)")
    assert f"by {default[3]} (95 % interval {default[4]}), of which 0.0" in told(one)
    assert "may be due to chance." in told(one)


def test_rows_are_the_winner_and_the_other_finalists(tmp_path: Path) -> None:
    one = clear_winner(tmp_path)
    assert one.verdict is not None
    table = rows(one.verdict, one.record)
    assert [(row[0], row[-1]) for row in table] == [
        ("0", "winner"),
        ("1", "worse"),
        ("2 (default)", "worse"),
    ]


def test_ties_are_reported(tmp_path: Path) -> None:
    events = [
        *measured(0, around(0.97)),
        *measured(1, around(0.9699, UNLIKE)),
        *measured(2, around(0.9698, UNLIKE)),
    ]
    said = told(study(tmp_path, *trials(0.97, 0.97, 0.97), *events, FinalEnded(0, "")))
    assert "It is tied with trials 1 and 2: no significant difference." in said
    assert "corrected for being selected as the best" in said
    assert "It is not significantly better than the default configuration." in said


def test_the_smaller_of_tied_finalists_is_selected(tmp_path: Path) -> None:
    events = [
        *measured(0, around(0.97)),
        *measured(1, around(0.9699, UNLIKE)),
        FinalEnded(1, "small"),
    ]
    closing = {"pairs": 4, "is_automatic": False, "prefer": "small", "refit": None}
    said = told(
        study(tmp_path, *trials(0.97, 0.97), *events, finalists=2, default=0, closing=closing)
    )
    assert "Trial 1 is selected instead: tied with it and smaller." in said
    assert "It is the default configuration: no other one is shown to be better." in said


def test_better_scores_of_the_search_that_did_not_win_are_explained(tmp_path: Path) -> None:
    events = [*measured(0, around(0.97)), *measured(1, around(0.96, UNLIKE)), FinalEnded(0, "")]
    said = told(
        study(tmp_path / "a", *trials(0.971, 0.98, 0.9, 0.979), *events, finalists=2, default=None)
    )
    assert "Trial 1 had the best score of the search, 0.9800; its fresh mean is 0.9601." in said
    assert (
        "Trial 3, which is not a finalist, scored better in the search than the winner's fresh "
        "mean (0.9790)." in said
    )
    assert "a model of all trials predicts better scores of the finalists" in said
    said = told(
        study(
            tmp_path / "b", *trials(0.985, 0.98, 0.975, 0.974), *events, finalists=2, default=None
        )
    )
    assert (
        "2 trials that are not finalists scored better in the search than the winner's fresh mean "
        "(trial 2: 0.9750)" in said
    )
    assert "those of the finalists were better still" in said
    said = told(
        study(tmp_path / "c", *trials(0.985, 0.98, 0.9), *events, finalists=2, default=None)
    )
    assert "scored better" not in said


def test_a_fresh_loss_better_than_that_of_the_search(tmp_path: Path) -> None:
    events = [
        *measured(0, [0.20, 0.22, 0.21, 0.23]),
        *measured(1, [0.50, 0.55, 0.52, 0.51]),
        FinalEnded(0, ""),
    ]
    loss = ("val_loss", "minimize")
    said = told(
        study(
            tmp_path,
            *trials(0.30, 0.50),
            *events,
            finalists=2,
            default=1,
            objective=loss,
            fresh=False,
        )
    )
    assert "Trial 0 is the winner: val_loss 0.215, the mean of 4 fresh trainings" in said
    assert "Its score in the search was 0.300, which was not too optimistic." in said
    assert "better than the default configuration by 0.305 (95 % interval 0.2" in said
    assert "of which" not in said
    assert "All fresh trainings used the split of the search" in said


def test_json_is_strict_and_has_all_of_it(tmp_path: Path) -> None:
    one = clear_winner(tmp_path, FinalMeasured(1, 3, None, None, {}, 1.0), FinalEnded(0, "best"))
    final = json.loads(json.dumps(read(tmp_path).to_json(), allow_nan=False))["final"]
    assert (final["winner"], final["taken"], final["default"], final["tied"]) == (0, 0, 2, [0])
    assert [rival["number"] for rival in final["rivals"]] == [2, 1]
    assert final["scores"]["1"][3] is None
    assert final["rivals"][1]["p"] is None
    assert "Trial 1 failed in 1 of 4 fresh trainings, so it cannot win." in final["sentences"]
    assert final["low"] < final["expected"] < final["high"]
    assert one.verdict is not None


@pytest.mark.parametrize(
    ("events", "finalists", "pairs", "says"),
    [
        (
            [],
            3,
            4,
            "The final is not finished: none of the 4 fresh trainings of each finalist are done.",
        ),
        (
            [*measured(0, [0.9, 0.8]), *measured(1, [0.7, 0.6]), *measured(2, [0.5, 0.4])],
            3,
            4,
            "Trial 0 is ahead",
        ),
        (
            [*measured(0, [0.9]), *measured(1, [0.7])],
            2,
            1,
            "Trial 0 is ahead: val_accuracy 0.9 in one fresh training.",
        ),
        (measured(0, around(0.9)), 1, 4, "nothing to compare it with"),
        (
            [*measured(0, [None] * 4), *measured(1, [math.nan] * 4)],
            2,
            4,
            "No fresh training gave a score",
        ),
        ([*measured(0, [0.5] * 4), *measured(1, [0.5] * 4)], 2, 4, "all gave the same score"),
    ],
)
def test_limitations_are_reported(
    tmp_path: Path, events: list[Event], finalists: int, pairs: int, says: str
) -> None:
    one = study(tmp_path, *trials(0.9, 0.8, 0.7), *events, finalists=finalists, pairs=pairs)
    assert says in told(one)
    assert "nan" not in shown(tmp_path)
    json.dumps(read(tmp_path).to_json(), allow_nan=False)


def test_no_final_no_verdict(tmp_path: Path) -> None:
    store = StudyStore(tmp_path, writable=True)
    objective = {"metric": "val_accuracy", "direction": "maximize"}
    created = StudyCreated(2, objective, {"name": "mine", "rows": {}}, {})
    store.append([created, SessionStarted({}), SpaceChanged(SPACE.to_json()), *trials(0.9)])
    store.close()
    assert Study.open(tmp_path).verdict is None
    assert read(tmp_path).to_json()["final"] is None
    assert "Trial 0 is" not in shown(tmp_path)
