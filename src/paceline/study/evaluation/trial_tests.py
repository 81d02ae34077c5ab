"""Measures completed trials on the test part, where that was asked for."""

from paceline.core import TrialState
from paceline.core.events import TrialTested
from paceline.execute.base import ExecutorUpdate
from paceline.study.planned.protocol import Plan
from paceline.study.record.recorder import Recorder


def measure_completed(plan: Plan, recorder: Recorder, update: ExecutorUpdate) -> None:
    """Measures the trials of an update that have completed, and records it."""
    models, test_part = plan.models, plan.test_part
    is_asked = plan.settings.evaluation.test_trials
    if not is_asked or models is None or test_part is None or test_part.is_empty:
        return
    for number, leaves in update.results.items():
        trial = recorder.record.trials[number]
        if trial.state is TrialState.COMPLETED:
            rows = models.rows_of_evaluation(trial)
            trained = update.trained.get(number, (leaves,))
            tests = tuple(test_part.measure(models.of(trial, one), rows) for one in trained)
            recorder.tell([TrialTested(number, tests)])
