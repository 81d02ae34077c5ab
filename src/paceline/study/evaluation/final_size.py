"""Size of the final evaluation: by default it never costs more than the search did.

The cost of an automatic final is counted in epochs and, in addition, in seconds where the clock may
take part in decisions, else in the work predicted from the sizes of the networks. It includes the
winner's last training and the programs that have to be compiled. To reduce it, the number of fresh
trainings of each finalist is lowered first, but not below three, then the number of finalists.
"""

import math
import statistics
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass

from paceline.core import Trial
from paceline.settings.evaluation import STANDARD_PAIRS
from paceline.study.planned.costs import COMPILING, STEP
from paceline.study.planned.protocol import Plan
from paceline.study.planned.retraining import epochs_of
from paceline.study.record.record import Record

MOST_FINALISTS = 8
_FEWEST_PAIRS = 2  # of a final whose number of pairs was given
_FEWEST_AUTOMATIC = 3
_COMPILE_SECONDS = 2.0  # seconds of a program, if the study has compiled none
_KEPT_BACK = 0.2  # of the time left, for the model's last training and its test
_BATCH = 32  # rows, where it is not recorded
_NO_FINAL = "so the best score is too optimistic, since it selected the trial"


@dataclass(frozen=True, slots=True)
class Size:
    """How many trials a final evaluation trains, and how often.

    Attributes:
        finalists: numbers of the trials, the most promising first; empty for no final.
        pairs: fresh trainings of each.
        notes: consequences for the result, as sentences.
    """

    finalists: tuple[int, ...]
    pairs: int
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _CostLimit:
    """The limit on the cost of a final, in one unit.

    Attributes:
        limit: the limit.
        training: one fresh training of each trial, by its number.
        refit: the winner's last training, in fresh trainings of it.
        compiling: cost of compiling one program.
        extra: number of programs besides those of the finalists.
        program: key that is equal for trials with the same program.
    """

    limit: float
    training: Mapping[int, float]
    refit: float = 0.0
    compiling: float = 0.0
    extra: int = 0
    program: Mapping[int, Hashable] | None = None

    def pairs(self, finalists: Sequence[int]) -> float:
        """The number of pairs that fit within the limit."""
        each = [self.training[number] for number in finalists]
        programs = self.extra + len(
            {self.program[number] for number in finalists} if self.program else ()
        )
        left = self.limit - self.refit * max(each) - self.compiling * programs
        return left / max(sum(each), 1e-12) + 1e-9 if left > 0 else 0.0


def size_of(record: Record, plan: Plan, order: Sequence[int], seconds_left: float | None) -> Size:
    """Computes the size of a study's final evaluation.

    Args:
        record: that of the study; at least one trial has completed.
        plan: that of the study.
        order: numbers of the trials that may be finalists, the most promising first.
        seconds_left: of a time budget; None for no limit.
    """
    trials = record.all_trials()
    limits = [] if seconds_left is None else [_limit_of_time(record, trials, seconds_left)]
    wanted, whole = plan.settings.evaluation.num_pairs, _first(record, order, MOST_FINALISTS)
    if not plan.settings.evaluation.is_automatic:
        pairs = min([wanted, *(math.floor(limit.pairs(whole)) for limit in limits)])
        return _given_size(whole, pairs, wanted)
    limits += _limits_of_search(record, plan, trials)
    for count in range(len(whole), 0, -1):
        finalists = _first(record, order, count)
        pairs = min([wanted, *(math.floor(limit.pairs(finalists)) for limit in limits)])
        if pairs >= _FEWEST_AUTOMATIC:
            return Size(tuple(finalists), pairs, _uncertainty(record, whole, finalists, pairs))
    return Size((), 0, (_too_expensive(record, whole),))


def _first(record: Record, order: Sequence[int], count: int) -> list[int]:
    """The first ``count`` of an order; includes the best score and the default configuration."""
    needed = [
        trial.number for trial in (record.best_of_search, record.default) if trial is not None
    ]
    needed = list(dict.fromkeys(needed))[:count]
    whole = list(dict.fromkeys([*order, *needed]))
    others = [number for number in whole if number not in needed][: count - len(needed)]
    return [number for number in whole if number in needed or number in others]


# -- limits on the cost


def _limits_of_search(record: Record, plan: Plan, trials: Sequence[Trial]) -> list[_CostLimit]:
    """The cost of the search, in every unit that is known."""
    splits = plan.fresh_splits
    refit = 0.0 if plan.settings.evaluation.refit is False else 1.0 + splits.share
    times = _trainings(trials)
    own = [trial for trial in trials if trial.prefix_of is None]
    # in an ordered study the size must not depend on which networks shared a program
    recorded = {} if plan.settings.search.ordered else {t.number: t.program for t in trials}
    program = {t.number: recorded.get(t.number) or plan.structure(t.config) for t in trials}
    num_programs = (
        len({program[trial.number] for trial in own if trial.measurements}) * splits.sizes_of_search
    )

    def limit_of(of_epoch: Callable[[Trial], float]) -> _CostLimit:
        spent = sum(of_epoch(trial) * len(trial.measurements) * times for trial in own)
        return _CostLimit(
            spent, {trial.number: of_epoch(trial) * epochs_of(trial) for trial in trials}, refit
        )

    def with_programs(of: _CostLimit, each: float, compiled: float, extra: int) -> _CostLimit:
        return _CostLimit(
            of.limit + compiled, of.training, refit, each * splits.sizes, extra, program
        )

    epochs = limit_of(lambda _: 1.0)
    if not plan.settings.search.ordered:
        seconds = limit_of(_seconds_of_epoch(trials, times))
        spent = [one.seconds for one in record.compilations]
        each = statistics.fmean(spent) if spent else 0.0
        return [epochs, seconds, with_programs(seconds, each, sum(spent), extra=1 if refit else 0)]
    work, each = limit_of(_work_of_epoch(trials)), COMPILING / _rows(record)
    return [epochs, work, with_programs(work, each, num_programs * each, 0)]


