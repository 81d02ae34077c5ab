"""Contract tests of callbacks.

A test class inherits `CallbackContract` and defines one fixture::

    class TestTrialsCSV(CallbackContract):
        @pytest.fixture
        def callback(self) -> Callback:
            return TrialsCSV()
"""

import warnings
from collections.abc import Iterable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

import paceline
from paceline.callbacks import Callback, CallbackWarning
from paceline.callbacks.named import CALLBACKS


class CallbackContract:
    """Tests that every callback passes; see `paceline.Callback`.

    Define the fixture ``callback``, a callback that was not used yet.
    """

    stops = False
    """Whether it may stop these studies, of functions of two hyperparameters with scores of 0 to 1;
    then studies with it may differ from those without."""

    @pytest.fixture
    def callback(self) -> Callback:
        """A new callback."""
        raise NotImplementedError

    def test_a_study_with_it_is_the_study_without_it(
        self, callback: Callback, tmp_path: Path
    ) -> None:
        """Proposals, decisions and scores are the same."""
        study = _run(tmp_path / "with", [callback])
        assert len(study.trials) >= 1
        if not self.stops:
            assert _story(study) == _story(_run(tmp_path / "without"))

    def test_it_can_be_used_again(self, callback: Callback, tmp_path: Path) -> None:
        """For another study, and for the same one, which is resumed."""
        _run(tmp_path / "first", [callback], trials=2)
        _run(tmp_path / "second", [callback], trials=2)
        study = _run(tmp_path / "first", [callback], trials=4)
        assert self.stops or len(study.trials) == 4

    def test_failed_trials_and_ctrl_c_do_it_no_harm(
        self, callback: Callback, tmp_path: Path
    ) -> None:
        """Trials without a score, and a study that is interrupted in the middle of one."""

        class PressesCtrlC(Callback):
            def on_trial_end(self, study: paceline.StudyView, trial: Any) -> None:
                if trial.number == 3 and study.num_trials:
                    raise KeyboardInterrupt

        with pytest.raises(paceline.StudyInterrupted):
            _run(tmp_path / "study", [callback, PressesCtrlC()], function=_fails_above_a_half)
        study = _run(tmp_path / "study", [callback], function=_fails_above_a_half)
        assert self.stops or any(trial.error for trial in study.trials)

    def test_it_works_where_trials_are_run_by_hand(
        self, callback: Callback, tmp_path: Path
    ) -> None:
        """With ``ask`` and ``tell``, where nothing is decided and no report is written."""
        space, callbacks = {"x": paceline.Float(0, 1)}, [callback]
        with (
            _without_warnings(),
            paceline.open_study(tmp_path / "s", space, "max", callbacks=callbacks) as study,
        ):
            for trial in study.ask(2):
                study.tell(trial, trial.config["x"])

    def test_its_name_can_be_registered(self, callback: Callback) -> None:
        """If it has one."""
        if callback.name:
            with CALLBACKS.scope():
                assert CALLBACKS.register(type(callback)) is type(callback)


def _steps(hp: Any) -> None:
    x, units = hp.Float("x", 0, 1), hp.Int("units", 1, 8)
    for step in range(1, 4):
        if not hp.report(step / 4 * (1 - (x - 0.3) ** 2) + 0.01 * units):
            return


def _fails_above_a_half(hp: Any) -> float:
    x: float = hp.Float("x", 0, 1)
    if x > 0.5:
        raise ValueError("x is <b>too</b> \x1b[31mlarge")
    return x


def _run(
    directory: Path, callbacks: Iterable[Callback] = (), function: Any = _steps, **options: Any
) -> paceline.Study:
    """A small study, in which a callback that fails is an error."""
    epochs = {"epochs": 3, "schedule": "asha"} if function is _steps else {}
    asked = {"objective": "max", "trials": 6, "seed": 1, "final": 2, **epochs, **options}
    with _without_warnings():
        return paceline.tune(
            function, study=directory, callbacks=list(callbacks), display=False, **asked
        )


def _without_warnings() -> AbstractContextManager[object]:
    return warnings.catch_warnings(action="error", category=CallbackWarning)


def _story(study: paceline.Study) -> list[Any]:
    """All that was decided and measured, without seconds."""
    record = study.record
    return [
        [
            trial.config,
            trial.state,
            trial.score,
            [dict(one.metrics) for one in trial.measurements],
            [(one.epoch, one.action) for one in record.decisions.get(trial.number, ())],
        ]
        for trial in record.all_trials()
    ] + [record.final and (dict(record.final.scores), record.final.winner)]
