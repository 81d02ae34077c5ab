"""The final: the finalists train anew, on fresh seeds and fresh splits, and one of them wins."""

import math
import statistics
from collections.abc import Sequence
from typing import TYPE_CHECKING

from paceline.core import Final, InvalidInput, Trial, TrialState
from paceline.core.events import (
    EpochMeasured,
    FinalEnded,
    FinalMeasured,
    FinalStarted,
    Noted,
    TrialEnded,
)
from paceline.execute.base import Job
from paceline.study.closing import Closing
from paceline.study.fresh import Fresh, SecondsLeft, record_all
from paceline.study.record import Record
from paceline.study.recorder import Recorder
from paceline.study.task import Task

if TYPE_CHECKING:
    from paceline.stats.winner import Verdict

_FINALISTS = 8
_FEWEST_FINALISTS = 3
_FEWEST_PAIRS = 2
_COMPILE_SECONDS = 2.0  # of a program, where the study has compiled none
_KEPT_BACK = 0.2  # of the time left, for the model's last training and its test


class TheFinal:
    """Holds the final of a study, or what is left of it."""

    def __init__(self, task: Task, recorder: Recorder, seconds_left: SecondsLeft) -> None:
        """``seconds_left`` is that of the session."""
        self._task, self._recorder, self._seconds_left = task, recorder, seconds_left
        self._record: Record = recorder.record

    @property
    def is_due(self) -> bool:
        """Whether there is one to be held."""
        due = self._record.best is not None and not self._record.final_is_current
        return due and self._task.closing.pairs > 0 and len(self._record.trials) > 1

    def hold(self) -> None:
        """Trains what is missing, and names the winner."""
        if not self._goes_on and not self._begin():
            return
        final = self._final
        if final.missing:
            fresh = self._task.fresh(final.num_pairs)
            if fresh is not None:
                self._train(fresh)
        winner, reason = winner_of(self._record, self._task.closing)
        self._recorder.tell([FinalEnded(winner, reason)])

    @property
    def _final(self) -> Final:
        if self._record.final is None:
            raise InvalidInput("the study has no final", expected="one that has begun")
        return self._record.final

    @property
    def _goes_on(self) -> bool:
        """Whether a final that was interrupted is still that of these trials."""
        final = self._record.final
        return final is not None and final.winner is None and not self._record.trials_since_final

    def _begin(self) -> bool:
        """Chooses the finalists and how often each trains; False where there is no time for it."""
        finalists, notes = choose(self._record, self._task)
        pairs, notes_of_time = self._fitting(finalists)
        known = [note for note in (*notes, *notes_of_time) if note and note not in self._record.notes]
        self._recorder.tell([Noted(note) for note in known])
        if not pairs:
            return False
        fresh, share = self._task.fresh_splits
        default = self._record.default
        numbers = tuple(trial.number for trial in finalists)
        self._recorder.tell([FinalStarted(numbers, None if default is None else default.number, pairs, fresh, share)])
        return True

    def _fitting(self, finalists: Sequence[Trial]) -> tuple[int, list[str]]:
        """How many pairs the time that is left has room for."""
        wanted, left = self._task.closing.pairs, self._seconds_left()
        if left is None:
            return wanted, []
        compiled = [event.seconds for event in self._record.compilations]
        programs = len({trial.program for trial in finalists})
        compiling = programs * (statistics.fmean(compiled) if compiled else _COMPILE_SECONDS)
        of_pair = sum(trial.seconds / max(1, len(trial.measurements)) * epochs_of(trial) for trial in finalists)
        room = int(max(0.0, left * (1 - _KEPT_BACK) - compiling) / max(of_pair, 1e-9))
        if room >= wanted:
            return wanted, []
        if room < _FEWEST_PAIRS:
            return 0, ["There was no time left for a final: the best score is that of the luckiest trial."]
        return room, [f"The time left has room for {room} of {wanted} fresh trainings of each finalist."]

    def _train(self, fresh: Fresh) -> None:
        final = self._final
        count = final.num_pairs
        jobs = []
        for number, pair in final.missing:
            trial = self._record.trial(number)
            jobs.append(Job(number * count + pair, trial.config, fresh.seeds[pair], epochs_of(trial), split=pair))

        def measured(ended: TrialEnded, last: EpochMeasured | None) -> FinalMeasured:
            number, pair = divmod(ended.number, count)
            metrics, seconds = ({}, 0.0) if last is None else (last.metrics, last.seconds)
            return FinalMeasured(number, pair, ended.score, ended.best_epoch, metrics, seconds, ended.seeded)

        record_all(fresh, jobs, self._recorder, measured, self._seconds_left)


def choose(record: Record, task: Task) -> tuple[list[Trial], list[str]]:
    """The finalists, the most promising first, with the user's default configuration; and what to say about it."""
    from paceline.search import promising

    trials, count = record.all_trials(), _FINALISTS
    if task.closing.is_automatic:
        completed = [trial for trial in trials if trial.state is TrialState.COMPLETED and trial.score is not None]
        trained = sum(len(trial.measurements) for trial in trials if trial.shares is None)
        typical = statistics.fmean(epochs_of(trial) for trial in completed)
        count = max(_FEWEST_FINALISTS, min(count, int(trained / (task.closing.pairs * typical))))
    numbers, remark = promising(record.space, trials, record.objective, count)
    return [record.trial(number) for number in _first(record, numbers, count)], [f"Finalists: {remark}."]


def _first(record: Record, order: Sequence[int], count: int) -> list[int]:
    """The first ``count`` of an order, those with the best score and of the default configuration among them."""
    needed = [trial.number for trial in (record.luckiest, record.default) if trial is not None][:count]
    whole = list(dict.fromkeys([*order, *needed]))
    others = [number for number in whole if number not in needed][: count - len(set(needed))]
    return [number for number in whole if number in needed or number in others]


def winner_of(record: Record, closing: Closing) -> tuple[int, str]:
    """The finalist with the best mean or, where that was asked for, the smallest or fastest that is tied with it."""
    verdict = judged(record, closing)
    if verdict.recommended != verdict.winner:
        return verdict.recommended, f"the {closing.prefer} one of those that are tied"
    return verdict.winner, "the best mean of its fresh trainings"


def judged(record: Record, closing: Closing) -> "Verdict":
    """What can be claimed of the final, however far it came."""
    from paceline.stats.winner import judge

    final = record.final
    if final is None:
        raise InvalidInput("the study has no final", expected="one that has begun")
    trials = {number: record.trial(number) for number in final.finalists}
    searched = {number: trial.score for number, trial in trials.items() if trial.score is not None}
    sizes = None
    if closing.prefer is not None:
        sizes = {number: _size(trial, final, closing.prefer) for number, trial in trials.items()}
    return judge(final, record.objective, searched, strict=closing.is_strict, sizes=sizes)


def _size(trial: Trial, final: Final, prefer: str) -> float:
    if prefer == "small":
        return math.inf if trial.parameters is None else float(trial.parameters)
    return statistics.fmean([final.seconds.get((trial.number, pair), math.inf) for pair in range(final.num_pairs)])


def epochs_of(trial: Trial) -> int:
    """How long a finalist trains: to the epoch whose weights the search kept, or in full if it never came so far."""
    return (trial.best_epoch if trial.state is TrialState.COMPLETED else None) or trial.epochs
