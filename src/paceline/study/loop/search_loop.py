"""The search loop: proposes trials, and continues, pauses or stops them as decided."""

import math
from collections.abc import Sequence
from typing import Any

from paceline.core import Action, Decision, Measurement, TrialState, reading_state
from paceline.core.events import (
    Event,
    Noted,
    TrialAsked,
    TrialDecided,
    TrialEnded,
    TrialPaused,
    TrialStarted,
)
from paceline.execute.base import Executor, Job
from paceline.schedule import Full, Standing, Standings
from paceline.search import History, Proposal, Strategy
from paceline.search.strategy import DEFAULT
from paceline.study.loop.arrival_queue import ArrivalQueue
from paceline.study.loop.known import KnownSpace, KnownTrials
from paceline.study.planned.costs import Costs
from paceline.study.planned.protocol import Plan
from paceline.study.planned.retraining import SecondsLeft
from paceline.study.record.network_files import Unusable
from paceline.study.record.parts import Read
from paceline.study.record.recorder import Recorder

# Configurations proposed at once by a strategy that does not learn, if the number is known.
_MOST_AHEAD = 4096
_AHEAD = 64  # the same where only time limits the study, or a schedule decides
# More are proposed once this part (1 / _TOGETHER) of the trials that may be in flight is free.
_TOGETHER = 4
# Of functions a free place is an idle worker; see `default_schedule.in_flight_of_function`.
_TOGETHER_OF_FUNCTION, _TOGETHER_AHEAD, _TOGETHER_OF_MANY = 100, 34, 18
_MANY_IN_FLIGHT = 512


def kept_score(plan: Plan, measured: Sequence[Measurement]) -> tuple[float | None, int | None]:
    """Score and epoch of the weights that would be kept; None and None if no score is finite."""
    score, epoch = plan.kept(measured) if measured else (math.nan, 0)
    return (score, epoch) if math.isfinite(score) else (None, None)


