"""The final evaluation: retrains finalists on fresh seeds and splits, and chooses the winner."""

import math
import statistics
from typing import TYPE_CHECKING

from paceline.core import Final, InvalidInput, Splits, Trial
from paceline.core.events import (
    EpochMeasured,
    FinalEnded,
    FinalMeasured,
    FinalStarted,
    Noted,
    TrialEnded,
)
from paceline.execute.base import Job
from paceline.study.evaluation.final_size import MOST_FINALISTS, size_of
from paceline.study.planned.protocol import Plan
from paceline.study.planned.retraining import Fresh, SecondsLeft, epochs_of, record_all
from paceline.study.record.record import Record
from paceline.study.record.recorder import Recorder

if TYPE_CHECKING:
    from paceline.stats.final_verdict import Verdict


class FinalEvaluation:
    """Runs the final evaluation of a study, or what is left of it."""

    def __init__(self, plan: Plan, recorder: Recorder, seconds_left: SecondsLeft) -> None:
        """``seconds_left`` is that of the session."""
        self._plan, self._recorder, self._seconds_left = plan, recorder, seconds_left
        self._record: Record = recorder.record

    @property
    def is_due(self) -> bool:
        """Whether the final evaluation is still to be run."""
        due = self._record.best is not None and not self._record.final_is_current
        return due and self._plan.settings.evaluation.num_pairs > 0 and len(self._record.trials) > 1

    def run(self) -> None:
        """Trains what is missing, and chooses the winner."""
        if not self._can_continue and not self._begin():
            return
        final = self._final
        if final.missing:
            fresh = self._plan.fresh(final.num_pairs)
            if fresh is not None:
                self._train(fresh)
        winner, reason = winner_of(self._record)
        self._recorder.tell([FinalEnded(winner, reason)])

    @property
    def _final(self) -> Final:
        if self._record.final is None:
            raise InvalidInput("the study has no final", expected="one that has begun")
        return self._record.final

    @property
    def _can_continue(self) -> bool:
        """Whether an interrupted final is still one of these trials, on pairs of the same kind."""
        final = self._record.final
        if (
            final is None
            or final.winner is not None
            or self._record.outcome_status.has_newer_trials
        ):
            return False
        return final.splits is self._plan.fresh_splits.kind

    def _begin(self) -> bool:
        """Chooses the finalists and the number of trainings; False where there is no final."""
        from paceline.search import promising

        record = self._record
        order, remark = promising(record.space, record.members(), record.objective, MOST_FINALISTS)
        size = size_of(record, self._plan, order, self._seconds_left())
        notes = [Noted(note, "final") for note in size.notes]
        if not size.finalists:
            self._recorder.tell(notes)
            return False
        splits = self._plan.fresh_splits
        default = None if record.default is None else record.default.number
        default = default if default in size.finalists else None
        notes = [
            Noted(f"Finalists: {remark}."),
            *notes,
            *([Noted(splits.note, "final")] if splits.note else []),
        ]
        fresh = splits.kind.are_fresh
        begin = FinalStarted(size.finalists, default, size.pairs, fresh, splits.share, splits.kind)
        self._recorder.tell([*notes, begin])
        return True

    def _train(self, fresh: Fresh) -> None:
        """Trains the finalists on the pairs that are missing."""
        final = self._final
        count = final.num_pairs
        jobs = []
        for number, pair in final.missing:
            trial = self._record.trial(number)
            jobs.append(
                Job(
                    number * count + pair,
                    trial.config,
                    fresh.seeds[pair],
                    epochs_of(trial),
                    split=pair,
                )
            )

        def measured(ended: TrialEnded, last: EpochMeasured | None) -> FinalMeasured:
            number, pair = divmod(ended.number, count)
            metrics, seconds = ({}, 0.0) if last is None else (last.metrics, last.seconds)
            return FinalMeasured(
                number, pair, ended.score, ended.best_epoch, metrics, seconds, ended.seeded
            )

        record_all(fresh, jobs, self._recorder, measured, self._seconds_left)


def winner_of(record: Record) -> tuple[int, str]:
    """The finalist with the best mean or, with ``prefer``, the smallest or fastest tied with it."""
    verdict = judged(record)
    if verdict.recommended != verdict.winner:
        return (
            verdict.recommended,
            f"the {record.settings.evaluation.prefer} one of those that are tied",
        )
    return verdict.winner, "the best mean of its fresh trainings"


def judged(record: Record) -> "Verdict":
    """The verdict on the final so far; computed once for the same measurements."""
    final, asked = record.final, record.settings.evaluation
    measured = None if final is None else (final.finalists, final.scores)
    key = (measured, len(record.trials), asked.prefer, asked.is_strict)
    return record.cached("verdict", key, lambda: _judge(record))


def _judge(record: Record) -> "Verdict":
    from paceline.stats.final_verdict import judge

    final = record.final
    if final is None:
        raise InvalidInput("the study has no final", expected="one that has begun")
    trials = {number: record.trial(number) for number in final.finalists}
    scores = {number: searched_score(trial, record) for number, trial in trials.items()}
    searched = {number: score for number, score in scores.items() if score is not None}
    sizes = None
    asked = record.settings.evaluation
    if asked.prefer is not None:
        sizes = {number: _size(trial, final, asked.prefer) for number, trial in trials.items()}
    return judge(final, record.objective, searched, strict=asked.is_strict, sizes=sizes)


def searched_score(trial: Trial, record: Record) -> float | None:
    """The search score of a trial.

    It is computed on the folds of the final where these are the search's own.
    """
    from paceline.data.folds import order_of

    final, times = record.final, record.settings.evaluation.repeats
    num_folds = len(trial.scores) // times
    if final is None or final.splits is not Splits.SAME_FOLDS or not num_folds:
        return trial.score
    order = order_of(num_folds)
    measured = {pair for _, pair in final.scores} or range(final.num_pairs)
    folds = [order[pair % num_folds] for pair in measured]
    return statistics.fmean(
        trial.scores[fold + repeat * num_folds] for fold in folds for repeat in range(times)
    )


def _size(trial: Trial, final: Final, prefer: str) -> float:
    if prefer == "small":
        return math.inf if trial.parameters is None else float(trial.parameters)
    return statistics.fmean(
        [final.seconds.get((trial.number, pair), math.inf) for pair in range(final.num_pairs)]
    )
