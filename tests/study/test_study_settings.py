"""Going on with other arguments: what may change is recorded and takes effect, what may not is
named.
"""

import json
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar, Self

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from tests.study.replayed import Replayed

import paceline
from paceline import InvalidInput, StudyMismatch
from paceline.core import Action, Decision, TrialState
from paceline.core.events import EpochMeasured, Event, SettingsChanged
from paceline.schedule import Schedule, Standings
from paceline.search import History, Proposal, Strategy
from paceline.search.strategy import ProposalList
from paceline.settings import Settings
from paceline.settings.description import changed_values, with_changes
from paceline.settings.rules import brief
from paceline.space import Space
from paceline.store import StudyStore
from paceline.study import carry_out
from paceline.study.record.record import Record
from paceline.study.record.replay import read_record

ROWS = (np.arange(80, dtype="float32").reshape(20, 4) / 80, np.arange(20, dtype="float32") / 20)


def function(hp: Any) -> float:
    return float(hp.Float("x", 0.0, 1.0) + hp.Int("k", 0, 9))


def build(hp: Any) -> keras.Model:
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(hp.Float("rate", 1e-3, 1e-1, sampling="log")), loss="mse")
    return model


def search(directory: Path, **options: Any) -> paceline.Study:
    """A study of the function."""
    asked: dict[str, Any] = {
        "objective": "min",
        "search": "random",
        "trials": 4,
        "seed": 3,
        **options,
    }
    return paceline.tune(function, study=directory, **asked)


def train(directory: Path, **options: Any) -> paceline.Study:
    """A study of networks."""
    asked: dict[str, Any] = {
        "objective": "val_loss",
        "epochs": 1,
        "trials": 1,
        "seed": 3,
        "final": False,
        "search": "random",
        "class_weight": None,
        **options,
    }
    return paceline.tune(build, ROWS, study=directory, **asked)


def changes(directory: Path) -> list[Mapping[str, Any]]:
    """What was recorded as changed, session by session."""
    store = StudyStore(directory, writable=False)
    found = [
        stored.event.changed
        for stored in store.events()
        if isinstance(stored.event, SettingsChanged)
    ]
    store.close()
    return found


def test_the_same_call_changes_nothing_and_more_trials_are_recorded(tmp_path: Path) -> None:
    search(tmp_path)
    search(tmp_path)
    assert changes(tmp_path) == []
    study = search(tmp_path, trials=6)
    assert changes(tmp_path) == [{"search.trials": 6}]
    assert study.settings.search.trials == 6
    assert not any("other settings" in note for note in study.record.notes)


def test_a_study_continues_with_another_search_and_a_note(tmp_path: Path) -> None:
    search(tmp_path)
    study = search(tmp_path, search="sobol", trials=8)
    assert [trial.origin for trial in study.trials[:4]] == ["default", *["random"] * 3]
    assert {trial.origin for trial in study.trials[5:]} == {"sobol"}
    assert changes(tmp_path)[0]["search.search"] == "sobol"
    assert (
        "The study continues with other settings: search sobol (before: random)."
        in study.record.notes
    )
    # without being named again it stays what it has become
    later = search(tmp_path, search="auto", trials=10)
    assert {trial.origin for trial in later.trials[8:]} == {"sobol"}
    assert len({later.space.key(trial.config) for trial in later.trials}) == 10
    assert paceline.resume(tmp_path, function, trials=11).trials[10].origin == "sobol"


def test_a_search_that_took_over_survives_a_kill_before_its_first_ask(tmp_path: Path) -> None:
    search(tmp_path)
    search(tmp_path, search="sobol")  # nothing more to ask: as if killed before
    study = search(tmp_path, search="auto", trials=8)
    assert {trial.origin for trial in study.trials[5:]} == {"sobol"}


