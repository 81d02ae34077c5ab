"""The search loop: proposes trials, and continues, pauses or stops them as decided."""

import math
from collections.abc import Sequence
from typing import Any

from paceline.core import Action, Decision, TrialState, reading_state
from paceline.core.events import (
    Event,
    Json,
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
from paceline.study.loop.known import KnownSpace, known_trial
from paceline.study.planned.costs import Costs
from paceline.study.planned.protocol import Plan
from paceline.study.planned.retraining import SecondsLeft
from paceline.study.record.network_files import Unusable
from paceline.study.record.recorder import Recorder

# configurations asked for at once where the number of trials is known and nothing is learnt
_MOST_AHEAD = 4096
_AHEAD = 64  # the same where only time limits the study, or a schedule is to decide among them
# of the trials that may be in flight, one in so many must be missing before more are asked for
_TOGETHER = 4


class Search:
    """Asks the strategy, takes notice of what arrives, lets the schedule decide, and submits what
    follows.

    Everything it decides is a function of the record and of the turns, which are stored together: a
    session that resumes decides as the one before it would have.
    """

    def __init__(
        self,
        plan: Plan,
        recorder: Recorder,
        executor: Executor,
        seconds_left: SecondsLeft,
        strategy: Json | None,
        turns: Json | None,
    ) -> None:
        """``strategy`` and ``turns`` are their states as stored last, None where they begin."""
        self._plan, self._recorder, self._executor = plan, recorder, executor
        self._seconds_left = seconds_left
        self._record = recorder.record
        self._schedule, self._in_flight = plan.schedule, plan.settings.search.in_flight or 1
        with reading_state("strategy"):
            self._strategy: Strategy = (
                plan.strategy if strategy is None else plan.strategy.resumed(strategy)
            )
        # where nothing is learnt and nobody is stopped, it does not matter in whose turn anything
        # comes
        self._watches = (
            self._strategy.learns or not isinstance(self._schedule, Full) or plan.is_define_by_run
        )
        with reading_state("turns"):
            self._turns = ArrivalQueue(
                bool(plan.settings.search.ordered) and self._watches,
                turns if self._watches else None,
            )
        self._take_up_space()
        self._known_space = KnownSpace(self._record, self._turns)
        self.exhausted = ""

    @property
    def is_over(self) -> bool:
        """Whether there is nothing more to train."""
        return self._executor.is_idle and not self._turns

    @property
    def has_result(self) -> bool:
        """Whether any trial has been measured so far that it can be the best."""
        if not self._watches:
            return self._record.num_ended() > 0
        return self._record.best is not None or any(
            s.epoch for s in self._standings.trials.values()
        )

    def size(self) -> int | None:
        """Number of configurations that the strategy can propose in all; None if unlimited."""
        space = self._record.space
        return self._strategy.size(space) if len(space) else None

    def resume(self) -> None:
        """Takes up what an earlier session left open."""
        if not self._watches:
            self._submit(
                [n for n, trial in self._record.trials.items() if not trial.state.is_final]
            )
            return
        self._put_all()
        open_trials = []
        with reading_state("turns"):
            in_flight = [(number, self._record.trials[number]) for number in self._turns.in_flight]
        for number, trial in in_flight:
            if trial.state.is_final or self._record.num_measured(number) >= self._until(number):
                if (
                    trial.state is TrialState.RUNNING
                ):  # the schedule before had not meant to look at it here
                    self._recorder.tell(
                        [TrialPaused(number, "it waits for the schedule's decision")]
                    )
                self._turns.arrive(number)
            else:
                open_trials.append(number)
        # under another schedule before, or another search: trials that waited for it, or were never
        # waited for
        for number, trial in self._record.trials.items():
            waits = trial.state is TrialState.PAUSED and self._schedule.pauses
            if not (trial.state.is_final or waits or number in self._turns):
                self._enter(number)
                open_trials.append(number)
        self._submit(open_trials)

    def arrived(self, numbers: Sequence[int]) -> None:
        """Trials came to where they are to be looked at, or to their end."""
        for number in numbers:
            self._turns.arrive(number)

    def go_on(self) -> None:
        """Takes notice of trials whose turn has come, one at a time, and does what follows; asks
        for more.
        """
        self._ask()
        while (number := self._turns.take()) is not None:
            if self._watches:
                self._notice(number)
            self._ask()
        if self._watches and not self._turns:
            while self._carry_out(self._schedule.review(self._standings, more_to_come=False)):
                pass

    # -- who goes on

    def _notice(self, number: int) -> None:
        self._follow_space()
        if self._record.observation(number) is None:
            return  # it was ended when the space was changed
        if self._plan.is_define_by_run and number not in self._record.moved:
            self._see(number)
        self._standings.put(self._standing(number))
        if not self._record.trials[number].state.is_final:
            self._carry_out([self._schedule.decide(self._standings, number)])
        more = bool(self._turns) or self._left() > 0
        while more and self._carry_out(self._schedule.review(self._standings, more_to_come=True)):
            pass

    def _take_up_space(self) -> None:
        """Counts what has been tried of the space as it stands, with nothing that lies outside of
        it.
        """
        space, trials = self._record.space, self._record.trials
        self._moved, self._standings = self._record.moved, Standings()
        self._keys = {
            number: space.key(trial.config)
            for number, trial in trials.items()
            if number not in self._moved
        }
        self._seen = set(self._keys.values())

    def _put_all(self) -> None:
        moved = self._record.moved
        observed = (number for number in self._record.trials if moved.get(number, ()) is not None)
        self._standings = Standings.of(map(self._standing, observed))

    def _follow_space(self) -> None:
        """Takes up another space that a function has shown, where the user lets it change."""
        if self._moved is not self._record.moved:
            self._take_up_space()
            self._put_all()

    def _see(self, number: int) -> None:
        """Counts the configuration as it was used as tried: the function may have asked for more
        than was proposed.
        """
        key = self._record.space.key(self._record.trials[number].config)
        proposed = self._keys.get(number)
        if key != proposed:
            self._keys[number] = key
            self._seen.add(key)
            if proposed is not None and proposed not in self._keys.values():
                self._seen.discard(proposed)

    def _carry_out(self, decisions: Sequence[Decision]) -> bool:
        """Records decisions and does what they say; False if there are none."""
        events: list[Event] = []
        going: list[int] = []
        for decision in decisions:
            number = decision.trial
            epoch = self._standings[number].epoch
            events.append(TrialDecided(number, epoch, decision.action, decision.reason))
            if decision.action is Action.STOP:
                events.append(self._stopped(number, decision.reason))
            elif decision.action is Action.CONTINUE:
                going.append(number)
                self._enter(number)
        if events:
            self._recorder.tell(events, {"turns": self._turns.to_json()})
            for decision in decisions:
                self._standings.put(self._standing(decision.trial))
            self._executor.forget([d.trial for d in decisions if d.action is Action.STOP])
            self._submit(going)
        return bool(events)

    def _stopped(self, number: int, reason: str) -> TrialEnded:
        scores = self._scores(number)
        score, epoch = self._plan.kept(scores) if scores else (math.nan, 0)
        finite = math.isfinite(score)
        return TrialEnded(
            number, TrialState.STOPPED, score if finite else None, epoch if finite else None, reason
        )

    def _standing(self, number: int) -> Standing:
        """How a trial stands, as far as notice was taken."""
        trial, loss = self._record.trials[number], self._plan.objective.loss
        scores = self._scores(number)
        if number in self._turns:
            known = scores[: self._turns.epoch(number)]
            return Standing(number, trial.epochs, tuple(map(loss, known)))
        return Standing(number, trial.epochs, tuple(map(loss, scores)), trial.state)

    def _rung_after(self, number: int, epoch: int) -> int:
        """Where a trial that has so many epochs behind it is looked at next."""
        epochs = self._record.trials[number].epochs
        return next((rung for rung in self._schedule.rungs(number, epochs) if rung > epoch), epochs)

    def _until(self, number: int) -> int:
        """The epoch at which a trial in flight is looked at."""
        return self._rung_after(number, self._turns.epoch(number))

    def _enter(self, number: int) -> None:
        """A trial is to be submitted: it is in flight."""
        done = self._standings[number].epoch if number in self._standings else 0
        # on the clock of turns, an epoch takes as long as it has steps
        rows = (
            1
            if self._plan.is_define_by_run
            else self._record.trials[number].config.get("batch_size", 1)
        )
        steps = 1.0 / float(rows)
        self._turns.enter(number, done, (self._rung_after(number, done) - done) * steps)

    # -- what is tried

    def _left(self) -> float:
        """How many more trials may be asked for."""
        limit = self._plan.budget.trials
        return (
            0 if self.exhausted else math.inf if limit is None else limit - len(self._record.trials)
        )

    def _wanted(self) -> int:
        if not self._watches:
            wait = self._executor.num_waiting > 0
            ahead = (
                _MOST_AHEAD
                if self._plan.budget.seconds is None or self._plan.budget.trials is not None
                else _AHEAD
            )
            return 0 if wait else int(min(self._left(), ahead))
        few = self._strategy.learns or self._plan.is_define_by_run
        window = self._in_flight if few else max(_AHEAD, self._in_flight)
        free = window - len(self._turns)
        return int(min(self._left(), free)) if free >= max(1, window // _TOGETHER) else 0

    def _ask(self) -> None:
        wanted = self._wanted()
        if wanted <= 0:
            return
        strategy, proposals = self._propose(wanted)
        asked: list[Event] = []
        for number, proposal in enumerate(proposals, len(self._record.trials)):
            self._keys[number] = proposal.key
            self._seen.add(proposal.key)
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
        self._tell_asked([*asked, *map(Noted, notes)], numbers)
        self._submit(numbers)

    def _propose(self, wanted: int) -> tuple[Strategy, Sequence[Proposal]]:
        """Up to so many proposals, and the strategy to ask next time; notes if there is nothing
        more to propose.
        """
        self._follow_space()
        space = self._known_space.now() if self._watches else self._record.space
        history = self._history()
        if self._plan.is_define_by_run and not len(space):
            if not self._record.trials:  # at its defaults, the first trial shows what may vary
                return self._strategy, (Proposal({}, DEFAULT, space.key({})),)
            self.exhausted = "" if self._turns else "the function asked for no hyperparameter"
            return self._strategy, ()
        strategy, proposals = self._strategy.ask(space, history, wanted)
        # what is in flight may yet show more of a space that grows
        if len(proposals) < wanted and not (
            self._plan.is_define_by_run and (proposals or self._turns)
        ):
            self.exhausted = strategy.exhausted(space, history) or "the search space is exhausted"
        return strategy, proposals

    def _tell_asked(self, events: Sequence[Event], numbers: Sequence[int]) -> None:
        for event in events:
            self._record.apply(event)
        values: dict[str, Any] = {"strategy": self._strategy.to_json()}
        if self._watches:
            for number in numbers:
                self._enter(number)
                self._standings.put(self._standing(number))
            values["turns"] = self._turns.to_json()
        self._recorder.store(events, values)

    def _history(self) -> History:
        """What is known, as far as notice was taken."""
        if not self._strategy.learns:
            return History(self._seen)
        trials = [known_trial(trial, self._turns) for trial in self._record.observed()]
        cost = Costs.of(trials, self._record.compilations, self._plan, self._seconds_left())
        return History(self._seen, trials, self._plan.objective, cost, self._plan.structure)

    # -- to the executor

    def _submit(self, numbers: Sequence[int]) -> None:
        jobs, snapshots = [], {}
        for number in numbers:
            trial = self._record.trials[number]
            until = self._until(number) if number in self._turns else trial.epochs
            job = Job(
                number,
                trial.config,
                trial.seed,
                trial.epochs,
                None if until >= trial.epochs else until,
            )
            if self._read_off(job):
                continue
            jobs.append(job)
            try:
                snapshot = (
                    self._recorder.snapshot(number) if self._record.num_measured(number) else None
                )
            except Unusable:
                self._executor.forget([number])  # it begins again, with nothing of what was
                continue
            if snapshot is not None:
                snapshots[number] = snapshot
        if jobs:
            scores = {n: self._scores(n)[: snapshot.epoch] for n, snapshot in snapshots.items()}
            self._executor.submit(jobs, snapshots, scores)

    def _read_off(self, job: Job) -> bool:
        """Ends a trial at once if an earlier, longer one that differs only in ``epochs`` has
        measured it already.
        """
        if not self._plan.epochs_are_prefix or "epochs" not in job.config:
            return False
        longer = self._record.longest(job.config, job.seed)
        if longer is None or longer.epochs <= job.epochs:
            return False
        score, epoch = self._plan.kept(self._scores(longer.number)[: job.epochs])
        started = TrialStarted(job.trial, longer.program or "", job.config, prefix_of=longer.number)
        ended = TrialEnded(job.trial, TrialState.COMPLETED, score, epoch, "read off a longer trial")
        self._recorder.tell([started, ended])
        self._turns.arrive(job.trial)
        return True

    def _scores(self, number: int) -> list[float]:
        metric = self._plan.objective.metric
        return [m.metrics.get(metric, math.nan) for m in self._record.trial(number).measurements]