def _limit_of_time(record: Record, trials: Sequence[Trial], left: float) -> _CostLimit:
    of_epoch = _seconds_of_epoch(trials, _trainings(trials))
    spent = [event.seconds for event in record.compilations]
    compiling = statistics.fmean(spent) if spent else _COMPILE_SECONDS
    training = {trial.number: of_epoch(trial) * epochs_of(trial) for trial in trials}
    program = {trial.number: trial.program for trial in trials}
    return _CostLimit(left * (1 - _KEPT_BACK), training, compiling=compiling, program=program)


def _trainings(trials: Sequence[Trial]) -> int:
    """How often each configuration was trained in the search."""
    return max((len(trial.scores) for trial in trials), default=0) or 1


def _seconds_of_epoch(trials: Sequence[Trial], times: int) -> Callable[[Trial], float]:
    known = {t.number: t.seconds / len(t.measurements) / times for t in trials if t.measurements}
    usual = statistics.fmean(known.values()) if known else 0.0
    return lambda trial: known.get(trial.number, usual)


def _work_of_epoch(trials: Sequence[Trial]) -> Callable[[Trial], float]:
    """Work per row: parameters, and the equivalent of steps; see `paceline.study.planned.costs`."""
    sizes = [trial.parameters for trial in trials if trial.parameters is not None]
    usual = statistics.fmean(sizes) if sizes else 0.0

    def work(trial: Trial) -> float:
        size = usual if trial.parameters is None else trial.parameters
        return (size + STEP) / float(trial.config.get("batch_size", _BATCH))

    return work


def _rows(record: Record) -> float:
    rows = {} if record.created is None else record.created.data.get("rows", {})
    # inf: the cost of compiling relative to training is unknown
    return float(rows.get("train", 0)) or math.inf


# -- notes for the user


def _given_size(finalists: Sequence[int], pairs: int, wanted: int) -> Size:
    if pairs < _FEWEST_PAIRS:
        return Size((), 0, (f"There was no time left for a final, {_NO_FINAL}.",))
    if pairs == wanted:
        return Size(tuple(finalists), pairs)
    note = f"The time left has room for {pairs} of {wanted} fresh trainings of each finalist."
    return Size(tuple(finalists), pairs, (note,))


def _uncertainty(
    record: Record, whole: Sequence[int], finalists: Sequence[int], pairs: int
) -> tuple[str, ...]:
    """Says what a smaller final than the standard one cannot show."""
    if pairs == STANDARD_PAIRS and len(finalists) == len(whole):
        return ()
    notes = [
        f"So that the final costs no more than the search, it trains {_counted(len(finalists))} "
        f"{pairs} times each.",
    ]
    if pairs < STANDARD_PAIRS:
        times = _width(pairs) / _width(STANDARD_PAIRS)
        notes.append(
            f"Intervals are about {times:.1f} times as wide as with {STANDARD_PAIRS}, so more are "
            f"tied."
        )
    if len(finalists) < len(whole):
        next_best = len(whole) - len(finalists)
        them = "the next best" if next_best == 1 else f"one of the next {next_best} best"
        notes.append(f"Whether {them} is better is not known.")
    return (*notes, _larger(record, whole))


def _too_expensive(record: Record, whole: Sequence[int]) -> str:
    return (
        f"There is no final, {_NO_FINAL}: {_FEWEST_AUTOMATIC} fresh trainings of one finalist "
        f"would take more than the search did. {_larger(record, whole)}"
    )


def _larger(record: Record, whole: Sequence[int]) -> str:
    """The cost of a final with a given number of pairs, as a sentence."""
    trials = record.all_trials()
    epochs = STANDARD_PAIRS * sum(epochs_of(record.trials[number]) for number in whole)
    searched = _trainings(trials) * sum(
        len(trial.measurements) for trial in trials if trial.prefix_of is None
    )
    return (
        f"final={STANDARD_PAIRS} would train {_counted(len(whole))} {STANDARD_PAIRS} times each: "
        f"{epochs:,} epochs, "
        f"{epochs / max(searched, 1):.1f} times those of the search."
    )


def _counted(count: int) -> str:
    return f"{count} finalist" if count == 1 else f"{count} finalists"


def _width(pairs: int) -> float:
    """Half-width of a t interval, in standard deviations of one training."""
    from scipy.special import stdtrit

    return float(stdtrit(pairs - 1, 0.975)) / math.sqrt(pairs)
