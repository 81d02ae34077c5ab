"""Callbacks: when they are called, that they change nothing, and that they can stop a study."""

import itertools
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import paceline
from paceline import Callback, CallbackWarning, InvalidInput, StudyView
from paceline.callbacks.named import resolved
from paceline.core import Trial, TrialState
from paceline.core.events import SessionEnded
from paceline.report import read
from paceline.report.document import document
from paceline.report.show import Summary
from paceline.store import open_store

HOOKS = sorted(name for name in vars(Callback) if name.startswith("on_"))


def run(
    build: Any, data: Any = None, *, callbacks: Sequence[Callback | str] = (), **options: Any
) -> paceline.Study:
    return paceline.tune(build, data, callbacks=callbacks, display=False, **options)


def steps(hp: Any) -> None:
    x, units = hp.Float("x", 0, 1), hp.Int("units", 1, 8)
    for step in range(4):
        if not hp.report(step * (1 - (x - 0.3) ** 2) + 0.01 * units):
            return


def of_steps(
    directory: Path, callbacks: Sequence[Callback | str] = (), **options: Any
) -> paceline.Study:
    asked = {
        "objective": "max",
        "trials": 7,
        "epochs": 4,
        "schedule": "asha",
        "seed": 3,
        "final": 3,
    }
    return run(steps, study=directory, callbacks=callbacks, **{**asked, **options})


def network(hp: Any) -> Any:
    import keras

    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2, activation="softmax")])
    rate = hp.Float("learning_rate", 1e-3, 1.0, sampling="log")
    model.compile(
        keras.optimizers.SGD(rate), "sparse_categorical_crossentropy", metrics=["accuracy"]
    )
    return model


def of_networks(directory: Path, callbacks: Sequence[Callback | str] = ()) -> paceline.Study:
    x = np.random.default_rng(0).normal(size=(96, 4)).astype("float32")
    y = (x.sum(axis=1) > 0).astype("int32")
    asked = {"objective": "val_accuracy", "trials": 3, "epochs": 2, "schedule": "asha", "seed": 3}
    asked["search"] = "random"
    return run(
        network, (x, y, x[:9], y[:9]), study=directory, callbacks=callbacks, final=False, **asked
    )


def story(study: paceline.Study) -> list[Any]:
    """All that was decided and measured, without seconds."""
    record = study.record
    return [
        [
            trial.number,
            dict(trial.config),
            str(trial.state),
            trial.score,
            [dict(one.metrics) for one in trial.measurements],
            [(d.epoch, d.action, d.reason) for d in record.decisions.get(trial.number, [])],
        ]
        for trial in record.all_trials()
    ] + [None if record.final is None else (dict(record.final.scores), record.final.winner)]


