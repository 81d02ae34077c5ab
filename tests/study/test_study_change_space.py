"""Going on in another space: what is refused, what becomes of the trials, and that nothing is done
twice or lost.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from typer.testing import CliRunner

import paceline
from paceline import StudyMismatch
from paceline.api.tuning import defined
from paceline.cli.app import app
from paceline.core import TrialState
from paceline.core.events import EpochMeasured, Event, SpaceChanged, SpaceReplaced
from paceline.search import Normal
from paceline.space import Condition, Float, Int, Space
from paceline.store import StudyStore
from paceline.study import Record, carry_out, make_plan
from paceline.study.record import snapshot
from paceline.study.record.timeline import Clock

Config = Mapping[str, Any]
NARROW = {"x": Float(0, 1), "k": Int(0, 3)}
WIDE = {"x": Float(0, 2), "k": Int(0, 3)}


def score(hp: Any) -> float:
    return float(hp.Float("x", 0, 10) + hp.Int("k", 0, 30))


def search(
    directory: Path, space: Any = None, function: Callable[[Any], Any] = score, **options: Any
) -> Any:
    asked: dict[str, Any] = {
        "objective": "max",
        "search": "random",
        "trials": 6,
        "seed": 3,
        "display": False,
        **options,
    }
    return paceline.tune(function, space=space, study=directory, **asked)


def replaced(directory: Path) -> list[SpaceReplaced]:
    store = StudyStore(directory, writable=False)
    found = [one.event for one in store.events() if isinstance(one.event, SpaceReplaced)]
    store.close()
    return found


def configs(study: Any) -> list[Config]:
    return [trial.config for trial in study.trials]


# -- without it


def test_without_change_space_each_difference_is_named(tmp_path: Path) -> None:
    search(tmp_path, NARROW)
    before = (tmp_path / "study.db").read_bytes()
    with pytest.raises(StudyMismatch) as error:
        search(tmp_path, {"x": Float(0, 2), "j": Int(1, 2)}, trials=9)
    told = str(error.value)
    assert (
        "the space differs in x, k, j (x: Float(0.0, 1.0) in the study, Float(0.0, 2.0) now; "
        in told
    )
    assert "k: Int(0, 3) in the study, not now; j: not in the study, Int(1, 2) now)" in told
    assert "pass change_space=True to tune or resume (on the terminal: --change-space)" in told
    assert len(paceline.load_study(tmp_path).trials) == 6
    assert before


def test_it_changes_nothing_where_the_space_is_the_same(tmp_path: Path) -> None:
    alone = configs(search(tmp_path / "alone", NARROW, trials=9))
    search(tmp_path / "s", NARROW, change_space=True)
    study = search(tmp_path / "s", dict(reversed(NARROW.items())), trials=9, change_space=True)
    assert configs(study) == alone
    assert replaced(tmp_path / "s") == []


# -- wider, narrower, gone, new


def test_all_trials_of_a_wider_space_count(tmp_path: Path) -> None:
    first = search(tmp_path, NARROW, search="sobol")
    study = search(tmp_path, WIDE, trials=30, search="sobol", change_space=True)
    assert study.trials[:6] == first.trials
    assert study.record.moved == {}
    assert max(trial.config["x"] for trial in study.trials) > 1
    assert len({study.space.key(config) for config in configs(study)}) == 30
    assert study.best.score == max(trial.score for trial in study.trials)
    assert any(
        note.startswith(
            "The space was changed: x: Float(0.0, 1.0) in the study, Float(0.0, 2.0) now. 6 trials "
            "of 6 belong"
        )
        for note in study.record.notes
    )
    assert len(replaced(tmp_path)) == 1
    # the space is now this one, for whoever goes on
    assert configs(search(tmp_path, WIDE, trials=31, search="auto"))[:30] == configs(study)
    with pytest.raises(
        StudyMismatch, match=r"x: Float\(0.0, 2.0\) in the study, Float\(0.0, 1.0\) now"
    ):
        search(tmp_path, NARROW, trials=32)


def test_a_grid_runs_only_the_points_that_are_missing(tmp_path: Path) -> None:
    small, large = {"k": Int(0, 3), "j": Int(0, 1)}, {"k": Int(0, 4), "j": Int(0, 1)}

    def both(hp: Any) -> int:
        return int(hp.Int("k", 0, 9) - hp.Int("j", 0, 9))

    assert len(search(tmp_path, small, both, search="grid", trials=None).trials) == 8
    study = search(tmp_path, large, both, search="grid", trials=None, change_space=True)
    assert [(config["k"], config["j"]) for config in configs(study)[8:]] == [(4, 0), (4, 1)]
    assert search(
        tmp_path, small, both, search="grid", trials=None, change_space=True
    ).best.config == {"k": 3, "j": 0}


def test_what_lies_outside_stays_in_the_record_and_counts_for_nothing(tmp_path: Path) -> None:
    first = search(tmp_path, NARROW, search="grid", trials=8)
    small = {"x": Float(0, 1), "k": Int(0, 1)}
    study = search(tmp_path, small, trials=12, change_space=True)
    outside = {trial.number for trial in first.trials if trial.config["k"] > 1}
    assert outside
    assert {number for number, config in study.record.moved.items() if config is None} == outside
    assert study.trials[:8] == first.trials
    assert study.best.number not in outside
    assert study.best.score == max(
        trial.score for trial in study.trials if trial.number not in outside
    )
    assert study.record.members() == [
        trial for trial in study.trials if trial.number not in outside
    ]
    # and they count again where the space takes them in
    again = search(tmp_path, NARROW, trials=13, change_space=True)
    assert again.record.moved == {}
    assert again.best.score == max(trial.score for trial in again.trials)


def test_trials_with_a_value_of_what_is_gone_guide_the_search_alone(tmp_path: Path) -> None:
    first = search(tmp_path, NARROW)

    def without(hp: Any) -> float:
        return float(hp.Float("x", 0, 1))

    study = search(tmp_path, {"x": Float(0, 1)}, without, trials=9, change_space=True)
    assert study.record.moved == {trial.number: {"x": trial.config["x"]} for trial in first.trials}
    assert [dict(trial.config) for trial in study.record.observed()[:6]] == list(
        study.record.moved.values()
    )
    assert study.trials[:6] == first.trials
    assert study.best.number >= 6
    assert any(
        "6 trials have a value of what is gone" in note and "fixed=" in note
        for note in study.record.notes
    )
    # fixed at a value, trials that have it count in full
    fixed = search(tmp_path, {**NARROW}, trials=10, fixed={"k": 3}, change_space=True)
    assert [n for n in range(6) if n not in fixed.record.moved] == [
        t.number for t in first.trials if t.config["k"] == 3
    ]


def test_a_new_hyperparameter_says_nothing_of_the_trials_before(tmp_path: Path) -> None:
    def more(hp: Any) -> float:
        return float(hp.Float("x", 0, 1) * hp.Float("y", 1, 2))

    search(tmp_path, {"x": Float(0, 1)}, lambda hp: hp.Float("x", 0, 1))
    study = search(
        tmp_path, {"x": Float(0, 1), "y": Float(1, 2)}, more, trials=9, change_space=True
    )
    assert study.record.moved == dict.fromkeys(range(6))
    assert study.best.number >= 6
    assert study.trials[6].config.keys() == {"x", "y"}


def test_a_new_one_under_a_new_choice_leaves_the_trials_as_they_are(tmp_path: Path) -> None:
    def kinds(hp: Any) -> float:
        if hp.Choice("kind", ["a", "b"]) == "a":
            return 1.0
        return float(hp.Float("y", 0, 1))

    narrow = {"kind": paceline.Choice(["a"]), "x": Float(0, 1)}
    search(tmp_path, narrow, lambda hp: hp.Float("x", 0, 1) if hp.Choice("kind", ["a"]) else 0)
    wide = [
        paceline.Choice("kind", ["a", "b"]),
        Float("x", 0, 1),
        Float("y", 0, 1, conditions=[Condition("kind", "b")]),
    ]
    study = search(
        tmp_path,
        Space(wide),
        lambda hp: hp.Float("x", 0, 1) + (kinds(hp)),
        trials=12,
        change_space=True,
    )
    assert study.record.moved == {}
    assert {trial.config["kind"] for trial in study.trials[6:]} == {"a", "b"}


# -- found, not given


def test_a_function_that_asks_for_another_range(tmp_path: Path) -> None:
    first = search(tmp_path, None, lambda hp: hp.Float("x", 0, 1) + hp.Int("k", 0, 3))

    def wider(hp: Any) -> float:
        return float(hp.Float("x", 0, 2) + hp.Int("k", 0, 3))

    with pytest.raises(StudyMismatch, match=r"asks for Float\('x', 0.0, 2.0\).*change_space=True"):
        search(tmp_path, None, wider, trials=20)
    study = search(tmp_path, None, wider, trials=30, change_space=True)
    assert study.space == Space({"x": Float(0, 2), "k": Int(0, 3)})
    assert study.trials[:6] == first.trials
    assert study.record.moved == {}
    assert max(trial.config["x"] for trial in study.trials) > 1
    assert len({study.space.key(config) for config in configs(study)}) == 30
    assert len(replaced(tmp_path)) == 1
    assert configs(search(tmp_path, None, wider, trials=31))[:30] == configs(study)


def test_a_function_that_leaves_something_out(tmp_path: Path) -> None:
    first = search(tmp_path, None)
    study = search(tmp_path, None, lambda hp: hp.Int("k", 0, 30), trials=12, change_space=True)
    assert study.space.names == ("k",)
    assert study.record.moved == {trial.number: {"k": trial.config["k"]} for trial in first.trials}
    assert all(config.keys() == {"k"} for config in configs(study)[6:])
    assert study.best.number >= 6


def test_what_a_function_leaves_out_of_its_branches_stays(tmp_path: Path) -> None:
    def branches(hp: Any) -> float:
        return float(hp.Float("x", 0, 1) if hp.Boolean("deep") else hp.Float("y", 0, 1))

    search(tmp_path, None, branches, trials=10)
    study = search(tmp_path, None, branches, trials=20, change_space=True)
    assert set(study.space.names) == {"deep", "x", "y"}
    assert replaced(tmp_path) == []


def plain(hp: Any) -> float:
    return float(-((hp.Float("x", 0, 1) - 0.7) ** 2))


def with_more(hp: Any) -> float:
    return plain(hp) - 1 - float(hp.Float("m", 0, 1))


def test_a_function_that_asks_for_something_new(tmp_path: Path) -> None:
    search(tmp_path, None, plain)
    study = search(tmp_path, None, with_more, trials=12, change_space=True)
    assert study.record.moved == dict.fromkeys(range(6))
    assert study.best.number >= 6
    assert len(replaced(tmp_path)) == 1
    assert study.record.notes[-1] == (
        "The space was changed: m: not in the study, Float(0.0, 1.0) now. 0 trials of 6 belong to "
        "the new space. 6 trials lie outside of it, and count for nothing."
    )
    again = search(tmp_path, None, with_more, trials=14, change_space=True)
    assert again.record.moved == study.record.moved
    assert len(replaced(tmp_path)) == 1


def test_without_a_change_what_joins_takes_nothing_from_the_trials(tmp_path: Path) -> None:
    search(tmp_path, None, plain)
    study = search(tmp_path, None, with_more, trials=12)
    assert study.record.moved == {}
    assert study.best.number < 6
    fresh = search(tmp_path / "fresh", None, with_more, change_space=True)
    assert fresh.record.notes == []
    assert replaced(tmp_path / "fresh") == replaced(tmp_path) == []


@pytest.mark.parametrize("final", [False, 2])
def test_trials_with_a_hyperparameter_count_again_when_it_returns(
    tmp_path: Path, final: Any
) -> None:
    search(tmp_path, None, with_more, final=final)
    search(tmp_path, None, plain, trials=10, change_space=True, final=final)
    study = search(tmp_path, None, with_more, trials=14, change_space=True, final=final)
    assert study.record.moved == dict.fromkeys(range(6, 10))
    assert "m" in study.best.config
    last = [note for note in study.record.notes if note.startswith("The space was changed")][-1]
    assert last.startswith(
        "The space was changed: m: not in the study, Float(0.0, 1.0) now. 6 trials of 10 belong to"
    )


def test_a_hyperparameter_of_a_branch_does_not_affect_trials_outside_the_branch(
    tmp_path: Path,
) -> None:
    def branch(hp: Any) -> float:
        return float(hp.Float("x", 0, 1) + (hp.Float("m", 0, 1) if hp.Boolean("deep") else 0))

    def no_condition(
        hp: Any,
    ) -> float:  # which values of x ask for m is nothing that a condition could say
        x = hp.Float("x", 0, 1)
        return float(x + (hp.Float("m", 0, 1) if x > 0.5 else 0))

    search(tmp_path / "a", None, lambda hp: hp.Float("x", 0, 1) + hp.Boolean("deep"))
    study = search(tmp_path / "a", None, branch, trials=14, change_space=True)
    deep = {trial.number for trial in study.trials[:6] if trial.config["deep"]}
    assert 0 < len(deep) < 6
    assert study.record.moved == dict.fromkeys(deep)
    search(tmp_path / "b", None, lambda hp: hp.Float("x", 0, 1))
    study = search(tmp_path / "b", None, no_condition, trials=14, change_space=True)
    assert study.record.moved == dict.fromkeys(range(6))
    assert any("m" not in config for config in configs(study)[6:])
    assert search(tmp_path / "b", None, no_condition, trials=16).record.moved == study.record.moved


def test_what_joins_sessions_after_the_change_is_nothing_the_trials_before_it_had(
    tmp_path: Path,
) -> None:
    def late(hp: Any) -> float:
        return with_more(hp) + float(hp.Float("late", 0, 1))

    search(tmp_path, {"x": Float(0, 0.9)}, plain)
    study = search(tmp_path, {"x": Float(0, 1)}, plain, trials=9, change_space=True)
    assert study.record.moved == {}
    study = search(tmp_path, {"x": Float(0, 1)}, late, trials=12)
    assert study.record.moved == dict.fromkeys(range(6))
    body = snapshot.dump(study.record, Clock())
    assert body is not None
    loaded = snapshot.load(body)
    assert loaded is not None
    assert (
        (loaded[0].membership.earlier, loaded[0].membership.begun)
        == (study.record.membership.earlier, study.record.membership.begun)
        == (set(range(6)), {9, 10, 11})
    )


@pytest.mark.parametrize("final", [False, 2])
def test_a_refused_resume_leaves_the_study_as_it_was(tmp_path: Path, final: Any) -> None:
    def stored() -> tuple[list[Any], list[Any]]:
        store = StudyStore(tmp_path, writable=False)
        found = (
            list(store.events()),
            [store.value(name) for name in ("strategy", "turns", "checkpoints")],
        )
        store.close()
        return found

    def wider(hp: Any) -> float:
        return float(hp.Float("x", 0, 2))

    search(tmp_path, None, plain, final=final)
    before = stored()
    with pytest.raises(StudyMismatch, match=r"the function asks for Float\('x', 0.0, 2.0\)"):
        paceline.resume(tmp_path, wider, trials=9, display=False)
    assert stored() == before
    told = CliRunner().invoke(app, ["show", str(tmp_path)]).output
    assert "interrupted" not in told
    assert "6 trials" in told
    alone = search(tmp_path / "alone", None, plain, trials=6, final=final)
    assert configs(paceline.load_study(tmp_path)) == configs(alone)
    more: dict[str, Any] = {"trials": 9, "display": False}
    assert configs(paceline.resume(tmp_path, plain, **more)) == configs(
        paceline.resume(tmp_path / "alone", plain, **more)
    )


def test_what_is_learnt_after_the_change_counts_for_the_trials_before(tmp_path: Path) -> None:
    def kinds(wide: bool) -> Callable[[Any], float]:
        def function(hp: Any) -> float:
            kind = hp.Choice("kind", ["a", "b", "c"] if wide else ["a", "b"])
            if kind == "c":
                return float(hp.Float("z", 0, 1))
            return float(
                hp.Float("rate", 0, 2 if wide else 1) if kind == "a" else hp.Float("rate", 5, 6)
            )

        return function

    search(tmp_path, None, kinds(False), trials=12)
    study = search(tmp_path, None, kinds(True), trials=40, change_space=True)
    assert study.record.moved == {}
    assert [str(h) for h in study.space.variants("rate")] == [
        "Float('rate', 0.0, 2.0)",
        "Float('rate', 5.0, 6.0)",
    ]


def test_priors_and_start_configurations_outside_the_new_space_are_left_out(tmp_path: Path) -> None:
    both = {"x": Float(0, 1), "k": Int(0, 3)}
    brought: dict[str, Any] = {"prior": {"k": Normal(2)}, "start_with": [{"k": 2}, {"x": 0.5}]}
    search(tmp_path, both, search="bayes", **brought)
    study = search(
        tmp_path,
        {"x": Float(0, 1)},
        lambda hp: hp.Float("x", 0, 1),
        trials=9,
        search="auto",
        change_space=True,
    )
    assert study.trials[6].config == {"x": 0.5}
    assert len(study.trials) == 9


# -- unfinished trials, schedules, interruptions


def steps(hp: Any) -> None:
    for step in range(4):
        if not hp.report(hp.Float("x", 0, 10) * (step + 1)):
            return


class Stop:
    """Interrupts a study once so many events of a kind were stored."""

    def __init__(self, kind: type, count: int) -> None:
        self.kind, self.count = kind, count

    def __call__(self, record: Record, events: Sequence[Event]) -> None:
        self.count -= sum(isinstance(event, self.kind) for event in events)
        if self.count <= 0:
            raise KeyboardInterrupt


def interrupted(
    directory: Path, stop: Stop, space: Any, function: Callable[[Any], Any], **options: Any
) -> None:
    given = {"objective": "max", "search": "random", "trials": 6, "seed": 3, **options}
    definition = defined({"build": function, "space": space, "study": directory, **given})
    with pytest.raises(KeyboardInterrupt):
        carry_out(make_plan(definition), directory, stop)


def test_a_trial_under_way_goes_on_where_it_is_of_the_new_space(tmp_path: Path) -> None:
    interrupted(
        tmp_path, Stop(EpochMeasured, 10), {"x": Float(0, 1)}, steps, epochs=4, schedule="full"
    )
    under_way = paceline.load_study(tmp_path).trials[2]
    assert not under_way.state.is_final
    study = search(
        tmp_path, {"x": Float(0, 2)}, steps, epochs=4, schedule="full", change_space=True
    )
    assert study.trials[2].config == pytest.approx(under_way.config)
    assert study.trials[2].state.is_final
    assert study.trials[2].measurements
    assert len(study.trials) == 6


def test_a_trial_under_way_is_ended_where_it_is_none(tmp_path: Path) -> None:
    interrupted(
        tmp_path, Stop(EpochMeasured, 10), {"x": Float(0, 1)}, steps, epochs=4, schedule="median"
    )
    left = [trial for trial in paceline.load_study(tmp_path).trials if not trial.state.is_final]
    value: Any = left[0].config["x"]
    space = {"x": Float(value + 0.01, 2)} if value < 0.9 else {"x": Float(0, value - 0.01)}
    study = search(tmp_path, space, steps, epochs=4, schedule="median", change_space=True)
    ended = study.trials[left[0].number]
    assert (ended.state, ended.score) == (TrialState.STOPPED, None)
    store = StudyStore(tmp_path, writable=False)
    reasons = [getattr(one.event, "reason", "") for one in store.events()]
    store.close()
    assert "its configuration is not in the space since that was changed" in reasons
    assert len(study.trials) == 6


def test_a_schedule_goes_by_the_trials_that_were_moved(tmp_path: Path) -> None:
    search(tmp_path, {"x": Float(5, 6)}, steps, epochs=4, schedule="asha", trials=8)
    study = search(
        tmp_path, {"x": Float(0, 6)}, steps, epochs=4, schedule="asha", trials=14, change_space=True
    )
    low = [trial for trial in study.trials[8:] if trial.config["x"] < 5]
    assert low
    assert all(trial.state is TrialState.STOPPED for trial in low)
    alone = search(
        tmp_path / "alone", {"x": Float(0, 4)}, steps, epochs=4, schedule="asha", trials=14
    )
    narrow = search(
        tmp_path, {"x": Float(0, 4)}, steps, epochs=4, schedule="asha", trials=24, change_space=True
    )
    assert any(trial.state is TrialState.COMPLETED for trial in narrow.trials[14:])
    assert any(trial.state is TrialState.COMPLETED for trial in alone.trials)


def test_a_kill_right_after_the_change_goes_on_in_the_new_space(tmp_path: Path) -> None:
    search(tmp_path / "s", NARROW)
    interrupted(tmp_path / "s", Stop(SpaceReplaced, 1), WIDE, score, trials=20, change_space=True)
    assert len(replaced(tmp_path / "s")) == 1
    assert paceline.load_study(tmp_path / "s").space == Space(WIDE)
    study = paceline.resume(tmp_path / "s", score, trials=20, display=False)
    search(tmp_path / "t", NARROW)
    whole = search(tmp_path / "t", WIDE, trials=20, change_space=True)
    assert configs(study) == configs(whole)
    assert len(replaced(tmp_path / "s")) == 1


@pytest.mark.parametrize("search_name", ["random", "sobol", "bayes", "cmaes"])
def test_the_same_seed_gives_the_same_study(tmp_path: Path, search_name: str) -> None:
    found = []
    for name in ("one", "other"):
        search(tmp_path / name, NARROW, search=search_name)
        study = search(
            tmp_path / name,
            {"x": Float(0, 2)},
            lambda hp: hp.Float("x", 0, 2),
            trials=12,
            search="auto",
            change_space=True,
        )
        found.append([(trial.config, trial.score) for trial in study.trials])
    assert found[0] == found[1]
    assert len({str(config) for config, _ in found[0][6:]}) == 6


def test_a_space_widened_before_the_first_trial_gives_the_study_of_the_wide_space(
    tmp_path: Path,
) -> None:
    for name in ("random", "sobol", "bayes", "cmaes"):
        asked: dict[str, Any] = {"objective": "max", "search": name, "seed": 5}
        place = tmp_path / name
        paceline.open_study(place / "wide", NARROW, **asked).close()
        found = []
        options: list[tuple[Path, dict[str, Any]]] = [
            (place / "wide", {"change_space": True}),
            (place / "alone", {}),
        ]
        for directory, more in options:
            with paceline.open_study(directory, WIDE, **asked, **more) as study:
                for trial in study.ask(8):
                    study.tell(trial, trial.config["x"])
                found.append([trial.config for trial in [*study.trials, *study.ask(4)]])
                assert study.record.space == Space(WIDE)
        assert found[0] == found[1]


@pytest.mark.parametrize("name", ["random", "bayes"])
def test_a_search_that_is_widened_before_its_first_trial_is_the_wide_one(
    tmp_path: Path, name: str
) -> None:
    asked: dict[str, Any] = {"search": name, "trials": 9, "final": False}
    interrupted(tmp_path / "s", Stop(SpaceChanged, 1), NARROW, score, **asked)
    assert paceline.load_study(tmp_path / "s").trials == []
    study = search(tmp_path / "s", WIDE, change_space=True, **asked)
    assert configs(study) == configs(search(tmp_path / "alone", WIDE, **asked))


# -- told by hand


def test_the_space_of_a_study_of_ask_and_tell_can_change(tmp_path: Path) -> None:
    with paceline.open_study(tmp_path, NARROW, "max", search="random", seed=1) as study:
        told = study.ask(6)
        for trial in told[:4]:
            study.tell(trial, sum(map(float, trial.config.values())))
    with pytest.raises(StudyMismatch, match="change_space=True"):
        paceline.open_study(tmp_path, WIDE)
    small = {"x": Float(0, 1), "k": Int(0, 0)}
    with paceline.open_study(tmp_path, small, change_space=True) as study:
        inside = [trial.number for trial in told if trial.config["k"] == 0]
        assert [trial.number for trial in study.record.members()] == inside
        assert [trial.number for trial in study.pending] == [
            number for number in inside if number >= 4
        ]
        ended = next(trial for trial in told[4:] if trial.number not in inside)
        with pytest.raises(
            paceline.InvalidInput,
            match=f"trial {ended.number} was ended when the space was changed",
        ):
            study.tell(ended, 1.0)
        assert all(trial.config["k"] == 0 for trial in study.ask(3))
        assert len(study.trials_dataframe()) == 9


# -- looking at it


def test_reports_and_commands_work_with_trials_of_both_spaces(tmp_path: Path) -> None:
    search(tmp_path, NARROW, trials=12, final=2)
    search(
        tmp_path,
        {"x": Float(0.2, 2)},
        lambda hp: hp.Float("x", 0, 2),
        trials=24,
        change_space=True,
        final=2,
    )
    study = paceline.load_study(tmp_path)
    frame = study.trials_dataframe()
    assert frame["config_k"].notna().sum() == 12
    assert frame["config_x"].notna().all()
    assert frame["in_space"].tolist() == [number not in study.record.moved for number in range(24)]
    study.importance()
    body = snapshot.dump(study.record, Clock())
    assert body is not None
    loaded = snapshot.load(body)
    assert loaded is not None
    assert (loaded[0].moved, loaded[0].space, loaded[0].best) == (
        study.record.moved,
        study.space,
        study.best,
    )
    assert (tmp_path / "report.html").exists()
    runner = CliRunner()
    for words in (["show"], ["show", "--json"], ["show", "--trial", "0"], ["report"]):
        result = runner.invoke(app, [words[0], str(tmp_path), *words[1:]])
        assert result.exit_code == 0, result.output
    assert study.record.final is not None
    assert all(number not in study.record.moved for number in study.record.final.finalists)
    assert study.best.number not in study.record.moved


# -- networks

X = np.linspace(-1, 1, 96, dtype="float32").reshape(24, 4)
ROWS = (X, X.sum(axis=1))


def line(
    units: Any = None, rates: tuple[float, float] = (0.001, 0.1)
) -> Callable[[Any], keras.Model]:
    """A build whose space is found by running it."""

    def build(hp: Any) -> keras.Model:
        hidden = [] if units is None else [keras.layers.Dense(hp.Choice("units", units))]
        model = keras.Sequential([keras.Input((4,)), *hidden, keras.layers.Dense(1)])
        model.compile(keras.optimizers.SGD(hp.Float("rate", *rates, sampling="log")), "mse")
        return model

    return build


def train(directory: Path, build: Any, **options: Any) -> paceline.Study:
    asked: dict[str, Any] = {
        "objective": "val_loss",
        "search": "random",
        "trials": 2,
        "seed": 3,
        "display": False,
        "final": False,
        "epochs": 1,
        "schedule": "full",
        **options,
    }
    return paceline.tune(build, ROWS, study=directory, **asked)


def test_networks_in_a_space_that_was_found(tmp_path: Path) -> None:
    first = train(tmp_path, line([2, 4]), start_with=[{"units": 4, "rate": 0.05}])
    with pytest.raises(
        StudyMismatch,
        match=r"rate: Float\(0.001, 0.1, sampling='log'\) in the study, Float\(0.0001",
    ):
        train(tmp_path, line([2, 4], (0.0001, 0.1)), trials=6)
    wide = line([2, 4, 6], (0.0001, 0.1))
    study = paceline.resume(tmp_path, wide, ROWS, trials=6, display=False, change_space=True)
    assert study.trials[:2] == first.trials
    assert study.record.moved == {}
    assert any(trial.config["units"] == 6 for trial in study.trials[2:])
    # without units, what was measured guides the search
    dropped = train(tmp_path, line(None, (0.0001, 0.1)), trials=7, change_space=True)
    assert set(dropped.record.moved) == set(range(6))
    assert dropped.best.number == 6
    assert len(dropped.best_model().layers) == 1
    with pytest.raises(paceline.InvalidInput, match="trial 0 was trained in a space that"):
        dropped.model(0, line())


def test_on_the_terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    code = "def score(hp):\n    return hp.Float('x', 0, {})\n"
    words = ["--objective", "max", "--search", "random", "--seed", "1", "--study", "s"]
    for name, high in (("narrow", 1), ("wide", 2), ("wider", 3)):
        Path(f"{name}.py").write_text(code.format(high))
    runner = CliRunner()
    assert runner.invoke(app, ["tune", "narrow.py:score", "--trials", "3", *words]).exit_code == 0
    refused = runner.invoke(app, ["tune", "wide.py:score", "--trials", "6", *words])
    assert refused.exit_code == 2
    assert "--change-space" in refused.output
    result = runner.invoke(
        app, ["tune", "wide.py:score", "--trials", "6", *words, "--change-space"]
    )
    assert result.exit_code == 0, result.output
    again = ["resume", "s", "--build", "wider.py:score", "--trials", "9"]
    assert runner.invoke(app, again).exit_code == 2
    assert runner.invoke(app, [*again, "--change-space"]).exit_code == 0
    assert paceline.load_study("s").space == Space({"x": Float(0, 3)})