def test_configurations_to_try_first_are_tried_also_later(tmp_path: Path) -> None:
    first = search(tmp_path)
    study = search(tmp_path, start_with=[{"x": 0.25, "k": 3}, {"x": 0.75, "k": 4}], trials=8)
    assert [trial.config for trial in study.trials[4:6]] == [
        {"x": 0.25, "k": 3},
        {"x": 0.75, "k": 4},
    ]
    # and the search behind them goes on where it stopped
    alone = search(tmp_path / "alone", trials=6)
    assert [trial.config for trial in study.trials[6:]] == [
        trial.config for trial in alone.trials[4:]
    ]
    assert [trial.config for trial in study.trials[:4]] == [trial.config for trial in first.trials]
    search(tmp_path, trials=9)
    assert [sorted(one) for one in changes(tmp_path)] == [
        ["search.start_with", "search.trials"],
        ["search.trials"],
    ]


def test_the_schedule_the_final_and_limits_may_change(tmp_path: Path) -> None:
    def reports(hp: Any) -> None:
        for step in range(3):
            if not hp.report(hp.Float("x", 0.0, 1.0) + step):
                return

    def go(**options: Any) -> paceline.Study:
        asked: dict[str, Any] = {
            "objective": "min",
            "epochs": 3,
            "seed": 1,
            "search": "random",
            **options,
        }
        return paceline.tune(reports, study=tmp_path, **asked)

    go(schedule="full", trials=4)
    study = go(schedule="median", trials=8, final=3)
    assert study.settings.search.schedule == {
        "schedule": "median",
        "grace": 3,
        "others": 5,
    }
    assert study.record.final is not None
    later = go(schedule="auto", trials=9, final="auto")  # left open: as they were last
    assert brief(later.settings.search.schedule) == "median"
    assert later.settings.evaluation.final == 3
    note = next(note for note in study.record.notes if "other settings" in note)
    assert (
        note == "The study continues with other settings: schedule median (before: full), final 3 "
        "(before: off)."
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"seed": 4}, "seed is 4; expected 3, as in"),
        ({"epochs": 3}, "epochs is 3; expected None, as in"),
        (
            {"objective": "max"},
            r"objective is score \(maximize\); expected score \(minimize\), as in",
        ),
        ({"space": {"x": paceline.Float(0, 2)}}, "the space differs in x"),
    ],
)
def test_what_may_not_change_of_a_function_is_named(
    tmp_path: Path, options: dict[str, Any], message: str
) -> None:
    search(tmp_path)
    before = (tmp_path / "study.db").read_bytes()
    with pytest.raises(StudyMismatch, match=message):
        search(tmp_path, trials=8, **options)
    assert len(paceline.load_study(tmp_path).trials) == 4
    assert len(before) > 0


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study of one network."""
    directory = tmp_path_factory.mktemp("studies") / "trained"
    train(directory)
    return directory


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"patience": 3, "keep": "best"},
            "patience is 3 and keep is 'best'; expected patience None and keep 'last'",
        ),
        ({"batch_size": 16}, "batch_size is 16; expected 32, as in"),
        (
            {"batch_size": paceline.Choice([16, 32])},
            "batch_size is a hyperparameter; expected 32, as in",
        ),
        ({"seed": 4}, "seed is 4; expected 3, as in"),
        ({"repeats": 2}, "repeats is 2; expected 1, as in"),
        ({"folds": 2}, "folds is 2; expected None, as in"),
        ({"validation": 0.2}, "validation is 0.2; expected 0.1, as in"),
        ({"standardize": True}, "standardize is True; expected None, as in"),
        ({"task": "regression"}, "task is 'regression'; expected None, as in"),
    ],
)
def test_what_may_not_change_of_networks_is_named(
    trained: Path, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(StudyMismatch, match=message):
        train(trained, **options)


def test_what_may_change_of_networks_is_recorded(trained: Path, tmp_path: Path) -> None:
    with pytest.raises(StudyMismatch, match="data is arrays with other contents"):
        paceline.tune(
            build, (ROWS[0], ROWS[1] + 1), objective="val_loss", study=trained, trials=1, epochs=1
        )
    study = train(
        trained, final=2, prefer="small", test_trials=True, memory="1GiB", schedule="asha"
    )
    assert changes(trained) == [
        {
            "search.schedule": {"schedule": "asha", "eta": 3, "first": None, "stops": False},
            "evaluation.final": 2,
            "evaluation.prefer": "small",
            "evaluation.test_trials": True,
            "execution.memory": 2**30,
        }
    ]
    asked = study.settings.evaluation
    assert (asked.final, asked.prefer, asked.refit) == (2, "small", None)


SETTINGS = st.fixed_dictionaries(
    {},
    optional={
        "trials": st.integers(1, 99),
        "patience": st.none() | st.integers(1, 9),
        "keep": st.sampled_from(["last", "best"]),
        "final": st.sampled_from(["auto", "strict", False]) | st.integers(2, 99),
        "folds": st.none() | st.integers(2, 9),
        "class_weight": st.none() | st.just("balanced") | st.lists(st.floats(0.5, 2), min_size=2),
        "validation": st.none() | st.floats(0.1, 0.5) | st.just(ROWS),
        "groups": st.none() | st.just("site") | st.just([1, 2]),
        "workers": st.none() | st.integers(1, 4),
    },
)


@given(SETTINGS, SETTINGS)
def test_the_differences_are_exactly_what_leads_from_one_to_the_other(
    before: dict[str, Any], now: dict[str, Any]
) -> None:
    one, other = Settings().updated(before), Settings().updated(before).updated(now)
    differences = one.diff(other)
    changed = changed_values(differences, other)
    assert Settings.from_json(with_changes(one.to_json(), changed)).diff(other) == []
    assert {change.argument for change in differences} <= now.keys()
    assert json.loads(json.dumps(changed)) == changed


@given(SETTINGS)
def test_settings_are_the_same_after_they_were_stored(given_now: dict[str, Any]) -> None:
    settings = Settings().updated(given_now)
    state = json.loads(json.dumps(settings.to_json()))
    assert Settings.from_json(state).to_json() == state
    assert settings.diff(Settings.from_json(state)) == []


def test_a_study_of_the_version_before_goes_on_with_its_search(tmp_path: Path) -> None:
    """It stored the name of its strategy only, beside the last state."""
    search(tmp_path)
    with sqlite3.connect(tmp_path / "study.db") as base:
        number, body = base.execute(
            "SELECT id, body FROM events WHERE kind = 'StudyCreated'"
        ).fetchone()
        created = json.loads(body)
        del created["settings"]["search"]["strategy"], created["settings"]["search"]["start_with"]
        base.execute(
            "UPDATE events SET body = ?, checksum = NULL WHERE id = ?",
            (json.dumps(created), number),
        )
    base.close()
    alone = search(tmp_path / "alone", trials=6)
    expected = [trial.config for trial in alone.trials]
    assert [trial.config for trial in search(tmp_path, trials=5).trials] == expected[:5]
    assert [
        trial.config for trial in paceline.resume(tmp_path, function, trials=6).trials
    ] == expected
    assert not any("search.strategy" in one for one in changes(tmp_path))
    assert {trial.origin for trial in search(tmp_path, search="sobol", trials=8).trials[6:]} <= {
        "sobol",
        "default",
    }


# -- strategies and schedules of somebody else


@dataclass(frozen=True)
class Counting(Strategy):
    """Proposes k = 0, 1, 2, ...; where it stands is its state."""

    name: ClassVar[str] = "counting"

    at: int = 0

    def ask(self, space: Space, history: History, count: int) -> tuple[Self, tuple[Proposal, ...]]:
        answer, at = ProposalList(space, history), self.at
        while len(answer) < count and at < 10:
            answer.take(space.complete({"k": at}), self.name)
            at += 1
        return type(self)(at), tuple(answer.proposals)

    def size(self, space: Space) -> int:
        return 10

    def to_json(self) -> dict[str, Any]:
        return {"strategy": self.name, "at": self.at}

    @classmethod
    def from_json(cls, state: Mapping[str, Any]) -> Self:
        return cls(state["at"])


@dataclass(frozen=True, slots=True)
class First(Schedule):
    """Stops every other trial after its first epoch."""

    name: ClassVar[str] = "first"

    def rungs(self, number: int, epochs: int) -> tuple[int, ...]:
        return tuple(sorted({1, epochs}))

    def decide(self, standings: Standings, number: int) -> Decision:
        return Decision(number, Action.STOP if number % 2 else Action.CONTINUE, "by its number")


def stepwise(hp: Any) -> None:
    for step in range(2):
        if not hp.report(hp.Int("k", 0, 9) + step):
            return


def test_a_strategy_of_somebody_else_goes_on_when_it_is_passed_again(tmp_path: Path) -> None:
    asked: dict[str, Any] = {"objective": "min", "study": tmp_path, "seed": 1}
    paceline.tune(function, search=Counting(), trials=4, **asked)
    resumed = paceline.resume(tmp_path, function, trials=6, search=Counting())
    assert [trial.config["k"] for trial in resumed.trials] == list(range(6))
    again = paceline.tune(function, search=Counting(), trials=8, **asked)
    assert [trial.config["k"] for trial in again.trials] == list(range(8))
    message = r"strategy is 'counting'.*expected that strategy again.*search=\.\.\."
    with pytest.raises(InvalidInput, match=message):
        paceline.resume(tmp_path, function, trials=9)
    with pytest.raises(InvalidInput, match=message):
        paceline.tune(function, trials=9, **asked)
    assert all("strategy" not in one for one in changes(tmp_path))


def test_a_schedule_of_somebody_else_goes_on_when_it_is_passed_again(tmp_path: Path) -> None:
    asked: dict[str, Any] = {
        "objective": "min",
        "study": tmp_path,
        "seed": 1,
        "epochs": 2,
        "search": "random",
    }
    paceline.tune(stepwise, schedule=First(), trials=4, **asked)
    study = paceline.resume(tmp_path, stepwise, trials=6, schedule=First())
    assert [len(trial.measurements) for trial in study.trials] == [2, 1] * 3
    with pytest.raises(
        InvalidInput, match=r"schedule is 'first'.*expected that schedule again.*schedule=\.\.\."
    ):
        paceline.resume(tmp_path, stepwise, trials=8)


def test_a_registered_strategy_need_not_be_passed_again(
    tmp_path: Path,
) -> None:
    from paceline.search.strategy import registry

    class Other(Counting):
        pass

    with registry.scope():
        paceline.search.register(Counting)
        paceline.tune(function, search="counting", trials=4, objective="min", study=tmp_path)
        resumed = paceline.resume(tmp_path, function, trials=6)
        assert [trial.config["k"] for trial in resumed.trials] == list(range(6))
        with pytest.raises(InvalidInput, match=r"'counting' is that of .*Counting and .*Other"):
            paceline.search.register(Other)
    assert "counting" not in registry.registered


# -- another schedule, another search, in the middle of anything

SCHEDULES = ["full", "median", "halving", "hyperband", "asha"]


class Stop:
    """Interrupts a study after so many epochs."""

    def __init__(self, count: int) -> None:
        self.count = count

    def __call__(self, record: Record, events: Sequence[Event]) -> None:
        self.count -= sum(isinstance(event, EpochMeasured) for event in events)
        if self.count <= 0:
            raise KeyboardInterrupt


@hypothesis_settings(max_examples=10, deadline=None)
@given(
    before=st.tuples(
        st.sampled_from(SCHEDULES), st.sampled_from(["random", "cmaes"]), st.booleans()
    ),
    after=st.tuples(
        st.sampled_from(SCHEDULES), st.sampled_from(["random", "cmaes"]), st.booleans()
    ),
    stop=st.integers(1, 60),
)
def test_any_change_of_search_and_schedule_ends_every_trial(
    before: tuple[str, str, bool], after: tuple[str, str, bool], stop: int
) -> None:
    with TemporaryDirectory() as name:
        directory = Path(name) / "s"
        first, second = (
            Replayed(14, 9, schedule, final=False, search=search, in_order=ordered, models=None)
            for schedule, search, ordered in (before, after)
        )
        with suppress(KeyboardInterrupt):
            carry_out(first, directory, Stop(stop))
        carry_out(second, directory)
        record = read_record(directory)
    assert len(record.trials) == 14
    assert all(trial.state.is_final for trial in record.trials.values())
    assert any(trial.state is TrialState.COMPLETED for trial in record.trials.values())
    if after[0] == "full":
        running = [
            number for number, trial in record.trials.items() if trial.state is TrialState.STOPPED
        ]
        assert all(
            record.num_measured(number) < 9 for number in running
        )  # those that the first had stopped
    assert brief(record.settings.search.schedule) == after[0]