class Calls(Callback):
    """Keeps every call of every method."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, tuple[Any, ...]]] = []
        for name in HOOKS:
            setattr(self, name, self.keep(name))

    def keep(self, name: str) -> Callable[..., None]:
        def call(*arguments: Any) -> None:
            self.calls.append((name, arguments))

        return call

    def of(self, *names: str) -> list[tuple[Any, ...]]:
        return [arguments for name, arguments in self.calls if name in names]


class At(Callback):
    """Does something when one of its methods is called for the first time."""

    def __init__(self, name: str, act: Callable[..., None]) -> None:
        self.count = 0

        def call(*arguments: Any) -> None:
            self.count += 1
            if self.count == 1:
                act(*arguments)

        setattr(self, name, call)


class Nosy(Calls):
    """Tries to change whatever it is given."""

    def keep(self, name: str) -> Callable[..., None]:
        def call(*arguments: Any) -> None:
            self.calls.append((name, arguments))
            np.random.seed(0)
            for one in arguments:
                for _ in self.change(one):
                    pass

        return call

    def change(self, given: Any) -> Iterator[None]:
        match given:
            case StudyView():
                for mapping in (given.settings, given.data, given.record().settings):
                    yield from self.change(mapping)
                record = given.record()
                record.trials.clear()
                record.decisions.clear()
                record.notes.clear()
                given.trials.clear()
                given.notes.append("nothing")
                yield from self.change(given.best)
            case Trial():
                yield from self.change(given.config)
                for measured in given.measurements:
                    yield from self.change(measured.metrics)
            case dict():
                with (
                    pytest.raises(TypeError)
                    if type(given) is not dict
                    else warnings.catch_warnings()
                ):
                    for key in list(given):
                        given[key] = 99.0
                    given["score"] = given["val_accuracy"] = 99.0
                    given.clear()
            case _ if hasattr(given, "metrics") or hasattr(given, "scores"):
                yield from self.change(getattr(given, "metrics", None) or given.scores)
        yield


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> paceline.Study:
    return of_steps(tmp_path_factory.mktemp("plain") / "study")


def test_methods_are_called_in_the_order_of_what_happens(tmp_path: Path) -> None:
    calls = Calls()
    study = of_steps(tmp_path / "study", [calls])
    names = [name for name, _ in calls.calls]
    assert names[:2] == ["on_setup", "on_study_begin"]
    assert names[-3:] == ["on_study_end", "on_report", "on_teardown"]
    assert set(HOOKS) - set(names) == {"on_compile", "on_test"}  # no model is trained
    for trial in study.trials:
        own = [
            (name, arguments)
            for name, arguments in calls.calls
            if any(isinstance(one, Trial) and one.number == trial.number for one in arguments)
            and name not in ("on_final_score", "on_trial_paused", "on_decision")
        ]
        epochs = len(trial.measurements)
        measured = ["on_epoch_end"] * epochs
        expected = ["on_trial_asked", "on_trial_begin", *measured, "on_trial_end"]
        assert [name for name, _ in own] == expected
        epoch_ends = [arguments for name, arguments in own if name == "on_epoch_end"]
        assert [one.epoch for _, _, one in epoch_ends] == list(range(1, epochs + 1))
        assert own[-1][1][1] == trial
    ended = [trial for _, trials in calls.of("on_trials_end") for trial in trials]
    assert ended == [trial for _, trial in calls.of("on_trial_end")]
    decided = [(d.trial, d.action, d.reason) for _, _, d in calls.of("on_decision")]
    recorded = itertools.chain.from_iterable(study.record.decisions.values())
    assert sorted(decided) == sorted((d.number, d.action, d.reason) for d in recorded)
    final = study.record.final
    assert final is not None
    scores = {(trial.number, pair): s for _, trial, pair, s in calls.of("on_final_score")}
    assert scores == final.scores
    assert calls.of("on_final_end")[0][1].winner == final.winner
    assert calls.of("on_report")[0][1] == tmp_path / "study" / "report.html"
    view = calls.of("on_study_begin")[0][0]
    assert view.directory == tmp_path / "study"
    assert (view.num_trials, view.num_planned, view.num_ended(TrialState.COMPLETED)) == (
        7,
        7,
        study.record.num_ended(TrialState.COMPLETED),
    )


@pytest.mark.exhaustive
def test_a_study_of_networks_is_the_same_with_callbacks(tmp_path: Path) -> None:
    nosy = Nosy()
    with_callbacks = of_networks(tmp_path / "a", [nosy])
    assert story(with_callbacks) == story(of_networks(tmp_path / "b"))
    compiled = nosy.of("on_compile")
    assert len(compiled) == len(with_callbacks.record.compilations) > 0
    (_, best, metrics), *_ = nosy.of("on_test")
    assert best.number == with_callbacks.best.number
    assert with_callbacks.record.tested is not None
    assert metrics == with_callbacks.record.tested.metrics
    # what the process that ran the study reports is what another one reads
    seen, stored = Summary.of(nosy.of("on_study_end")[0][0]), read(tmp_path / "a")
    assert seen.timeline.training == pytest.approx(stored.timeline.training, abs=0.01)
    assert seen.seconds == pytest.approx(stored.seconds, abs=0.01)
    stored = replace(stored, seconds=seen.seconds, timeline=seen.timeline)
    assert document(seen) == document(stored)
    assert document(seen) == (tmp_path / "a" / "report.html").read_text("utf-8")


@pytest.mark.parametrize("workers", [None, 1])
def test_a_study_of_a_function_is_the_same_with_callbacks(
    tmp_path: Path, plain: paceline.Study, workers: int | None
) -> None:
    nosy = Nosy()
    study = of_steps(tmp_path / "study", [nosy, Callback()], workers=workers)
    assert story(study) == story(plain)
    assert len(nosy.of("on_trial_end")) == 7


OF_THE_SEARCH = dict.fromkeys(("on_study_begin", "on_space_change", "on_trial_begin"), 0)
OF_THE_SEARCH |= {"on_trial_asked": 0, "on_epoch_end": 1, "on_decision": 1, "on_trial_end": 4}
"""Methods that are called while the search runs, with the epochs measured before they are."""


@pytest.mark.parametrize("hook", OF_THE_SEARCH)
def test_a_callback_can_stop_the_search(tmp_path: Path, hook: str) -> None:
    stopping = At(hook, lambda study, *_: study.stop("enough [of] it.\n"))
    study = of_steps(tmp_path / "study", [stopping])
    ended = study.record.ended
    assert ended is not None
    assert ended.reason == "stopped by At: enough [of] it"
    assert read(tmp_path / "study").state == "finished"
    num_epochs = sum(len(trial.measurements) for trial in study.trials)
    assert OF_THE_SEARCH[hook] <= num_epochs <= OF_THE_SEARCH[hook] + 4
    # as after a limit of time, what was measured is the result
    assert (study.record.best is not None) == (num_epochs > 0)
    resumed = of_steps(tmp_path / "study")
    assert [trial.state.is_final for trial in resumed.trials] == [True] * 7
    assert resumed.record.final_is_current


@pytest.mark.parametrize("hook", ["on_final_begin", "on_final_score", "on_final_end"])
def test_a_callback_can_stop_the_final(tmp_path: Path, plain: paceline.Study, hook: str) -> None:
    stopping = At(hook, lambda study, *_: study.stop())
    study = of_steps(tmp_path / "study", [stopping])
    ended, final = study.record.ended, study.record.final
    assert ended is not None
    assert ended.reason == "stopped by At"
    assert final is not None
    assert plain.record.final is not None
    assert final.winner is not None
    is_whole = len(final.scores) == len(plain.record.final.scores)
    assert is_whole == (hook == "on_final_end")


@pytest.mark.parametrize("hook", ["on_setup", "on_epoch_end", "on_final_score", "on_report"])
def test_a_callback_that_raises_is_called_no_more_and_the_study_goes_on(
    tmp_path: Path, plain: paceline.Study, hook: str
) -> None:
    def fail(*_: Any) -> None:
        raise OSError("no [route] to host")

    failing, after = At(hook, fail), Calls()
    with pytest.warns(CallbackWarning, match="no .route. to host") as caught:
        study = of_steps(tmp_path / "study", [failing, after])
    assert len(caught) == 1
    said = str(caught[0].message)
    assert f"At.{hook} raised an exception" in said
    assert "Traceback" in said
    assert caught[0].filename == __file__
    assert failing.count == 1
    assert len(after.of("on_trial_end")) == 7
    assert story(study) == story(plain)


def test_what_a_callback_opened_is_closed_whatever_happens(tmp_path: Path) -> None:
    class Opens(Callback):
        is_open = False

        def on_setup(self) -> None:
            self.is_open = True

        def on_study_begin(self, study: StudyView) -> None:
            raise OSError("the disk is full")

        def on_teardown(self) -> None:
            self.is_open = False

    opens = Opens()
    with pytest.warns(CallbackWarning, match="the disk is full"):
        of_steps(tmp_path / "study", [opens])
    assert not opens.is_open

    def refused(hp: Any) -> float:
        return hp.Float("x", 1, 0)  # type: ignore[no-any-return]

    calls = Calls()
    with pytest.raises(InvalidInput):
        run(refused, objective="max", trials=2, study=tmp_path / "none", callbacks=[calls])
    assert calls.calls[-1][0] == "on_teardown"
    assert not (tmp_path / "none").exists()


def test_ctrl_c_in_a_callback_interrupts_the_study(tmp_path: Path, plain: paceline.Study) -> None:
    def press(*_: Any) -> None:
        raise KeyboardInterrupt

    calls = Calls()
    with pytest.raises(paceline.StudyInterrupted, match="Report: "):
        of_steps(tmp_path / "study", [calls, At("on_trial_end", press)])
    assert [reason for _, reason in calls.of("on_study_end")] == ["interrupted"]
    assert (tmp_path / "study" / "report.html").exists()
    assert story(of_steps(tmp_path / "study")) == story(plain)


@pytest.mark.parametrize("hook", ["on_setup", "on_teardown"])
def test_ctrl_c_around_the_study_leaves_nothing_open(tmp_path: Path, hook: str) -> None:
    def press(*_: Any) -> None:
        raise KeyboardInterrupt

    calls = Calls()
    with pytest.raises(paceline.StudyInterrupted):
        of_steps(tmp_path / "study", [calls, At(hook, press)], trials=2)
    assert calls.calls[-1][0] == "on_teardown"


def test_a_study_by_hand_calls_its_callbacks(tmp_path: Path) -> None:
    calls = Calls()
    stopping = At("on_trial_end", lambda study, _: study.stop("it is late"))
    space = {"x": paceline.Float(0, 1)}
    called = [calls, stopping]
    with paceline.open_study(
        tmp_path, space, "max", search="sobol", seed=1, callbacks=called
    ) as study:
        first, second = study.ask(2)
        study.tell(first, 0.5)
        assert study.ask(2) == []
        with pytest.raises(InvalidInput, match="stopped by At: it is late"):
            study.ask()
        study.tell(second, failed="it burnt")
    names = [name for name, _ in calls.calls]
    asked = ["on_trial_asked", "on_trial_begin"] * 2
    told = ["on_epoch_end", *["on_trial_end", "on_trials_end"] * 2]
    begun = ["on_setup", "on_study_begin", "on_space_change"]
    assert names == [*begun, *asked, *told, "on_study_end", "on_teardown"]
    store = open_store(tmp_path, writable=False)
    *_, last = (one.event for one in store.events())
    store.close()
    assert isinstance(last, SessionEnded)
    assert last.reason == "stopped by At: it is late"


@pytest.mark.parametrize(
    ("given", "fix"), [(print, "Derive its class"), (Calls, r"Pass an instance: Calls\(")]
)
def test_what_is_no_callback_is_refused(tmp_path: Path, given: Any, fix: str) -> None:
    with pytest.raises(InvalidInput, match=fix):
        of_steps(tmp_path / "study", [given])
    assert not (tmp_path / "study").exists()


def test_an_object_that_is_passed_twice_is_refused() -> None:
    callback = Calls()
    with pytest.raises(InvalidInput, match="twice"):
        resolved([callback, callback])
