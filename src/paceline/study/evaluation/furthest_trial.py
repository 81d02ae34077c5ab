"""The best trial of a study in which none has ended."""

from contextlib import suppress

from paceline.core import TrialState
from paceline.core.events import TrialEnded
from paceline.execute.repeated import network_of
from paceline.study.planned.kept import kept_score
from paceline.study.planned.protocol import Plan
from paceline.study.record.network_files import Unusable
from paceline.study.record.recorder import Recorder


def complete_furthest(plan: Plan, recorder: Recorder, why: str) -> None:
    """Completes the best of the trials that were trained longest, with its network.

    Args:
        plan: that of the study.
        recorder: of the study.
        why: why the trial ends early.
    """
    record = recorder.record
    metric, loss = record.objective.metric, record.objective.loss
    paused = [t for t in record.all_trials() if not t.state.is_final and t.measurements]
    if not paused:
        return
    best = min(
        paused,
        key=lambda t: (-len(t.measurements), loss(t.measurements[-1].metrics.get(metric, 0.0))),
    )
    snapshot = None
    with suppress(Unusable):
        snapshot = recorder.snapshot(best.number)
    score, epoch = kept_score(plan, best.measurements)
    reason = f"{why} after {len(best.measurements)} of {best.epochs} epochs"
    recorder.tell([TrialEnded(best.number, TrialState.COMPLETED, score, epoch, reason)])
    if snapshot is not None and snapshot.epoch == len(best.measurements):
        is_single = plan.settings.evaluation.is_single
        recorder.keep_model(best.number, network_of(snapshot.load(), is_single))