class Search:
    """Proposes and submits trials, processes their results, carries out the schedule's decisions.

    Every decision is a function of the record and of the arrival queue, which are stored together:
    a session that resumes decides as the earlier one would have.
    """

    def __init__(
        self,
        plan: Plan,
        recorder: Recorder,
        executor: Executor,
        seconds_left: SecondsLeft,
        value: Read,
    ) -> None:
        """``value`` returns the stored states by name; None in a new study."""
        self._plan, self._recorder, self._executor = plan, recorder, executor
        self._seconds_left = seconds_left
        self._record = recorder.record
        self._schedule, self._in_flight = plan.schedule, plan.settings.search.in_flight or 1
        strategy = value("strategy")
        with reading_state("strategy"):
            self._strategy: Strategy = (
                plan.strategy if strategy is None else plan.strategy.resumed(strategy)
            )
        # If the strategy does not learn and no trial is stopped, the order of results is
        # irrelevant.
        self._tracks_results = (
            self._strategy.learns or not isinstance(self._schedule, Full) or plan.is_define_by_run
        )
        with reading_state("turns"):
            self._queue = ArrivalQueue(
                bool(plan.settings.search.ordered) and self._tracks_results,
                value if self._tracks_results else None,
            )
        self._reset_space()
        self._known_space = KnownSpace(self._record, self._queue)
        self._known_trials = KnownTrials(self._queue)
        self.exhausted = ""

    @property
    def is_over(self) -> bool:
        """Whether there is nothing more to train."""
        return self._executor.is_idle and not self._queue

    @property
    def has_result(self) -> bool:
        """Whether any trial has been measured far enough to be the best."""
        if not self._tracks_results:
            return self._record.num_ended() > 0
        return self._record.best is not None or any(
            s.epoch for s in self._standings.trials.values()
        )

    def size(self) -> int | None:
        """Number of configurations that the strategy can propose in total; None if unlimited."""
        space = self._record.space
        return self._strategy.size(space) if len(space) else None

    def resume(self) -> None:
        """Continues with the open trials of an earlier session."""
        if not self._tracks_results:
            self._submit(
                [n for n, trial in self._record.trials.items() if not trial.state.is_final]
            )
            return
        self._reset_standings()
        open_trials = []
        with reading_state("turns"):
            in_flight = [(number, self._record.trials[number]) for number in self._queue.in_flight]
        for number, trial in in_flight:
            if trial.state.is_final or self._record.num_measured(number) >= self._until(number):
                # an earlier schedule had not planned a decision here
                if trial.state is TrialState.RUNNING:
                    self._recorder.tell(
                        [TrialPaused(number, "it waits for the schedule's decision")]
                    )
                self._queue.arrive(number)
            else:
                open_trials.append(number)
        # Under an earlier schedule or search, these waited for a decision or were not tracked.
        for number, trial in self._record.trials.items():
            waits = trial.state is TrialState.PAUSED and self._schedule.pauses
            if not (trial.state.is_final or waits or number in self._queue):
                self._enter(number)
                open_trials.append(number)
        self._submit(open_trials)

    def arrived(self, numbers: Sequence[int]) -> None:
        """Adds trials that have reached a decision, or their end, to the arrival queue."""
        for number in numbers:
            self._queue.arrive(number)

    def advance(self) -> None:
        """Processes results one at a time, carries out the decisions, and proposes more trials."""
        self._ask()
        while (number := self._queue.take()) is not None:
            if self._tracks_results:
                self._process(number)
            self._ask()
        if self._tracks_results and not self._queue:
            while self._carry_out(self._schedule.review(self._standings, more_to_come=False)):
                pass

    # -- decisions

    def _process(self, number: int) -> None:
        self._follow_space()
        if self._record.observation(number) is None:
            return  # it ended when the space was changed
        if self._plan.is_define_by_run and number not in self._record.moved:
            self._mark_tried(number)
        self._standings.put(self._standing(number))
        if not self._record.trials[number].state.is_final:
            self._carry_out([self._schedule.decide(self._standings, number)])
        more = bool(self._queue) or self._left() > 0
        while more and self._carry_out(self._schedule.review(self._standings, more_to_come=True)):
            pass

    def _reset_space(self) -> None:
        """Resets standings and tried configurations to those of the current space."""
        space, trials = self._record.space, self._record.trials
        self._moved, self._standings = self._record.moved, Standings()
        self._keys = {
            number: space.key(trial.config)
            for number, trial in trials.items()
            if number not in self._moved
        }
        self._tried = set(self._keys.values())

    def _reset_standings(self) -> None:
        moved = self._record.moved
        observed = (number for number in self._record.trials if moved.get(number, ()) is not None)
        self._standings = Standings.of(map(self._standing, observed))

    def _follow_space(self) -> None:
        """Takes over a changed space that a function has shown, where the user allows it."""
        if self._moved is not self._record.moved:
            self._reset_space()
            self._reset_standings()

    def _mark_tried(self, number: int) -> None:
        """Marks the configuration as it was used: the function may have asked for more."""
        key = self._record.space.key(self._record.trials[number].config)
        proposed = self._keys.get(number)
        if key != proposed:
            self._keys[number] = key
            self._tried.add(key)
            if proposed is not None and proposed not in self._keys.values():
                self._tried.discard(proposed)

    def _carry_out(self, decisions: Sequence[Decision]) -> bool:
        """Records decisions and carries them out; False if there are none."""
        events: list[Event] = []
        continuing: list[int] = []
        for decision in decisions:
            number = decision.trial
            epoch = self._standings[number].epoch
            events.append(TrialDecided(number, epoch, decision.action, decision.reason))
            if decision.action is Action.STOP:
                events.append(self._stopped(number, decision.reason))
            elif decision.action is Action.CONTINUE:
                continuing.append(number)
                self._enter(number)
        if events:
            self._recorder.tell(events, self._queue.take_changes())
            for decision in decisions:
                self._standings.put(self._standing(decision.trial))
            self._executor.forget([d.trial for d in decisions if d.action is Action.STOP])
            self._submit(continuing)
        return bool(events)

    def _stopped(self, number: int, reason: str) -> TrialEnded:
        measured = self._record.trial(number).measurements
        return TrialEnded(number, TrialState.STOPPED, *kept_score(self._plan, measured), reason)

    def _standing(self, number: int) -> Standing:
        """A trial's standing, from its processed results."""
        trial, loss = self._record.trials[number], self._plan.objective.loss
        scores = self._scores(number)
        if number in self._queue:
            known = scores[: self._queue.epoch(number)]
            return Standing(number, trial.epochs, tuple(map(loss, known)))
        return Standing(number, trial.epochs, tuple(map(loss, scores)), trial.state)

    def _rung_after(self, number: int, epoch: int) -> int:
        """The epoch of the next decision for a trial after this epoch."""
        epochs = self._record.trials[number].epochs
        return next((rung for rung in self._schedule.rungs(number, epochs) if rung > epoch), epochs)

    def _until(self, number: int) -> int:
        """The epoch of the next decision for a trial in flight."""
        return self._rung_after(number, self._queue.epoch(number))

    def _enter(self, number: int) -> None:
        """Adds a trial to those in flight; it is submitted next."""
        done = self._standings[number].epoch if number in self._standings else 0
        # in virtual time, an epoch takes time in proportion to its steps
        config = {} if self._plan.is_define_by_run else self._record.trials[number].config
        steps = 1.0 / float(config.get("batch_size", 1))
        self._queue.enter(number, done, (self._rung_after(number, done) - done) * steps)

    # -- proposals

    def _left(self) -> float:
        """Number of trials that may still be proposed."""
        if self.exhausted:
            return 0
        limit = self._plan.budget.trials
        return math.inf if limit is None else limit - len(self._record.trials)

    def _wanted(self) -> int:
        """Number of trials to propose now."""
        budget = self._plan.budget
        if not self._tracks_results:
            if self._executor.num_waiting:
                return 0
            is_timed = budget.seconds is not None and budget.trials is None
            return int(min(self._left(), _AHEAD if is_timed else _MOST_AHEAD))
        is_limited = self._strategy.learns or self._plan.is_define_by_run
        window = self._in_flight if is_limited else max(_AHEAD, self._in_flight)
        free = window - len(self._queue)
        if free < max(1, window // self._together):
            return 0
        return int(min(self._left(), free))

    @property
    def _together(self) -> int:
        """Which part of the trials in flight (1 / n) has to be free before more are proposed."""
        if not self._plan.is_define_by_run:
            return _TOGETHER
        is_ahead = self._strategy.learns and isinstance(self._schedule, Full)
        if not is_ahead:
            return _TOGETHER_OF_FUNCTION
        ahead = self._in_flight - (self._plan.settings.execution.workers or self._in_flight)
        if self._in_flight < _MANY_IN_FLIGHT or ahead < self._in_flight // _TOGETHER_AHEAD:
            return _TOGETHER_AHEAD
        return max(_TOGETHER_OF_MANY, self._in_flight // (ahead - ahead // 10))

    def _ask(self) -> None:
        wanted = self._wanted()
        if wanted <= 0:
            return
        strategy, proposals = self._propose(wanted)
        asked: list[Event] = []
        for number, proposal in enumerate(proposals, len(self._record.trials)):
            self._keys[number] = proposal.key
            self._tried.add(proposal.key)
            config = proposal.config
            asked.append(
                TrialAsked(
                    number,
                    config,
                    self._plan.settings.search.seed,
                    self._plan.epochs(config),
                    proposal.origin,
                )
            )
        numbers = [event.number for event in asked if isinstance(event, TrialAsked)]
        notes = [
            note
            for note in (strategy.remark, self.exhausted)
            if note and note not in self._record.notes
        ]
        self._strategy = strategy
        self._record_proposals([*asked, *map(Noted, notes)], numbers)
        self._submit(numbers)

    def _propose(self, wanted: int) -> tuple[Strategy, Sequence[Proposal]]:
        """Returns up to ``wanted`` proposals and the next state of the strategy."""
        self._follow_space()
        space = self._known_space.now() if self._tracks_results else self._record.space
        history = self._history()
        if self._plan.is_define_by_run and not len(space):
            if not self._record.trials:  # a trial of the defaults shows the space
                return self._strategy, (Proposal({}, DEFAULT, space.key({})),)
            self.exhausted = "" if self._queue else "the function asked for no hyperparameter"
            return self._strategy, ()
        strategy, proposals = self._strategy.ask(space, history, wanted)
        # trials in flight may add hyperparameters to a growing space
        if len(proposals) < wanted and not (
            self._plan.is_define_by_run and (proposals or self._queue)
        ):
            self.exhausted = strategy.exhausted(space, history) or "the search space is exhausted"
        return strategy, proposals

    def _record_proposals(self, events: Sequence[Event], numbers: Sequence[int]) -> None:
        for event in events:
            self._record.apply(event)
        values: dict[str, Any] = {"strategy": self._strategy.to_json()}
        if self._tracks_results:
            for number in numbers:
                self._enter(number)
                self._standings.put(self._standing(number))
            values |= self._queue.take_changes()
        self._recorder.store(events, values)

    def _history(self) -> History:
        """The information for the strategy: the results processed so far."""
        if not self._strategy.learns:
            return History(self._tried)
        trials = self._known_trials.of(self._record.observed())
        cost = Costs.of(trials, self._record.compilations, self._plan, self._seconds_left())
        return History(self._tried, trials, self._plan.objective, cost, self._plan.structure)

    # -- submission to the executor

    def _submit(self, numbers: Sequence[int]) -> None:
        jobs, snapshots = [], {}
        for number in numbers:
            trial = self._record.trials[number]
            until = self._until(number) if number in self._queue else trial.epochs
            job = Job(
                number,
                trial.config,
                trial.seed,
                trial.epochs,
                None if until >= trial.epochs else until,
            )
            if self._complete_as_prefix(job):
                continue
            jobs.append(job)
            try:
                snapshot = (
                    self._recorder.snapshot(number) if self._record.num_measured(number) else None
                )
            except Unusable:
                self._executor.forget([number])  # it starts again from scratch
                continue
            if snapshot is not None:
                snapshots[number] = snapshot
        if jobs:
            scores = {n: self._scores(n)[: snapshot.epoch] for n, snapshot in snapshots.items()}
            self._executor.submit(jobs, snapshots, scores)

    def _complete_as_prefix(self, job: Job) -> bool:
        """Completes a trial from a longer one that differs only in ``epochs``."""
        if not self._plan.epochs_are_prefix or "epochs" not in job.config:
            return False
        longer = self._record.longest(job.config, job.seed)
        if longer is None or longer.epochs <= job.epochs:
            return False
        measured = self._record.trial(longer.number).measurements
        score, epoch = kept_score(self._plan, measured[: job.epochs])
        started = TrialStarted(job.trial, longer.program or "", job.config, prefix_of=longer.number)
        ended = TrialEnded(
            job.trial, TrialState.COMPLETED, score, epoch, "measured by a longer trial"
        )
        self._recorder.tell([started, ended])
        self._queue.arrive(job.trial)
        return True

    def _scores(self, number: int) -> list[float]:
        metric = self._plan.objective.metric
        return [m.metrics.get(metric, math.nan) for m in self._record.trial(number).measurements]
